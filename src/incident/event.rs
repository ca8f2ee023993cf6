//! What can happen to an incident: one payload for each kind of event. The store numbers and chains them.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::deadlines::Deadlines;
use crate::base::{Digest, Unit, Untrusted, Verdict};

/// A level of a severity scheme, as far as an incident needs to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Level {
    /// Its name in the scheme, as `P0`.
    pub name: String,
    /// Its place in the scheme: 0 is the worst.
    pub rank: u32,
    /// The verdict it stands for.
    pub verdict: Verdict,
}

impl Level {
    /// A level by name, place (0 is the worst) and verdict.
    pub fn new(name: impl Into<String>, rank: u32, verdict: Verdict) -> Self {
        Self { name: name.into(), rank, verdict }
    }

    /// Whether this level is worse than another.
    pub fn is_worse_than(&self, other: &Level) -> bool {
        self.name != other.name && self.rank < other.rank
    }
}

/// Who or what noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DetectedBy {
    /// A round of `irctl check`.
    #[default]
    Check,
    /// A person who declared it.
    Human,
    /// An alert that came in.
    Alert,
}

impl DetectedBy {
    /// As it is said in a timeline.
    pub const fn as_str(self) -> &'static str {
        match self {
            DetectedBy::Check => "a check",
            DetectedBy::Human => "a person",
            DetectedBy::Alert => "an alert",
        }
    }
}

/// A rule that matched, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleReason {
    /// The rule's id.
    pub id: String,
    /// Why, as a sentence with the values.
    pub reason: Untrusted,
}

/// A measured value with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    /// The value, in the unit.
    pub value: f64,
    /// The unit, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
}

impl Reading {
    /// As people read it: `31.4 %`, `180 ms`, `0.6`.
    pub fn show(&self) -> String {
        self.unit.unwrap_or(Unit::Number).show(self.value)
    }
}

/// One thing that was looked at, named so that the same thing looked at again has the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceInput {
    /// Its name: a digest of what was read, or a metric and the end of its newest closed bucket.
    pub key: String,
    /// The newest event time in it (UTC), where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<DateTime<Utc>>,
}

impl EvidenceInput {
    /// A file or answer, by the digest of its bytes.
    pub fn digest(digest: &Digest, event_time: Option<DateTime<Utc>>) -> Self {
        Self { key: digest.to_string(), event_time }
    }

    /// A closed bucket of a metric, by its end.
    pub fn bucket(metric: &str, end: DateTime<Utc>) -> Self {
        let end_text = crate::base::clock::format_instant(end);
        Self { key: format!("{metric}@{end_text}"), event_time: Some(end) }
    }
}

/// What a round of evidence said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A rule matched.
    Matched,
    /// Every rule was decided, and none matched.
    Clear,
    /// Something that matters could not be decided.
    Undecided,
    /// The version that serves has no evidence of its own yet.
    Warming,
}

/// `incident.opened`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Opened {
    /// One line for people.
    pub title: Untrusted,
    /// What is wrong, in one word: incidents are keyed by service and symptom.
    pub symptom: String,
    /// The level's name.
    pub level: String,
    /// The level's place in its scheme: 0 is the worst.
    #[serde(default)]
    pub rank: u32,
    /// The scheme that judged.
    #[serde(default)]
    pub scheme: String,
    /// The level's verdict.
    #[serde(default = "critical")]
    pub verdict: Verdict,
    /// The rules that matched.
    #[serde(default)]
    pub rules: Vec<RuleReason>,
    /// The runbook to follow.
    #[serde(default)]
    pub runbook: Option<String>,
    /// What to do first.
    #[serde(default)]
    pub first_action: Option<Untrusted>,
    /// More than the title.
    #[serde(default)]
    pub description: Untrusted,
    /// Who or what noticed.
    #[serde(default)]
    pub detected_by: DetectedBy,
    /// When it was noticed, where that was before it was opened (UTC).
    #[serde(default)]
    pub detected_at: Option<DateTime<Utc>>,
    /// What is affected besides the service itself.
    #[serde(default)]
    pub affected_services: Vec<Untrusted>,
    /// The values at opening.
    #[serde(default)]
    pub metrics: BTreeMap<String, Reading>,
    /// Whether a worse level could not be ruled out.
    #[serde(default)]
    pub at_least: bool,
    /// What was looked at.
    #[serde(default)]
    pub evidence: Vec<EvidenceInput>,
    /// The version that served.
    #[serde(default)]
    pub version: Option<Digest>,
    /// What the level promises, as instants.
    #[serde(default)]
    pub deadlines: Deadlines,
}

fn critical() -> Verdict {
    Verdict::Crit
}

impl Opened {
    /// The level.
    pub fn level(&self) -> Level {
        Level::new(self.level.clone(), self.rank, self.verdict)
    }
}

