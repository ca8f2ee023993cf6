//! `irctl report rollback-tracking`: what became of each rollback, in the fields that the phased procedures track.
//!
//! Everything is read from events. What no event tells is `null`: nobody's cause and nobody's measure is invented.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::base::Untrusted;
use crate::incident::Incident;
use crate::incident::event::NoteKind;
use crate::incident::response::{Outcome, RollbackRecord, containments, rollbacks};
use crate::incident::state::Note;
use crate::store::Event;

/// A rollback as the phased procedures track it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TrackingRecord {
    /// The operation.
    pub rollback_id: Option<String>,
    /// The phase or plan that was rolled back, where the service has several.
    pub phase: Option<Untrusted>,
    /// Why: the reason of the policy that asked for it, else the rule that matched, else the incident's symptom.
    pub trigger: Option<Untrusted>,
    /// When it was planned (UTC).
    pub start_time: DateTime<Utc>,
    /// When the version was back (UTC); absent where it did not come back.
    pub completion_time: Option<DateTime<Utc>>,
    /// From the one to the other, in minutes.
    pub duration_minutes: Option<f64>,
    /// Whether data were lost, where a metric or a human said so.
    pub data_loss: Option<bool>,
    /// From noticing or containing, whichever came first, until consumers were let back, in minutes; absent while
    /// they are not.
    pub service_impact_minutes: Option<f64>,
    /// Why it happened, as the postmortem says.
    pub root_cause: Option<Untrusted>,
    /// What keeps it from happening again, as the postmortem says.
    pub prevention_measures: Option<Vec<Untrusted>>,
    /// The service.
    pub service: Option<String>,
    /// The incident that it answered.
    pub incident_id: Option<String>,
    /// How it ended, in irctl's words.
    pub ending: Outcome,
    /// The event it stands on.
    pub event: u64,
}

/// Every rollback among these events, oldest first.
pub fn tracking(events: &[Event], incidents: &[Incident]) -> Vec<TrackingRecord> {
    rollbacks(events).iter().map(|record| tracked(record, events, incidents)).collect()
}

fn tracked(record: &RollbackRecord, events: &[Event], incidents: &[Incident]) -> TrackingRecord {
    let incident = record.incident.as_ref().and_then(|id| incidents.iter().find(|one| one.id == *id));
    let took = record.duration_ms.and_then(|ms| TimeDelta::try_milliseconds(i64::try_from(ms).ok()?));
    let start = record.planned_at.or_else(|| record.moment.at.checked_sub_signed(took?));
    let start = start.unwrap_or(record.moment.at);
    let back = matches!(record.outcome, Outcome::Restored | Outcome::Unproven);
    let completion = back.then_some(record.moment.at);
    TrackingRecord {
        rollback_id: record.operation.clone(),
        phase: own(events, record, "phase"),
        trigger: own(events, record, "reason").or_else(|| blamed(incident)),
        start_time: start,
        completion_time: completion,
        duration_minutes: completion.and_then(|end| minutes(start, end)),
        data_loss: incident.and_then(data_loss),
        service_impact_minutes: impact(record, events, incident),
        root_cause: incident.and_then(|incident| joined(incident.notes_of(NoteKind::RootCause))),
        prevention_measures: incident.and_then(measures),
        service: record.service.clone(),
        incident_id: record.incident.clone(),
        ending: record.outcome,
        event: record.moment.sequence,
    }
}

/// What an event of this operation says under a key; only `rollback.` events say why and what was rolled back.
fn own(events: &[Event], record: &RollbackRecord, key: &str) -> Option<Untrusted> {
    let own = events.iter().filter(|event| {
        event.kind.starts_with("rollback.")
            && event.operation.is_some()
            && event.operation == record.operation
    });
    let mut said = own.filter_map(|event| match event.payload.get(key)? {
        Value::String(text) => Some(Untrusted::new(text.as_str())),
        Value::Number(number) => Some(Untrusted::new(number.to_string())),
        _ => None,
    });
    said.next()
}

fn blamed(incident: Option<&Incident>) -> Option<Untrusted> {
    let incident = incident?;
    let rule = incident.rules.first().map(|rule| rule.id.as_str());
    Some(Untrusted::new(rule.unwrap_or(&incident.symptom)))
}

/// The flag of that name, as it was measured or given when the incident was opened.
fn data_loss(incident: &Incident) -> Option<bool> {
    incident.metrics.get("data_loss").map(|reading| reading.value != 0.0)
}

fn impact(record: &RollbackRecord, events: &[Event], incident: Option<&Incident>) -> Option<f64> {
    let same = |event: &&Event| match (&record.incident, &record.service) {
        (Some(id), _) if event.incident.is_some() => event.incident.as_ref() == Some(id),
        (_, service) => event.service.is_some() && event.service == *service,
    };
    let around: Vec<Event> = events.iter().filter(same).cloned().collect();
    let switches = containments(&around);
    let noticed = incident.map(|incident| incident.detected_at.unwrap_or(incident.opened_at));
    // The containment that this rollback found or made: the first one since the last release before it.
    let before: Vec<_> = switches.iter().filter(|one| one.moment.sequence < record.moment.sequence).collect();
    let open = before.iter().rev().take_while(|one| !one.released).last();
    let contained = open.map(|one| one.moment.at);
    let from = noticed.into_iter().chain(contained).min()?;
    let released = switches.iter().find(|one| one.released && one.moment.sequence > record.moment.sequence);
    let until = released.map(|one| one.moment.at).or_else(|| {
        // Where nothing was ever stopped there is nothing to let back: the harm ended when it was mitigated.
        let mitigated = incident.and_then(|incident| incident.mitigated.as_ref());
        mitigated.filter(|_| contained.is_none()).map(|moment| moment.at)
    })?;
    minutes(from, until)
}

fn joined<'a>(notes: impl Iterator<Item = &'a Note>) -> Option<Untrusted> {
    let texts: Vec<&str> = notes.map(|note| note.text().raw()).collect();
    (!texts.is_empty()).then(|| Untrusted::new(texts.join("; ")))
}

fn measures(incident: &Incident) -> Option<Vec<Untrusted>> {
    let kinds = [NoteKind::Prevention, NoteKind::Action];
    let notes = incident.notes.iter().filter(|note| kinds.contains(&note.note.kind));
    let texts: Vec<Untrusted> = notes.map(|note| note.text().clone()).collect();
    (!texts.is_empty()).then_some(texts)
}

/// Minutes with two decimals; none where a clock went backwards in between.
fn minutes(from: DateTime<Utc>, until: DateTime<Utc>) -> Option<f64> {
    let elapsed = until - from;
    (elapsed >= TimeDelta::zero()).then(|| (elapsed.num_milliseconds() as f64 / 600.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::fixtures::{night, stored};
    use serde_json::json;

    #[test]
    fn what_no_event_tells_is_null() {
        let bare = tracking(&[stored(1, "rollback.completed", json!({"outcome": "restored"}))], &[]);
        let value = serde_json::to_value(&bare[0]).unwrap();
        for field in
            ["phase", "trigger", "data_loss", "service_impact_minutes", "root_cause", "prevention_measures"]
        {
            assert!(value.get(field).unwrap().is_null(), "{field}: {value}");
        }
        let halted = tracking(&[stored(1, "rollback.halted", json!({}))], &[]);
        assert_eq!((halted[0].completion_time, halted[0].duration_minutes), (None, None));
    }

    #[test]
    fn a_night_is_tracked() {
        let events = night();
        let incident = crate::incident::fold(&events).unwrap();
        insta::assert_json_snapshot!(tracking(&events, &[incident]));
    }
}
