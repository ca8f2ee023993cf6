//! Uncommitted work as a stash commit of git's own form, so that `git stash apply --index` understands it.

use chrono::{DateTime, Utc};
use std::path::Path;

use super::area::Area;
use super::call::Call;
use super::draft::{Draft, Work};
use super::entries::{self, Entries};
use super::repository::Repository;
use super::switch::Stash;
use crate::base::Result;

/// Writes the uncommitted work of a draft as a stash commit; the list of stashes does not know it yet.
pub(super) fn write(
    draft: &Draft,
    message: &str,
    at: DateTime<Utc>,
    scratch: &Path,
) -> Result<Option<Stash>> {
    let Some(work) = draft.work.as_ref().filter(|_| !draft.uncommitted().is_none()) else { return Ok(None) };
    let repository = &draft.repository;
    let whose = draft.stand.shown();
    let on = format!("{whose}: {}", draft.tip.shown());
    let commit = Committer { repository, at, fallback: !repository.knows_identity() };
    let tip = draft.tip.id.as_str();

    let index = on_top(draft, &work.staged, scratch)?;
    let index = commit.make(&index, &[tip], &format!("index on {on}"))?;
    let files = on_top(draft, &tracked(work), scratch)?;
    let mut parents = vec![tip, index.as_str()];
    let untracked = untracked(work);
    let others = match untracked.is_empty() {
        true => None,
        false => {
            let tree = entries::tree_of(repository, &untracked, scratch)?;
            Some(commit.make(&tree, &[], &format!("untracked files on {on}"))?)
        }
    };
    parents.extend(others.as_deref());
    let message = format!("On {whose}: {message}");
    Ok(Some(Stash { commit: commit.make(&files, &parents, &message)?, message }))
}

fn tracked(work: &Work) -> Entries {
    let known = work.files.iter().filter(|(name, _)| !work.snapshot.untracked.contains(*name));
    known.map(|(name, entry)| (name.clone(), entry.clone())).collect()
}

fn untracked(work: &Work) -> Entries {
    let unknown = work.files.iter().filter(|(name, _)| work.snapshot.untracked.contains(*name));
    unknown.map(|(name, entry)| (name.clone(), entry.clone())).collect()
}

/// The tree of the commit with these entries in the area: a stash of some paths changes nothing elsewhere.
fn on_top(draft: &Draft, wanted: &Entries, scratch: &Path) -> Result<String> {
    let mut all = entries::of_tree(&draft.repository, &draft.tip.tree, &Area::default())?;
    all.retain(|name, _| !draft.area.contains(name));
    all.extend(wanted.iter().map(|(name, entry)| (name.clone(), entry.clone())));
    entries::tree_of(&draft.repository, &all, scratch)
}

/// Makes commits in nobody's name but the one that git knows.
pub(super) struct Committer<'a> {
    pub repository: &'a Repository,
    /// The date of the commits (UTC).
    pub at: DateTime<Utc>,
    /// Whether git knows nobody, so that irctl names itself.
    pub fallback: bool,
}

impl Committer<'_> {
    /// A commit of a tree; no reference knows it yet.
    pub fn make(&self, tree: &str, parents: &[&str], message: &str) -> Result<String> {
        let mut call = Call::new(["commit-tree", "--no-gpg-sign"]);
        for parent in parents {
            call = call.with("-p").with(*parent);
        }
        let call = call.all(["-F", "-"]).with(tree).dated(self.at, self.fallback);
        self.repository.line(&call.stdin(format!("{message}\n").into_bytes()))
    }
}
