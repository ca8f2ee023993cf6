//! What git has answered in this process already, where no other answer can come: what whole object ids stand for, what
//! the bytes of an index hold, and what a folder is. A plan asks the same of git again and again, and every question
//! costs a process.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::repository::Repository;
use crate::base::Digest;

/// The most that is kept, in bytes; then it is begun anew.
const MOST: usize = 64 * 1024 * 1024;

#[derive(Default)]
struct Memo {
    answers: HashMap<(PathBuf, String), Rc<Vec<u8>>>,
    size: usize,
    repositories: HashMap<PathBuf, (Repository, Vec<Look>)>,
    committed: HashSet<(PathBuf, String)>,
    trees: HashMap<(PathBuf, Digest), String>,
}

thread_local! {
    static MEMO: RefCell<Memo> = RefCell::default();
}

/// What a file is known by: two looks that are the same saw the same file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look(Option<[i128; 7]>);

impl Look {
    fn at(path: &Path) -> Self {
        Self(path.symlink_metadata().ok().map(|found| {
            let times =
                [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()].map(i128::from);
            let [a, b, c, d] = times;
            // A folder's times change with every file in it.
            let file = i128::from(!found.is_dir());
            [found.dev().into(), found.ino().into(), a * file, b * file, c * file, d * file, file]
        }))
    }
}

/// Everything that opening a repository depends on.
fn looks(repository: &Repository) -> Vec<Look> {
    let common = &repository.common_dir;
    let decisive = [
        repository.top.clone(),
        repository.top.join(".git"),
        repository.git_dir.clone(),
        repository.git_dir.join("commondir"),
        repository.git_dir.join("config.worktree"),
        common.join("config"),
        common.join("shallow"),
    ];
    decisive.iter().map(|path| Look::at(path)).collect()
}

/// The repository of a folder, if it was opened before and is still the same.
pub fn repository(real: &Path) -> Option<Repository> {
    let (known, then) = MEMO.with_borrow(|memo| memo.repositories.get(real).cloned())?;
    (looks(&known) == then).then_some(known)
}

/// Remembers an opened repository.
pub fn opened(real: &Path, repository: &Repository) {
    let looks = looks(repository);
    MEMO.with_borrow_mut(|memo| memo.repositories.insert(real.to_path_buf(), (repository.clone(), looks)));
}

/// A tree is one of a commit of the repository: it is there without anybody's writing it.
pub fn committed(repository: &Repository, tree: &str) {
    let key = (repository.common_dir.clone(), tree.to_owned());
    MEMO.with_borrow_mut(|memo| memo.committed.insert(key));
}

/// The tree that an index of these bytes stands for, written only where it may not be there.
pub fn tree_of<E>(
    repository: &Repository,
    index: Digest,
    write: impl FnOnce() -> Result<String, E>,
) -> Result<String, E> {
    let key = (repository.common_dir.clone(), index);
    if let Some(known) = MEMO.with_borrow(|memo| memo.trees.get(&key).cloned()) {
        return Ok(known);
    }
    let tree = write()?;
    MEMO.with_borrow_mut(|memo| {
        if memo.committed.contains(&(key.0.clone(), tree.clone())) {
            memo.trees.insert(key, tree.clone());
        }
    });
    Ok(tree)
}

/// What was answered to a question of which no other answer can come, if it was asked before.
pub fn known(repository: &Repository, question: &str) -> Option<Rc<Vec<u8>>> {
    let key = (repository.common_dir.clone(), format!(" {question}"));
    MEMO.with_borrow(|memo| memo.answers.get(&key).cloned())
}

/// The answer to a question, asked only where it is not known. `of` is what the question depends on beside its own
/// words: nothing, or the digest of an index.
pub fn answer<E>(
    repository: &Repository,
    question: &str,
    of: Option<&Digest>,
    ask: impl FnOnce() -> Result<Vec<u8>, E>,
) -> Result<Rc<Vec<u8>>, E> {
    let of = of.map_or("", |digest| digest.hex());
    let key = (repository.common_dir.clone(), format!("{of} {question}"));
    if let Some(known) = MEMO.with_borrow(|memo| memo.answers.get(&key).cloned()) {
        return Ok(known);
    }
    let answer = Rc::new(ask()?);
    MEMO.with_borrow_mut(|memo| {
        memo.size += answer.len();
        if memo.size > MOST {
            memo.answers.clear();
            memo.size = answer.len();
        }
        memo.answers.insert(key, Rc::clone(&answer));
    });
    Ok(answer)
}
