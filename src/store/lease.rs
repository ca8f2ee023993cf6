//! Leases: a name that one holder has until an instant.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A lease as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// What is leased.
    pub name: String,
    /// Who has it.
    pub holder: String,
    /// Until when (UTC).
    pub until: DateTime<Utc>,
    /// Grows each time the holder changes, so that a target can refuse a holder of yesterday.
    pub fence: u64,
}

/// How asking for a lease ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseOutcome {
    /// It is ours.
    Acquired(Lease),
    /// Somebody else has it.
    Held(Lease),
}
