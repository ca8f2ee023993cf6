//! One file copied: never half, hashed on the way, forced to disk once.
//!
//! Where the file system can share blocks (Btrfs, XFS, bcachefs, ZFS), a copy of any size takes no time and no room.
//! Else what is read once is hashed on one thread while another writes it.

use rustix::fs::{FallocateFlags, copy_file_range, fallocate, fstatfs, ioctl_ficlone};
use rustix::io::Errno;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::digests::{DigestCache, Identity};
use crate::base::digest::Hasher;
use crate::base::{Digest, Error, ErrorCode, Result, fault, file};

/// How much is read, hashed and written at a time.
const CHUNK: usize = 1024 * 1024;

/// How many of them are under way.
const CHUNKS: usize = 4;

/// Below this a second thread costs more than it gains.
const SMALL: u64 = 4 * 1024 * 1024;

/// What a copy may share with what it is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// Blocks, where the file system can; a later write to one of the two does not show in the other.
    #[default]
    Reflink,
    /// The file itself, where nobody may write to it (its mode gives nobody the right) and its place is on the same
    /// file system: takes no room anywhere, but whoever writes to the one all the same writes to both. Else as
    /// `reflink`.
    HardLink,
    /// Nothing: every byte is written anew.
    Nothing,
}

/// How a copy came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// The blocks are shared until one of the two is written to.
    Reflink,
    /// It is the same file under a second name.
    HardLink,
    /// The server of a network file system copied it; it was read back to hash it.
    Server,
    /// Read and written.
    Bytes,
}

/// A copy.
#[derive(Debug, Clone)]
pub struct Copied {
    /// The digest of what was copied.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// How it came about.
    pub manner: Manner,
}

/// Copies a file. What stands at `to` is replaced in one step by the whole copy, which is on disk by then; its name is
/// on disk when its folder is ([`file::sync_directory`], left to the caller, who may have many).
///
/// The digest is of the bytes that were copied. Only of blocks or a file that are shared it may come from `digests`.
pub fn copy(from: &Path, to: &Path, sharing: Sharing, digests: &DigestCache) -> Result<Copied> {
    let mut source = fs_err::File::open(from)?;
    let before = source.metadata()?;
    if !before.is_file() {
        let why = format!("{} is no regular file", from.display());
        return Err(Error::new(ErrorCode::InvalidData, why));
    }
    fault::point("copy:before");
    if sharing == Sharing::HardLink
        && before.mode() & 0o222 == 0
        && let Some(copied) = link(from, to, &before, digests)?
    {
        return Ok(copied);
    }
    let failed = |error: std::io::Error| cannot(to, error);
    let part = tempfile::Builder::new()
        .prefix(".irctl-")
        .suffix(".part")
        .tempfile_in(file::parent(to))
        .map_err(failed)?;
    let shared = sharing != Sharing::Nothing && ioctl_ficlone(part.as_file(), source.file()).is_ok();
    let copied = if shared {
        let digest = digests.get(&Identity::of(&before));
        let (digest, size) = match digest {
            Some(digest) => (digest, before.len()),
            None => hash(part.reopen().map_err(failed)?)?,
        };
        Copied { digest, size, manner: Manner::Reflink }
    } else if let Some(size) = by_server(source.file(), part.as_file(), before.len()) {
        let (digest, _) = hash(part.reopen().map_err(failed)?)?;
        Copied { digest, size, manner: Manner::Server }
    } else {
        reserve(part.as_file(), before.len()).map_err(failed)?;
        let (digest, size) = if before.len() < SMALL {
            plain(&mut source, part.as_file())
        } else {
            piped(&mut source, part.as_file())
        }
        .map_err(failed)?;
        if size < before.len() {
            part.as_file().set_len(size).map_err(failed)?;
        }
        Copied { digest, size, manner: Manner::Bytes }
    };
    let after = source.metadata()?;
    if Identity::of(&after) != Identity::of(&before) || copied.size != before.len() {
        return Err(Error::new(
            ErrorCode::Drifted,
            format!("{} changed while it was copied", from.display()),
        )
        .hint("somebody writes there; wait for that to end, then make a new plan"));
    }
    digests.learn(&after, &copied.digest);
    let mode = std::fs::Permissions::from_mode(before.mode() & 0o7777);
    part.as_file().set_permissions(mode).map_err(failed)?;
    file::sync_file(part.as_file())?;
    fault::point("copy:after-fsync");
    part.persist(to).map_err(|error| failed(error.error))?;
    fault::point("copy:after-rename");
    Ok(copied)
}

