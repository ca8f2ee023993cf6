//! What git has answered in this process already, where no other answer can come: what whole object ids stand for, what
//! the bytes of an index hold, and what a folder is. A plan asks the same of git again and again, and every question
//! costs a process.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use super::commit::Commit;
use super::repository::Repository;
use crate::base::Digest;

/// The most that is kept, in bytes; then it is begun anew.
const MOST: usize = 64 * 1024 * 1024;

#[derive(Default)]
struct Memo {
    answers: HashMap<(PathBuf, String), Arc<Vec<u8>>>,
    size: usize,
    repositories: HashMap<PathBuf, (Repository, Vec<Look>)>,
    commits: HashMap<(PathBuf, String), Commit>,
    committed: HashSet<(PathBuf, String)>,
    trees: HashMap<(PathBuf, Digest), String>,
}

/// One for all threads: a plan asks on several. It is held for a look or a note, never while git is asked.
static MEMO: LazyLock<Mutex<Memo>> = LazyLock::new(Mutex::default);

fn memo() -> MutexGuard<'static, Memo> {
    // Whoever panicked left whole entries: each is put in at once.
    MEMO.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memo {
    /// Forgets what was answered about the objects of a repository.
    fn forget(&mut self, common_dir: &Path) {
        self.answers.retain(|(known, _), answer| {
            let stays = known != common_dir;
            if !stays {
                self.size -= answer.len();
            }
            stays
        });
        self.commits.retain(|(known, _), _| known != common_dir);
        self.committed.retain(|(known, _)| known != common_dir);
        self.trees.retain(|(known, _), _| known != common_dir);
    }
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
        common.join("info/grafts"),
    ];
    decisive.iter().map(|path| Look::at(path)).collect()
}

/// The repository of a folder, if it was opened before and is still the same. Where it is not, what was answered about
/// it is forgotten: another history may have come with what changed.
pub fn repository(real: &Path) -> Option<Repository> {
    let (known, then) = memo().repositories.get(real).cloned()?;
    if looks(&known) == then {
        return Some(known);
    }
    let mut memo = memo();
    memo.repositories.remove(real);
    memo.forget(&known.common_dir);
    None
}

/// Remembers an opened repository.
pub fn opened(real: &Path, repository: &Repository) {
    let looks = looks(repository);
    memo().repositories.insert(real.to_path_buf(), (repository.clone(), looks));
}

/// Remembers a commit.
pub fn described(repository: &Repository, commit: &Commit) {
    let key = (repository.common_dir.clone(), commit.id.clone());
    memo().commits.insert(key, commit.clone());
}

/// Remembers what a tag object stands for.
pub fn stands_for(repository: &Repository, id: &str, commit: &Commit) {
    memo().commits.insert((repository.common_dir.clone(), id.to_owned()), commit.clone());
}

/// The commit with this whole id, or that the tag object with it stands for, if it was described before.
pub fn described_as(repository: &Repository, id: &str) -> Option<Commit> {
    memo().commits.get(&(repository.common_dir.clone(), id.to_owned())).cloned()
}

/// A tree is one of a commit of the repository: it is there without anybody's writing it.
pub fn committed(repository: &Repository, tree: &str) {
    let key = (repository.common_dir.clone(), tree.to_owned());
    memo().committed.insert(key);
}

/// The trees of commits of the repository that were asked for.
pub fn all_committed(repository: &Repository) -> Vec<String> {
    let memo = memo();
    let own = memo.committed.iter().filter(|(known, _)| *known == repository.common_dir);
    own.map(|(_, tree)| tree.clone()).collect()
}

/// The tree that an index of these bytes stands for, written only where it may not be there.
pub fn tree_of<E>(
    repository: &Repository,
    index: Digest,
    write: impl FnOnce() -> Result<String, E>,
) -> Result<String, E> {
    let key = (repository.common_dir.clone(), index);
    if let Some(known) = memo().trees.get(&key).cloned() {
        return Ok(known);
    }
    let tree = write()?;
    let mut memo = memo();
    if memo.committed.contains(&(key.0.clone(), tree.clone())) {
        memo.trees.insert(key, tree.clone());
    }
    Ok(tree)
}

/// What was answered to a question of which no other answer can come, if it was asked before; `of` as in [`answer`].
pub fn known(repository: &Repository, question: &str, of: Option<&Digest>) -> Option<Arc<Vec<u8>>> {
    let of = of.map_or("", |digest| digest.hex());
    let key = (repository.common_dir.clone(), format!("{of} {question}"));
    memo().answers.get(&key).cloned()
}

