//! Runbooks: title, symptoms, links; the steps are kept as they are written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A runbook as written in `runbooks/*.yaml`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunbookConfig {
    /// Its name.
    pub runbook: String,
}
