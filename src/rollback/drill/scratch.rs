//! The folder in which a drill keeps its copies. It goes away with the drill; what a killed one left is swept by the
//! next.

use chrono::{DateTime, Utc};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::record;
use crate::base::{Error, ErrorCode, Result, fault, identity};
use crate::operation::directory;

/// A folder for copies, for the owner only.
#[derive(Debug)]
pub struct Scratch {
    /// The drill's identifier.
    pub id: String,
    /// The folder.
    pub folder: PathBuf,
    _lock: fs_err::File,
}

impl Scratch {
    /// Makes the folder of a new drill, after what dead ones left is swept.
    pub fn make(state: &Path, now: DateTime<Utc>) -> Result<Self> {
        let all = record::root(state).join("scratch");
        directory::make(&all)?;
        // Whoever sweeps must not see a folder whose lock is not taken yet.
        let gate = open(&all.join("lock"))?;
        gate.file().lock()?;
        sweep(&all);
        let base = identity::stamped("DRILL", now);
        let ids = std::iter::once(base.clone()).chain((2..10_000).map(|n| format!("{base}-{n}")));
        for id in ids {
            let folder = all.join(&id);
            if record::place(state, &id).exists() || folder.symlink_metadata().is_ok() {
                continue;
            }
            folder_at(&folder)?;
            let lock = open(&folder.join("lock"))?;
            lock.file().lock()?;
            fault::point("drill:begun");
            return Ok(Self { id, folder, _lock: lock });
        }
        Err(Error::new(ErrorCode::StateDirectory, format!("{} is full", all.display())))
    }

    /// A new empty folder in it.
    pub fn room(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        folder_at(&folder)?;
        Ok(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fault::point("drill:before-clean");
        remove(&self.folder);
    }
}

fn folder_at(folder: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().mode(0o700).create(folder);
    made.map_err(|error| {
        Error::io(format!("cannot make {}", folder.display()), error)
            .hint("a drill needs a state directory it can write to")
    })
}

fn open(path: &Path) -> Result<fs_err::File> {
    use fs_err::os::unix::fs::OpenOptionsExt as _;
    Ok(fs_err::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?)
}

/// Takes away the folders of drills that live no more.
fn sweep(all: &Path) {
    let Ok(entries) = fs_err::read_dir(all) else { return };
    for entry in entries.flatten() {
        let folder = entry.path();
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let dead = match fs_err::OpenOptions::new().write(true).open(folder.join("lock")) {
            Ok(lock) => lock.file().try_lock().is_ok(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if dead {
            remove(&folder);
        }
    }
}

/// Removes a folder with all in it, copies of folders that may not be written included.
fn remove(folder: &Path) {
    if fs_err::remove_dir_all(folder).is_ok() {
        return;
    }
    allow(folder);
    if let Err(error) = fs_err::remove_dir_all(folder) {
        tracing::warn!("copies of a drill stay: {error}");
    }
}

fn allow(folder: &Path) {
    let _ = fs_err::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
    for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            allow(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lives_stays_and_what_died_goes() {
        let state = tempfile::tempdir().unwrap();
        let now = crate::base::clock::parse_instant("2026-11-20T03:07:00Z").unwrap();
        let lives = Scratch::make(state.path(), now).unwrap();
        let dead = record::root(state.path()).join("scratch/DRILL-dead");
        fs_err::create_dir_all(dead.join("inner")).unwrap();
        fs_err::write(dead.join("lock"), "").unwrap();
        fs_err::set_permissions(dead.join("inner"), std::fs::Permissions::from_mode(0o500)).unwrap();
        let other = Scratch::make(state.path(), now).unwrap();
        assert_ne!(lives.id, other.id);
        assert!(lives.folder.exists() && other.folder.exists() && !dead.exists());
        let (one, two) = (lives.folder.clone(), other.folder.clone());
        drop((lives, other));
        assert!(!one.exists() && !two.exists());
    }
}
