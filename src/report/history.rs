//! `irctl report rollback-history`: Protocol 25's rollback records, in the shape of the state directory's
//! `rollback-history.json`, with the event that each stands on.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::base::Untrusted;
use crate::incident::response::{Outcome, RollbackRecord, rollbacks};
use crate::operation::Ending;
use crate::rollback::history::Status;
use crate::store::Event;

/// A rollback in the fields of Protocol 25.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct HistoryEntry {
    /// The incident it was for.
    pub incident_id: Option<String>,
    /// The version it went back to: its label, else its digest.
    pub target_version: Option<Untrusted>,
    /// How it ended.
    pub status: Status,
    /// How it ended, in irctl's words.
    pub ending: Outcome,
    /// How long it took, in seconds.
    pub duration_seconds: Option<f64>,
    /// When it was planned (UTC); where that is not known, when it began or at least ended.
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
    /// The version that was replaced.
    pub previous_version: Option<Untrusted>,
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
        status: Status::of(ending(record.outcome), record.error.as_ref().map(Untrusted::raw)),
        ending: record.outcome,
        duration_seconds: record.duration_ms.map(|ms| ms as f64 / 1000.0),
        timestamp: record.planned_at.or(start).unwrap_or(record.moment.at),
        output: record.summary.clone().or_else(|| record.proof.clone()),
        error: record.error.clone(),
        service: record.service.clone(),
        operation: record.operation.clone(),
        previous_version: record.from.label().cloned(),
        event: record.moment.sequence,
    }
}

const fn ending(outcome: Outcome) -> Ending {
    match outcome {
        Outcome::Restored => Ending::Restored,
        Outcome::Undone => Ending::Undone,
        Outcome::Unproven => Ending::Unproven,
        Outcome::Halted => Ending::Halted,
        Outcome::Unknown => Ending::Unknown,
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
