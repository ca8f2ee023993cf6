//! Cache paths moved aside instead of deleted.
//!
//! What is moved is decided once, when it is first looked at, and written down (`moves.json`); applying and undoing
//! go through that list, so that each can be repeated after a crash anywhere in it.

mod find;
mod place;

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use super::{Adapter, Applied, Given, Predicted, PredictedChange, Request, State};
use crate::base::{Digest, Error, ErrorCode, Result, fault, file, path::single_name};
use crate::rollback::targets::Fidelity;
use find::{Entry, Found, find};
use place::Place;

/// The folder in each root that holds what was moved aside.
const QUARANTINE: &str = ".irctl-quarantine";

/// How many places a prediction lists one by one.
const LISTED: usize = 50;

/// See the module.
pub struct CacheQuarantine;

/// What stands there: how many entries, and which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cached {
    /// How many.
    entries: usize,
    /// The digest of their paths, kinds and inodes.
    digest: Digest,
}

/// One entry and where it goes. Both are names inside the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Move {
    root: PathBuf,
    from: String,
    to: String,
    inode: u64,
}

fn cached(entries: &[Entry]) -> Cached {
    let mut text = String::new();
    for entry in entries {
        text.push_str(&format!("{:?} {:?} {} {}\n", entry.root, entry.path, entry.kind, entry.inode));
    }
    Cached { entries: entries.len(), digest: Digest::of(text.as_bytes()) }
}

fn shown(count: usize) -> String {
    match count {
        0 => "no cache entries".to_owned(),
        1 => "1 cache entry".to_owned(),
        count => format!("{count} cache entries"),
    }
}

fn moves(entries: &[Entry], operation: &str) -> Result<Vec<Move>> {
    let operation = single_name(operation)?;
    let aside = |(index, entry): (usize, &Entry)| {
        let name = entry.path.rsplit('/').next().unwrap_or(&entry.path);
        // Two folders may hold entries of one name; a name may already be as long as names can be.
        let short: String = name.chars().take(60).collect();
        Move {
            root: entry.root.clone(),
            from: entry.path.clone(),
            to: format!("{QUARANTINE}/{operation}/{index:06}-{short}"),
            inode: entry.inode,
        }
    };
    Ok(entries.iter().enumerate().map(aside).collect())
}

/// The state, or the refusal that hinders it.
fn look(request: &Request) -> Result<Found> {
    let given = Given(request);
    let (roots, entries) = (given.list("roots")?, given.list("entries")?);
    let most = usize::try_from(given.count("most", 10_000)?).unwrap_or(usize::MAX);
    find(&request.root, &roots, &entries, most)
}

fn noted(request: &Request) -> Result<Vec<Move>> {
    Given(request).noted("moves.json")?.ok_or_else(|| {
        Error::new(
            ErrorCode::InvalidData,
            "there is no list of moves: `observe` was not asked to keep anything",
        )
    })
}

impl Adapter for CacheQuarantine {
    fn observe(&self, request: &Request) -> Result<State> {
        let found = look(request)?;
        if request.keep.is_some() {
            let operation = request.operation.as_deref().unwrap_or("trial");
            Given(request).note("moves.json", &moves(&found.entries, operation)?)?;
        }
        let cached = cached(&found.entries);
        let state = serde_json::to_value(&cached)
            .map_err(|error| Error::new(ErrorCode::Bug, format!("a state cannot be written: {error}")))?;
        Ok(State { state, shown: shown(cached.entries) })
    }

    fn predict(&self, request: &Request) -> Result<Predicted> {
        let found = look(request)?;
        let to = |entry: &Entry| Some(format!("in {}/{QUARANTINE}", entry.root.display()));
        let mut changes: Vec<_> = found
            .entries
            .iter()
            .take(LISTED)
            .map(|entry| PredictedChange {
                place: entry.root.join(&entry.path).display().to_string(),
                from: Some(entry.kind.clone()),
                to: to(entry),
                fidelity: Fidelity::Predicted,
            })
            .collect();
        let more = found.entries.len().saturating_sub(LISTED);
        if more > 0 {
            changes.push(PredictedChange {
                place: format!("and {more} more"),
                from: Some("there".to_owned()),
                to: Some(format!("in {QUARANTINE}")),
                fidelity: Fidelity::Predicted,
            });
        }
        let after = serde_json::to_value(cached(&[]))
            .map_err(|error| Error::new(ErrorCode::Bug, format!("a state cannot be written: {error}")))?;
        let space = "the space is not freed until somebody removes the quarantine".to_owned();
        Ok(Predicted {
            after: Some(after),
            warnings: if changes.is_empty() { Vec::new() } else { vec![space] },
            changes,
            refusals: found.refusals,
            ..Predicted::default()
        })
    }

    fn apply(&self, request: &Request) -> Result<Applied> {
        let moves = noted(request)?;
        let found = look(request)?;
        if let Some(why) = found.refusals.first() {
            return Err(Error::new(ErrorCode::NotPermitted, why.clone()));
        }
        // An entry that is not on the list came after the plan was made.
        let listed =
            |entry: &Entry| moves.iter().any(|step| step.from == entry.path && step.inode == entry.inode);
        if let Some(entry) = found.entries.iter().find(|entry| !listed(entry)) {
            return Err(drifted(&entry.path, "was not there when the plan was made"));
        }
        walk(&moves, Way::Aside)?;
        Ok(Applied { detail: Some(format!("{} moved to {QUARANTINE}", shown(moves.len()))) })
    }

