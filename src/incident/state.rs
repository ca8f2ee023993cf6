//! An incident's states and which step leads from which to which: one table.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

use super::deadlines::Deadlines;
use super::event::{DetectedBy, EvidenceInput, Level, NoteKind, Noted, Reading, RuleReason};
use super::policy::Watch;
use crate::base::{Digest, Untrusted};
use crate::store::Actor;

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Opened; nobody has taken it up.
    Triage,
    /// Being worked on.
    Active,
    /// The harm has ended; the cause may not be removed.
    Mitigated,
    /// It is over.
    Resolved,
    /// It is over and written up.
    Closed,
    /// It was none.
    Cancelled,
    /// It goes on as another incident.
    Merged,
}

impl State {
    /// Whether somebody still has to do something about it.
    pub const fn is_open(self) -> bool {
        matches!(self, State::Triage | State::Active | State::Mitigated)
    }

    /// As it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Triage => "triage",
            State::Active => "active",
            State::Mitigated => "mitigated",
            State::Resolved => "resolved",
            State::Closed => "closed",
            State::Cancelled => "cancelled",
            State::Merged => "merged",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A step that an event takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// `incident.level_changed`
    ChangeLevel,
    /// `incident.evidence`
    Evidence,
    /// `incident.acknowledged`
    Acknowledge,
    /// `incident.assigned`, `incident.noted`, `incident.superseded`, `incident.released`
    Record,
    /// `incident.contained`
    Contain,
    /// `incident.mitigated`
    Mitigate,
    /// `incident.resolved`
    Resolve,
    /// `incident.closed`
    Close,
    /// `incident.reopened`
    Reopen,
    /// `incident.cancelled`
    Cancel,
    /// `incident.merged`
    Merge,
}

const OPEN: &[State] = &[State::Triage, State::Active, State::Mitigated];
const WORKING: &[State] = &[State::Triage, State::Active];
const EVERY: &[State] = &[
    State::Triage,
    State::Active,
    State::Mitigated,
    State::Resolved,
    State::Closed,
    State::Cancelled,
    State::Merged,
];
const AFTER: &[State] = &[State::Mitigated, State::Resolved, State::Closed];

enum To {
    /// The state stays.
    Same,
    /// Out of triage; any other state stays.
    Begin,
    Into(State),
}

/// Step, from where it may be taken, and where it leads. What is not here is refused.
const TABLE: &[(Step, &[State], To)] = &[
    (Step::ChangeLevel, OPEN, To::Same),
    (Step::Evidence, OPEN, To::Same),
    (Step::Acknowledge, OPEN, To::Begin),
    (Step::Record, EVERY, To::Same),
    (Step::Contain, EVERY, To::Begin),
    (Step::Mitigate, WORKING, To::Into(State::Mitigated)),
    (Step::Resolve, OPEN, To::Into(State::Resolved)),
    (Step::Close, &[State::Resolved], To::Into(State::Closed)),
    (Step::Reopen, AFTER, To::Into(State::Active)),
    (Step::Cancel, OPEN, To::Into(State::Cancelled)),
    (Step::Merge, OPEN, To::Into(State::Merged)),
];

/// The state after a step, or `None` where the step is not allowed.
pub fn after(state: State, step: Step) -> Option<State> {
    let (_, from, to) = TABLE.iter().find(|(candidate, ..)| *candidate == step)?;
    if !from.contains(&state) {
        return None;
    }
    Some(match to {
        To::Same => state,
        To::Begin if state == State::Triage => State::Active,
        To::Begin => state,
        To::Into(next) => *next,
    })
}

/// When something happened, which event says so, and who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Moment {
    /// When (UTC).
    pub at: DateTime<Utc>,
    /// The event's sequence number.
    pub sequence: u64,
    /// Who.
    pub by: Actor,
}

/// Something that was written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// When, where and by whom.
    pub moment: Moment,
    /// What it says.
    pub note: Noted,
    /// What is right instead, and the event that says so.
    pub corrected: Option<(u64, Untrusted)>,
}

impl Note {
    /// What it says, corrected where it was corrected.
    pub fn text(&self) -> &Untrusted {
        self.corrected.as_ref().map_or(&self.note.text, |(_, text)| text)
    }

    /// The events it stands on.
    pub fn sequences(&self) -> Vec<u64> {
        std::iter::once(self.moment.sequence).chain(self.corrected.as_ref().map(|(at, _)| *at)).collect()
    }
}

/// A change of level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LevelStep {
    /// When, where and by whom.
    pub moment: Moment,
    /// The level before.
    pub from: String,
    /// The level after.
    pub to: String,
    /// Why.
    pub reason: Untrusted,
}

/// Something in the stored history that does not fit: tolerated, and said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Irregularity {
    /// The event.
    pub sequence: u64,
    /// What does not fit.
    pub problem: String,
}