/// The answer to a question, asked only where it is not known. `of` is what the question depends on beside its own
/// words: nothing, or the digest of an index. `holds` says whether that was still so when the answer was there; an
/// answer to something else is given, and not remembered.
pub fn answer<E>(
    repository: &Repository,
    question: &str,
    of: Option<&Digest>,
    ask: impl FnOnce() -> Result<Vec<u8>, E>,
    holds: impl FnOnce() -> bool,
) -> Result<Arc<Vec<u8>>, E> {
    let of = of.map_or("", |digest| digest.hex());
    let key = (repository.common_dir.clone(), format!("{of} {question}"));
    if let Some(known) = memo().answers.get(&key).cloned() {
        return Ok(known);
    }
    let answer = Arc::new(ask()?);
    if holds() {
        remember(key, Arc::clone(&answer));
    }
    Ok(answer)
}

fn remember(key: (PathBuf, String), answer: Arc<Vec<u8>>) {
    let mut memo = memo();
    memo.size += answer.len();
    if memo.size > MOST {
        memo.answers.clear();
        memo.size = answer.len();
    }
    if let Some(before) = memo.answers.insert(key, answer) {
        memo.size -= before.len();
    }
}

#[cfg(test)]
mod tests {
    use super::super::call::Call;
    use super::super::entries;
    use super::*;
    use std::process::Command;

