//! What rounds of `check` do about snapshots: everything kept is hashed again, some bytes in each round.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::shelf;
use super::verify::{self, Fault};
use crate::base::digest::Hasher;
use crate::base::{Digest, Duration, Error, ErrorCode, Result, Untrusted, file};
use crate::rollback::digests::Identity;

/// How many bytes one round hashes at most.
const PER_ROUND: u64 = 64 * 1024 * 1024;

/// How far hashing everything again has come.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Progress {
    /// When this run over everything began (UTC).
    begun: Option<DateTime<Utc>>,
    /// When the last run over everything ended (UTC).
    ended: Option<DateTime<Utc>>,
    /// What this run has seen: each place with the digest that its bytes should have. Two may expect different bytes of
    /// one place, and then one of them is wrong.
    seen: Vec<(PathBuf, Digest)>,
    /// The file that is half hashed.
    half: Option<Half>,
    /// What this run found so far.
    found: Vec<Fault>,
    /// What is known to be wrong: of this run, and of the last as far as this one has not come to it.
    faults: Vec<Fault>,
}

/// A file that is half hashed.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Half {
    place: PathBuf,
    file: Identity,
    offset: u64,
    hasher: String,
}

/// Something whose digest is known.
#[derive(Debug, Clone)]
pub struct Item {
    /// What it belongs to.
    pub owner: String,
    /// What it is.
    pub name: Untrusted,
    /// Where its bytes are.
    pub place: PathBuf,
    /// The digest that they should have.
    pub digest: Digest,
}

fn place(state: &Path, service: &str) -> Result<PathBuf> {
    Ok(shelf::root(state).join("rehash").join(format!("{}.json", crate::base::path::single_name(service)?)))
}

/// Lets the next round begin anew.
pub fn forget(state: &Path, service: &str) -> Result<()> {
    match fs_err::remove_file(place(state, service)?) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Hashes some of what the snapshots of a service keep, and of `more`; returns everything that is known to be wrong.
/// Once all is hashed nothing more is, until `every` is over.
pub fn round(
    state: &Path,
    service: &str,
    more: &[Item],
    every: Duration,
    now: DateTime<Utc>,
) -> Result<Vec<Fault>> {
    let (mut items, mut broken) = (more.to_vec(), Vec::new());
    for found in shelf::list(state, Some(service))? {
        match &found.snapshot {
            Err(error) => broken.push(verify::manifest_fault(&found, error)),
            Ok(snapshot) => items.extend(snapshot.kept().map(|(owner, file)| Item {
                owner: format!("{} {owner}", found.id),
                name: file.name.clone(),
                place: verify::place(state, file),
                digest: file.digest.clone(),
            })),
        }
    }
    let mut progress = read(state, service);
    // A clock that was set back must not put it off for years.
    let fresh = |ended: DateTime<Utc>| ended <= now && every.after(ended) > now;
    if progress.begun.is_none() && !progress.ended.is_some_and(fresh) {
        progress.begun = Some(now);
    }
    if progress.begun.is_some() {
        progress.advance(&items, now, PER_ROUND)?;
        write(state, service, &progress)?;
    }
    // What was removed meanwhile is nobody's loss.
    progress.faults.retain(|fault| items.iter().any(|item| item.place == fault.place));
    broken.append(&mut progress.faults);
    Ok(broken)
}

fn read(state: &Path, service: &str) -> Progress {
    let read = place(state, service).and_then(|path| file::read_limited(&path, 64 * 1024 * 1024));
    // What cannot be read only means that everything is hashed once more.
    read.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn write(state: &Path, service: &str, progress: &Progress) -> Result<()> {
    let path = place(state, service)?;
    crate::operation::directory::make(file::parent(&path))?;
    let bytes = serde_json::to_vec(progress)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("what was hashed again: {error}")))?;
    file::replace(&path, &bytes, 0o600)
}

impl Progress {
    /// Goes on until this many bytes are read, or everything is seen.
    fn advance(&mut self, items: &[Item], now: DateTime<Utc>, mut left: u64) -> Result<()> {
        for item in items {
            let key = (item.place.clone(), item.digest.clone());
            if self.seen.contains(&key) {
                continue;
            }
            if left == 0 {
                return Ok(());
            }
            let hashed = match self.hash(&item.place, &mut left) {
                Ok(None) => return Ok(()),
                Ok(Some(digest)) => Ok(digest),
                Err(error) => Err(error),
            };
            // What was known of the place before is out of date; what this run found there for another is not.
            if !self.seen.iter().any(|(place, _)| *place == item.place) {
                self.faults.retain(|fault| fault.place != item.place);
            }
            self.seen.push(key);
            if let Some(fault) =
                verify::compared(&item.owner, &item.name, item.place.clone(), &item.digest, hashed)
            {
                self.found.push(fault.clone());
                self.faults.push(fault);
            }
        }
        *self = Self { ended: Some(now), faults: std::mem::take(&mut self.found), ..Self::default() };
        Ok(())
    }

