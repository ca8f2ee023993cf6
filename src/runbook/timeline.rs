//! What is expected by when, and who is called if it does not happen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Duration;

/// A point of the timeline: by then the step is done, or somebody is called.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimelineConfig {
    /// How long after the start.
    pub at: Duration,
    /// The step that is done by then.
    pub expect: String,
    /// What happens otherwise: `escalate.NAME`, with a name under `escalate`. Without it the delay is only recorded.
    #[serde(default, rename = "else", skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<String>,
}

impl TimelineConfig {
    /// The name of the escalation, where one is written.
    pub fn escalation(&self) -> Option<&str> {
        self.otherwise.as_deref().and_then(|text| text.strip_prefix("escalate."))
    }
}

/// Whom to call, and what to say.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EscalationConfig {
    /// The role, as contacts.yaml names it.
    pub role: String,
    /// When to call by hand, in a sentence: losses above a limit, no way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// What is said; the runbook, the step and the delay are always added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
