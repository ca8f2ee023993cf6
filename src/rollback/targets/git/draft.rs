//! What a switch would be: where the repository stands, where it goes, and what lies in between.

use std::path::Path;

use super::area::Area;
use super::commit::Commit;
use super::config::GitMode;
use super::entries::{self, Entries};
use super::repository::{Head, Repository};
use super::snapshot::{Snapshot, Untracked};
use super::target::GitTarget;
use crate::base::{Error, ErrorCode, Result};
use crate::rollback::targets::Goal;

/// What a switch would be.
pub(super) struct Draft {
    pub repository: Repository,
    pub area: Area,
    pub mode: GitMode,
    pub stand: Stand,
    /// The commit that the branch stands at.
    pub tip: Commit,
    /// The commit that is gone to.
    pub aim: Commit,
    /// The files and the index; absent where the branch is checked out nowhere.
    pub work: Option<Work>,
}

/// What is moved.
pub(super) struct Stand {
    /// The branch, or `HEAD` where that is detached.
    pub reference: String,
    /// Whether it is what this work tree has checked out.
    pub checked_out: bool,
}

/// Files and index as they are, within the area.
pub(super) struct Work {
    pub snapshot: Snapshot,
    /// What the commit has.
    pub committed: Entries,
    /// What the index has.
    pub staged: Entries,
    /// What is on disk.
    pub files: Entries,
    /// What the commit that is gone to has.
    pub wanted: Entries,
}

/// How much uncommitted work there is, in files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Uncommitted {
    pub staged: usize,
    pub modified: usize,
    pub untracked: usize,
}

impl Uncommitted {
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    pub fn shown(self) -> String {
        let part = |count: usize, word: &str| (count > 0).then(|| format!("{count} {word}"));
        let parts =
            [part(self.staged, "staged"), part(self.modified, "modified"), part(self.untracked, "untracked")];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl Stand {
    /// What is moved in a repository.
    pub fn of(target: &GitTarget<'_>, repository: &Repository) -> Result<Self> {
        let head = repository.head()?;
        let checked_out = |reference: &str| match &head {
            Head::Branch(name) => !repository.bare && name == reference,
            Head::Detached => !repository.bare && reference == "HEAD",
        };
        let reference = match (&target.config.branch, &head) {
            (Some(branch), _) => format!("refs/heads/{branch}"),
            (None, Head::Branch(name)) => name.clone(),
            (None, Head::Detached) => "HEAD".to_owned(),
        };
        Ok(Self { checked_out: checked_out(&reference), reference })
    }

    /// The branch as people call it.
    pub fn shown(&self) -> &str {
        match self.reference.as_str() {
            "HEAD" => "detached HEAD",
            reference => reference.strip_prefix("refs/heads/").unwrap_or(reference),
        }
    }

    /// The commit it stands at.
    pub fn tip(&self, repository: &Repository) -> Result<Commit> {
        let Some(tip) = repository.commit(&self.reference)? else {
            return Err(Error::new(
                ErrorCode::Refused,
                format!("{}: {} has no commit yet", repository.top.display(), self.shown()),
            )
            .hint("there is nothing to roll back before the first commit; is `branch:` right?"));
        };
        repository.describe(&tip)
    }
}

impl Draft {
    /// Looks at everything; `scratch` gets private indices.
    pub fn new(
        target: &GitTarget<'_>,
        repository: Repository,
        goal: &Goal<'_>,
        scratch: &Path,
    ) -> Result<Self> {
        let aim = target.aim(&repository, goal)?;
        Self::to(target, repository, aim, scratch)
    }

    /// The same for a commit that is known already.
    pub fn to(target: &GitTarget<'_>, repository: Repository, aim: Commit, scratch: &Path) -> Result<Self> {
        let area = target.config.area()?;
        let stand = Stand::of(target, &repository)?;
        let tip = stand.tip(&repository)?;
        let work = match stand.checked_out {
            true => Some(Work::look(&repository, &area, &tip, &aim, scratch)?),
            false => None,
        };
        Ok(Self { repository, area, mode: target.config.mode, stand, tip, aim, work })
    }

    /// Whether it is as it should be already. Files that git does not know are nobody's version.
    pub fn is_done(&self) -> bool {
        let tip = match self.mode {
            GitMode::Reset => self.tip.id == self.aim.id,
            GitMode::Revert => self.tip.tree == self.aim.tree,
            GitMode::Paths => true,
        };
        tip && self.work.as_ref().is_none_or(Work::is_done)
    }

    /// Whether the branch moves.
    pub fn moves_branch(&self) -> bool {
        match self.mode {
            GitMode::Reset => self.tip.id != self.aim.id,
            GitMode::Revert => self.tip.tree != self.aim.tree,
            GitMode::Paths => false,
        }
    }

    /// How much uncommitted work is in the way.
    pub fn uncommitted(&self) -> Uncommitted {
        self.work.as_ref().map(Work::uncommitted).unwrap_or_default()
    }
}

impl Work {
    fn look(
        repository: &Repository,
        area: &Area,
        tip: &Commit,
        aim: &Commit,
        scratch: &Path,
    ) -> Result<Self> {
        let wanted = entries::of_tree(repository, &aim.tree, area)?;
        let staged = entries::of_index(repository, None, area)?;
        if staged.values().any(|entry| entry.stage != "0") {
            return Err(Error::new(
                ErrorCode::Refused,
                format!("{}: the index holds a merge that is not settled", repository.top.display()),
            )
            .hint("settle it and `git add` the files, or `git checkout -m` them; `git status` lists them"));
        }
        // An ignored file that stands where the version has one of its own is somebody's, too.
        let in_the_way = wanted.keys().filter(|name| !staged.contains_key(*name)).cloned().collect();
        // Known first: a work tree without changes is a tree that need not be written.
        let committed = entries::of_tree(repository, &tip.tree, area)?;
        let snapshot = Snapshot::take(repository, area, Untracked::AllAnd(&in_the_way), scratch)?;
        let files = entries::of_tree(repository, &snapshot.tree, area)?;
        Ok(Self { snapshot, committed, staged, files, wanted })
    }

    fn is_done(&self) -> bool {
        let known = self.files.iter().filter(|(name, _)| !self.snapshot.untracked.contains(*name));
        self.staged == self.wanted && known.eq(self.wanted.iter())
    }

    fn uncommitted(&self) -> Uncommitted {
        let untracked = &self.snapshot.untracked;
        let modified = self.staged.keys().filter(|name| self.files.get(*name) != self.staged.get(*name));
        Uncommitted {
            staged: differing(&self.staged, &self.committed),
            modified: modified.count(),
            untracked: untracked.len(),
        }
    }
}

/// How many names stand for something else in one than in the other.
pub(super) fn differing(one: &Entries, other: &Entries) -> usize {
    let changed = one.iter().filter(|(name, entry)| other.get(*name) != Some(entry)).count();
    changed + other.keys().filter(|name| !one.contains_key(*name)).count()
}
