//! Incidents: their events, states, timeline and deadlines.
//!
//! An incident is what its events tell: [`fold::fold`] is the only way to one. [`book`] appends events by hand,
//! [`observe`] by evidence, and [`policy`] decides what evidence means.

pub mod book;
pub mod codec;
pub mod deadlines;
pub mod event;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod fold;
pub mod observation;
pub mod observe;
pub mod pattern;
pub mod policy;
#[cfg(test)]
mod policy_properties;
pub mod response;
pub mod state;
pub mod timeline;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Duration;
pub use book::{Book, Opening};
pub use deadlines::{Deadlines, Promise, Standing, Timings};
pub use event::{EvidenceInput, IncidentEvent, Level, NoteKind, Reading, RuleReason};
pub use fold::fold;
pub use observation::{Change, Observation, Observed};
pub use observe::{Ledger, observe};
pub use policy::Finding;
pub use state::{Incident, State};

/// When an incident is lowered or resolved by itself: only on new evidence.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// How many pieces of new, better evidence it takes to lower the level.
    #[schemars(range(min = 1))]
    pub lower_after: u32,
    /// How many pieces of new, good evidence it takes to resolve.
    #[schemars(range(min = 1))]
    pub resolve_after: u32,
    /// How long a level is held before it may be lowered.
    pub hold: Duration,
    /// How long after its resolution the same trouble reopens an incident instead of opening another.
    pub reopen_within: Duration,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            lower_after: 2,
            resolve_after: 2,
            hold: Duration::minutes(30),
            reopen_within: Duration::minutes(24 * 60),
        }
    }
}
