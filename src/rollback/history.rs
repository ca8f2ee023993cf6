//! `rollback-history.json`: one object for each rollback, in the shape that Protocol 25 records. `irctl report
//! rollback-history` gives the same from the events.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

use super::conclude::RollbackEvent;
use super::environment::{Environment, Subject};
use super::plan::Plan;
use crate::base::{Error, ErrorCode, Result, file, path};
use crate::operation::Ending;

/// One rollback.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// The incident it answered.
    pub incident_id: Option<String>,
    /// The version that came back.
    pub target_version: String,
    /// How it ended, in Protocol 25's words.
    pub status: Status,
    /// How it ended, in irctl's words: `restored`, `undone`, `unproven`, `halted`, `unknown`.
    pub ending: String,
    /// How long it took, in seconds.
    pub duration_seconds: f64,
    /// When it was planned (UTC).
    pub timestamp: DateTime<Utc>,
    /// What it said.
    pub output: String,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The operation.
    pub operation: String,
    /// The service.
    pub service: String,
    /// The version that was replaced.
    pub previous_version: String,
}

/// How a rollback ended, in Protocol 25's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

impl Status {
    /// The word for an ending, and what went wrong.
    pub fn of(ending: Ending, error: Option<&str>) -> Self {
        let timed_out = error.is_some_and(|error| error.starts_with("timed-out"));
        match ending {
            Ending::Restored => Status::Success,
            _ if timed_out => Status::Timeout,
            Ending::Undone | Ending::Unproven | Ending::Refused => Status::Failed,
            Ending::Halted | Ending::Unknown => Status::Error,
        }
    }
}

/// The history of a state directory, oldest first.
pub fn read(state: &Path) -> Result<Vec<HistoryEntry>> {
    read_file(&state.join("rollback-history.json"))
}

fn read_file(path: &Path) -> Result<Vec<HistoryEntry>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    serde_json::from_slice(&file::read_limited(path, 64 * 1024 * 1024)?).map_err(|error| {
        Error::new(ErrorCode::InvalidData, format!("{} cannot be read: {error}", path.display()))
            .hint("move it away; `irctl rollback history` reads the operations themselves")
    })
}

/// Adds a rollback, or replaces what was said of it before it was resumed.
pub(super) fn append(
    environment: &Environment<'_>,
    subject: &Subject,
    plan: &Plan,
    event: &RollbackEvent,
) -> Result<()> {
    let entry = HistoryEntry {
        incident_id: plan.incident.clone(),
        target_version: event.to.name.clone(),
        status: Status::of(event.outcome, event.error.as_deref()),
        ending: event.outcome.as_str().to_owned(),
        duration_seconds: event.duration_ms as f64 / 1000.0,
        timestamp: event.planned_at.map_or_else(|| environment.clock.now(), Ok)?,
        output: event.summary.clone(),
        error: event.error.clone(),
        operation: event.operation.clone(),
        service: subject.service.clone(),
        previous_version: event.from.name.clone(),
    };
    let own = environment.state.join("rollback-history.json");
    add(environment.state, &own, &entry)?;
    match &subject.rollback.history {
        Some(copy) => add(environment.state, &path::inside(&subject.root, copy)?, &entry),
        None => Ok(()),
    }
}

fn add(state: &Path, path: &Path, entry: &HistoryEntry) -> Result<()> {
    let lock = state.join("history.lock");
    let lock = fs_err::OpenOptions::new().write(true).create(true).truncate(false).open(lock)?;
    lock.file().lock()?;
    let mut entries = read_file(path)?;
    entries.retain(|known| known.operation != entry.operation);
    entries.push(entry.clone());
    let bytes = serde_json::to_vec_pretty(&entries)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("the history: {error}")))?;
    fs_err::create_dir_all(file::parent(path))?;
    file::write_atomic(path, &bytes, 0o644)
}
