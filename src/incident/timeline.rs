//! The timeline of an incident: a line for each of its events, of this room and of the others.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::{ByOperation, DetectedBy, FindingKind, IncidentEvent, NoteKind};
use crate::base::Untrusted;
use crate::store::{Actor, Event};

/// One line of a timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// When it happened (UTC).
    pub at: DateTime<Utc>,
    /// The event it stands on.
    pub sequence: u64,
    /// Who did it.
    pub by: Actor,
    /// The event's kind.
    pub kind: String,
    /// What happened. Escape it for where it is shown.
    pub text: Untrusted,
}

/// The lines of these events, in the order of their sequence numbers.
pub fn lines(events: &[Event]) -> Vec<Line> {
    let mut ordered: Vec<&Event> = events.iter().collect();
    ordered.sort_by_key(|event| event.sequence);
    ordered.into_iter().map(line).collect()
}

fn line(event: &Event) -> Line {
    Line {
        at: event.occurred_at,
        sequence: event.sequence,
        by: event.actor.clone(),
        kind: event.kind.clone(),
        text: text(event).into(),
    }
}

fn text(event: &Event) -> String {
    match IncidentEvent::decode(event) {
        IncidentEvent::Opened(opened) => {
            let by = match opened.detected_by {
                DetectedBy::Human => "declared by a person".to_owned(),
                other => format!("detected by {}", other.as_str()),
            };
            let least = if opened.at_least { "at least " } else { "" };
            let rules: Vec<_> =
                opened.rules.iter().map(|rule| format!("{}: {}", rule.id, rule.reason.raw())).collect();
            let why = if rules.is_empty() { String::new() } else { format!(" — {}", rules.join("; ")) };
            format!("Opened as {least}{}, {by}: {}{why}", opened.level, opened.title.raw())
        }
        IncidentEvent::LevelChanged(change) => {
            format!("Level {} → {}: {}", change.from, change.to, change.reason.raw())
        }
        IncidentEvent::Evidence(evidence) => {
            let what = match evidence.finding {
                FindingKind::Matched => "New evidence against it",
                FindingKind::Clear => "New evidence, good",
                FindingKind::Undecided => "Evidence undecided",
                FindingKind::Warming => "The version that serves has no evidence of its own yet",
            };
            with(what, Some(&evidence.summary))
        }
        IncidentEvent::Acknowledged(because) => with("Acknowledged", because.reason.as_ref()),
        IncidentEvent::Assigned(assigned) => format!("{}: {}", assigned.role, assigned.person.raw()),
        IncidentEvent::Noted(note) => with(note_word(note.kind), Some(&note.text)),
        IncidentEvent::Contained(by) => operated("Contained", &by),
        IncidentEvent::Released(by) => operated("Released", &by),
        IncidentEvent::Mitigated(by) => operated("Mitigated", &by),
        IncidentEvent::Resolved(because) => with("Resolved", because.reason.as_ref()),
        IncidentEvent::Closed(because) => with("Closed", because.reason.as_ref()),
        IncidentEvent::Reopened(reopened) => {
            with(&format!("Reopened, episode {}", reopened.episode), Some(&reopened.reason))
        }
        IncidentEvent::Cancelled(because) => with("Cancelled", because.reason.as_ref()),
        IncidentEvent::Merged(merged) => format!("Merged into {}", merged.into),
        IncidentEvent::Superseded(correction) => {
            format!("Correction of event {}: {}", correction.sequence, correction.correction.raw())
        }
        IncidentEvent::Unknown { kind, .. } => neighbour(&kind, &event.payload),
    }
}

fn with(what: &str, detail: Option<&Untrusted>) -> String {
    match detail.map(Untrusted::raw).filter(|text| !text.trim().is_empty()) {
        Some(detail) => format!("{what}: {detail}"),
        None => what.to_owned(),
    }
}

fn operated(what: &str, by: &ByOperation) -> String {
    let what = by.operation.as_ref().map_or(what.to_owned(), |operation| format!("{what} by {operation}"));
    with(&what, by.reason.as_ref())
}

/// The word for a kind of note.
pub fn note_word(kind: NoteKind) -> &'static str {
    match kind {
        NoteKind::Note => "Note",
        NoteKind::WhatHappened => "What happened",
        NoteKind::RootCause => "Root cause",
        NoteKind::Contributing => "Contributing factor",
        NoteKind::Impact => "Impact",
        NoteKind::BusinessImpact => "Business impact",
        NoteKind::Decision => "Decision",
        NoteKind::WentWell => "Went well",
        NoteKind::WentWrong => "Went wrong",
        NoteKind::Lucky => "Lucky",
        NoteKind::Prevention => "Prevention",
        NoteKind::Action => "Action item",
        NoteKind::Communication => "Told",
    }
}

/// An event of another room: its own `summary`, else what can be said from its kind.
fn neighbour(kind: &str, payload: &Value) -> String {
    let field = |name: &str| payload.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(summary) = field("summary") {
        return summary.to_owned();
    }
    let details: Vec<_> = ["channel", "template", "what", "outcome", "step", "error"]
        .into_iter()
        .filter_map(|name| field(name).map(|value| format!("{name} {value}")))
        .collect();
    let words = kind.replace(['.', '_'], " ");
    if details.is_empty() { words } else { format!("{words}: {}", details.join(", ")) }
}
