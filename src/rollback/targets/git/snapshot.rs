//! A work tree as it is now, written down as a tree, without touching the index or any file.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::area::Area;
use super::call::Call;
use super::entries::{self, Name};
use super::repository::Repository;
use crate::base::process::carried;
use crate::base::{Error, Result};

/// A work tree as it is.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// A copy of the index as it is.
    pub real: PathBuf,
    /// A private index that agrees with the files in the area, and knows their dates and lengths.
    pub index: PathBuf,
    /// The tree of that private index.
    pub tree: String,
    /// The files in it that the index does not know.
    pub untracked: BTreeSet<Name>,
    /// Whether some of those are in it only because they were asked for by name.
    pub asked_for: bool,
}

/// Which files that the index does not know belong to a snapshot.
#[derive(Debug, Clone, Copy)]
pub enum Untracked<'a> {
    /// All that are not ignored, and these even if they are ignored.
    AllAnd(&'a BTreeSet<Name>),
    /// Only these.
    Only(&'a BTreeSet<Name>),
}

impl Snapshot {
    /// Takes one; `scratch` gets the two indices.
    pub fn take(
        repository: &Repository,
        area: &Area,
        untracked: Untracked<'_>,
        scratch: &Path,
    ) -> Result<Self> {
        let (real, index) = (scratch.join("index-real"), scratch.join("index-files"));
        copy_for_now(&repository.git_dir.join("index"), &real)?;
        copy_for_now(&real, &index)?;
        let known = look_at_everything(repository, &index, area)?;
        let (listed, extra, first) = match untracked {
            Untracked::AllAnd(extra) => {
                // Neither waits for the other: both only read.
                let (listed, first) = std::thread::scope(|scope| {
                    let listing = scope.spawn(carried(|| others(repository, &index, area)));
                    let first = differing(repository, &index);
                    (listing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), first)
                });
                (listed?, extra, first?)
            }
            Untracked::Only(extra) => (BTreeSet::new(), extra, differing(repository, &index)?),
        };
        let unknown = extra.iter().filter(|name| !known.contains(*name) && area.contains(name));
        let mut untracked = listed;
        let listed = untracked.len();
        untracked.extend(unknown.filter(|name| is_file(&repository.top, name)).cloned());
        let asked_for = untracked.len() > listed;
        let mut names = changed(repository, &index, area, first)?;
        names.extend(untracked.iter().cloned());
        // What is gone, or stands behind a link that took its folder's place, git only takes out when told to.
        let (there, gone): (BTreeSet<Name>, BTreeSet<Name>) =
            names.into_iter().partition(|name| stands(&repository.top, name));
        if !gone.is_empty() {
            let call = Call::new(["update-index", "--force-remove", "-z", "--stdin"]);
            repository.run(&call.index(&index).stdin(entries::join(&gone)))?;
        }
        let call = Call::new([
            "update-index",
            "--add",
            "--remove",
            "--replace",
            "--ignore-skip-worktree-entries",
            "-z",
            "--stdin",
        ]);
        if !there.is_empty() {
            repository.run(&call.index(&index).stdin(entries::join(&there)))?;
        }
        let tree = entries::write_tree(repository, &index)?;
        Ok(Self { real, index, tree, untracked, asked_for })
    }
}

/// Copies an index and forces the copy to disk, with the date of the original: git compares it with those of the files
/// to tell which it must read again.
pub fn copy_index(from: &Path, to: &Path) -> Result<()> {
    copy_for_now(from, to)?.map_or(Ok(()), |copy| crate::base::file::sync_file(&copy))
}

/// [`copy_index`] for a folder that goes away with this process: nothing of it need survive a crash. None where there
/// is no index to copy.
pub fn copy_for_now(from: &Path, to: &Path) -> Result<Option<std::fs::File>> {
    let mut file = match std::fs::File::open(from) {
        Ok(file) => file,
        // A repository without an index has an empty one.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return match fs_err::remove_file(to) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
                _ => Ok(None),
            };
        }
        Err(error) => return Err(Error::io(format!("cannot read {}", from.display()), error)),
    };
    let failed = |error| Error::io(format!("cannot copy {}", from.display()), error);
    let modified = file.metadata().and_then(|metadata| metadata.modified()).map_err(failed)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed)?;
    let mut copy = std::fs::File::create(to).map_err(failed)?;
    copy.write_all(&bytes).map_err(failed)?;
    copy.set_modified(modified).map_err(failed)?;
    Ok(Some(copy))
}

