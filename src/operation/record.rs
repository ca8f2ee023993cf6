//! One line of a journal.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ending::Ending;
use crate::base::Digest;
use crate::base::host::ProcessIdentity;
use crate::store::Actor;

/// One line of a journal. Lines are chained: each carries the digest of the line before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Its place, from 1. Order comes from here, not from clocks.
    pub sequence: u64,
    /// When it was written (UTC).
    pub at: DateTime<Utc>,
    /// The digest of the line before it; of the pinned plan for the first.
    pub previous: Digest,
    /// What it says.
    pub kind: RecordKind,
}

/// What a line of a journal says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// A process began the operation.
    Began {
        /// Who asked for it.
        actor: Actor,
        /// The process that runs it.
        process: ProcessIdentity,
    },
    /// Another process took it up again.
    Resumed {
        /// Who asked for it.
        actor: Actor,
        /// The process that runs it.
        process: ProcessIdentity,
    },
    /// A step is about to act.
    Intent {
        /// The step.
        step: String,
        /// Whether it is being undone.
        undo: bool,
        /// The digest of what stands there before.
        before: Option<Digest>,
    },
    /// A step has acted.
    Outcome {
        /// The step.
        step: String,
        /// Whether it was undone.
        undo: bool,
        /// Why it failed; absent when it succeeded.
        failure: Option<String>,
        /// What it found out.
        detail: Option<String>,
        /// Since the operation was begun or resumed, in milliseconds, by a clock that does not jump.
        elapsed_ms: u64,
    },
    /// A child process was started; it is recorded before it is waited for.
    Child {
        /// The step.
        step: String,
        /// The process; its group has the same number.
        process: ProcessIdentity,
        /// The program it runs.
        program: String,
    },
    /// That child ended.
    ChildEnded {
        /// Its process number.
        pid: u32,
        /// How it ended.
        ending: String,
    },
    /// From here on steps are undone, newest first.
    Undoing {
        /// Why.
        reason: String,
    },
    /// Something worth keeping.
    Note {
        /// In words.
        text: String,
    },
    /// The operation ended.
    Ended {
        /// How.
        ending: Ending,
        /// In one sentence.
        summary: String,
        /// How long it took, in milliseconds, by a clock that does not jump.
        duration_ms: u64,
    },
}
