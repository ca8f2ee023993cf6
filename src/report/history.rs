//! `rollback-history.json`: Protocol 25's rollback records.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::base::Untrusted;
use crate::incident::response::{Outcome, RollbackRecord, rollbacks};
use crate::store::Event;

/// How a rollback ended, in Protocol 25's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The version is back, and proven.
    Success,
    /// It was undone, or is not proven.
    Failed,
    /// It took longer than its budget.
    Timeout,
    /// It stopped half-way, or its end is not known.
    Error,
}

/// A rollback in the fields of Protocol 25.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct HistoryEntry {
    /// The incident it was for.
    pub incident_id: Option<String>,
    /// The version it went back to: its label, else its digest.
    pub target_version: Option<Untrusted>,
    /// How it ended.
    pub status: Status,
    /// How long it took, in seconds.
    pub duration_seconds: Option<f64>,
    /// When it began (UTC); when it ended, where its duration is not known.
    pub timestamp: DateTime<Utc>,
    /// What it said at the end.
    pub output: Option<Untrusted>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Untrusted>,
    /// The service.
    pub service: Option<String>,
    /// The operation.
    pub operation: Option<String>,
    /// The event it stands on.
    pub event: u64,
}

/// Every rollback among these events that ended, oldest first.
pub fn history(events: &[Event]) -> Vec<HistoryEntry> {
    rollbacks(events).iter().map(entry).collect()
}

fn entry(record: &RollbackRecord) -> HistoryEntry {
    let elapsed =
        record.duration_ms.and_then(|ms| i64::try_from(ms).ok()).map(chrono::TimeDelta::milliseconds);
    let start = elapsed.and_then(|elapsed| record.moment.at.checked_sub_signed(elapsed));
    HistoryEntry {
        incident_id: record.incident.clone(),
        target_version: record.to.label().cloned(),
        status: status(record),
        duration_seconds: record.duration_ms.map(|ms| ms as f64 / 1000.0),
        timestamp: start.unwrap_or(record.moment.at),
        output: record.summary.clone().or_else(|| record.proof.clone()),
        error: record.error.clone(),
        service: record.service.clone(),
        operation: record.operation.clone(),
        event: record.moment.sequence,
    }
}

fn status(record: &RollbackRecord) -> Status {
    let timed_out = record.error.as_ref().is_some_and(|error| error.raw().starts_with("timed-out"));
    match record.outcome {
        Outcome::Restored => Status::Success,
        _ if timed_out => Status::Timeout,
        Outcome::Undone | Outcome::Unproven => Status::Failed,
        Outcome::Halted | Outcome::Unknown => Status::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::fixtures::{night, stored};
    use serde_json::json;

    #[test]
    fn the_history_has_protocol_25s_words() {
        insta::assert_json_snapshot!(history(&night()));
    }

    #[test]
    fn what_is_not_proven_is_no_success() {
        let status = |payload| history(&[stored(1, "rollback.completed", payload)])[0].status;
        assert_eq!(status(json!({"outcome": "unproven"})), Status::Failed);
        assert_eq!(
            status(json!({"outcome": "undone", "error": "timed-out: over its budget"})),
            Status::Timeout
        );
        assert_eq!(status(json!({"outcome": "halted"})), Status::Error);
        assert_eq!(status(json!({})), Status::Error);
    }
}
