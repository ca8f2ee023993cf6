//! Incidents that come again and again: the event that says so.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Duration;

/// The kind of the event. A round writes it; it is no step of an incident.
pub const KIND: &str = "check.pattern_emerged";

/// The payload of `check.pattern_emerged`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pattern {
    /// What is broken again and again.
    pub symptom: String,
    /// The incidents, oldest first.
    pub incidents: Vec<String>,
    /// Within which time.
    pub within: Duration,
    /// Until when it is to be reviewed (UTC).
    pub review_by: DateTime<Utc>,
    /// In one sentence.
    pub summary: String,
}