/// `incident.level_changed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LevelChanged {
    /// The level before.
    pub from: String,
    /// The level now.
    pub to: String,
    /// The new level's place in its scheme: 0 is the worst.
    #[serde(default)]
    pub rank: u32,
    /// The new level's verdict.
    #[serde(default = "critical")]
    pub verdict: Verdict,
    /// Why.
    #[serde(default)]
    pub reason: Untrusted,
    /// The rules that matched.
    #[serde(default)]
    pub rules: Vec<RuleReason>,
    /// The runbook of the new level's rule, where it has one.
    #[serde(default)]
    pub runbook: Option<String>,
    /// What the new level promises.
    #[serde(default)]
    pub deadlines: Deadlines,
}

/// `incident.evidence`: recorded when it counts, or when it ends a row that counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// What it said.
    pub finding: FindingKind,
    /// The verdict.
    pub verdict: Verdict,
    /// The level that matched, where one did.
    #[serde(default)]
    pub level: Option<Level>,
    /// What was looked at.
    #[serde(default)]
    pub inputs: Vec<EvidenceInput>,
    /// The version that served.
    #[serde(default)]
    pub version: Option<Digest>,
    /// One line for people.
    #[serde(default)]
    pub summary: Untrusted,
}

/// What a note is about; the postmortem puts each kind in its section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// Something seen or done.
    #[default]
    Note,
    /// What went wrong, in detail.
    WhatHappened,
    /// Why it happened.
    RootCause,
    /// What helped it happen.
    Contributing,
    /// Who was affected, and how many.
    Impact,
    /// What it cost the business.
    BusinessImpact,
    /// A decision, with its reason.
    Decision,
    /// What went well.
    WentWell,
    /// What went wrong in the response.
    WentWrong,
    /// Where luck helped.
    Lucky,
    /// What keeps it from happening again.
    Prevention,
    /// Something to be done, with an owner and a due date.
    Action,
    /// Something said to people outside irctl.
    Communication,
}

/// `incident.noted`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Noted {
    /// What it says.
    pub text: Untrusted,
    /// What it is about.
    #[serde(default)]
    pub kind: NoteKind,
    /// Who owns an action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Untrusted>,
    /// How urgent an action is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// When an action is due (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<DateTime<Utc>>,
}

/// How urgent an action item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Soon.
    High,
    /// In its turn.
    Medium,
    /// When there is time.
    Low,
}

impl Priority {
    /// As it stands in a table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Priority::High => "High",
            Priority::Medium => "Medium",
            Priority::Low => "Low",
        }
    }
}

/// `incident.assigned`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Assigned {
    /// The role, as `commander`.
    pub role: String,
    /// Who has it now.
    pub person: Untrusted,
}

/// `incident.contained`, `incident.released`, `incident.mitigated`: what an operation did for the incident.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ByOperation {
    /// The operation that did it; absent where a person did it by other means.
    #[serde(default)]
    pub operation: Option<String>,
    /// How, in words.
    #[serde(default)]
    pub reason: Option<Untrusted>,
}

/// `incident.acknowledged`, `incident.resolved`, `incident.closed`, `incident.cancelled`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Because {
    /// Why.
    #[serde(default)]
    pub reason: Option<Untrusted>,
}

/// `incident.reopened`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reopened {
    /// Which episode begins; the opening was episode 1.
    pub episode: u32,
    /// Why.
    #[serde(default)]
    pub reason: Untrusted,
    /// What the level promises, from now on.
    #[serde(default)]
    pub deadlines: Deadlines,
}

/// `incident.merged`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Merged {
    /// The incident that goes on.
    pub into: String,
}

/// `incident.superseded`: an earlier event of the incident said something wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Superseded {
    /// The sequence number of the event that is corrected.
    pub sequence: u64,
    /// What is right.
    pub correction: Untrusted,
}

/// Something that happened to an incident.
#[derive(Debug, Clone, PartialEq)]
pub enum IncidentEvent {
    /// It began.
    Opened(Box<Opened>),
    /// Its level was raised or lowered.
    LevelChanged(LevelChanged),
    /// Evidence that counts came in.
    Evidence(Evidence),
    /// A person has seen it.
    Acknowledged(Because),
    /// A role was given to a person.
    Assigned(Assigned),
    /// Something was written down.
    Noted(Noted),
    /// What consumes the service was stopped.
    Contained(ByOperation),
    /// What consumes the service runs again.
    Released(ByOperation),
    /// The harm has ended; the cause may not be removed.
    Mitigated(ByOperation),
    /// It is over.
    Resolved(Because),
    /// The postmortem is done.
    Closed(Because),
    /// It came back, or was not over.
    Reopened(Reopened),
    /// It was none.
    Cancelled(Because),
    /// It goes on as another.
    Merged(Merged),
    /// An earlier event is corrected.
    Superseded(Superseded),
    /// An event of a kind, or with a payload, that this irctl cannot read. It is kept, not dropped.
    Unknown {
        /// The kind as stored.
        kind: String,
        /// Why it cannot be read.
        problem: String,
    },
}