/// An incident as its events tell it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Incident {
    /// Its identifier, as `INC-20261120-030700`.
    pub id: String,
    /// The service.
    pub service: String,
    /// What is wrong, in one word.
    pub symptom: String,
    /// One line for people.
    pub title: Untrusted,
    /// More than the title.
    pub description: Untrusted,
    /// The scheme that judged.
    pub scheme: String,
    /// The level now.
    pub level: Level,
    /// The worst level it had.
    pub peak: Level,
    /// Whether a worse level could not be ruled out at opening.
    pub at_least: bool,
    /// Where it stands.
    pub state: State,
    /// 1, and one more for each reopening.
    pub episode: u32,
    /// When it was opened (UTC).
    pub opened_at: DateTime<Utc>,
    /// The event that opened it.
    pub opened: Moment,
    /// When the present episode began (UTC).
    pub episode_at: DateTime<Utc>,
    /// Who or what noticed.
    pub detected_by: DetectedBy,
    /// When it was noticed, where that was before it was opened (UTC).
    pub detected_at: Option<DateTime<Utc>>,
    /// The newest event time in the evidence it was opened on (UTC).
    pub evidence_at: Option<DateTime<Utc>>,
    /// The newest evidence.
    pub evidence: Vec<EvidenceInput>,
    /// The version that served when it was opened.
    pub version: Option<Digest>,
    /// The first acknowledgement of this episode.
    pub acknowledged: Option<Moment>,
    /// When the response to this episode began.
    pub responded: Option<Moment>,
    /// When somebody was first told, in this episode.
    pub notified: Option<Moment>,
    /// Who has which role.
    pub roles: BTreeMap<String, Untrusted>,
    /// Since when what consumes the service is stopped; absent while it runs.
    pub contained: Option<Moment>,
    /// When the harm ended.
    pub mitigated: Option<Moment>,
    /// When it was over.
    pub resolved: Option<Moment>,
    /// Why it was over.
    pub resolution: Option<Untrusted>,
    /// When it was written up.
    pub closed: Option<Moment>,
    /// The operations that worked on it.
    pub operations: Vec<String>,
    /// The rules that matched last.
    pub rules: Vec<RuleReason>,
    /// The runbook to follow.
    pub runbook: Option<String>,
    /// What to do first.
    pub first_action: Option<Untrusted>,
    /// What is affected besides the service.
    pub affected_services: Vec<Untrusted>,
    /// The values at opening.
    pub metrics: BTreeMap<String, Reading>,
    /// What its level promises.
    pub deadlines: Deadlines,
    /// Its changes of level.
    pub levels: Vec<LevelStep>,
    /// What was written down.
    pub notes: Vec<Note>,
    /// The incident it goes on as.
    pub merged_into: Option<String>,
    /// The newest event.
    pub last_sequence: u64,
    /// What does not fit in its history.
    pub irregularities: Vec<Irregularity>,
    /// What the policy for lowering and resolving knows.
    #[serde(skip)]
    #[schemars(skip)]
    pub watch: Watch,
}

impl Incident {
    /// Whether somebody still has to do something about it.
    pub fn is_open(&self) -> bool {
        self.state.is_open()
    }

    /// The notes of a kind, oldest first.
    pub fn notes_of(&self, kind: NoteKind) -> impl Iterator<Item = &Note> {
        self.notes.iter().filter(move |note| note.note.kind == kind)
    }

    /// From the opening to the end, or to `now` while it lasts.
    pub fn duration(&self, now: DateTime<Utc>) -> chrono::TimeDelta {
        self.resolved.as_ref().map_or(now, |moment| moment.at) - self.opened_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_way_is_open_and_shortcuts_are_refused() {
        use State::*;
        let path = [
            (Triage, Step::Acknowledge, Some(Active)),
            (Active, Step::Acknowledge, Some(Active)),
            (Active, Step::Mitigate, Some(Mitigated)),
            (Mitigated, Step::Resolve, Some(Resolved)),
            (Resolved, Step::Close, Some(Closed)),
            (Closed, Step::Reopen, Some(Active)),
            (Triage, Step::Close, None),
            (Resolved, Step::Resolve, None),
            (Resolved, Step::Acknowledge, None),
            (Cancelled, Step::Reopen, None),
            (Merged, Step::Resolve, None),
            (Closed, Step::Record, Some(Closed)),
        ];
        for (from, step, to) in path {
            assert_eq!(after(from, step), to, "{from} {step:?}");
        }
    }

    #[test]
    fn every_step_is_in_the_table_once() {
        for (position, (step, from, _)) in TABLE.iter().enumerate() {
            assert!(!from.is_empty());
            assert!(TABLE[..position].iter().all(|(other, ..)| other != step), "{step:?} twice");
        }
        assert_eq!(TABLE.len(), 11);
    }
}