/// A second name for the file; nothing where that cannot be.
fn link(
    from: &Path,
    to: &Path,
    metadata: &std::fs::Metadata,
    digests: &DigestCache,
) -> Result<Option<Copied>> {
    let folder = file::parent(to);
    let made = tempfile::Builder::new()
        .prefix(".irctl-")
        .suffix(".part")
        .make_in(folder, |path| std::fs::hard_link(from, path));
    let Ok(made) = made else { return Ok(None) };
    // The link itself changed the change time: what is known by it is asked for with what was seen before.
    let (digest, size) = match digests.get(&Identity::of(metadata)) {
        Some(digest) => (digest, metadata.len()),
        None => Digest::of_file(made.path())?,
    };
    made.into_temp_path().persist(to).map_err(|error| cannot(to, error.error))?;
    fault::point("copy:after-rename");
    Ok(Some(Copied { digest, size, manner: Manner::HardLink }))
}

fn cannot(path: &Path, error: std::io::Error) -> Error {
    Error::io(format!("cannot write {}", path.display()), error).hint("nothing was switched")
}

fn hash(mut file: std::fs::File) -> Result<(Digest, u64)> {
    let mut hasher = Hasher::default();
    let size = hasher.read(&mut file)?;
    Ok((hasher.finish(), size))
}

/// Asks for the room first, so that a full disk is noticed before anything is written. Not every file system can say.
fn reserve(file: &std::fs::File, size: u64) -> std::io::Result<()> {
    if size < SMALL {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::empty(), 0, size) {
        Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => Err(errno.into()),
        _ => Ok(()),
    }
}

/// Network file systems whose server can copy: NFS, CIFS, SMB 2 and Ceph.
const SERVERS: [u64; 4] = [0x6969, 0xFF53_4D42, 0xFE53_4D42, 0x00C3_6400];

/// Lets the server of a network file system copy; nothing where there is none or it cannot.
fn by_server(source: &std::fs::File, target: &std::fs::File, size: u64) -> Option<u64> {
    let kind = fstatfs(target).ok()?.f_type;
    if !SERVERS.iter().any(|server| u64::try_from(kind).is_ok_and(|kind| kind == *server)) {
        return None;
    }
    let (mut read, mut written) = (0, 0);
    while written < size {
        let left = usize::try_from(size - written).unwrap_or(usize::MAX);
        match copy_file_range(source, Some(&mut read), target, Some(&mut written), left) {
            Ok(0) => break,
            Ok(_) => {}
            // Nothing was promised: the bytes go through here, over what is there already.
            Err(_) => return None,
        }
    }
    Some(written)
}

/// Reads, hashes and writes, one after the other.
fn plain(source: &mut fs_err::File, mut target: &std::fs::File) -> std::io::Result<(Digest, u64)> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; CHUNK.min(256 * 1024)];
    let mut size = 0;
    loop {
        let read = fill(source, &mut buffer)?;
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else { break };
        hasher.update(chunk);
        target.write_all(chunk)?;
        size += read as u64;
    }
    Ok((hasher.finish(), size))
}

/// Reads and hashes here while another thread writes.
fn piped(source: &mut fs_err::File, target: &std::fs::File) -> std::io::Result<(Digest, u64)> {
    let (full, to_write) = channel::<(Vec<u8>, usize)>();
    let (empty, to_fill) = channel::<Vec<u8>>();
    for _ in 0..CHUNKS {
        let _ = empty.send(vec![0; CHUNK]);
    }
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || write_all(target, &to_write, &empty));
        let hashed = read_all(source, &to_fill, &full);
        drop(full);
        let written = writer.join().unwrap_or_else(|_| Err(std::io::Error::other("the writer panicked")));
        // Why the writer stopped says more than that it did.
        written.and(hashed)
    })
}

