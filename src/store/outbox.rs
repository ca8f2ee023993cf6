//! The outbox: messages that are to be delivered, one row for each target.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Waiting to be sent, or to be sent again.
    Queued,
    /// Being sent: the intent is on disk, the outcome is not yet.
    Sending,
    /// The receiver said yes.
    Delivered,
    /// The receiver said no for good, or the tries are used up.
    Failed,
    /// Written but not answered: it may or may not have arrived.
    Ambiguous,
}

/// A message to one target, before the store numbers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewDelivery {
    /// The notice it belongs to; one notice goes to several targets.
    pub notice: String,
    /// The channel's name in the configuration.
    pub channel: String,
    /// The incident it speaks of.
    pub incident: Option<String>,
    /// The same key is queued once.
    pub deduplication_key: String,
    /// What is sent; its shape belongs to the notify room. Secrets are never in it.
    pub payload: serde_json::Value,
    /// Not before this instant.
    pub not_before: DateTime<Utc>,
}

/// A delivery as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// Its number, from 1.
    pub number: u64,
    /// The notice it belongs to.
    pub notice: String,
    /// The channel's name.
    pub channel: String,
    /// The incident it speaks of.
    pub incident: Option<String>,
    /// The same key is queued once.
    pub deduplication_key: String,
    /// What is sent.
    pub payload: serde_json::Value,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was queued.
    pub queued_at: DateTime<Utc>,
    /// When it may be tried next.
    pub next_attempt_at: DateTime<Utc>,
    /// When it came to its present state.
    pub changed_at: DateTime<Utc>,
    /// What the last try said, without secrets.
    pub last_error: Option<String>,
    /// The receiver's receipt, where it gives one.
    pub receipt: Option<String>,
}
