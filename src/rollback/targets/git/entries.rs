//! What an index or a tree holds: paths with their modes and objects. Names are bytes, whatever stands in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::area::Area;
use super::call::Call;
use super::memo;
use super::repository::{Repository, is_object};
use crate::base::{Digest, Error, ErrorCode, Result};

/// A path, as git writes it: relative to the top, bytes.
pub type Name = Vec<u8>;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its mode: `100644`, `100755`, `120000` (a symbolic link), `160000` (a submodule).
    pub mode: String,
    /// Its object.
    pub object: String,
    /// Its stage in the index: 0, or 1 to 3 where a merge is not settled.
    pub stage: String,
}

/// Paths and what stands there.
pub type Entries = BTreeMap<Name, Entry>;

/// The mode of a submodule.
pub const SUBMODULE: &str = "160000";

/// Everything that an index holds, asked once for all questions: each line a letter that tells how git treats the file,
/// its mode, its object, its stage, a tab, and its name.
pub fn listed(repository: &Repository, index: Option<&Path>) -> Result<Arc<Vec<u8>>> {
    repository.of_index(everything(), index)
}

fn everything() -> Call {
    Call::new(["ls-files", "-v", "--stage", "-z"])
}

/// The entries of an index within an area.
pub fn of_index(repository: &Repository, index: Option<&Path>, area: &Area) -> Result<Entries> {
    read(&listed(repository, index)?, area, of_line)
}

fn of_line(words: &[String]) -> Option<Entry> {
    let [_, mode, object, stage] = words else { return None };
    Some(Entry { mode: mode.clone(), object: object.clone(), stage: stage.clone() })
}

fn listing(tree: &str) -> Call {
    Call::new(["ls-tree", "-r", "-z", "--full-tree", tree])
}

/// The entries of a tree within an area.
pub fn of_tree(repository: &Repository, tree: &str, area: &Area) -> Result<Entries> {
    let call = listing(tree);
    let bytes = if is_object(tree) { repository.eternal(&call)? } else { Arc::new(repository.bytes(&call)?) };
    read(&bytes, area, |words| {
        let [mode, _, object] = words else { return None };
        Some(Entry { mode: mode.clone(), object: object.clone(), stage: "0".to_owned() })
    })
}

fn read(bytes: &[u8], area: &Area, entry: impl Fn(&[String]) -> Option<Entry>) -> Result<Entries> {
    let mut entries = Entries::new();
    for line in split(bytes) {
        let mut halves = line.splitn(2, |byte| *byte == b'\t');
        let words = halves.next().map(String::from_utf8_lossy).unwrap_or_default();
        let words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
        let (Some(name), Some(entry)) = (halves.next(), entry(&words)) else {
            return Err(Error::new(ErrorCode::Bug, "git lists a path in a way that is not known")
                .hint("tell the maintainers which version of git this is"));
        };
        if area.contains(name) {
            entries.insert(name.to_vec(), entry);
        }
    }
    Ok(entries)
}

/// Parts that end with a zero byte.
pub fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty())
}

/// Names as git reads them on its standard input.
pub fn join<'a>(names: impl IntoIterator<Item = &'a Name>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in names {
        bytes.extend_from_slice(name);
        bytes.push(0);
    }
    bytes
}

/// One digest for all of them.
pub fn digest(entries: &Entries) -> Digest {
    let mut bytes = Vec::new();
    for (name, entry) in entries {
        bytes.extend_from_slice(format!("{} {} {}\t", entry.mode, entry.object, entry.stage).as_bytes());
        bytes.extend_from_slice(name);
        bytes.push(0);
    }
    Digest::of(&bytes)
}

/// Makes the entries of an index within an area those of `wanted`; the others, and entries that are so already, keep
/// everything that the index knows of them.
pub fn set(repository: &Repository, index: &Path, area: &Area, wanted: &Entries) -> Result<()> {
    let current = of_index(repository, Some(index), area)?;
    let mut lines = Vec::new();
    let mut line = |mode: &str, object: &str, name: &Name| {
        lines.extend_from_slice(format!("{mode} {object} 0\t").as_bytes());
        lines.extend_from_slice(name);
        lines.push(0);
    };
    for (name, entry) in &current {
        if wanted.get(name) != Some(entry) {
            line("0", &"0".repeat(entry.object.len()), name);
        }
    }
    for (name, entry) in wanted {
        if current.get(name) != Some(entry) {
            line(&entry.mode, &entry.object, name);
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    let call = Call::new(["update-index", "--replace", "-z", "--index-info"]).index(index).stdin(lines);
    repository.run(&call).map(|_| ())
}

/// The tree that an index stands for.
pub fn write_tree(repository: &Repository, index: &Path) -> Result<String> {
    let write = || repository.line(&Call::new(["write-tree"]).index(index));
    match std::fs::read(index) {
        Ok(bytes) => {
            let index = Digest::of(&bytes);
            match committed_like(repository, &index)? {
                Some(tree) => Ok(tree),
                None => memo::tree_of(repository, index, write),
            }
        }
        Err(_) => write(),
    }
}

/// The tree of a commit that holds exactly what an index of these bytes holds, where git has listed both before.
fn committed_like(repository: &Repository, index: &Digest) -> Result<Option<String>> {
    let Some(listing) = memo::known(repository, &everything().question(), Some(index)) else {
        return Ok(None);
    };
    let held = read(&listing, &Area::default(), of_line)?;
    // A file that is only meant to be added looks empty, and is in no tree.
    let unlike = |entry: &Entry| entry.stage != "0" || EMPTY.contains(&entry.object.as_str());
    if held.values().any(unlike) {
        return Ok(None);
    }
    for tree in memo::all_committed(repository) {
        let listed = memo::known(repository, &self::listing(&tree).question(), None).is_some();
        if listed && of_tree(repository, &tree, &Area::default())? == held {
            return Ok(Some(tree));
        }
    }
    Ok(None)
}

/// The object of an empty file, in either format.
const EMPTY: [&str; 2] = [
    "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
    "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
];

/// A tree of these entries alone.
pub fn tree_of(repository: &Repository, entries: &Entries, scratch: &Path) -> Result<String> {
    let index = scratch.join("index-of-entries");
    if index.exists() {
        fs_err::remove_file(&index)?;
    }
    set(repository, &index, &Area::default(), entries)?;
    // No entries, no index file: git reads that as an empty one.
    write_tree(repository, &index)
}

/// Paths within an area that differ between two trees.
pub fn differing(repository: &Repository, one: &str, other: &str, area: &Area) -> Result<BTreeSet<Name>> {
    if one == other {
        return Ok(BTreeSet::new());
    }
    let fixed = is_object(one) && is_object(other);
    let listed = |tree: &str| memo::known(repository, &listing(tree).question(), None).is_some();
    if fixed && listed(one) && listed(other) {
        let (one, other) = (of_tree(repository, one, area)?, of_tree(repository, other, area)?);
        let gone = other.keys().filter(|name| !one.contains_key(*name));
        let here = one.iter().filter(|(name, entry)| other.get(*name) != Some(entry)).map(|(name, _)| name);
        return Ok(here.chain(gone).cloned().collect());
    }
    let call = Call::new(["diff-tree", "-r", "-z", "--name-only", "--no-renames", one, other]);
    let bytes = if fixed { repository.eternal(&call)? } else { Arc::new(repository.bytes(&call)?) };
    Ok(split(&bytes).filter(|name| area.contains(name)).map(<[u8]>::to_vec).collect())
}
