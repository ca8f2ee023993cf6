//! What follows from a snapshot: its version counts as adopted, and an event says so. Done again after a crash.

use serde::Serialize;
use std::path::Path;

use super::manifest::Snapshot;
use super::shelf;
use crate::base::{Digest, Result, fault, file};
use crate::rollback::environment::{Environment, VersionName};
use crate::rollback::evidence;

/// `snapshot.taken`
#[derive(Debug, Serialize)]
struct TakenEvent<'a> {
    snapshot: &'a str,
    digest: &'a Digest,
    phase: Option<&'a str>,
    environment: Option<&'a str>,
    name: Option<&'a str>,
    version: Option<&'a VersionName>,
    adopted: bool,
    targets: usize,
    files: usize,
    summary: String,
}

/// The file that says that everything which follows from a snapshot was done.
const SETTLED: &str = "settled";

/// Does for every snapshot of a service what a crash kept from being done; nothing while one is being taken.
pub fn settle(environment: &Environment<'_>, service: &str) -> Result<()> {
    match shelf::try_lock(environment.state)? {
        Some(lock) => all(environment, service, &lock),
        None => Ok(()),
    }
}

/// [`settle`], for whoever has the lock.
pub fn all(environment: &Environment<'_>, service: &str, _lock: &shelf::Lock) -> Result<()> {
    for found in shelf::list(environment.state, Some(service))? {
        if let Ok(snapshot) = &found.snapshot
            && !found.folder.join(SETTLED).exists()
        {
            one(environment, &found.folder, snapshot)?;
        }
    }
    Ok(())
}

/// Adopts the version of a snapshot and records the event.
pub fn one(environment: &Environment<'_>, folder: &Path, snapshot: &Snapshot) -> Result<()> {
    let adopted = snapshot.not_adopted.is_none();
    if adopted && let Some(digest) = snapshot.served.as_ref().and_then(|served| served.digest.as_ref()) {
        evidence::update(environment.state, &snapshot.service, |evidence| {
            let entry = evidence.entry(digest);
            entry.adopted = entry.adopted.max(Some(snapshot.at));
        })?;
    }
    fault::point("snapshot:adopted");
    let event = TakenEvent {
        snapshot: &snapshot.id,
        digest: &snapshot.digest,
        phase: snapshot.phase.as_deref(),
        environment: snapshot.environment.as_deref(),
        name: snapshot.name.as_ref().map(|name| name.raw()),
        version: snapshot.served.as_ref(),
        adopted,
        targets: snapshot.targets.len(),
        files: snapshot.kept().count(),
        summary: format!("{} recorded what serves as good ({})", snapshot.id, snapshot.digest.short()),
    };
    environment.tell("snapshot.taken", &snapshot.service, None, None, &event)?;
    fault::point("snapshot:told");
    file::write_atomic(&folder.join(SETTLED), b"", 0o600)
}
