//! Commits that take back others.
//!
//! Going back along the first parents, the commit that takes back the newest one has exactly the tree of its first
//! parent, and so on down: nothing is ever merged, and there is no conflict. A merge is taken back as `git revert -m 1`
//! does it: what it brought in goes, the branch's own line stays.

use chrono::{DateTime, Utc};

use super::commit::Commit;
use super::repository::Repository;
use super::stash::Committer;
use crate::base::{Error, ErrorCode, Result};

/// How many commits are taken back one by one.
const LIMIT: usize = 1000;

/// The commits that have to be taken back, newest first.
///
/// # Errors
/// `refused` when the revision is not on the branch's own line.
pub(super) fn range(repository: &Repository, tip: &Commit, aim: &Commit) -> Result<Vec<Commit>> {
    let refused = |why: String| {
        Error::new(ErrorCode::Refused, why).hint("`mode: reset` can go to any commit, by moving the branch")
    };
    let limit = format!("-{}", LIMIT + 1);
    let range = format!("{}..{}", aim.id, tip.id);
    let mut commits = repository.log(["--first-parent", &limit, "--end-of-options", &range])?;
    if commits.len() > LIMIT {
        return Err(refused(format!("there are more than {LIMIT} commits to take back")));
    }
    let bottom = commits.iter().position(|commit| commit.parents.first() == Some(&aim.id));
    match bottom {
        Some(bottom) => commits.truncate(bottom + 1),
        None if tip.id == aim.id => commits.clear(),
        None => {
            return Err(refused(format!(
                "{} is not on the first-parent line of the branch, so there is no row of commits to take back: it \
                 came in by a merge, stands on another branch, or is newer",
                aim.short()
            )));
        }
    }
    Ok(commits)
}

/// Why the commits are made, in their messages.
pub(super) struct Because<'a> {
    pub operation: &'a str,
    pub incident: Option<&'a str>,
    pub reason: Option<&'a str>,
    pub actor: &'a str,
    /// The date of the commits (UTC).
    pub at: DateTime<Utc>,
}

/// Makes the commits that take back `commits`; returns the last one. No reference knows them yet.
pub(super) fn make(
    repository: &Repository,
    tip: &Commit,
    commits: &[Commit],
    because: &Because<'_>,
) -> Result<String> {
    let committer = Committer { repository, at: because.at, fallback: !repository.knows_identity() };
    let mut last = tip.id.clone();
    let mut tree = tip.tree.clone();
    for commit in commits {
        let Some(parent) = commit.parents.first() else {
            return Err(Error::new(ErrorCode::Refused, format!("{} has no parent", commit.short()))
                .hint("the first commit of a history cannot be taken back"));
        };
        let before = repository.tree(parent)?;
        // A commit that changed nothing leaves nothing to take back.
        if before == tree {
            continue;
        }
        last = committer.make(&before, &[&last], &message(commit, parent, because))?;
        tree = before;
    }
    Ok(last)
}

/// The message of a commit that takes back another.
fn message(commit: &Commit, parent: &str, because: &Because<'_>) -> String {
    let merge = match commit.parents.len() {
        0 | 1 => String::new(),
        _ => format!(", reversing\nchanges made to {parent}"),
    };
    let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut message =
        format!("Revert \"{}\"\n\nThis reverts commit {}{merge}.\n", line(&commit.subject), commit.id);
    if let Some(reason) = because.reason.filter(|reason| !reason.trim().is_empty()) {
        message.push_str(&format!("\nReason: {}\n", line(reason)));
    }
    message.push_str(&format!("\nIrctl-Operation: {}\n", because.operation));
    if let Some(incident) = because.incident {
        message.push_str(&format!("Irctl-Incident: {}\n", line(incident)));
    }
    message.push_str(&format!("Irctl-Actor: {}", line(because.actor)));
    message
}
