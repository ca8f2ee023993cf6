//! What other rooms wrote about the response to an incident, read from their events: rollbacks, containment,
//! notices. Payloads belong to the rooms that write them; what is missing here is simply not told.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::state::Moment;
use crate::base::Untrusted;
use crate::base::clock::parse_instant;
use crate::store::Event;

/// A version as a rollback names it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct VersionName {
    /// Its label.
    pub name: Option<Untrusted>,
    /// Its digest.
    pub digest: Option<Untrusted>,
}

impl VersionName {
    fn read(value: Option<&Value>) -> Self {
        match value {
            Some(Value::String(name)) => Self { name: Some(name.as_str().into()), digest: None },
            Some(Value::Object(_)) => Self { name: text(value, "name"), digest: text(value, "digest") },
            _ => Self::default(),
        }
    }

    /// The label, else the digest.
    pub fn label(&self) -> Option<&Untrusted> {
        self.name.as_ref().or(self.digest.as_ref())
    }
}

/// How a rollback ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The version is back, and proven.
    Restored,
    /// In the end nothing changed.
    Undone,
    /// It stopped half-way and can be resumed.
    Halted,
    /// Switched, but not proven.
    Unproven,
    /// The event does not say.
    Unknown,
}

impl Outcome {
    fn read(word: &str) -> Self {
        match word {
            "restored" | "success" => Outcome::Restored,
            "undone" | "aborted" => Outcome::Undone,
            "halted" | "failed" => Outcome::Halted,
            "unproven" => Outcome::Unproven,
            _ => Outcome::Unknown,
        }
    }
}

/// A rollback that ended.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RollbackRecord {
    /// When it ended, which event says so, and who did it.
    pub moment: Moment,
    /// The incident.
    pub incident: Option<String>,
    /// The service.
    pub service: Option<String>,
    /// The operation.
    pub operation: Option<String>,
    /// What served before.
    pub from: VersionName,
    /// What it went back to.
    pub to: VersionName,
    /// When it was planned (UTC).
    pub planned_at: Option<DateTime<Utc>>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
    /// What proves it.
    pub proof: Option<Untrusted>,
    /// The versions that were passed over, with the reason.
    pub skipped: Vec<Untrusted>,
    /// The failing rule on what served before.
    pub rule_before: Option<Untrusted>,
    /// The failing rule on what serves now.
    pub rule_after: Option<Untrusted>,
    /// What went wrong.
    pub error: Option<Untrusted>,
    /// One line for people.
    pub summary: Option<Untrusted>,
}

/// Consumers stopped or started.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ContainRecord {
    /// When, which event says so, and who did it.
    pub moment: Moment,
    /// Whether they were started again.
    pub released: bool,
    /// The operation.
    pub operation: Option<String>,
    /// What was stopped or started.
    pub what: Option<Untrusted>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
}

/// Somebody was told.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct NoticeRecord {
    /// When, which event says so, and who did it.
    pub moment: Moment,
    /// Through which channel.
    pub channel: Option<Untrusted>,
    /// What kind of message.
    pub template: Option<Untrusted>,
    /// One line for people.
    pub summary: Option<Untrusted>,
}

/// The rollbacks that ended, in order. One that halted and was resumed counts once, as it ended last.
pub fn rollbacks(events: &[Event]) -> Vec<RollbackRecord> {
    let mut records: Vec<RollbackRecord> = Vec::new();
    for record in events.iter().filter_map(rollback) {
        records.retain(|known| known.operation.is_none() || known.operation != record.operation);
        records.push(record);
    }
    records
}

fn rollback(event: &Event) -> Option<RollbackRecord> {
    let payload = Some(&event.payload);
    let ended = match event.kind.as_str() {
        "rollback.completed" => "",
        "rollback.undone" | "rollback.halted" | "rollback.failed" | "rollback.unproven" => {
            event.kind.trim_start_matches("rollback.")
        }
        _ => return None,
    };
    let said = text(payload, "outcome");
    let rule = event.payload.get("rule");
    Some(RollbackRecord {
        moment: moment(event),
        incident: event.incident.clone(),
        service: event.service.clone(),
        operation: event.operation.clone().or_else(|| plain(payload, "operation")),
        from: VersionName::read(event.payload.get("from")),
        to: VersionName::read(event.payload.get("to")),
        planned_at: plain(payload, "planned_at").and_then(|text| parse_instant(&text).ok()),
        duration_ms: event.payload.get("duration_ms").and_then(Value::as_u64),
        outcome: Outcome::read(said.as_ref().map_or(ended, Untrusted::raw)),
        proof: text(payload, "proof"),
        skipped: list(event.payload.get("skipped")),
        rule_before: text(rule, "before").or_else(|| text(payload, "rule_before")),
        rule_after: text(rule, "after").or_else(|| text(payload, "rule_after")),
        error: text(payload, "error"),
        summary: text(payload, "summary"),
    })
}

