//! What users write under `drill:` of a service's `rollback:`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Duration;

/// How often a rollback is rehearsed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrillConfig {
    /// How old the newest drill that passed may be before `check` warns; 30d otherwise.
    #[serde(default = "monthly")]
    pub every: Duration,
}

impl Default for DrillConfig {
    fn default() -> Self {
        Self { every: monthly() }
    }
}

fn monthly() -> Duration {
    Duration::minutes(30 * 24 * 60)
}
