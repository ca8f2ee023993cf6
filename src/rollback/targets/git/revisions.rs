//! Revisions of a repository: which commits they name, and what those are.

use std::sync::Arc;

use super::call::Call;
use super::commit::{self, Answer, Commit, FORMAT, MARKED};
use super::memo;
use super::repository::{Repository, is_object};
use super::written;
use crate::base::{Error, ErrorCode, Result};

impl Repository {
    /// The commit that a revision names; `None` where it names none. Whatever it begins with, it is no option.
    pub fn commit(&self, revision: &str) -> Result<Option<String>> {
        if revision.is_empty() || revision.chars().any(char::is_control) {
            return Ok(None);
        }
        // A branch stands at a commit and nothing else.
        if revision.starts_with("refs/heads/")
            && let Some(known) = written::reference(&self.common_dir, revision)
        {
            return Ok(known);
        }
        Ok(self.commits_named(&[revision])?.pop().flatten().map(|commit| commit.id))
    }

    /// The commit that a revision names.
    ///
    /// # Errors
    /// `not-found`, with a word on shallow clones where this is one.
    pub fn need(&self, revision: &str) -> Result<String> {
        self.commit(revision)?.ok_or_else(|| self.absent(revision))
    }

    /// Why a revision is not here.
    pub fn absent(&self, revision: &str) -> Error {
        let shown = revision.escape_debug();
        let error =
            Error::new(ErrorCode::NotFound, format!("{} has no commit named `{shown}`", self.top.display()));
        if self.shallow {
            return error.hint(
                "this clone is shallow, and what is older than its cut is not here: run \
                 `git fetch --unshallow --tags` first. irctl never fetches",
            );
        }
        error.hint("name a branch, a tag, HEAD~1 or a commit; what only the remote has must be fetched first")
    }

    /// The tree of a commit.
    pub fn tree(&self, commit: &str) -> Result<String> {
        self.line(
            &Call::new(["rev-parse", "--verify", "--end-of-options"]).with(format!("{commit}^{{tree}}")),
        )
    }

    /// Whether one commit is an ancestor of another, or the same.
    pub fn is_ancestor(&self, older: &str, newer: &str) -> Result<bool> {
        Ok(self.maybe(&Call::new(["merge-base", "--is-ancestor", older, newer]))?.is_some())
    }

    /// Commits, newest first, as `git log` selects them by these arguments.
    pub fn log<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<Vec<Commit>> {
        let arguments: Vec<&str> = arguments.into_iter().collect();
        let is_fixed = |word: &&str| word.starts_with('-') || word.split("..").all(is_object);
        let fixed = arguments.iter().all(is_fixed);
        let call =
            Call::new(["log", "-z", "--no-color", "--encoding=UTF-8", FORMAT]).all(arguments).with("--");
        let bytes = if fixed { self.eternal(&call)? } else { Arc::new(self.bytes(&call)?) };
        let commits = commit::logged(&bytes);
        self.learn(&commits);
        Ok(commits)
    }

    /// The commits that one has and another has not, and the other way round, newest first; none where there are more
    /// than `most` in all.
    pub fn apart(&self, one: &str, other: &str, most: usize) -> Result<Option<[Vec<Commit>; 2]>> {
        if !is_object(one) || !is_object(other) {
            return Ok(None);
        }
        let (limit, range) = (format!("-{}", most + 1), format!("{one}...{other}"));
        let sides = ["log", "-z", "--no-color", "--encoding=UTF-8", "--left-right", MARKED, limit.as_str()];
        let bytes = self.eternal(&Call::new(sides).all(["--end-of-options", &range, "--"]))?;
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for (is_left, commit) in commit::marked(&bytes) {
            if is_left { left.push(commit) } else { right.push(commit) }
        }
        self.learn(&left);
        self.learn(&right);
        Ok((left.len() + right.len() <= most).then_some([left, right]))
    }

    /// Remembers commits, and their trees where those are in the repository itself: what a scratch folder lent its
    /// objects to may be gone with it.
    fn learn(&self, commits: &[Commit]) {
        for commit in commits {
            memo::described(self, commit);
            if self.objects.is_none() {
                memo::committed(self, &commit.tree);
            }
        }
    }

