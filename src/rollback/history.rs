//! `rollback-history.json`: one object for each rollback, in the shape that Protocol 25 records.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

use super::conclude::RollbackEvent;
use super::environment::{Environment, Subject};
use super::plan::Plan;
use crate::base::{Error, ErrorCode, Result, file, path};
use crate::operation::{Directory, Ending};

/// One rollback.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// The incident it answered.
    pub incident_id: Option<String>,
    /// The version that came back.
    pub target_version: String,
    /// `success`, or `unproven`, `undone`, `halted`.
    pub status: String,
    /// How long it took, in seconds.
    pub duration_seconds: f64,
    /// When it was planned (UTC).
    pub timestamp: DateTime<Utc>,
    /// What it said.
    pub output: String,
    /// The operation.
    pub operation: String,
    /// The service.
    pub service: String,
    /// The version that was replaced.
    pub previous_version: String,
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
    let pinned = Directory::open(environment.state, &event.operation)?.pinned()?;
    let entry = HistoryEntry {
        incident_id: plan.incident.clone(),
        target_version: event.to.name.clone(),
        status: match event.outcome {
            Ending::Restored => "success".to_owned(),
            other => other.as_str().to_owned(),
        },
        duration_seconds: event.duration_ms as f64 / 1000.0,
        timestamp: pinned.map_or(environment.clock.now()?, |(pinned, _)| pinned.created_at),
        output: event.summary.clone(),
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
