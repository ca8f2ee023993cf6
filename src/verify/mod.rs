//! Verification: suites of expectations over probes, for CI and after a rollback.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A suite as written in `config/verify/*.yaml`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuiteConfig {
    /// Its name.
    pub suite: String,
}
