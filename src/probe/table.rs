//! The `table` probe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Outcome, Request};
use crate::base::Unit;

/// A `table` probe.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableConfig {}

/// The metrics that it emits.
pub(super) fn metrics(_name: &str, _config: &TableConfig) -> Vec<(String, Unit)> {
    Vec::new()
}

/// Measures.
pub(super) fn measure(name: &str, config: &TableConfig, request: &Request<'_>) -> Outcome {
    Outcome::undecided(name, &metrics(name, config), request, "not measured yet")
}