/// The files of the index. Those that were marked as "assume unchanged" are looked at like all others: a change in one
/// is somebody's work.
fn look_at_everything(repository: &Repository, index: &Path, area: &Area) -> Result<BTreeSet<Name>> {
    let bytes = entries::listed(repository, Some(index))?;
    let (mut known, mut marked) = (BTreeSet::new(), BTreeSet::new());
    for line in entries::split(&bytes) {
        let name = line.iter().position(|byte| *byte == b'\t').and_then(|tab| line.get(tab + 1..));
        let (Some(mark), Some(name)) = (line.first(), name) else { continue };
        if !area.contains(name) {
            continue;
        }
        known.insert(name.to_vec());
        if mark.is_ascii_lowercase() {
            marked.insert(name.to_vec());
        }
    }
    if !marked.is_empty() {
        let call = Call::new(["update-index", "--no-assume-unchanged", "-z", "--stdin"]);
        repository.run(&call.index(index).stdin(entries::join(&marked)))?;
    }
    Ok(known)
}

/// What git finds changed since it last looked at each file.
fn differing(repository: &Repository, index: &Path) -> Result<Vec<u8>> {
    let call = Call::new(["diff-files", "-z", "--name-only", "--no-renames", "--ignore-submodules=dirty"]);
    repository.bytes(&call.index(index))
}

/// Files in the area that are no longer as the index has them, given what git found at first.
fn changed(repository: &Repository, index: &Path, area: &Area, first: Vec<u8>) -> Result<BTreeSet<Name>> {
    let mut bytes = first;
    // Some may have another date and the same content.
    if !bytes.is_empty() {
        refresh(repository, index)?;
        bytes = differing(repository, index)?;
    }
    Ok(entries::split(&bytes).filter(|name| area.contains(name)).map(<[u8]>::to_vec).collect())
}

/// Brings the dates and lengths in an index up to date; that some files differ is no failure.
pub fn refresh(repository: &Repository, index: &Path) -> Result<()> {
    let call = Call::new(["update-index", "-q", "--ignore-submodules", "--refresh"]).index(index);
    repository.maybe(&call).map(|_| ())
}

/// Files in the area that are neither in the index nor ignored. Repositories within the work tree are their own.
fn others(repository: &Repository, index: &Path, area: &Area) -> Result<BTreeSet<Name>> {
    let call = Call::new(["ls-files", "--others", "--exclude-standard", "-z"]).index(index);
    let bytes = repository.bytes(&call)?;
    Ok(entries::split(&bytes)
        .filter(|name| !name.ends_with(b"/") && area.contains(name))
        .map(<[u8]>::to_vec)
        .collect())
}

/// Whether a file or a symbolic link stands at a path, and no symbolic link on the way there.
fn is_file(top: &Path, name: &Name) -> bool {
    found(top, name).is_some_and(|metadata| !metadata.is_dir())
}

/// Whether what git tracks can stand at a path: a file, a link, or a repository of its own.
fn stands(top: &Path, name: &Name) -> bool {
    let repository = || top.join(std::ffi::OsStr::from_bytes(name)).join(".git").exists();
    found(top, name).is_some_and(|metadata| !metadata.is_dir() || repository())
}

/// What stands at a path; nothing where a symbolic link is on the way there.
fn found(top: &Path, name: &Name) -> Option<std::fs::Metadata> {
    let relative = Path::new(std::ffi::OsStr::from_bytes(name));
    let mut on_the_way = relative.ancestors().skip(1).filter(|part| !part.as_os_str().is_empty());
    let plain = |part: &Path| top.join(part).symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
    if !on_the_way.all(plain) {
        return None;
    }
    top.join(relative).symlink_metadata().ok()
}
