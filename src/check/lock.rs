//! One round at a time, and whoever is kept out learns who is in.
//!
//! A round over parts of the workspace (`--shard`) excludes rounds over the whole and rounds over the same part.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::shard::Shard;
use crate::base::clock::format_near;
use crate::base::host::{self, Liveness, ProcessIdentity};
use crate::base::{Error, ErrorCode, Result, identity};

/// A round that is running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Holder {
    /// The round: `RUN-20261120-030700-1f3a`.
    pub run: String,
    /// The process that runs it.
    pub process: ProcessIdentity,
    /// Since when (UTC).
    pub since: DateTime<Utc>,
    /// Of which part of the services; absent where it is over the whole.
    pub shard: Option<Shard>,
}

impl Holder {
    /// This process, from now on.
    pub fn here(shard: Option<Shard>, now: DateTime<Utc>) -> Result<Self> {
        let run = format!("{}-{}", identity::stamped("RUN", now), identity::random_hex(2)?);
        Ok(Self { run, process: host::current(), since: now, shard })
    }

    /// `RUN-… (process 12 on host, since 03:07 UTC)`.
    pub fn said(&self, now: DateTime<Utc>) -> String {
        let shard = self.shard.map(|shard| format!(", shard {shard}")).unwrap_or_default();
        let since = format_near(self.since, now);
        format!("{} (process {} on {}, since {since}{shard})", self.run, self.process.pid, self.process.host)
    }
}

/// Holds the right to run a round until it is dropped; the operating system gives it back if the process dies.
#[derive(Debug)]
pub struct RoundLock {
    _whole: File,
    own: File,
}

impl Drop for RoundLock {
    fn drop(&mut self) {
        // It is nobody's now, though the process may live on. What is left of it does no harm.
        let _ = self.own.set_len(0);
    }
}

/// Takes the lock, or says who has it.
pub fn take(state: &Path, me: &Holder) -> Result<RoundLock> {
    let whole_path = state.join("check.lock");
    let whole = open(&whole_path)?;
    let taken = if me.shard.is_some() { whole.try_lock_shared() } else { whole.try_lock() };
    match taken {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(busy(state, &[], me)),
        Err(TryLockError::Error(error)) => return Err(failed(&whole_path, error)),
    }
    let own = match me.shard {
        None => whole.try_clone().map_err(|error| failed(&whole_path, error))?,
        Some(shard) => {
            let path = shard_path(state, shard);
            let own = open(&path)?;
            match own.try_lock() {
                Ok(()) => own,
                Err(TryLockError::WouldBlock) => return Err(busy(state, &[path], me)),
                Err(TryLockError::Error(error)) => return Err(failed(&path, error)),
            }
        }
    };
    write(&own, me).map_err(|error| failed(&whole_path, error))?;
    Ok(RoundLock { _whole: whole, own })
}

/// The rounds that are running, oldest first.
pub fn running(state: &Path) -> Vec<Holder> {
    let mut all: Vec<Holder> = paths(state).iter().filter_map(|path| holder(path)).collect();
    all.sort_by(|a, b| (a.since, &a.run).cmp(&(b.since, &b.run)));
    all
}

fn paths(state: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(state).into_iter().flatten().flatten();
    let is_lock = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name == "check.lock" || (name.starts_with("check.shard-") && name.ends_with(".lock"))
    };
    entries.map(|entry| entry.path()).filter(is_lock).collect()
}

fn shard_path(state: &Path, shard: Shard) -> PathBuf {
    state.join(format!("check.shard-{}-of-{}.lock", shard.number, shard.of))
}

/// Who wrote themselves into a lock file, if they still live. Asking by locking would keep others out.
fn holder(path: &Path) -> Option<Holder> {
    let holder: Holder = serde_json::from_slice(&fs_err::read(path).ok()?).ok()?;
    (holder.process.liveness() == Liveness::Alive).then_some(holder)
}

fn open(path: &Path) -> Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(|error| failed(path, error))
}

fn write(mut file: &File, me: &Holder) -> std::io::Result<()> {
    use std::io::Write as _;
    file.set_len(0)?;
    file.write_all(&serde_json::to_vec(me)?)
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::io(format!("cannot lock {}", path.display()), error)
        .hint("a round needs a state directory that it can write to: check its owner and its disk")
}

fn busy(state: &Path, paths: &[PathBuf], me: &Holder) -> Error {
    let who = match paths.first() {
        Some(path) => holder(path),
        None => running(state).into_iter().next(),
    };
    let said = who.as_ref().map_or_else(|| "another process".to_owned(), |who| who.said(me.since));
    Error::new(ErrorCode::Busy, format!("another round of `irctl check` is running: {said}"))
        .hint("rounds do not overlap; this one did nothing. If it happens every time, run check less often")
        .details(serde_json::json!({"holder": who}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_instant;

    fn me(shard: Option<&str>) -> Holder {
        let now = parse_instant("2026-11-20T03:07:00Z").unwrap();
        Holder::here(shard.map(|shard| shard.parse().unwrap()), now).unwrap()
    }

    #[test]
    fn one_at_a_time_and_free_again_afterwards() {
        let state = tempfile::tempdir().unwrap();
        let holder = me(None);
        let first = take(state.path(), &holder).unwrap();
        assert_eq!(running(state.path()), std::slice::from_ref(&holder));
        let error = take(state.path(), &me(None)).unwrap_err();
        assert_eq!(error.code, ErrorCode::Busy);
        assert!(error.message.contains(&holder.run), "{error}");
        assert!(error.message.contains("since 03:07 UTC"), "{error}");
        assert_eq!(error.details.unwrap()["holder"]["run"], holder.run);
        drop(first);
        assert_eq!(running(state.path()), []);
        take(state.path(), &me(None)).unwrap();
    }

    #[test]
    fn parts_run_beside_each_other_and_not_beside_the_whole() {
        let state = tempfile::tempdir().unwrap();
        let first = take(state.path(), &me(Some("1/2"))).unwrap();
        let second = take(state.path(), &me(Some("2/2"))).unwrap();
        assert_eq!(running(state.path()).len(), 2);
        for (shard, who) in [(Some("1/2"), "shard 1/2"), (None, ", shard ")] {
            let error = take(state.path(), &me(shard)).unwrap_err();
            assert!(error.message.contains(who), "{error}");
        }
        drop((first, second));
        let _whole = take(state.path(), &me(None)).unwrap();
        assert_eq!(take(state.path(), &me(Some("1/2"))).unwrap_err().code, ErrorCode::Busy);
    }

    #[test]
    fn who_is_dead_runs_nothing() {
        let state = tempfile::tempdir().unwrap();
        let mut dead = me(None);
        dead.process.started += 1;
        std::fs::write(state.path().join("check.lock"), serde_json::to_vec(&dead).unwrap()).unwrap();
        assert_eq!(running(state.path()), []);
        take(state.path(), &me(None)).unwrap();
    }
}
