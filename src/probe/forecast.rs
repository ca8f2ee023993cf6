//! The `forecast` probe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Outcome, Request};
use crate::base::Unit;

/// A `forecast` probe.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForecastConfig {}

/// The metrics that it emits.
pub(super) fn metrics(_name: &str, _config: &ForecastConfig) -> Vec<(String, Unit)> {
    Vec::new()
}

/// Measures.
pub(super) fn measure(name: &str, config: &ForecastConfig, request: &Request<'_>) -> Outcome {
    Outcome::undecided(name, &metrics(name, config), request, "not measured yet")
}
