//! The `json` probe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Outcome, Request};
use crate::base::Unit;

/// A `json` probe.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonConfig {}

/// The metrics that it emits.
pub(super) fn metrics(_name: &str, _config: &JsonConfig) -> Vec<(String, Unit)> {
    Vec::new()
}

/// Measures.
pub(super) fn measure(name: &str, config: &JsonConfig, request: &Request<'_>) -> Outcome {
    Outcome::undecided(name, &metrics(name, config), request, "not measured yet")
}
