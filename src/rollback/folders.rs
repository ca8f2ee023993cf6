//! What was seen before in the folders of versions, so that ten thousand of them are not opened again to find one.
//!
//! Two facts are kept, each under the identity of the one thing it depends on: that nothing half-written stands in a
//! folder (or that a file does not break off), and what a metadata file says of its version. An identity is known by
//! all that changes with what it stands for: a folder's times change with every name that comes, goes or is renamed in
//! it, a file's with every write. What changed within two seconds of being looked at is not kept, see
//! [`super::digests`]. What is known serves for finding and listing; it proves nothing.

use chrono::{DateTime, Utc};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::digests::Identity;
use super::remembered::{self, Magic, next};
use crate::base::Result;

/// The file in the state directory.
const NAME: &str = "folders";

/// What the file begins with. Another notion of half-written is another word, too.
const MAGIC: &Magic = b"irctlfo1";

/// The most facts that are kept; beyond it what was not used in this run goes first.
const MOST: usize = 400_000;

/// The most bytes of the file.
const LIMIT: usize = 64 * 1024 * 1024;

/// A longer label is read again each time.
const LABEL: usize = 256;

/// What a metadata file says of its version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Its `version`.
    pub label: Option<String>,
    /// Its `deployed_at`.
    pub deployed_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Default)]
struct Facts {
    whole: HashSet<Identity>,
    said: HashMap<Identity, Said>,
}

/// What is known of folders and of metadata files, and what is learnt in this run.
#[derive(Debug, Default)]
pub struct Folders {
    file: Option<PathBuf>,
    known: Facts,
    learnt: Mutex<Facts>,
}

impl Folders {
    /// What a state directory knows; nothing where that cannot be read.
    pub fn open(state: &Path) -> Self {
        let file = state.join(NAME);
        let known = load(&file).unwrap_or_default();
        Self { file: Some(file), known, learnt: Mutex::default() }
    }

    /// Whether anything is kept at all.
    pub fn keeps(&self) -> bool {
        self.file.is_some()
    }

    /// Whether it is known that nothing half-written stands in this folder, or that this file does not break off.
    pub fn is_whole(&self, identity: &Identity) -> bool {
        self.known.whole.contains(identity) || self.keeps() && self.learnt().whole.contains(identity)
    }

    /// What the metadata file with this identity says, if that is known.
    pub fn said(&self, identity: &Identity) -> Option<Said> {
        let known = self.known.said.get(identity).cloned();
        known.or_else(|| if self.keeps() { self.learnt().said.get(identity).cloned() } else { None })
    }

    /// Remembers what was found whole. The identity is that from before it was looked at.
    pub fn learn_whole(&self, identity: &Identity) {
        if self.keeps() && identity.settled() {
            self.learnt().whole.insert(*identity);
        }
    }

    /// Remembers what a metadata file says. The identity is that from before it was read.
    pub fn learn_said(&self, identity: &Identity, said: &Said) {
        let short = said.label.as_ref().is_none_or(|label| label.len() <= LABEL);
        if self.keeps() && short && identity.settled() {
            self.learnt().said.insert(*identity, said.clone());
        }
    }

    fn learnt(&self) -> MutexGuard<'_, Facts> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was learnt, together with what other processes have kept meanwhile.
    pub(super) fn keep(&self) -> Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        let learnt = self.learnt();
        if learnt.count() == 0 {
            return Ok(());
        }
        let mut all = load(path).unwrap_or_default();
        if all.count() + learnt.count() > MOST {
            all = Facts::default();
        }
        all.whole.extend(learnt.whole.iter().take(MOST / 2).copied());
        all.said.extend(learnt.said.iter().take(MOST / 2).map(|(identity, said)| (*identity, said.clone())));
        remembered::keep(path, MAGIC, &all.to_bytes())
    }
}

impl Facts {
    fn count(&self) -> usize {
        self.whole.len() + self.said.len()
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + self.whole.len() * 40 + self.said.len() * 80);
        bytes.extend_from_slice(&(self.whole.len() as u64).to_le_bytes());
        for identity in &self.whole {
            identity.write(&mut bytes);
        }
        for (identity, said) in &self.said {
            identity.write(&mut bytes);
            said.write(&mut bytes);
        }
        bytes
    }

    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let rest = &mut bytes;
        let count = usize::try_from(u64::from_le_bytes(*next(rest)?)).ok().filter(|count| *count <= MOST)?;
        let mut facts = Self { whole: HashSet::with_capacity(count), said: HashMap::with_capacity(count) };
        for _ in 0..count {
            facts.whole.insert(Identity::read(rest)?);
        }
        while !rest.is_empty() {
            facts.said.insert(Identity::read(rest)?, Said::read(rest)?);
        }
        Some(facts)
    }
}

/// Says of a part of a record that it is there.
const THERE: u8 = 1;

