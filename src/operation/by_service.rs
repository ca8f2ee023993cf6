//! The operations of one service after the other, as a round over thousands of them asks: whose an operation is never
//! changes, so that each is read once for that, and after that only those of the service that is asked about.

use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::directory::{self, Directory};
use super::listing::{self, Summary};
use super::summaries::{Identity, Summaries};
use crate::base::{Result, file};

/// Which operations each service has.
pub struct ByService {
    state: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    summaries: Option<Summaries>,
    /// Every operation whose service is known.
    placed: BTreeSet<String>,
    /// Their names by service.
    services: HashMap<String, Vec<String>>,
    /// Those whose plan is not written yet, or cannot be read.
    unplaced: BTreeSet<String>,
    /// Those that have ended, and how their files were then.
    ended: HashMap<String, Identity>,
    /// How the folder of operations was when its names were read, where it had been left alone for a while.
    folder: Option<[i64; 4]>,
}

impl ByService {
    /// Of a state directory.
    pub fn new(state: &Path) -> Self {
        Self { state: state.to_path_buf(), known: Mutex::default() }
    }

    /// The operations on a service that a process works on now, oldest first. What cannot be read is left out and
    /// warned about.
    pub fn running(&self, service: &str) -> Result<Vec<Summary>> {
        // A panic elsewhere leaves nothing half-done: what is known is added to, one whole entry at a time.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.look(&self.state)?;
        let names = known.services.get(service).cloned().unwrap_or_default();
        let mut running: Vec<Summary> =
            names.iter().filter_map(|name| known.running(&self.state, name)).collect();
        running.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(running)
    }
}

impl Known {
    /// Places every operation that is new since the last look.
    fn look(&mut self, state: &Path) -> Result<()> {
        let folder = directory::root(state).metadata().ok();
        let times = folder.as_ref().map(|one| [one.mtime(), one.mtime_nsec(), one.ctime(), one.ctime_nsec()]);
        if times.is_none() || self.folder.is_none() || times != self.folder {
            let names = listing::names(state)?;
            self.unplaced.extend(names.into_iter().filter(|name| !self.placed.contains(name)));
            self.folder = times.filter(|_| folder.as_ref().is_some_and(file::settled));
        }
        for name in std::mem::take(&mut self.unplaced) {
            match self.service_of(state, &name) {
                Some(service) => {
                    self.services.entry(service).or_default().push(name.clone());
                    self.placed.insert(name);
                }
                None => {
                    self.unplaced.insert(name);
                }
            }
        }
        Ok(())
    }

    fn service_of(&mut self, state: &Path, name: &str) -> Option<String> {
        let identity = Identity::of(state, name);
        let summaries = self.summaries.get_or_insert_with(|| Summaries::open(state));
        if let Some(listed) = identity.as_ref().and_then(|identity| summaries.get(name, identity)) {
            self.ended.extend(identity.map(|identity| (name.to_owned(), identity)));
            return Some(listed.summary.service);
        }
        let pinned = Directory::open(state, name).and_then(|directory| directory.pinned());
        match pinned {
            Ok(pinned) => pinned.map(|(pinned, _)| pinned.service),
            Err(error) => {
                tracing::debug!("operation {name}: {error}");
                None
            }
        }
    }

    fn running(&mut self, state: &Path, name: &str) -> Option<Summary> {
        let identity = Identity::of(state, name);
        if identity.is_some() && self.ended.get(name) == identity.as_ref() {
            return None;
        }
        match listing::one(state, name) {
            Ok(Some(listed)) => {
                if listed.summary.duration_ms.is_some() {
                    self.ended.extend(identity.map(|identity| (name.to_owned(), identity)));
                }
                listed.summary.running.then_some(listed.summary)
            }
            Ok(None) => None,
            Err(error) => {
                tracing::warn!("operation {name}: {error}");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Digest;
    use crate::base::clock::parse_instant;
    use crate::operation::directory::Pinned;
    use crate::operation::journal::Journal;
    use crate::operation::{Ending, RecordKind};
    use crate::store::Actor;

    fn begun(state: &Path, service: &str) -> Journal {
        let at = parse_instant("2026-11-20T03:07:00Z").unwrap();
        let directory = Directory::create(state, at).unwrap();
        let mut journal = directory
            .pin(&Pinned {
                format: Pinned::format(),
                id: directory.id.clone(),
                kind: "rollback".into(),
                service: service.into(),
                created_at: at,
                actor: Actor::Automation,
                incident: None,
                reason: None,
                host: "here".into(),
                claims: Vec::new(),
                plan: serde_json::json!({"to": Digest::of(b"model").to_string()}),
                steps: Vec::new(),
                configuration: serde_json::Value::Null,
            })
            .unwrap();
        let process = crate::base::host::current();
        journal.append(at, RecordKind::Began { actor: Actor::Automation, process }).unwrap();
        journal
    }

    #[test]
    fn who_is_at_work_on_a_service_is_seen_at_once_and_no_longer_than_it_lasts() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path();
        let operations = ByService::new(state);
        let at_work = |service: &str| operations.running(service).unwrap().len();
        assert_eq!(at_work("pricing"), 0, "there is no folder of operations at all");
        let mut first = begun(state, "pricing");
        begun(state, "search");
        assert_eq!((at_work("pricing"), at_work("search"), at_work("ranking")), (1, 1, 0));
        let at = parse_instant("2026-11-20T03:08:00Z").unwrap();
        let summary = "back".to_owned();
        first.append(at, RecordKind::Ended { ending: Ending::Restored, summary, duration_ms: 7 }).unwrap();
        assert_eq!((at_work("pricing"), at_work("search")), (0, 1));
        begun(state, "pricing");
        assert_eq!(at_work("pricing"), 1, "a new one on the same service");
    }
}
