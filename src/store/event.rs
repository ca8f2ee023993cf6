//! Events: append-only, numbered, and chained by hash for each writer.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Digest;

/// The version of the envelope that this irctl writes.
pub const ENVELOPE_VERSION: u32 = 1;

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// irctl on its own: a check round, a policy.
    Automation,
    /// A person, by the name the system knows.
    Human(String),
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Actor::Automation => f.write_str("irctl"),
            Actor::Human(name) => {
                f.write_str(&crate::base::untrusted::escape(name, crate::base::untrusted::Sink::Terminal))
            }
        }
    }
}

/// Something that happened, before the store numbers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewEvent {
    /// What kind, as `incident.opened` or `operation.step`.
    pub kind: String,
    /// When it happened (UTC).
    pub occurred_at: DateTime<Utc>,
    /// When it is being recorded (UTC).
    pub recorded_at: DateTime<Utc>,
    /// Who did it.
    pub actor: Actor,
    /// The service it concerns.
    pub service: Option<String>,
    /// The incident it belongs to.
    pub incident: Option<String>,
    /// The operation it belongs to.
    pub operation: Option<String>,
    /// The details; their shape belongs to `kind`.
    pub payload: serde_json::Value,
}

/// An event as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// The version of this envelope.
    pub envelope: u32,
    /// Its place in the order of all events of this store, from 1.
    pub sequence: u64,
    /// Whose chain it is in: host name and a random part, one for each state directory.
    pub writer: String,
    /// Its place in that chain, from 1.
    pub writer_sequence: u64,
    /// The hash of the event before it in the chain; absent for the first.
    pub previous: Option<Digest>,
    /// The hash of this event: of its canonical JSON without `hash` and `sequence`.
    pub hash: Digest,
    /// What kind.
    pub kind: String,
    /// When it happened (UTC).
    pub occurred_at: DateTime<Utc>,
    /// When it was recorded (UTC).
    pub recorded_at: DateTime<Utc>,
    /// Who did it.
    pub actor: Actor,
    /// The service it concerns.
    pub service: Option<String>,
    /// The incident it belongs to.
    pub incident: Option<String>,
    /// The operation it belongs to.
    pub operation: Option<String>,
    /// The details.
    pub payload: serde_json::Value,
}

/// Which events to read; every given field must match.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Of this incident.
    pub incident: Option<String>,
    /// Of this service.
    pub service: Option<String>,
    /// Of this operation.
    pub operation: Option<String>,
    /// Whose kind starts with this, as `incident.`.
    pub kind_prefix: Option<String>,
    /// After this sequence number.
    pub after: Option<u64>,
    /// Recorded at or before this instant.
    pub until: Option<DateTime<Utc>>,
}

/// The newest event of one writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainHead {
    /// The writer.
    pub writer: String,
    /// How many events its chain has.
    pub writer_sequence: u64,
    /// The hash of the newest.
    pub hash: Digest,
}