impl Said {
    fn write(&self, out: &mut Vec<u8>) {
        match self.deployed_at {
            None => out.push(0),
            Some(at) => {
                out.push(THERE);
                out.extend_from_slice(&at.timestamp().to_le_bytes());
                out.extend_from_slice(&at.timestamp_subsec_nanos().to_le_bytes());
            }
        }
        match &self.label {
            None => out.push(0),
            Some(label) => {
                out.push(THERE);
                out.extend_from_slice(&u16::try_from(label.len()).unwrap_or(0).to_le_bytes());
                out.extend_from_slice(label.as_bytes());
            }
        }
    }

    fn read(rest: &mut &[u8]) -> Option<Self> {
        let deployed_at = match there(rest)? {
            false => None,
            true => {
                let seconds = i64::from_le_bytes(*next(rest)?);
                Some(DateTime::from_timestamp(seconds, u32::from_le_bytes(*next(rest)?))?)
            }
        };
        let label = match there(rest)? {
            false => None,
            true => {
                let length = usize::from(u16::from_le_bytes(*next(rest)?));
                let (label, after) = rest.split_at_checked(length)?;
                *rest = after;
                Some(String::from_utf8(label.to_vec()).ok()?)
            }
        };
        Some(Self { label, deployed_at })
    }
}

fn there(rest: &mut &[u8]) -> Option<bool> {
    match next::<1>(rest)? {
        [0] => Some(false),
        [THERE] => Some(true),
        _ => None,
    }
}

fn load(path: &Path) -> Option<Facts> {
    Facts::from_bytes(&remembered::load(path, MAGIC, LIMIT)?)
}

#[cfg(test)]
mod tests {
    use super::super::config::FilesConfig;
    use super::super::digests::DigestCache;
    use super::super::versions;
    use super::*;

    /// A change time cannot be set back: what is to be remembered is made, then waited for.
    fn settle() {
        std::thread::sleep(std::time::Duration::from_millis(2100));
    }

    fn files() -> FilesConfig {
        serde_yaml::from_str("{live: live, artifacts: [model.json]}").unwrap()
    }

    fn put(path: &Path, text: &str) {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    #[test]
    fn what_is_known_is_taken_as_known_and_proves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let live = root.path().join("live");
        put(&live.join("backup_a/model.json"), "{}");
        put(&live.join("backup_a/metadata.json"), r#"{"version": "1.0"}"#);
        settle();
        let identity = |path: &Path| Identity::of(&std::fs::metadata(path).unwrap());
        let metadata = identity(&live.join("backup_a/metadata.json"));
        let cache = DigestCache::open(root.path());
        let said = Said { label: Some("as kept".into()), deployed_at: None };
        cache.folders().learn_said(&metadata, &said);
        cache.folders().learn_whole(&identity(&live.join("backup_a")));
        cache.save();
        let known = DigestCache::open(root.path());
        assert!(known.folders().is_whole(&identity(&live.join("backup_a"))));
        let listed = versions::list_with(&live, &files(), &known).unwrap();
        assert_eq!(listed[0].label.as_deref(), Some("as kept"), "its metadata was not read again");
        assert_eq!(listed[0].metadata.read().unwrap().unwrap()["version"], "1.0");
        assert_eq!(versions::list(&live, &files()).unwrap()[0].label.as_deref(), Some("1.0"));
    }

    #[test]
    fn what_is_kept_comes_back_and_a_damaged_file_is_as_good_as_none() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("a");
        put(&file, "a");
        let fresh = Identity::of(&std::fs::metadata(&file).unwrap());
        let folders = Folders::open(state.path());
        folders.learn_whole(&fresh);
        folders.keep().unwrap();
        assert!(!state.path().join(NAME).exists(), "what changed just now is not remembered");
        settle();
        let at = |text: &str| Some(crate::base::clock::parse_instant(text).unwrap());
        let said = [
            Said::default(),
            Said { label: Some("1.0 ü\n".into()), deployed_at: at("2026-10-01T00:00:00.123456789+02:00") },
            Said { label: Some(String::new()), deployed_at: at("1816-12-31T23:59:60Z") },
        ];
        for one in &said {
            folders.learn_said(&fresh, one);
            folders.learn_whole(&fresh);
            folders.keep().unwrap();
            let again = Folders::open(state.path());
            assert!(again.is_whole(&fresh));
            assert_eq!(again.said(&fresh).as_ref(), Some(one));
        }
        let kept = fs_err::read(state.path().join(NAME)).unwrap();
        for at in 0..kept.len() {
            let mut bytes = kept.clone();
            bytes[at] ^= 1;
            fs_err::write(state.path().join(NAME), &bytes[..]).unwrap();
            assert!(!Folders::open(state.path()).is_whole(&fresh), "{at}");
            fs_err::write(state.path().join(NAME), &kept[..at]).unwrap();
            assert!(!Folders::open(state.path()).is_whole(&fresh), "{at}");
        }
        let other = tempfile::tempdir().unwrap();
        let folders = Folders::open(other.path());
        folders.learn_said(&fresh, &Said { label: Some("x".repeat(LABEL + 1)), deployed_at: None });
        assert_eq!(folders.said(&fresh), None, "a label that long is read again");
        let nothing = Folders::default();
        nothing.learn_whole(&fresh);
        nothing.learn_said(&fresh, &Said::default());
        assert!(!nothing.is_whole(&fresh) && nothing.said(&fresh).is_none());
    }
}
