//! A release is provisional: a due check looks for positive evidence within the watch window, else it contains again.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use super::contain::{self, ContainOutcome};
use super::environment::{Environment, Subject};
use super::{evidence, guards};
use crate::base::{Digest, Error, ErrorCode, Result, file, path};
use crate::operation::directory;

/// A version that was released and is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Watch {
    /// The operation that brought it back.
    pub operation: String,
    /// The service.
    pub service: String,
    /// The version.
    pub version: Digest,
    /// What people call it.
    pub name: String,
    /// The incident that the operation answered.
    pub incident: Option<String>,
    /// Since when (UTC).
    pub since: DateTime<Utc>,
    /// Until when (UTC).
    pub until: DateTime<Utc>,
}

fn place(state: &Path, operation: &str) -> Result<PathBuf> {
    Ok(state.join("watches").join(format!("{}.json", path::single_name(operation)?)))
}

/// Persists a watch.
pub(super) fn write(state: &Path, watch: &Watch) -> Result<()> {
    let path = place(state, &watch.operation)?;
    directory::make(file::parent(&path))?;
    let bytes = serde_json::to_vec_pretty(watch)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("a watch: {error}")))?;
    file::write_atomic(&path, &bytes, 0o600)
}

/// Begins to watch what the last rollback of a service brought back, now that its consumers are let back after all.
/// Nothing is watched where nothing says for how long, or where another version serves meanwhile.
pub fn begin(
    environment: &Environment<'_>,
    subject: &Subject,
    served: Option<&Digest>,
) -> Result<Option<Watch>> {
    let Some(length) = subject.rollback.watch else { return Ok(None) };
    let Some(last) = guards::last(environment.state, &subject.service)? else { return Ok(None) };
    let Some(version) = served.filter(|served| last.to.as_ref() == Some(*served)) else { return Ok(None) };
    let now = environment.clock.now()?;
    let watch = Watch {
        operation: last.operation,
        service: subject.service.clone(),
        version: version.clone(),
        name: last.name,
        incident: last.incident,
        since: now,
        until: length.after(now),
    };
    write(environment.state, &watch)?;
    Ok(Some(watch))
}

/// Every watch, the one that ends first coming first.
pub fn watches(state: &Path) -> Result<Vec<Watch>> {
    let mut all: Vec<Watch> = Vec::new();
    let entries = match fs_err::read_dir(state.join("watches")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(all),
        Err(error) => return Err(error.into()),
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let bytes = file::read_limited(&path, 1024 * 1024)?;
            all.push(serde_json::from_slice(&bytes).map_err(|error| {
                Error::new(ErrorCode::InvalidData, format!("{} cannot be read: {error}", path.display()))
            })?);
        }
    }
    all.sort_by_key(|watch| (watch.until, watch.operation.clone()));
    Ok(all)
}

/// The watches whose window is over: each is to be confirmed or failed.
pub fn due_watches(state: &Path, now: DateTime<Utc>) -> Result<Vec<Watch>> {
    Ok(watches(state)?.into_iter().filter(|watch| watch.until <= now).collect())
}

/// Ends the watches of earlier operations on a service: another version serves now, and not behind our back.
pub(super) fn supersede(state: &Path, service: &str, by: &str) -> Result<()> {
    for watch in watches(state)? {
        if watch.service == service && watch.operation != by {
            remove(state, &watch)?;
        }
    }
    Ok(())
}

fn remove(state: &Path, watch: &Watch) -> Result<()> {
    let path = place(state, &watch.operation)?;
    match fs_err::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => file::sync_directory(file::parent(&path)),
    }
}

/// There is positive evidence: the rollback is confirmed.
pub fn confirm(environment: &Environment<'_>, watch: &Watch, evidence_found: &str) -> Result<()> {
    let now = environment.clock.now()?;
    evidence::update(environment.state, &watch.service, |evidence| {
        evidence.served(&watch.version, now);
        evidence.entry(&watch.version).verified.push(now);
    })?;
    let payload = serde_json::json!({
        "operation": watch.operation, "version": watch.version, "evidence": evidence_found,
        "summary": format!("{} on {} is confirmed: {evidence_found}", watch.service, watch.name),
    });
    environment.tell(
        "rollback.confirmed",
        &watch.service,
        Some(&watch.operation),
        watch.incident.as_deref(),
        &payload,
    )?;
    remove(environment.state, watch)
}

/// There is none, or it is bad: contains again.
pub fn fail(
    environment: &Environment<'_>,
    subject: &Subject,
    watch: &Watch,
    why: &str,
) -> Result<ContainOutcome> {
    let reason = format!("{} was not confirmed within its watch: {why}", watch.operation);
    let incident = watch.incident.as_deref();
    let outcome = contain::contain(environment, subject, Some(&reason), incident)?;
    let payload = serde_json::json!({
        "operation": watch.operation, "version": watch.version, "why": why,
        "summary": format!("{} on {} was not confirmed: {why}", watch.service, watch.name),
    });
    environment.tell("rollback.unconfirmed", &watch.service, Some(&watch.operation), incident, &payload)?;
    remove(environment.state, watch)?;
    Ok(outcome)
}