/// What was stopped and started, in order.
pub fn containments(events: &[Event]) -> Vec<ContainRecord> {
    let record = |event: &Event| {
        let released = match event.kind.as_str() {
            "contain.completed" => false,
            "release.completed" | "contain.released" => true,
            _ => return None,
        };
        let payload = Some(&event.payload);
        Some(ContainRecord {
            moment: moment(event),
            released,
            operation: event.operation.clone().or_else(|| plain(payload, "operation")),
            what: text(payload, "what").or_else(|| joined(event.payload.get("what"))),
            duration_ms: event.payload.get("duration_ms").and_then(Value::as_u64),
        })
    };
    events.iter().filter_map(record).collect()
}

/// Who was told, in order.
pub fn notices(events: &[Event]) -> Vec<NoticeRecord> {
    let record = |event: &Event| {
        let payload = Some(&event.payload);
        (event.kind == "notice.delivered").then(|| NoticeRecord {
            moment: moment(event),
            channel: text(payload, "channel"),
            template: text(payload, "template"),
            summary: text(payload, "summary"),
        })
    };
    events.iter().filter_map(record).collect()
}

fn moment(event: &Event) -> Moment {
    Moment { at: event.occurred_at, sequence: event.sequence, by: event.actor.clone() }
}

fn plain(value: Option<&Value>, name: &str) -> Option<String> {
    value?.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn text(value: Option<&Value>, name: &str) -> Option<Untrusted> {
    plain(value, name).map(Untrusted::new)
}

/// A list of texts, or of objects with a name and a reason.
fn list(value: Option<&Value>) -> Vec<Untrusted> {
    let entry = |value: &Value| match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Object(_) => {
            let name = plain(Some(value), "name").or_else(|| plain(Some(value), "digest"))?;
            let reason = plain(Some(value), "reason").or_else(|| plain(Some(value), "why"));
            Some(reason.map_or(name.clone(), |reason| format!("{name}: {reason}")).into())
        }
        _ => None,
    };
    value.and_then(Value::as_array).map(|list| list.iter().filter_map(entry).collect()).unwrap_or_default()
}

fn joined(value: Option<&Value>) -> Option<Untrusted> {
    let parts = list(value);
    let parts: Vec<_> = parts.iter().map(Untrusted::raw).collect();
    (!parts.is_empty()).then(|| parts.join(", ").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::fixtures::stored;
    use serde_json::json;

    #[test]
    fn rollbacks_are_read_as_far_as_they_tell() {
        let full = stored(
            9,
            "rollback.completed",
            json!({"operation": "OP-1", "from": {"name": "live", "digest": "sha256:aa"}, "to": "backup_2",
                   "duration_ms": 340, "outcome": "restored", "proof": "serves bb", "rule": {"before": "31 %", "after": "12 %"},
                   "skipped": ["backup_3: quarantined", {"name": "backup_4", "reason": "unproven"}]}),
        );
        let odd = stored(10, "rollback.halted", json!({"skipped": 7, "duration_ms": "long"}));
        let records = rollbacks(&[full, odd, stored(11, "rollback.started", json!({}))]);
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].to.label().unwrap().raw(), "backup_2");
        assert_eq!(records[0].skipped[1].raw(), "backup_4: unproven");
        assert_eq!(records[0].rule_after.as_ref().unwrap().raw(), "12 %");
        assert_eq!((records[1].outcome, records[1].duration_ms), (Outcome::Halted, None));
    }

    #[test]
    fn a_resumed_rollback_counts_once() {
        let halted = stored(1, "rollback.halted", json!({"operation": "OP-1", "outcome": "halted"}));
        let resumed = stored(2, "rollback.completed", json!({"operation": "OP-1", "outcome": "restored"}));
        let outcomes: Vec<_> = rollbacks(&[halted, resumed]).iter().map(|record| record.outcome).collect();
        assert_eq!(outcomes, [Outcome::Restored]);
    }
}