    fn git(folder: &Path, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.arg("-C").arg(folder).args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "a").env(format!("GIT_{who}_EMAIL"), "a@example.org");
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Two commits, `v1` and `v2`, each of the file `a`.
    fn history() -> (tempfile::TempDir, Repository) {
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "-q", "-b", "main"]);
        for word in ["one", "two"] {
            std::fs::write(folder.path().join("a"), word).unwrap();
            git(folder.path(), &["add", "a"]);
            git(folder.path(), &["commit", "-q", "-m", word]);
            git(folder.path(), &["tag", &format!("v{}", if word == "one" { 1 } else { 2 })]);
        }
        let repository = Repository::open(folder.path()).unwrap();
        (folder, repository)
    }

    #[test]
    fn a_revision_is_one_commit_and_no_range() {
        let (folder, repository) = history();
        let (one, two) = (git(folder.path(), &["rev-parse", "v1"]), git(folder.path(), &["rev-parse", "v2"]));
        assert_eq!(repository.need_described("v2").unwrap().parents, [one]);
        assert_eq!(repository.need_described("@").unwrap().id, two);
        for wrong in ["v1..v2", "v1...v2", "^v1", "v2^@", "--all", "", "nothing", "v1\nv2", "@{u}"] {
            let error = repository.need_described(wrong).unwrap_err();
            assert_eq!(error.code, crate::base::ErrorCode::NotFound, "{wrong}: {error}");
        }
        let named = repository.commits_named(&["v1", "@{upstream}", "main"]).unwrap();
        let subjects: Vec<_> = named.iter().map(|one| one.as_ref().map(|one| one.subject.as_str())).collect();
        assert_eq!(subjects, [Some("one"), None, Some("two")]);
    }

    #[test]
    fn what_cannot_be_asked_is_not_taken_for_absent() {
        let (folder, repository) = history();
        std::fs::write(folder.path().join(".git/config"), "[core\n").unwrap();
        let error = repository.need_described("v1").unwrap_err();
        assert_eq!(error.code, crate::base::ErrorCode::Subprocess, "{error}");
    }

    #[test]
    fn a_replacement_of_an_object_changes_no_answer() {
        let (folder, repository) = history();
        let (one, two) = (git(folder.path(), &["rev-parse", "v1"]), git(folder.path(), &["rev-parse", "v2"]));
        git(folder.path(), &["replace", &two, &one]);
        let described = repository.describe(&two).unwrap();
        assert_eq!((described.subject.as_str(), described.parents), ("two", vec![one]));
    }

    #[test]
    fn what_a_graft_changes_is_asked_again() {
        let (folder, repository) = history();
        let (one, two) = (git(folder.path(), &["rev-parse", "v1"]), git(folder.path(), &["rev-parse", "v2"]));
        let range = format!("{one}..{two}");
        assert_eq!(repository.describe(&two).unwrap().parents, [one]);
        let shown = |repository: &Repository| repository.log(["--end-of-options", &range]).unwrap();
        assert_eq!(shown(&repository).len(), 1);
        std::fs::create_dir_all(folder.path().join(".git/info")).unwrap();
        std::fs::write(folder.path().join(".git/info/grafts"), format!("{two}\n")).unwrap();
        let again = Repository::open(folder.path()).unwrap();
        assert_eq!(again.describe(&two).unwrap().parents, Vec::<String>::new(), "it has no parent now");
        assert_eq!(shown(&again)[0].parents, Vec::<String>::new());
    }

    #[test]
    fn an_answer_about_an_index_that_was_written_meanwhile_is_not_remembered() {
        let (folder, repository) = history();
        let index = folder.path().join(".git/index");
        std::fs::copy(&index, folder.path().join("before")).unwrap();
        std::fs::write(folder.path().join("b"), "new").unwrap();
        git(folder.path(), &["add", "b"]);
        std::fs::copy(&index, folder.path().join("after")).unwrap();
        std::fs::copy(folder.path().join("before"), &index).unwrap();
        let ask = |alias: &str| {
            let call = Call::new(["listing"]).setting(format!("alias.listing=!{alias} git ls-files"));
            String::from_utf8(repository.of_index(call, None).unwrap().to_vec()).unwrap()
        };
        assert_eq!(ask("cp after .git/index;"), "a\nb\n");
        std::fs::copy(folder.path().join("before"), &index).unwrap();
        assert_eq!(ask(""), "a\n", "the answer to one index is not that to another");
    }

    #[test]
    fn a_tree_that_only_a_scratch_folder_has_is_written() {
        let (folder, repository) = history();
        let scratch = tempfile::tempdir().unwrap();
        let looking = repository.with_objects(scratch.path());
        std::fs::write(folder.path().join("b"), "new").unwrap();
        git(folder.path(), &["add", "b"]);
        let index = folder.path().join("copy");
        std::fs::copy(folder.path().join(".git/index"), &index).unwrap();
        let tree = looking.line(&Call::new(["write-tree"]).index(&index)).unwrap();
        let call =
            Call::new(["-c", "user.name=a", "-c", "user.email=a@example.org", "commit-tree", "-m", "x"]);
        let commit = looking.line(&call.with(tree.clone())).unwrap();
        assert_eq!(looking.describe(&commit).unwrap().tree, tree);
        assert_eq!(entries::write_tree(&looking, &index).unwrap(), tree);
        assert_eq!(entries::write_tree(&repository, &index).unwrap(), tree);
        assert_eq!(git(folder.path(), &["cat-file", "-t", &tree]), "tree");
    }
    #[test]
    fn a_tag_that_was_moved_is_asked_again() {
        let (folder, repository) = history();
        git(folder.path(), &["tag", "-a", "-m", "words", "annotated", "v1"]);
        for tag in ["v1", "annotated"] {
            assert_eq!(repository.need_described(tag).unwrap().subject, "one");
            let again = repository.need_described(tag).unwrap();
            assert_eq!(again.subject, "one", "known by now");
            git(folder.path(), &["tag", "-f", tag, "v2"]);
            assert_eq!(repository.need_described(tag).unwrap().subject, "two", "{tag}");
        }
    }

    #[test]
    fn an_index_like_a_commit_is_known_and_one_with_an_intention_is_not() {
        let (folder, repository) = history();
        let commit = repository.need_described("v2").unwrap();
        let index = folder.path().join("copy");
        let copy = || std::fs::copy(folder.path().join(".git/index"), &index).unwrap();
        copy();
        entries::of_tree(&repository, &commit.tree, &Default::default()).unwrap();
        entries::listed(&repository, Some(&index)).unwrap();
        // Neither of them is written any more.
        let objects = folder.path().join(".git/objects");
        std::fs::rename(&objects, folder.path().join("away")).unwrap();
        assert_eq!(entries::write_tree(&repository, &index).unwrap(), commit.tree);
        std::fs::rename(folder.path().join("away"), &objects).unwrap();
        // A commit with an empty file, and an index in which that is only meant to be added.
        std::fs::write(folder.path().join("empty"), "").unwrap();
        git(folder.path(), &["add", "empty"]);
        git(folder.path(), &["commit", "-q", "-m", "three"]);
        let three = repository.need_described("HEAD").unwrap();
        git(folder.path(), &["rm", "-q", "--cached", "empty"]);
        git(folder.path(), &["add", "-N", "empty"]);
        copy();
        entries::of_tree(&repository, &three.tree, &Default::default()).unwrap();
        entries::listed(&repository, Some(&index)).unwrap();
        assert_eq!(entries::write_tree(&repository, &index).unwrap(), commit.tree, "it is in no tree yet");
    }
}
