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
