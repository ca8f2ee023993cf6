//! How an operation ends, and the exit status that stands for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::error::exit;

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Done, and proved as far as the configuration can prove it.
    Restored,
    /// Undone: in the end nothing changed.
    Undone,
    /// Stopped half-way; it can be resumed or aborted.
    Halted,
    /// A guard or a human said no; nothing was switched.
    Refused,
    /// It could not be learnt how it ended.
    Unknown,
    /// Switched, but not proved: what consumes the service stays contained.
    Unproven,
}

impl Ending {
    /// The exit status of a process that ends with this.
    pub const fn exit(self) -> u8 {
        match self {
            Ending::Restored => exit::OK,
            Ending::Undone => exit::UNDONE,
            Ending::Halted => exit::HALTED,
            Ending::Refused => exit::REFUSED,
            Ending::Unknown => exit::OUTCOME_UNKNOWN,
            Ending::Unproven => exit::UNPROVEN,
        }
    }

    /// The word as it is printed and stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Ending::Restored => "restored",
            Ending::Undone => "undone",
            Ending::Halted => "halted",
            Ending::Refused => "refused",
            Ending::Unknown => "unknown",
            Ending::Unproven => "unproven",
        }
    }

    /// Whether there is something left to resume.
    pub const fn is_open(self) -> bool {
        matches!(self, Ending::Halted | Ending::Unknown)
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
