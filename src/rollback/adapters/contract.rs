//! The contract between irctl and a program of a `command` target or a recipe: one JSON object on standard input, one
//! on standard output, words for people on standard error, exit status 0 when the answer counts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The version of the contract.
pub const CONTRACT: u32 = 1;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// What is in place?
    Observe,
    /// What would applying change?
    Predict,
    /// Apply.
    Apply,
    /// Put back what was.
    Undo,
    /// Try it on a copy.
    Rehearse,
}

impl Verb {
    /// Every verb, in the order of a rollback.
    pub const ALL: [Verb; 5] = [Verb::Observe, Verb::Predict, Verb::Apply, Verb::Undo, Verb::Rehearse];
}

impl std::fmt::Display for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Verb::Observe => "observe",
            Verb::Predict => "predict",
            Verb::Apply => "apply",
            Verb::Undo => "undo",
            Verb::Rehearse => "rehearse",
        })
    }
}

/// What a program is handed on standard input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// The version of the contract, 1.
    pub contract: u32,
    /// What is asked for.
    pub verb: Verb,
    /// The service.
    pub service: String,
    /// The workspace, absolute; the program runs in it.
    pub root: PathBuf,
    /// The operation; absent in a dry run.
    pub operation: Option<String>,
    /// The parameters, templates filled in and secrets resolved.
    pub with: BTreeMap<String, Value>,
    /// The version that comes back; absent where the plan has none.
    pub version: Option<RequestVersion>,
    /// For `predict`, `apply` and `undo`: the `state` that `observe` gave before anything was changed.
    pub before: Option<Value>,
    /// For `apply` and `undo`: the `after` that `predict` gave; null where it could not tell.
    pub after: Option<Value>,
    /// A folder of this target and this operation, readable by the owner only. `observe` writes into it what `undo`
    /// will need; absent when nothing is to be kept.
    pub keep: Option<PathBuf>,
    /// For `rehearse`: an empty folder for the copy.
    #[serde(default)]
    pub scratch: Option<PathBuf>,
}

/// The version that comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestVersion {
    /// Its name.
    pub name: String,
    /// The version its metadata names.
    pub label: Option<String>,
    /// Its digest.
    pub digest: Option<String>,
    /// Its folder.
    pub folder: Option<PathBuf>,
}

/// The answer to `observe`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// What is in place: small, complete and the same each time it is the same. No secret may stand in it.
    pub state: Value,
    /// In a few words, for people.
    pub shown: String,
}

/// The answer to `predict`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Predicted {
    /// What `observe` will give afterwards; null where nobody can tell.
    #[serde(default)]
    pub after: Option<Value>,
    /// What changes, place by place; empty when it is so already.
    #[serde(default)]
    pub changes: Vec<PredictedChange>,
    /// What cannot be undone.
    #[serde(default)]
    pub cannot_be_undone: Vec<String>,
    /// What could undo this behind our back.
    #[serde(default)]
    pub could_undo_this: Vec<String>,
    /// What else a human should know.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Why it cannot be done as things stand.
    #[serde(default)]
    pub refusals: Vec<String>,
}

/// One place that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PredictedChange {
    /// Where.
    pub place: String,
    /// What stands there.
    #[serde(default)]
    pub from: Option<String>,
    /// What will.
    #[serde(default)]
    pub to: Option<String>,
    /// How sure that is.
    #[serde(default = "predicted")]
    pub fidelity: crate::rollback::targets::Fidelity,
}

fn predicted() -> crate::rollback::targets::Fidelity {
    crate::rollback::targets::Fidelity::Predicted
}

/// The answer to `apply`, `undo` and `rehearse`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Applied {
    /// What there is to say about it.
    #[serde(default)]
    pub detail: Option<String>,
}

/// Any answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// To `observe`.
    State(State),
    /// To `predict`.
    Predicted(Predicted),
    /// To `apply`, `undo` and `rehearse`.
    Applied(Applied),
}