    /// Hashes a file from where the last round stopped; none where it is too long for what is left.
    fn hash(&mut self, place: &Path, left: &mut u64) -> Result<Option<Digest>> {
        let mut opened = fs_err::File::open(place).map_err(|error| Error::io("cannot read", error))?;
        let file = Identity::of(&opened.metadata()?);
        let length = file.size();
        let half = self.half.take().filter(|half| half.place == place && half.file == file);
        let (mut hasher, mut offset) = match half {
            Some(half) => (Hasher::restored(&half.hasher)?, half.offset),
            None => (Hasher::default(), 0),
        };
        opened.seek(SeekFrom::Start(offset))?;
        let mut buffer = vec![0_u8; 256 * 1024];
        loop {
            let wanted = usize::try_from((*left).min(buffer.len() as u64)).unwrap_or(buffer.len());
            if wanted == 0 && offset < length {
                let hasher = hasher.saved();
                self.half = Some(Half { place: place.to_path_buf(), file, offset, hasher });
                return Ok(None);
            }
            let read = opened.read(buffer.get_mut(..wanted).unwrap_or_default())?;
            let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else {
                return Ok(Some(hasher.finish()));
            };
            hasher.update(chunk);
            offset += read as u64;
            *left -= read as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(place: &Path, bytes: &[u8]) -> Item {
        let place = place.to_path_buf();
        Item { owner: "s".into(), name: "a".into(), place, digest: Digest::of(bytes) }
    }

    #[test]
    fn a_file_is_hashed_over_many_rounds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let bytes: Vec<u8> = (0..1000_u32).flat_map(u32::to_le_bytes).collect();
        fs_err::write(&path, &bytes).unwrap();
        let now = crate::base::clock::parse_instant("2026-11-20T03:00:00Z").unwrap();
        let mut progress = Progress { begun: Some(now), ..Progress::default() };
        let items = [item(&path, &bytes)];
        let mut rounds = 0;
        while progress.begun.is_some() {
            let saved = serde_json::to_vec(&progress).unwrap();
            progress = serde_json::from_slice(&saved).unwrap();
            progress.advance(&items, now, 700).unwrap();
            rounds += 1;
        }
        assert_eq!((rounds, progress.faults.len()), (6, 0));
        let wrong = [item(&path, b"other")];
        progress.begun = Some(now);
        while progress.begun.is_some() {
            progress.advance(&wrong, now, 700).unwrap();
        }
        assert_eq!(progress.faults.len(), 1);
    }

    #[test]
    fn a_file_that_changed_between_two_rounds_is_begun_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs_err::write(&path, b"12345678").unwrap();
        let now = crate::base::clock::parse_instant("2026-11-20T03:00:00Z").unwrap();
        let mut progress = Progress { begun: Some(now), ..Progress::default() };
        let items = [item(&path, b"abcdefghi")];
        progress.advance(&items, now, 4).unwrap();
        assert!(progress.half.is_some());
        fs_err::write(&path, b"abcdefghi").unwrap();
        progress.advance(&items, now, 100).unwrap();
        assert!(progress.faults.is_empty() && progress.ended == Some(now));
    }
    #[test]
    fn a_file_that_was_exchanged_for_one_like_it_is_begun_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a"), folder.path().join("b"));
        let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_795_143_600);
        for (path, bytes) in [(&path, b"12345678"), (&other, b"abcdefgh")] {
            fs_err::write(path, bytes).unwrap();
            std::fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
        }
        let now = crate::base::clock::parse_instant("2026-11-20T03:00:00Z").unwrap();
        let mut progress = Progress { begun: Some(now), ..Progress::default() };
        let items = [item(&path, b"abcdefgh")];
        progress.advance(&items, now, 4).unwrap();
        assert!(progress.half.is_some());
        fs_err::rename(&other, &path).unwrap();
        progress.advance(&items, now, 100).unwrap();
        assert!(progress.faults.is_empty() && progress.ended == Some(now), "{:?}", progress.faults);
    }

    #[test]
    fn two_that_expect_different_bytes_of_one_place_cannot_both_be_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs_err::write(&path, b"one").unwrap();
        let now = crate::base::clock::parse_instant("2026-11-20T03:00:00Z").unwrap();
        for items in [[item(&path, b"one"), item(&path, b"two")], [item(&path, b"two"), item(&path, b"one")]]
        {
            for left in [1, 100] {
                let mut progress = Progress { begun: Some(now), ..Progress::default() };
                while progress.begun.is_some() {
                    progress.advance(&items, now, left).unwrap();
                }
                assert_eq!(progress.faults.len(), 1, "{left}");
            }
        }
    }
}
