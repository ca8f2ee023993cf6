//! Where snapshots stand: found, listed, locked, and swept of what a crash left.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::blobs;
use super::manifest::{Snapshot, Stored};
use crate::base::{Error, ErrorCode, Result, file, path};
use crate::operation::directory;

/// The name of a folder that is not a snapshot yet, or not any more, begins with this.
pub const UNFINISHED: &str = ".";

/// How long another process that takes or removes a snapshot is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// A snapshot on disk, as far as it can be read.
#[derive(Debug)]
pub struct Found {
    /// Its identifier.
    pub id: String,
    /// The service.
    pub service: String,
    /// Its folder.
    pub folder: PathBuf,
    /// What it says, or why that cannot be known.
    pub snapshot: Result<Snapshot>,
}

/// Where snapshots stand.
pub fn root(state: &Path) -> PathBuf {
    state.join("snapshots")
}

fn bundles(state: &Path) -> PathBuf {
    root(state).join("bundles")
}

/// Where the snapshots of one service stand.
pub fn folder_of(state: &Path, service: &str) -> Result<PathBuf> {
    Ok(bundles(state).join(path::single_name(service)?))
}

/// The manifest in a snapshot's folder.
pub fn manifest(folder: &Path) -> PathBuf {
    folder.join("manifest.json")
}

/// The snapshots of a service, or of all, oldest first.
pub fn list(state: &Path, service: Option<&str>) -> Result<Vec<Found>> {
    let services = match service {
        Some(service) => vec![path::single_name(service)?.to_owned()],
        None => names(&bundles(state))?,
    };
    let mut all = Vec::new();
    for service in services {
        let folder = folder_of(state, &service)?;
        for id in names(&folder)?.into_iter().filter(|id| !id.starts_with(UNFINISHED)) {
            let folder = folder.join(&id);
            let snapshot = Snapshot::read(&manifest(&folder));
            all.push(Found { id, service: service.clone(), folder, snapshot });
        }
    }
    all.sort_by_key(|found| order(&found.id));
    Ok(all)
}

/// The newest snapshot of a service that can be read, of the same phase.
pub fn newest(state: &Path, service: &str, phase: Option<&str>) -> Result<Option<Snapshot>> {
    let all = list(state, Some(service))?;
    Ok(all
        .into_iter()
        .rev()
        .filter_map(|found| found.snapshot.ok())
        .find(|one| one.phase.as_deref() == phase))
}

/// The snapshot that is meant: by its identifier, its name, its digest, or the newest where nothing is said.
pub fn find(state: &Path, service: Option<&str>, named: Option<&str>) -> Result<Found> {
    let mut all = list(state, service)?;
    let none = |what: String| {
        Error::new(ErrorCode::NotFound, what).hint("`irctl snapshot list` names those there are")
    };
    let Some(named) = named.filter(|named| *named != "latest") else {
        return all.pop().ok_or_else(|| none("there is no snapshot".to_owned()));
    };
    let mut fitting: Vec<_> = all.into_iter().filter(|found| found.is_named(named)).collect();
    match (fitting.pop(), fitting.pop()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(none(format!("there is no snapshot `{}`", named.escape_debug()))),
        (Some(_), Some(_)) => Err(none(format!("there are several snapshots `{}`", named.escape_debug()))
            .hint("name one by its identifier, or say which service: --service NAME")),
    }
}

impl Found {
    fn is_named(&self, named: &str) -> bool {
        let known = self.snapshot.as_ref().ok();
        self.id == named
            || known.and_then(|one| one.name.as_ref()).is_some_and(|name| name.raw() == named)
            || known.is_some_and(|one| one.digest.matches(named))
    }
}

/// Identifiers in the order in which they were given, whatever stands behind the instant.
fn order(id: &str) -> (String, u32) {
    let (stamp, suffix) = id.split_at_checked(20).unwrap_or((id, ""));
    (stamp.to_owned(), suffix.trim_start_matches('-').parse().unwrap_or(1))
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Keeps other processes from taking or removing snapshots until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: fs_err::File,
}

/// Takes the lock.
///
/// # Errors
/// `busy` when another process has had it for five seconds.
pub fn lock(state: &Path) -> Result<Lock> {
    let begun = Instant::now();
    loop {
        if let Some(lock) = try_lock(state)? {
            return Ok(lock);
        }
        if begun.elapsed() >= PATIENCE {
            return Err(Error::new(ErrorCode::Busy, "another snapshot is being taken or removed")
                .hint("wait for that to end, then do it again"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Takes the lock if nobody has it.
pub fn try_lock(state: &Path) -> Result<Option<Lock>> {
    use fs_err::os::unix::fs::OpenOptionsExt as _;
    let root = root(state);
    directory::make(&root)?;
    let opened = fs_err::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(root.join("lock"))?;
    match opened.file().try_lock() {
        Ok(()) => Ok(Some(Lock { _file: opened })),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(Error::io("cannot lock the snapshots", error)),
    }
}

/// Takes away what a crash left: folders that never became a snapshot, and bytes that no snapshot needs.
pub fn sweep(state: &Path, _lock: &Lock) -> Result<()> {
    for service in names(&bundles(state))? {
        let folder = folder_of(state, &service)?;
        for name in names(&folder)?.into_iter().filter(|name| name.starts_with(UNFINISHED)) {
            fs_err::remove_dir_all(folder.join(name))?;
        }
        file::sync_directory(&folder)?;
    }
    let mut needed = std::collections::BTreeSet::new();
    for found in list(state, None)? {
        // Nobody knows what a snapshot needs that cannot be read: then everything stays.
        let Ok(snapshot) = found.snapshot else { return blobs::sweep(state, None) };
        let own = snapshot.kept().filter(|(_, file)| file.stored == Stored::Store);
        needed.extend(own.map(|(_, file)| file.digest.hex().to_owned()));
    }
    blobs::sweep(state, Some(&needed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenth_of_a_second_comes_after_the_second() {
        let mut ids = ["SNAP-20261120-030700-10", "SNAP-20261120-030700-2", "SNAP-20261120-030700"];
        ids.sort_by_key(|id| order(id));
        assert_eq!(ids, ["SNAP-20261120-030700", "SNAP-20261120-030700-2", "SNAP-20261120-030700-10"]);
    }
}
