//! Which operations there are, and which of them are unfinished.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

use super::directory::{self, Directory, Pinned};
use super::ending::Ending;
use super::journal::Progress;
use crate::base::Result;
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
    let mut found = Vec::new();
    for name in names(state)? {
        match one(state, &name) {
            Ok(Some(summary)) => found.push(summary),
            Ok(None) => {}
            Err(error) => tracing::warn!("operation {name}: {error}"),
        }
    }
    found.sort_by(|a, b| (a.created_at, natural(&a.id)).cmp(&(b.created_at, natural(&b.id))));
    Ok(found)
}

/// The operations on a service that cannot be read, each with why; also those of which not even the service is known.
pub fn unreadable(state: &Path, service: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for name in names(state)? {
        let Err(error) = one(state, &name) else { continue };
        let pinned = Directory::open(state, &name).and_then(|directory| directory.pinned());
        let known = pinned.ok().flatten().map(|(pinned, _)| pinned.service);
        if known.is_none_or(|known| known == service) {
            found.push(format!("{} cannot be read: {}", name.escape_debug(), error.message));
        }
    }
    Ok(found)
}

fn names(state: &Path) -> Result<Vec<String>> {
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

/// `OP-…-10` comes after `OP-…-9`.
fn natural(id: &str) -> (usize, &str) {
    (id.len(), id)
}

fn one(state: &Path, id: &str) -> Result<Option<Summary>> {
    let directory = Directory::open(state, id)?;
    let Some((pinned, digest)) = directory.pinned()? else { return Ok(None) };
    let progress = Progress::of(&directory.records(&digest)?);
    Ok(Some(summary(&pinned, &progress)))
}