    fn undo(&self, request: &Request) -> Result<Applied> {
        let moves = noted(request)?;
        walk(&moves, Way::Back)?;
        tidy(&moves)?;
        Ok(Applied { detail: Some(format!("{} moved back", shown(moves.len()))) })
    }

    /// Makes a few entries of its own kind in the scratch folder, moves them aside and back, and looks for a
    /// difference: shows that this file system can do it, without touching what is there.
    fn rehearse(&self, request: &Request) -> Result<Applied> {
        let scratch = request
            .scratch
            .as_deref()
            .ok_or_else(|| Error::new(ErrorCode::InvalidData, "a request to rehearse without `scratch`"))?;
        let count = look(request)?.entries.len().min(100);
        let root = scratch.join("root");
        fs_err::create_dir_all(root.join("cache"))?;
        for index in 0..count {
            fs_err::write(root.join(format!("cache/{index}")), index.to_string())?;
        }
        let find = || find(scratch, &[root.display().to_string()], &["root/cache/*".to_owned()], 1000);
        let before = find()?.entries;
        let moves = moves(&before, "rehearsal")?;
        walk(&moves, Way::Aside)?;
        let left = find()?.entries.len();
        walk(&moves, Way::Back)?;
        tidy(&moves)?;
        if left > 0 || find()?.entries != before {
            return Err(Error::new(ErrorCode::Bug, "what was moved aside and back is not what it was"));
        }
        Ok(Applied {
            detail: Some(format!("{} of the same number moved aside and back, on a copy", shown(count))),
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Aside,
    Back,
}

/// Moves everything that is not yet where it belongs. Looks at all of it first: one that cannot go stops all.
fn walk(moves: &[Move], way: Way) -> Result<()> {
    let mut pending = Vec::new();
    for step in moves {
        let place = Place::open(&step.root)?;
        let (here, aside) = (place.inode(&step.from)?, place.inode(&step.to)?);
        let ours = Some(step.inode);
        match (way, here, aside) {
            (Way::Aside, here, None) if here == ours => pending.push(step),
            (Way::Aside, None, aside) if aside == ours => {}
            (Way::Back, None, aside) if aside == ours => pending.push(step),
            (Way::Back, here, None) if here == ours => {}
            (_, Some(_), Some(_)) => {
                return Err(drifted(&step.from, "is there again, made by somebody else"));
            }
            (_, None, None) => return Err(drifted(&step.from, "is gone")),
            _ => return Err(drifted(&step.from, "is not the one that the plan was made for")),
        }
    }
    let mut touched = std::collections::BTreeSet::new();
    for step in pending {
        let place = Place::open(&step.root)?;
        let (from, to) = match way {
            Way::Aside => (&step.from, &step.to),
            Way::Back => (&step.to, &step.from),
        };
        if way == Way::Aside {
            place.make_folder_of(to)?;
            manifest(moves, step)?;
        }
        fault::point("cache-quarantine:before-move");
        place.rename(from, to)?;
        for name in [from, to] {
            touched.insert(file::parent(&step.root.join(name)).to_path_buf());
        }
    }
    fault::point("cache-quarantine:before-fsync");
    touched.iter().try_for_each(|folder| file::sync_directory(folder))
}

/// What stands in a quarantine and where it was: for people, should nobody have irctl any more.
fn manifest(moves: &[Move], of: &Move) -> Result<()> {
    let folder = file::parent(&of.root.join(&of.to)).to_path_buf();
    let path = folder.join("manifest.json");
    if path.exists() {
        return Ok(());
    }
    let here: Vec<_> = moves.iter().filter(|step| step.root == of.root).collect();
    let bytes = serde_json::to_vec_pretty(&here)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("a manifest cannot be written: {error}")))?;
    file::write_atomic(&path, &bytes, 0o600)
}

/// Takes away the quarantine of an operation, and its folder if no other operation has one.
fn tidy(moves: &[Move]) -> Result<()> {
    let folders: std::collections::BTreeSet<PathBuf> =
        moves.iter().map(|step| file::parent(&step.root.join(&step.to)).to_path_buf()).collect();
    for folder in folders {
        for path in [folder.join("manifest.json")] {
            if path.exists() {
                fs_err::remove_file(path)?;
            }
        }
        remove_empty(&folder)?;
        remove_empty(file::parent(&folder))?;
    }
    Ok(())
}

/// Removes a folder if nothing is in it.
fn remove_empty(folder: &Path) -> Result<()> {
    match std::fs::remove_dir(folder) {
        Ok(()) => Ok(()),
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Ok(())
        }
        Err(error) => Err(Error::io(format!("cannot remove {}", folder.display()), error)),
    }
}

fn drifted(path: &str, why: &str) -> Error {
    Error::new(ErrorCode::Drifted, format!("`{}` {why}; nothing was moved", path.escape_debug()))
}

#[cfg(test)]
mod tests;