    /// One commit.
    ///
    /// # Errors
    /// Those of [`Repository::need_described`].
    pub fn describe(&self, commit: &str) -> Result<Commit> {
        match memo::described_as(self, commit) {
            Some(known) => Ok(known),
            None => self.need_described(commit),
        }
    }

    /// The commits that these revisions name, described; none for each that names none, as a range does. One question
    /// for all of them.
    pub fn commits_named(&self, revisions: &[&str]) -> Result<Vec<Option<Commit>>> {
        let stand: Vec<_> = revisions.iter().map(|revision| self.stands_at(revision)).collect();
        let known = |id: &Option<String>| memo::described_as(self, id.as_ref()?);
        let all: Vec<_> = stand.iter().map(known).collect();
        if all.iter().all(Option::is_some) {
            return Ok(all);
        }
        let mut names = String::new();
        for revision in revisions {
            // What can be no name must not become two.
            let name = if revision.chars().any(char::is_control) { "" } else { revision };
            names.push_str(&format!("{name}^{{commit}}\n"));
        }
        let bytes = match self.bytes(&Call::new(["cat-file", "--batch"]).stdin(names)) {
            Err(error) if revisions.iter().any(|revision| may_end_git(revision)) => {
                return self.one_by_one(revisions, error);
            }
            bytes => bytes?,
        };
        let Some(answers) = commit::answers(&bytes, revisions.len()) else {
            return Err(Error::new(
                ErrorCode::Subprocess,
                "git cat-file answered in a way that is not known",
            )
            .hint("tell the maintainers which version of git this is"));
        };
        let commits = answers.into_iter().map(|answer| self.described(answer));
        let commits: Vec<_> = commits.collect::<Result<_>>()?;
        for ((revision, id), commit) in revisions.iter().zip(&stand).zip(&commits) {
            // What a tag object stands for it stands for ever; the tag itself may have been moved while git was asked.
            if let (Some(id), Some(commit)) = (id, commit)
                && self.stands_at(revision).as_ref() == Some(id)
            {
                memo::stands_for(self, id, commit);
            }
        }
        Ok(commits)
    }

    /// The object that a revision names now, where git's files say so plainly.
    fn stands_at(&self, revision: &str) -> Option<String> {
        if is_object(revision) {
            return Some(revision.to_owned());
        }
        written::reference(&self.common_dir, revision)
            .flatten()
            .or_else(|| written::named(&self.git_dir, &self.common_dir, revision))
    }

    /// The same where one of the names ended git: whatever it answers otherwise, that one names no commit.
    fn one_by_one(&self, revisions: &[&str], error: Error) -> Result<Vec<Option<Commit>>> {
        let [_] = revisions else {
            let each = revisions.iter().map(|revision| self.commits_named(&[revision]));
            return Ok(each.collect::<Result<Vec<_>>>()?.concat());
        };
        let answers = self.bytes(&Call::new(["cat-file", "--batch"]).stdin("HEAD^{commit}\n")).is_ok();
        if answers { Ok(vec![None]) } else { Err(error) }
    }

    fn described(&self, answer: Answer) -> Result<Option<Commit>> {
        let logged = |id: &str| self.log(["-1", "--end-of-options", id]).map(|mut found| found.pop());
        match answer {
            Answer::Absent => Ok(None),
            Answer::Unread(id) => logged(&id),
            // Where history is cut off or grafted, a commit's parents are not those that stand in it.
            Answer::Commit(commit) if self.shallow || self.is_grafted() => logged(&commit.id),
            Answer::Commit(commit) => {
                self.learn(std::slice::from_ref(&*commit));
                Ok(Some(*commit))
            }
        }
    }

    fn is_grafted(&self) -> bool {
        self.common_dir.join("info/grafts").exists()
    }

    /// The commit that a revision names, described.
    ///
    /// # Errors
    /// `not-found` where it names none, with a word on shallow clones where this is one.
    pub fn need_described(&self, revision: &str) -> Result<Commit> {
        self.commits_named(&[revision])?.pop().flatten().ok_or_else(|| self.absent(revision))
    }
}

/// `@{u}`, `HEAD@{99}`: a branch that follows none, or a log that is too short, ends git instead of being answered.
fn may_end_git(revision: &str) -> bool {
    revision.contains("@{")
}
