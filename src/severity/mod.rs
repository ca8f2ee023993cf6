//! Severity: schemes, the expression language, and classification with reasons.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A severity scheme as written in `config/severity/*.yaml`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchemeConfig {
    /// Its name.
    pub scheme: String,
}
