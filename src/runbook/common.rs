//! What any step may say, whatever its kind: outputs, retries, what happens when it fails.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Duration;
use crate::probe::log::LinePattern;
use crate::severity::input::mapping::JsonPointer;

/// How often a step is tried again. Not for steps that cannot be taken back.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryConfig {
    /// How often, after the first time.
    #[schemars(range(min = 1, max = 100))]
    pub times: u32,
    /// How long to wait before each; 5s otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Duration>,
    /// Whether each wait is twice as long as the one before.
    #[serde(default)]
    pub backoff: bool,
}

/// A value that later steps use as `{{ steps.ID.NAME }}`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SaveConfig {
    /// What of the step it is taken from; its standard output, answer or document otherwise.
    #[serde(default)]
    pub from: Output,
    /// Where it stands in a JSON document: `/Status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<JsonPointer>,
    /// A pattern of a line, whose first group is the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<LinePattern>,
    /// The metric of a probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The column of the first row of a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What it is. A value that is something else fails the step.
    #[serde(default, rename = "type")]
    pub kind: ValueKind,
}

/// What of a step a value is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// What the step is there to give: the standard output of a program, the body of a response, the answer of a human.
    #[default]
    Result,
    /// The standard error of a program.
    Stderr,
    /// The exit status of a program, or the status of a response.
    Status,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueKind {
    /// A text; blanks at its ends are dropped.
    #[default]
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`, in just these words.
    Boolean,
    /// A length of time with its unit.
    Duration,
}

/// What happens when a step fails.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFail {
    /// The run halts and can be resumed. So it is where nothing is said.
    #[default]
    Stop,
    /// The next step is done; the failure is recorded.
    Continue,
    /// What was done is taken back, in reverse.
    Undo,
    /// The run halts and the escalation of this name is called.
    Escalate(String),
    /// The run goes on with a branch of a decision.
    Goto(Goto),
}

/// A branch of a decision to go on with.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Goto {
    /// The `decide` step; it comes later, or holds this step.
    pub step: String,
    /// The branch's name, or its number from 1.
    pub branch: String,
}

/// What happens to a step that is under way when the run is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnCancel {
    /// What it did so far stays.
    #[default]
    Leave,
    /// What it did so far is taken back.
    Undo,
}

/// Findings of `irctl runbook lint` that are meant to be so.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LintConfig {
    /// Which, and why.
    #[serde(default)]
    pub allow: Vec<Allowed>,
}

impl LintConfig {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty()
    }
}

/// A rule that may be broken here.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// The rule, as the finding names it.
    pub rule: String,
    /// Why it may.
    #[schemars(length(min = 1))]
    pub reason: String,
}