fn write_all(
    mut target: &std::fs::File,
    chunks: &Receiver<(Vec<u8>, usize)>,
    empty: &Sender<Vec<u8>>,
) -> std::io::Result<()> {
    while let Ok((buffer, length)) = chunks.recv() {
        target.write_all(buffer.get(..length).unwrap_or_default())?;
        let _ = empty.send(buffer);
    }
    Ok(())
}

fn read_all(
    source: &mut fs_err::File,
    to_fill: &Receiver<Vec<u8>>,
    full: &Sender<(Vec<u8>, usize)>,
) -> std::io::Result<(Digest, u64)> {
    let mut hasher = Hasher::default();
    let mut size = 0;
    let stopped = || std::io::Error::other("the writer stopped");
    loop {
        let mut buffer = to_fill.recv().map_err(|_| stopped())?;
        let read = fill(source, &mut buffer)?;
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else { break };
        hasher.update(chunk);
        size += read as u64;
        full.send((buffer, read)).map_err(|_| stopped())?;
    }
    Ok((hasher.finish(), size))
}

/// Fills the buffer as far as there is something to read.
fn fill(source: &mut fs_err::File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match source.read(room) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs_err::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn copies_of_every_size_are_whole_and_hashed() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        for size in [0, 1, CHUNK, 6 * CHUNK + 7] {
            let bytes: Vec<u8> = (0..size).map(|at| (at * 31 % 251) as u8).collect();
            fs_err::write(&from, &bytes).unwrap();
            fs_err::set_permissions(&from, std::fs::Permissions::from_mode(0o640)).unwrap();
            for sharing in [Sharing::Reflink, Sharing::HardLink, Sharing::Nothing] {
                let copied = copy(&from, &to, sharing, &DigestCache::none()).unwrap();
                assert_eq!((copied.digest, copied.size), (Digest::of(&bytes), size as u64));
                assert!(fs_err::read(&to).unwrap() == bytes, "{size} {sharing:?}");
                assert_eq!(fs_err::metadata(&to).unwrap().mode() & 0o7777, 0o640);
                assert_ne!(copied.manner, Manner::HardLink, "a file that can be written to is not shared");
            }
        }
        assert_eq!(names(folder.path()), ["a", "b"], "nothing half is left");
    }

    #[test]
    fn only_what_nobody_may_write_is_linked() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        fs_err::write(&from, "model").unwrap();
        fs_err::set_permissions(&from, std::fs::Permissions::from_mode(0o444)).unwrap();
        let copied = copy(&from, &to, Sharing::HardLink, &DigestCache::none()).unwrap();
        assert_eq!((copied.manner, copied.digest), (Manner::HardLink, Digest::of(b"model")));
        assert_eq!(fs_err::metadata(&from).unwrap().ino(), fs_err::metadata(&to).unwrap().ino());
        let copied = copy(&from, &to, Sharing::Reflink, &DigestCache::none()).unwrap();
        assert_ne!(copied.manner, Manner::HardLink);
        assert_ne!(fs_err::metadata(&from).unwrap().ino(), fs_err::metadata(&to).unwrap().ino());
        assert_eq!(names(folder.path()), ["a", "b"]);
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        fs_err::write(&from, vec![7; 5 * CHUNK]).unwrap();
        fs_err::write(&to, "old").unwrap();
        let full = fs_err::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut source = fs_err::File::open(&from).unwrap();
        let error = piped(&mut source, full.file()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "why the writer stopped is said");
        assert!(copy(folder.path(), &to, Sharing::Reflink, &DigestCache::none()).is_err());
        assert_eq!(fs_err::read(&to).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a", "b"]);
    }
}
