//! Claims: a lock file beside what is protected, so that one operation at a time changes it.
//!
//! The lock is the kernel's (`flock`), so a dead holder frees it; what stands in the file says who that was.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::base::host::{self, ProcessIdentity};
use crate::base::{Error, ErrorCode, Result, clock, fault, file};
use crate::store::Actor;

/// Who holds a claim, as it stands in the lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The operation.
    pub operation: String,
    /// The service.
    pub service: String,
    /// The state directory that has the operation.
    pub state: PathBuf,
    /// The process.
    pub process: ProcessIdentity,
    /// Who started it.
    pub actor: Actor,
    /// Since when (UTC).
    pub since: DateTime<Utc>,
}

/// A claim that is ours until it is dropped.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    file: std::fs::File,
    /// What an earlier holder left: it died, or halted, without clearing it.
    pub left_behind: Option<Holder>,
}

/// The lock file that protects `live`: beside it, so that everyone who changes it looks at the same one.
pub fn beside(live: &Path) -> PathBuf {
    let name = live.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    file::parent(live).join(format!(".irctl-claim.{name}"))
}

impl Claim {
    /// Takes the claim; another holder is an error of code `busy` that names it.
    pub fn take(path: &Path, holder: &Holder) -> Result<Self> {
        loop {
            let mut file = open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(std::fs::TryLockError::WouldBlock) => return Err(busy(path, &mut file)),
                Err(std::fs::TryLockError::Error(error)) => {
                    return Err(Error::io(format!("cannot lock {}", path.display()), error));
                }
            }
            // Between opening and locking, the holder before us may have taken the file away.
            if !is_same(path, &file) {
                continue;
            }
            let left_behind = read(&mut file);
            let mut claim = Self { path: path.to_path_buf(), file, left_behind };
            if claim.left_behind.is_none() {
                claim.write(holder)?;
            }
            fault::point("claim:taken");
            return Ok(claim);
        }
    }

    /// Says who holds it.
    pub fn write(&mut self, holder: &Holder) -> Result<()> {
        let bytes = serde_json::to_vec(holder)
            .map_err(|error| Error::new(ErrorCode::Bug, format!("a claim: {error}")))?;
        let failed = |error| Error::io(format!("cannot write {}", self.path.display()), error);
        self.file.set_len(0).map_err(failed)?;
        self.file.rewind().map_err(failed)?;
        self.file.write_all(&bytes).map_err(failed)?;
        file::sync_file(&self.file)
    }

    /// Gives the claim back: nothing is left unfinished.
    pub fn release(self) {
        let _ = fs_err::remove_file(&self.path);
    }
}

fn open(path: &Path) -> Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // Who may write beside what is protected is not always who we are: a link there would have us write elsewhere.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    if path.is_symlink() {
        return Err(Error::new(
            ErrorCode::OutsideRoot,
            format!("{} is a link, and no claim", path.display()),
        )
        .hint("find out who made it, then take it away"));
    }
    opened.map_err(|error| {
        Error::io(format!("cannot claim {}", path.display()), error)
            .hint("whoever rolls back must be able to write beside what is rolled back")
    })
}

fn is_same(path: &Path, file: &std::fs::File) -> bool {
    match (std::fs::symlink_metadata(path), file.metadata()) {
        (Ok(there), Ok(ours)) => (there.dev(), there.ino()) == (ours.dev(), ours.ino()),
        _ => false,
    }
}

fn read(file: &mut std::fs::File) -> Option<Holder> {
    let mut bytes = Vec::new();
    file.rewind().ok()?;
    file.take(64 * 1024).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn busy(path: &Path, file: &mut std::fs::File) -> Error {
    match read(file) {
        Some(holder) => Error::new(
            ErrorCode::Busy,
            format!(
                "{} is being changed by {} ({}, process {} on {}) since {}",
                holder.service,
                holder.actor,
                holder.operation,
                holder.process.pid,
                holder.process.host,
                clock::format_instant(holder.since)
            ),
        )
        .hint(format!("watch it with `irctl rollback attach {}`", holder.operation)),
        None => Error::new(ErrorCode::Busy, format!("another irctl holds {}", path.display()))
            .hint("try again in a moment"),
    }
}

/// Who this process is, for a claim.
pub fn holder(operation: &str, service: &str, state: &Path, actor: &Actor, since: DateTime<Utc>) -> Holder {
    Holder {
        operation: operation.to_owned(),
        service: service.to_owned(),
        state: state.to_path_buf(),
        process: host::current(),
        actor: actor.clone(),
        since,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_instant;

    fn me(operation: &str) -> Holder {
        let since = parse_instant("2026-11-20T03:07:00Z").unwrap();
        holder(operation, "rila_6y20b", Path::new("/state"), &Actor::Human("kim".into()), since)
    }

    #[test]
    fn one_at_a_time_and_the_second_learns_who() {
        let directory = tempfile::tempdir().unwrap();
        let path = beside(&directory.path().join("live"));
        let first = Claim::take(&path, &me("OP-1")).unwrap();
        let error = Claim::take(&path, &me("OP-2")).unwrap_err();
        assert_eq!(error.code, ErrorCode::Busy);
        assert!(error.message.contains("kim") && error.hint.unwrap().contains("attach OP-1"));
        first.release();
        assert!(!path.exists());
        assert!(Claim::take(&path, &me("OP-2")).unwrap().left_behind.is_none());
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (path, victim) = (beside(&directory.path().join("live")), directory.path().join("victim"));
        fs_err::write(&victim, "theirs").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        assert_eq!(Claim::take(&path, &me("OP-1")).unwrap_err().code, ErrorCode::OutsideRoot);
        assert_eq!(fs_err::read_to_string(&victim).unwrap(), "theirs");
    }

    #[test]
    fn a_holder_that_died_is_found_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = beside(&directory.path().join("live"));
        drop(Claim::take(&path, &me("OP-1")).unwrap());
        let second = Claim::take(&path, &me("OP-2")).unwrap();
        assert_eq!(second.left_behind.as_ref().unwrap().operation, "OP-1");
        drop(second);
        let third = Claim::take(&path, &me("OP-3")).unwrap();
        assert_eq!(third.left_behind.as_ref().unwrap().operation, "OP-1", "not overwritten by looking");
    }
}
