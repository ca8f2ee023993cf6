//! Files that survive a crash: written beside, fsynced, renamed, and the folder fsynced.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::digest::Digest;
use super::error::{Error, ErrorCode, Result};

static SYNCS: AtomicU64 = AtomicU64::new(0);

/// How many times this process has forced data to disk through this module.
pub fn syncs() -> u64 {
    SYNCS.load(Ordering::Relaxed)
}

/// Forces a file's data and metadata to disk.
pub fn sync_file(file: &std::fs::File) -> Result<()> {
    SYNCS.fetch_add(1, Ordering::Relaxed);
    file.sync_all().map_err(|error| Error::io("cannot force a file to disk", error))
}

/// Forces a folder's entries to disk, so that a rename in it survives a crash.
pub fn sync_directory(path: &Path) -> Result<()> {
    let directory = fs_err::File::open(path).map_err(|error| Error::io("cannot open the folder", error))?;
    SYNCS.fetch_add(1, Ordering::Relaxed);
    directory.sync_all().map_err(|error| Error::io("cannot force the folder to disk", error))
}

/// Whether a file last changed long enough ago (two seconds, by this machine's clock) that a change from now on must
/// show in its times. One that changed in the future has not.
pub fn settled(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let times = [(metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec())];
    settled_since(times)
}

/// [`settled`], by the times themselves: when it was written and when anything about it changed, each in seconds since
/// 1970 and nanoseconds.
pub fn settled_since(times: [(i64, i64); 2]) -> bool {
    use std::time::{Duration, SystemTime};
    times.into_iter().all(|(seconds, nanoseconds)| {
        let nanoseconds = u32::try_from(nanoseconds).unwrap_or(0);
        let since = Duration::new(u64::try_from(seconds).unwrap_or(0), nanoseconds);
        let age = SystemTime::UNIX_EPOCH
            .checked_add(since)
            .and_then(|at| SystemTime::now().duration_since(at).ok());
        age.is_some_and(|age| age >= Duration::from_secs(2))
    })
}

/// The folder a path stands in.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Replaces a file's content atomically: readers see the old bytes or the new ones, and so does the next boot.
///
/// Keeps the permissions and, where we may, the owner of the file that stood there; a new file gets `mode` (0o644 for
/// what others read, 0o600 for what only the owner may).
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    replace(path, bytes, mode)?;
    sync_directory(parent(path))
}

/// [`write_atomic`] for a file in somebody else's folder: what a kill leaves half-written there has a name by which
/// [`discard_half_written`] finds it.
pub fn write_findable(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    // What cannot be taken away is no reason not to write; it is said when the operation ends.
    let _ = discard_half_written(path);
    replace_with(locked(&half_written(path), parent(path)), path, bytes, mode)?;
    sync_directory(parent(path))
}

