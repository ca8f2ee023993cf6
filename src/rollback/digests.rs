//! Digests of files that were hashed before, so that ten thousand versions are not hashed again to find one.
//!
//! A file is known by device, inode, size, modification and change time, all in nanoseconds. A file that changed within
//! two seconds of being hashed is not remembered: a later write could leave all five as they are. What is known serves
//! for finding and listing. It never proves what was just switched: proof reads the bytes.

use rustix::fs::Stat;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::folders::Folders;
use super::remembered::{self, Magic, next};
use crate::base::{Digest, Result, digest::Hasher, file};

/// The file in the state directory.
const NAME: &str = "digests";

/// What the file begins with.
const MAGIC: &Magic = b"irctldg1";

/// Bytes of one record: five numbers and a digest.
const RECORD: usize = 5 * 8 + 32;

/// The most that is kept; beyond it what was not used in this run goes first.
const MOST: usize = 200_000;

/// What a file is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: i64,
    changed: i64,
}

impl Identity {
    /// Of a file as the standard library describes it.
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Of a file as the kernel describes it.
    pub fn of_stat(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: nanoseconds(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
            changed: nanoseconds(stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0)),
        }
    }

    /// The length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// When it was last written, in nanoseconds since 1970.
    pub fn modified(&self) -> i64 {
        self.modified
    }

    /// Whether it last changed long enough ago that a change from now on must show in its times.
    pub fn settled(&self) -> bool {
        let parts = |at: i64| (at.div_euclid(1_000_000_000), at.rem_euclid(1_000_000_000));
        file::settled_since([parts(self.modified), parts(self.changed)])
    }

    /// Appends its bytes to a record.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for number in [self.device, self.inode, self.size] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.modified, self.changed] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// Reads its bytes from a record.
    pub(super) fn read(record: &mut &[u8]) -> Option<Self> {
        Some(Self {
            device: u64::from_le_bytes(*next(record)?),
            inode: u64::from_le_bytes(*next(record)?),
            size: u64::from_le_bytes(*next(record)?),
            modified: i64::from_le_bytes(*next(record)?),
            changed: i64::from_le_bytes(*next(record)?),
        })
    }
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

type Records = HashMap<Identity, [u8; 32]>;

/// What is known of files and of folders, and what is learnt in this run.
#[derive(Debug, Default)]
pub struct DigestCache {
    file: Option<PathBuf>,
    known: Records,
    learnt: Mutex<Records>,
    folders: Folders,
}

impl DigestCache {
    /// Knows nothing and keeps nothing: every file is read.
    pub fn none() -> Self {
        Self::default()
    }

    /// What a state directory knows. A file that is missing, damaged or of another format is as good as none.
    pub fn open(state: &Path) -> Self {
        let file = state.join(NAME);
        let known = load(&file).unwrap_or_default();
        Self { file: Some(file), known, learnt: Mutex::default(), folders: Folders::open(state) }
    }

    /// What is known beside digests: of folders, and of what files say.
    pub fn folders(&self) -> &Folders {
        &self.folders
    }

    /// The digest of the file with this identity, if it is known.
    pub fn get(&self, identity: &Identity) -> Option<Digest> {
        if let Some(bytes) = self.known.get(identity) {
            return Some(Digest::from_bytes(bytes));
        }
        self.file.as_ref()?;
        self.learnt().get(identity).map(Digest::from_bytes)
    }

    /// The digest and the length of a file: known, or read now and remembered.
    pub fn of_file(&self, path: &Path) -> Result<(Digest, u64)> {
        if self.file.is_none() {
            return Digest::of_file(path);
        }
        let mut open = fs_err::File::open(path)?;
        let before = Identity::of(&open.metadata()?);
        if let Some(digest) = self.get(&before) {
            return Ok((digest, before.size));
        }
        let mut hasher = Hasher::default();
        let length = hasher.read(&mut open)?;
        let digest = hasher.finish();
        let after = open.metadata()?;
        if Identity::of(&after) == before && length == before.size {
            self.learn(&after, &digest);
        }
        Ok((digest, length))
    }

