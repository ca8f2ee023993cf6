//! The entry of a decision log, in the shape of `.tracking/decisions.md`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::Untrusted;
use crate::base::untrusted::{Sink, escape};
use crate::incident::Incident;
use crate::incident::event::NoteKind;
use crate::incident::response::rollbacks;
use crate::store::Event;

/// An entry of a decision log. What no event tells is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Decision {
    /// The incident.
    pub incident_id: String,
    /// The day it began.
    pub date: chrono::NaiveDate,
    /// What kind of emergency.
    pub emergency: String,
    /// Brief description.
    pub what_happened: Said,
    /// Who or what was affected.
    pub impact: Option<Said>,
    /// Why it happened.
    pub root_cause: Option<Said>,
    /// What was done.
    pub resolution: Option<Said>,
    /// How to prevent recurrence.
    pub prevention: Option<Said>,
}

/// A statement and the events behind it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Said {
    /// The statement.
    pub text: Untrusted,
    /// The events behind it.
    pub events: Vec<u64>,
}

impl Decision {
    /// The entry of an incident, from its events.
    pub fn of(incident: &Incident, events: &[Event]) -> Self {
        let rules: Vec<_> =
            incident.rules.iter().map(|rule| format!("{}: {}", rule.id, rule.reason.raw())).collect();
        let mut happened = incident.title.raw().to_owned();
        if !rules.is_empty() {
            happened = format!("{happened} ({})", rules.join("; "));
        }
        Self {
            incident_id: incident.id.clone(),
            date: incident.opened_at.date_naive(),
            emergency: format!("{} {}, {}", incident.peak.name, incident.symptom, incident.service),
            what_happened: Said { text: happened.into(), events: vec![incident.opened.sequence] },
            impact: notes(incident, &[NoteKind::Impact, NoteKind::BusinessImpact]),
            root_cause: notes(incident, &[NoteKind::RootCause]),
            resolution: resolution(incident, events),
            prevention: notes(incident, &[NoteKind::Prevention, NoteKind::Action]),
        }
    }

    /// The entry as Markdown, ending in a line break.
    pub fn markdown(&self) -> String {
        let id = &self.incident_id;
        let line = |label: &str, said: Option<&Said>, kind: &str| match said {
            Some(said) => {
                let references: String = said.events.iter().map(|event| format!(" [#{event}]")).collect();
                format!("**{label}**: {}{references}", said.text.escaped(Sink::Markdown))
            }
            None => format!("**{label}**: _Open (add with: `irctl incident note {id} --kind {kind} \"…\"`)_"),
        };
        let lines = [
            line("What happened", Some(&self.what_happened), "what-happened"),
            line("Impact", self.impact.as_ref(), "impact"),
            line("Root cause", self.root_cause.as_ref(), "root-cause"),
            line("Resolution", self.resolution.as_ref(), "note"),
            line("Prevention", self.prevention.as_ref(), "prevention"),
        ];
        let emergency = escape(&self.emergency, Sink::Markdown);
        // Two blanks at the end keep the lines apart when the log is rendered.
        format!("## {}: {emergency} ({id})\n\n{}\n", self.date, lines.join("  \n"))
    }
}

fn notes(incident: &Incident, kinds: &[NoteKind]) -> Option<Said> {
    let notes: Vec<_> = incident.notes.iter().filter(|note| kinds.contains(&note.note.kind)).collect();
    let text: Vec<_> = notes.iter().map(|note| note.text().raw()).collect();
    let events = notes.iter().flat_map(|note| note.sequences()).collect();
    (!notes.is_empty()).then(|| Said { text: text.join("; ").into(), events })
}

fn resolution(incident: &Incident, events: &[Event]) -> Option<Said> {
    let mut parts = Vec::new();
    let mut numbers = Vec::new();
    for record in rollbacks(events) {
        let version = record.to.label().map_or("an unnamed version", Untrusted::raw).to_owned();
        let said = record.summary.as_ref().map(|summary| summary.raw().to_owned());
        parts.push(said.unwrap_or_else(|| format!("rollback to {version}")));
        numbers.push(record.moment.sequence);
    }
    if let Some(moment) = &incident.resolved {
        let reason = incident.resolution.as_ref().map_or("resolved", Untrusted::raw);
        parts.push(reason.to_owned());
        numbers.push(moment.sequence);
    }
    (!parts.is_empty()).then(|| Said { text: parts.join("; ").into(), events: numbers })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::fixtures::{night, opened_event};
    use crate::incident::fold;

    #[test]
    fn an_entry_has_the_logs_shape() {
        let events = night();
        insta::assert_snapshot!(Decision::of(&fold(&events).unwrap(), &events).markdown());
    }

    #[test]
    fn what_is_not_known_is_open() {
        let events = [opened_event()];
        let text = Decision::of(&fold(&events).unwrap(), &events).markdown();
        assert_eq!(text.matches("_Open").count(), 4, "{text}");
    }
}