/// Takes away what every [`write_findable`] of this file left that was killed, and nothing that is being written.
pub fn discard_half_written(path: &Path) -> Result<()> {
    let prefix = half_written(path);
    for entry in fs_err::read_dir(parent(path))? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) {
            continue;
        }
        match discard(&entry.path()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(format!("cannot take {} away", entry.path().display()), error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whoever writes it holds a lock on it, which ends with the process.
fn discard(left: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = (rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW).bits().cast_signed();
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(left)?;
    match file.try_lock() {
        Ok(()) => std::fs::remove_file(left),
        Err(std::fs::TryLockError::WouldBlock) => Ok(()),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

/// How the name begins under which a file is written: with a digest, because a name that is as long as a folder allows
/// could not be made longer.
fn half_written(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    format!(".irctl-half-{}-", Digest::of(name).short())
}

/// [`write_atomic`] without waiting for the new name to be on disk: the next boot sees the old bytes or the new ones,
/// never a part. For what may be a little older after a crash.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let file = tempfile::Builder::new().prefix(".irctl-").tempfile_in(parent(path));
    replace_with(file, path, bytes, mode)
}

/// A new file that nobody else may discard: one that somebody took away before it had its lock is made again.
fn locked(prefix: &str, directory: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    use std::os::unix::fs::MetadataExt as _;
    loop {
        let file = tempfile::Builder::new().prefix(prefix).tempfile_in(directory)?;
        file.as_file().lock()?;
        if file.as_file().metadata()?.nlink() > 0 {
            return Ok(file);
        }
    }
}

fn replace_with(
    file: std::io::Result<tempfile::NamedTempFile>,
    path: &Path,
    bytes: &[u8],
    mode: u32,
) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let failed = |error: std::io::Error| Error::io(format!("cannot write {}", path.display()), error);
    let mut file = file.map_err(failed)?;
    let there = fs_err::metadata(path).ok();
    let mode = there.as_ref().map_or(mode, |there| there.permissions().mode() & 0o7777);
    file.write_all(bytes).map_err(failed)?;
    if let Some(there) = &there {
        keep_owner(file.as_file(), there).map_err(failed)?;
    }
    file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    sync_file(file.as_file())?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Gives a file the owner of the one whose place it takes: what only its owner may read must stay readable by it. Only
/// root can give files away; for anybody else nothing but the group can be kept, and that only where they are in it.
fn keep_owner(file: &std::fs::File, there: &std::fs::Metadata) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let ours = file.metadata()?;
    let uid = (ours.uid() != there.uid()).then(|| there.uid());
    let gid = (ours.gid() != there.gid()).then(|| there.gid());
    match std::os::unix::fs::fchown(file, uid, gid) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    }
}

/// Reads a file of at most `limit` bytes; a larger one is an error, not a surprise.
pub fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>> {
    use fs_err::os::unix::fs::OpenOptionsExt as _;
    use std::io::Read as _;
    // A pipe or a device in a file's place must not keep anybody waiting.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = fs_err::OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(|error| Error::io("cannot read", error))?;
    if !file.metadata()?.is_file() {
        let why = format!("{} is no regular file", path.display());
        return Err(Error::new(ErrorCode::InvalidData, why).hint("put a file there"));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| Error::io("cannot read", error))?;
    if bytes.len() as u64 > limit {
        return Err(Error::new(
            ErrorCode::InvalidData,
            format!("{} is larger than {} MiB", path.display(), limit / 1024 / 1024),
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn replaces_and_keeps_permissions() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        write_atomic(&path, b"one", 0o600).unwrap();
        assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        write_atomic(&path, b"two", 0o600).unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), b"two");
        assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs_err::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn what_a_kill_left_is_taken_away_and_what_is_being_written_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("n".repeat(255));
        let left = directory.path().join(half_written(&path) + "abcdef");
        fs_err::write(&path, b"one").unwrap();
        fs_err::write(&left, b"tw").unwrap();
        write_findable(&path, b"two", 0o600).unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), b"two");
        assert!(!left.exists());
        fs_err::write(&left, b"fo").unwrap();
        let writer = fs_err::File::open(&left).unwrap();
        writer.file().lock().unwrap();
        discard_half_written(&path).unwrap();
        assert!(left.exists(), "somebody is writing it");
        drop(writer);
        discard_half_written(&path).unwrap();
        assert_eq!(fs_err::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn keeps_the_owner_where_it_may() {
        use std::os::unix::fs::{MetadataExt as _, chown};
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs_err::write(&path, b"one").unwrap();
        // Only root can have a file that is somebody else's; the group may be changed to one's own by anybody.
        let owner =
            if rustix::process::geteuid().is_root() { 65_534 } else { rustix::process::geteuid().as_raw() };
        chown(&path, Some(owner), None).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        write_atomic(&path, b"two", 0o644).unwrap();
        let metadata = fs_err::metadata(&path).unwrap();
        assert_eq!((metadata.uid(), metadata.mode() & 0o777), (owner, 0o600));
    }

    #[test]
    fn refuses_more_than_the_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs_err::write(&path, b"12345").unwrap();
        assert_eq!(read_limited(&path, 5).unwrap().len(), 5);
        assert!(read_limited(&path, 4).is_err());
        assert!(read_limited(directory.path(), 4).is_err());
        assert!(read_limited(Path::new("/dev/zero"), 4).unwrap_err().message.contains("no regular file"));
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(read_limited(&pipe, 4).unwrap_err().code, ErrorCode::InvalidData);
    }
}
