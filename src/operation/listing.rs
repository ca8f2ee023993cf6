//! Which operations there are, and which of them are unfinished.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

use super::directory::{self, Directory, Pinned};
use super::ending::Ending;
use super::journal::Progress;
use super::summaries::{Identity, Summaries};
use crate::base::{Digest, Result};
use crate::store::Actor;

/// One operation in one line.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// The operation.
    pub id: String,
    /// What kind.
    pub kind: String,
    /// The service.
    pub service: String,
    /// Who asked for it.
    pub actor: Actor,
    /// The incident it answers.
    pub incident: Option<String>,
    /// When it was planned (UTC).
    pub created_at: DateTime<Utc>,
    /// How it ended; absent while it has not.
    pub ending: Option<Ending>,
    /// Whether a process works on it now.
    pub running: bool,
    /// Whether it can be resumed.
    pub resumable: bool,
    /// In one sentence.
    pub summary: String,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
    /// Whether anything was ever about to be changed.
    pub acted: bool,
    /// The phase that it is about.
    #[serde(default)]
    pub phase: Option<String>,
    /// The operation that it takes back, or does again.
    #[serde(default)]
    pub reverts: Option<String>,
}

/// The summary of one operation.
pub fn summary(pinned: &Pinned, progress: &Progress) -> Summary {
    let running = progress.is_running();
    let acted = !progress.touched.is_empty() || !progress.done.is_empty();
    // A plan that nobody said yes to and that never acted has nothing to resume.
    let abandoned = progress.ended.is_none() && !running && !acted;
    let text = |pointer: &str| pinned.plan.pointer(pointer)?.as_str().map(str::to_owned);
    let said = progress.ended.as_ref().map(|(_, summary)| summary.clone());
    Summary {
        id: pinned.id.clone(),
        kind: pinned.kind.clone(),
        service: pinned.service.clone(),
        actor: pinned.actor.clone(),
        incident: pinned.incident.clone(),
        created_at: pinned.created_at,
        ending: progress.ended.as_ref().map(|(ending, _)| *ending).or(abandoned.then_some(Ending::Undone)),
        running,
        resumable: !running && !abandoned && progress.is_open(),
        summary: said.unwrap_or_else(|| unfinished(progress, running, abandoned)),
        duration_ms: progress.duration_ms,
        acted,
        phase: text("/phase"),
        reverts: text("/reverts"),
    }
}

/// An operation as the list knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Listed {
    /// In one line.
    pub summary: Summary,
    /// The version that it went from, where it switches versions.
    #[serde(default)]
    pub from: Option<Digest>,
    /// The version that it went to.
    #[serde(default)]
    pub to: Option<Digest>,
}

fn unfinished(progress: &Progress, running: bool, abandoned: bool) -> String {
    if running {
        return "running".to_owned();
    }
    if abandoned {
        return "planned and left; nothing was changed".to_owned();
    }
    match progress.intended.iter().next().or_else(|| progress.done.iter().next_back()) {
        Some(step) => format!("its process died around the step `{step}`"),
        None => "its process died".to_owned(),
    }
}

/// Every operation of a state directory, oldest first. What cannot be read is left out and warned about; who must not
/// go on without it asks for [`unreadable`].
pub fn list(state: &Path) -> Result<Vec<Summary>> {
    Ok(list_all(state)?.into_iter().map(|one| one.summary).collect())
}

/// [`list`], with the versions that each went from and to. An operation that has ended is read once; after that its
/// summary serves for as long as its files are as they were.
pub fn list_all(state: &Path) -> Result<Vec<Listed>> {
    let mut found = Vec::new();
    let mut summaries = Summaries::open(state);
    for name in names(state)? {
        let identity = Identity::of(state, &name);
        if let Some(known) = identity.as_ref().and_then(|identity| summaries.get(&name, identity)) {
            found.push(known);
            continue;
        }
        match one(state, &name) {
            Ok(Some(listed)) => {
                // What has not ended is somebody's doing now, and may look different in a moment.
                if let Some(identity) = identity.filter(|_| listed.summary.duration_ms.is_some()) {
                    summaries.learn(&identity, &listed);
                }
                found.push(listed);
            }
            Ok(None) => {}
            Err(error) => tracing::warn!("operation {name}: {error}"),
        }
    }
    summaries.keep();
    // `OP-…-10` comes after `OP-…-9`.
    let key = |one: &Listed| (one.summary.created_at, one.summary.id.len());
    found.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.summary.id.cmp(&b.summary.id)));
    Ok(found)
}

/// One operation; none if it never had a plan.
///
/// # Errors
/// An operation that does not exist or cannot be read.
pub fn find(state: &Path, id: &str) -> Result<Option<Summary>> {
    Ok(one(state, id)?.map(|listed| listed.summary))
}

/// The operations on a service that cannot be read, each with why; also those of which not even the service is known.
pub fn unreadable(state: &Path, service: &str) -> Result<Vec<String>> {
    let (mut found, summaries) = (Vec::new(), Summaries::open(state));
    for name in names(state)? {
        if Identity::of(state, &name).is_some_and(|identity| summaries.get(&name, &identity).is_some()) {
            continue;
        }
        let Err(error) = one(state, &name) else { continue };
        let pinned = Directory::open(state, &name).and_then(|directory| directory.pinned());
        let known = pinned.ok().flatten().map(|(pinned, _)| pinned.service);
        if known.is_none_or(|known| known == service) {
            found.push(format!("{} cannot be read: {}", name.escape_debug(), error.message));
        }
    }
    Ok(found)
}

/// The names of all operations.
pub(super) fn names(state: &Path) -> Result<Vec<String>> {
    let entries = match fs_err::read_dir(directory::root(state)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// An operation; none if it never had a plan.
pub(super) fn one(state: &Path, id: &str) -> Result<Option<Listed>> {
    let directory = Directory::open(state, id)?;
    let Some((pinned, digest)) = directory.pinned()? else { return Ok(None) };
    let progress = Progress::of(&directory.records(&digest)?);
    let version = |pointer: &str| pinned.plan.pointer(pointer)?.as_str()?.parse().ok();
    let (from, to) = (version("/served/digest"), version("/to/digest"));
    Ok(Some(Listed { summary: summary(&pinned, &progress), from, to }))
}
