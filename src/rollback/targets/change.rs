//! What targets say of themselves: what is in place, what would change, how sure that is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Digest, Untrusted};

/// What keeps two writers of a target apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fence {
    /// The target itself compares before it sets: a row lock, a resource version, the old value of a reference.
    Native,
    /// A lock file beside it, which other irctl processes respect and other programs do not know.
    Claim,
    /// Nothing.
    None,
}

/// How sure a line of a plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fidelity {
    /// Nobody can tell before it is done.
    Unknown,
    /// Reckoned from what is known.
    Predicted,
    /// Tried: on a copy, in a transaction that was rolled back, or by the other side's own dry run; or compared byte
    /// by byte.
    Proven,
}

impl std::fmt::Display for Fidelity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Fidelity::Unknown => "unknown",
            Fidelity::Predicted => "predicted",
            Fidelity::Proven => "proven",
        })
    }
}

/// One place that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Where: a file, a key, a row, a field.
    pub place: Untrusted,
    /// What stands there; absent where nothing does.
    pub from: Option<Untrusted>,
    /// What will stand there; absent where nothing will.
    pub to: Option<Untrusted>,
    /// How sure that is.
    pub fidelity: Fidelity,
}

impl Change {
    /// The same change the other way round.
    pub fn turned(self) -> Self {
        Self { from: self.to, to: self.from, ..self }
    }
}

/// What is in place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Observed {
    /// The same state always has the same digest, another state never.
    pub digest: Digest,
    /// In a few words.
    pub shown: Untrusted,
}

/// What switching a target would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Prediction {
    /// What changes, place by place. Empty when it is as it should be already.
    pub changes: Vec<Change>,
    /// How the switch is done, and what can be seen meanwhile, in a few words.
    pub manner: Option<String>,
    /// What stays of what is there now, and how it is taken back without irctl.
    pub kept: Option<String>,
    /// Whether consumers could see a mix of two versions meanwhile.
    pub mixed: bool,
    /// What cannot be undone.
    pub cannot_be_undone: Vec<String>,
    /// What could undo this behind our back.
    pub could_undo_this: Vec<String>,
    /// What else a human should know before saying yes.
    pub warnings: Vec<String>,
    /// Why it cannot be done as things stand; a plan with one is refused.
    pub refusals: Vec<String>,
}

impl Prediction {
    /// Whether everything is as it should be already. What is refused was not looked at to its end, so that nothing is
    /// known of what it would change.
    pub fn changes_nothing(&self) -> bool {
        self.changes.is_empty() && self.refusals.is_empty()
    }
}

/// How one part of a rehearsal went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rehearsed {
    /// What was tried, and on what copy.
    pub what: String,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// What went wrong; absent where it went well.
    pub failure: Option<String>,
    /// Why this part could not be tried at all. It then shows nothing, and is not counted as gone well.
    pub not_run: Option<String>,
}
