//! What unit tests of this room and of the rooms above it start from.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::deadlines::Timings;
use super::event::{DetectedBy, EvidenceInput, Level, Opened, Reading, RuleReason};
use super::fold::fold;
use super::state::Incident;
use crate::base::clock::parse_instant;
use crate::base::{Digest, Duration, Unit, Verdict};
use crate::store::{Actor, Event};

/// Minutes after 03:07 on Friday 2026-11-20.
pub fn at(minutes: i64) -> DateTime<Utc> {
    parse_instant("2026-11-20T03:07:00Z").unwrap() + TimeDelta::minutes(minutes)
}

/// An event of `INC-20261120-030700`, by automation, a minute after the one before.
pub fn stored(sequence: u64, kind: &str, payload: Value) -> Event {
    Event {
        envelope: 1,
        sequence,
        writer: "host.example.org".into(),
        writer_sequence: sequence,
        previous: None,
        hash: Digest::of(&sequence.to_be_bytes()),
        kind: kind.into(),
        occurred_at: at(i64::try_from(sequence).unwrap() - 1),
        recorded_at: at(i64::try_from(sequence).unwrap() - 1),
        actor: Actor::Automation,
        service: Some("rila_6y20b".into()),
        incident: Some("INC-20261120-030700".into()),
        operation: None,
        payload,
    }
}

/// The same, by a person.
pub fn by(name: &str, event: Event) -> Event {
    Event { actor: Actor::Human(name.into()), ..event }
}

/// A level of a three-level scheme.
pub fn level(name: &str) -> Level {
    match name {
        "P0" => Level::new("P0", 0, Verdict::Crit),
        "P1" => Level::new("P1", 1, Verdict::Warn),
        _ => Level::new("P2", 2, Verdict::Warn),
    }
}

/// What that scheme promises.
pub fn timings(name: &str) -> Timings {
    let hours = |hours: i64| Some(Duration::minutes(hours * 60));
    match name {
        "P0" => Timings {
            acknowledge: Some(Duration::minutes(15)),
            respond: hours(1),
            resolve: hours(4),
            update_every: hours(1),
            postmortem: Some(Duration::BusinessDays(3)),
            postmortem_because: Some("level P0".into()),
            ..Timings::default()
        },
        _ => Timings { acknowledge: hours(1), respond: hours(4), ..Timings::default() },
    }
}

/// The first event of the night the design is judged by.
pub fn opened() -> Opened {
    Opened {
        title: "RILA 6Y20B: MAPE over 25 % for two weeks".into(),
        symptom: "accuracy".into(),
        level: "P0".into(),
        rank: 0,
        scheme: "rila".into(),
        verdict: Verdict::Crit,
        rules: vec![RuleReason {
            id: "mape-sustained".into(),
            reason: "mape_weekly 31.2 % > 25 % in the weeks ending 2026-11-08 and 2026-11-15".into(),
        }],
        runbook: Some("mape-sustained".into()),
        first_action: Some("Halt business consumption, then roll back".into()),
        description: "Weekly MAPE of the served version.".into(),
        detected_by: DetectedBy::Check,
        detected_at: None,
        affected_services: vec!["rila_6y20b".into(), "rate-setting".into()],
        metrics: [
            ("mape_weekly".to_owned(), Reading { value: 0.312, unit: Some(Unit::Ratio) }),
            ("bias".to_owned(), Reading { value: 0.12, unit: Some(Unit::Change) }),
        ]
        .into(),
        at_least: false,
        evidence: vec![EvidenceInput::bucket("mape_weekly", parse_instant("2026-11-16T05:00:00Z").unwrap())],
        version: Some(Digest::of(b"v3")),
        deadlines: timings("P0").from(at(0)),
    }
}

/// Its event.
pub fn opened_event() -> Event {
    stored(1, "incident.opened", serde_json::to_value(opened()).unwrap())
}

/// The incident right after it.
pub fn opened_incident() -> Incident {
    fold(&[opened_event()]).unwrap()
}
