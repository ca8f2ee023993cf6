//! Incidents: their events, states, timeline and deadlines.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Duration;

/// When an incident is lowered or resolved by itself: only on new evidence.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// How many pieces of new, better evidence it takes to lower the level.
    pub lower_after: u32,
    /// How many pieces of new, good evidence it takes to resolve.
    pub resolve_after: u32,
    /// How long a level is held before it may be lowered.
    pub hold: Duration,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self { lower_after: 2, resolve_after: 2, hold: Duration::minutes(30) }
    }
}