    /// Remembers the digest of a file that was just hashed, unless it changed so lately that it could have changed
    /// again without a trace.
    pub fn learn(&self, metadata: &std::fs::Metadata, digest: &Digest) {
        if self.file.is_some()
            && file::settled(metadata)
            && let Some(bytes) = digest.bytes()
        {
            self.learnt().insert(Identity::of(metadata), bytes);
        }
    }

    fn learnt(&self) -> std::sync::MutexGuard<'_, Records> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was learnt, together with what other processes have kept meanwhile. Nothing is written where nothing
    /// was learnt. What cannot be kept is learnt again the next time: that is said, and fails nobody.
    pub fn save(&self) {
        for kept in [self.keep(), self.folders.keep()] {
            if let Err(error) = kept {
                tracing::warn!("what was looked at will be read again: {error}");
            }
        }
    }

    fn keep(&self) -> Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        let learnt = self.learnt();
        if learnt.is_empty() {
            return Ok(());
        }
        let mut all = load(path).unwrap_or_default();
        if all.len() + learnt.len() > MOST {
            all.clear();
        }
        all.extend(learnt.iter().take(MOST).map(|(identity, digest)| (*identity, *digest)));
        let mut body = Vec::with_capacity(all.len() * RECORD);
        for (identity, digest) in &all {
            identity.write(&mut body);
            body.extend_from_slice(digest);
        }
        remembered::keep(path, MAGIC, &body)
    }
}

/// Reads what was kept.
fn load(path: &Path) -> Option<Records> {
    let body = remembered::load(path, MAGIC, MOST * RECORD)?;
    let mut records = body.as_slice();
    let mut known = Records::with_capacity(records.len() / RECORD);
    while !records.is_empty() {
        let identity = Identity::read(&mut records)?;
        known.insert(identity, *next(&mut records)?);
    }
    Some(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    fn old(path: &Path, text: &str) {
        fs_err::write(path, text).unwrap();
        let file = fs_err::OpenOptions::new().write(true).open(path).unwrap();
        file.file().set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    }

    /// A change time cannot be set back: files are made, then waited for.
    fn settle() {
        std::thread::sleep(Duration::from_millis(2100));
    }

    #[test]
    fn what_was_hashed_is_known_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.json");
        old(&path, "one");
        let lately = DigestCache::open(folder.path());
        lately.of_file(&path).unwrap();
        lately.save();
        assert!(!folder.path().join(NAME).exists(), "what changed just now is not remembered");
        settle();
        let cache = DigestCache::open(folder.path());
        assert_eq!(cache.of_file(&path).unwrap(), (Digest::of(b"one"), 3));
        cache.save();
        let identity = Identity::of(&std::fs::metadata(&path).unwrap());
        let again = DigestCache::open(folder.path());
        assert_eq!(again.get(&identity), Some(Digest::of(b"one")));
        // The same length and the same modification time: the change time tells.
        old(&path, "two");
        let file = fs_err::OpenOptions::new().write(true).open(&path).unwrap();
        let then = SystemTime::UNIX_EPOCH + Duration::from_nanos(identity.modified.unsigned_abs());
        file.file().set_modified(then).unwrap();
        assert_eq!(again.of_file(&path).unwrap().0, Digest::of(b"two"));
    }

    #[test]
    fn a_damaged_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.json");
        old(&path, "one");
        settle();
        let cache = DigestCache::open(folder.path());
        cache.of_file(&path).unwrap();
        cache.save();
        let kept = fs_err::read(folder.path().join(NAME)).unwrap();
        let identity = Identity::of(&std::fs::metadata(&path).unwrap());
        let mut wrong = vec![Vec::new(), b"irctldg2".to_vec(), kept[..kept.len() - 1].to_vec()];
        for at in [0, 20, 60, kept.len() - 1] {
            let mut bytes = kept.clone();
            bytes[at] ^= 1;
            wrong.push(bytes);
        }
        for bytes in wrong {
            fs_err::write(folder.path().join(NAME), bytes).unwrap();
            let cache = DigestCache::open(folder.path());
            assert_eq!(cache.get(&identity), None);
            assert_eq!(cache.of_file(&path).unwrap().0, Digest::of(b"one"));
        }
        fs_err::write(folder.path().join(NAME), kept).unwrap();
        assert!(DigestCache::open(folder.path()).get(&identity).is_some());
    }
}
