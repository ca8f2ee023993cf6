//! Where an operation's events go: to the store if it works, else to a file that is read in later.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::{Error, ErrorCode, Result, file};
use crate::store::{NewEvent, Store};

/// Takes events. It never fails and never holds an operation up: what cannot be stored now is kept for later.
pub trait Recorder {
    /// Takes an event.
    fn record(&self, event: NewEvent);
}

/// Forgets everything; for rehearsals and tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRecorder;

impl Recorder for NoRecorder {
    fn record(&self, _event: NewEvent) {}
}

/// Writes to the store, and to `<state>/spool/events.jsonl` when that fails.
pub struct StoreRecorder {
    store: Option<Arc<dyn Store>>,
    state: PathBuf,
}

impl StoreRecorder {
    /// A recorder for this state directory; `store` is absent when it could not be opened.
    pub fn new(store: Option<Arc<dyn Store>>, state: impl Into<PathBuf>) -> Self {
        Self { store, state: state.into() }
    }
}

impl Recorder for StoreRecorder {
    fn record(&self, event: NewEvent) {
        if let Some(store) = &self.store {
            // What was kept earlier comes first, so that the store has the order in which things happened.
            let stored = drain_spool(store.as_ref(), &self.state)
                .and_then(|_| store.with(|session| session.append(event.clone())));
            match stored {
                Ok(_) => return,
                Err(error) => tracing::warn!("the event store does not take events: {error}"),
            }
        }
        if let Err(error) = spool(&self.state, &event) {
            tracing::error!("an event is lost: {error}");
        }
    }
}

fn spool_path(state: &Path) -> PathBuf {
    state.join("spool").join("events.jsonl")
}

/// Appends an event to the spool.
fn spool(state: &Path, event: &NewEvent) -> Result<()> {
    use fs_err::os::unix::fs::OpenOptionsExt as _;
    let path = spool_path(state);
    super::directory::make(file::parent(&path))?;
    let mut line = serde_json::to_vec(event)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("an event: {error}")))?;
    line.push(b'\n');
    let mut spool = fs_err::OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
    spool.file().lock()?;
    spool.write_all(&line)?;
    file::sync_file(spool.file())
}

/// Moves what the spool holds into the store, in one transaction; returns how many events that were.
pub fn drain_spool(store: &dyn Store, state: &Path) -> Result<usize> {
    let path = spool_path(state);
    let spool = match fs_err::OpenOptions::new().read(true).write(true).open(&path) {
        Ok(spool) => spool,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    spool.file().lock()?;
    let bytes = file::read_limited(&path, 256 * 1024 * 1024)?;
    // A line that a crash tore was never complete, so nobody was told that it was kept.
    let events: Vec<NewEvent> =
        bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    if !events.is_empty() {
        store.with(|session| {
            for event in &events {
                session.append(event.clone())?;
            }
            Ok(())
        })?;
    }
    if !bytes.is_empty() {
        spool.set_len(0)?;
        file::sync_file(spool.file())?;
    }
    Ok(events.len())
}
