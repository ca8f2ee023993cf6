//! Staging: everything slow, and everything that can fail, before the first file is touched.

use std::path::Path;

use super::area::Area;
use super::draft::{Draft, Stand, Work};
use super::entries;
use super::place::{Files, Place};
use super::predict;
use super::refuse;
use super::repository::{Repository, short};
use super::revert;
use super::scratch::{self, Copy};
use super::snapshot::copy_index;
use super::stash;
use super::switch::{GitSwitch, Kept, Words};
use super::target::GitTarget;
use crate::base::{Digest, Result};
use crate::rollback::targets::{Goal, Staging, SwitchSpec};

/// Stages one switch; none when everything is as it should be.
pub(super) fn stage(
    target: &GitTarget<'_>,
    goal: &Goal<'_>,
    staging: &Staging<'_>,
) -> Result<Vec<SwitchSpec>> {
    let repository = target.open()?;
    refuse::refused(&refuse::unfinished(&repository)?)?;
    let folder = super::target::scratch()?;
    let draft = Draft::new(target, repository, goal, folder.path())?;
    if draft.is_done() {
        return Ok(Vec::new());
    }
    refuse::refused(&refuse::refusals(&draft)?)?;
    if let Some(validate) = &target.config.validate {
        let copy = Copy::bare_of_history(&draft.repository, &folder.path().join("checkout"))?;
        copy.check_out(&draft.aim.id)?;
        scratch::validate(validate, copy.folder())?;
    }
    let switch = build(&draft, goal, staging, folder.path())?;
    Ok(vec![SwitchSpec::Git(switch)])
}

/// Builds the switch of a draft: writes the commits and the stash, which no reference knows yet.
pub(super) fn build(
    draft: &Draft,
    goal: &Goal<'_>,
    staging: &Staging<'_>,
    scratch: &Path,
) -> Result<GitSwitch> {
    let repository = &draft.repository;
    let tag = tag(staging.operation, &draft.area);
    let title = title(draft);
    let reason = goal.reason.filter(|reason| !reason.trim().is_empty());
    let message = format!(
        "irctl {}: {title}{}",
        staging.operation,
        reason
            .map(|reason| format!(" ({})", reason.split_whitespace().collect::<Vec<_>>().join(" ")))
            .unwrap_or_default()
    );
    let tip = new_tip(draft, goal, staging)?;
    let stash = stash::write(draft, &message, goal.now, scratch)?;
    let moves = tip != draft.tip.id;
    let mut keeps = Vec::new();
    if moves {
        keeps.push(Kept { name: backup(repository, &draft.stand, goal)?, commit: draft.tip.id.clone() });
    }
    keeps.extend(
        stash
            .iter()
            .map(|stash| Kept { name: format!("refs/irctl/stash/{tag}"), commit: stash.commit.clone() }),
    );
    let changes = predict::changes(draft, stash.as_ref().map(|_| tag.as_str()))?;
    let whole = draft.area.only.is_empty();
    let (before, after) = match &draft.work {
        Some(work) => {
            let image = staging.images.join(format!("{tag}.index"));
            let (before, after) = ends(draft, work, image)?;
            (Some(before), Some(after))
        }
        None => (None, None),
    };
    Ok(GitSwitch {
        repository: repository.top.clone(),
        tag,
        words: Box::new(Words { title, message }),
        reference: whole.then(|| draft.stand.reference.clone()),
        area: Box::new(draft.area.clone()),
        before: Box::new(Place { tip: whole.then(|| draft.tip.id.clone()), files: before }),
        after: Box::new(Place { tip: whole.then_some(tip), files: after }),
        keeps,
        stash: stash.map(Box::new),
        backwards: false,
        changes,
    })
}

/// The files and the index at both ends.
fn ends(draft: &Draft, work: &Work, image: std::path::PathBuf) -> Result<(Files, Files)> {
    let repository = &draft.repository;
    copy_index(&work.snapshot.real, &image)?;
    let before = Files {
        work: work.snapshot.tree.clone(),
        // Asked of the other copy: git may write into the index it is asked about, and this one keeps its date.
        index: entries::write_tree(repository, &work.snapshot.real)?,
        listing: entries::digest(&work.staged),
        image: Some(image),
    };
    let after = Files {
        work: draft.aim.tree.clone(),
        index: draft.aim.tree.clone(),
        listing: entries::digest(&work.wanted),
        image: None,
    };
    Ok((before, after))
}

/// Where the branch will stand.
fn new_tip(draft: &Draft, goal: &Goal<'_>, staging: &Staging<'_>) -> Result<String> {
    use super::config::GitMode;
    match draft.mode {
        GitMode::Reset => Ok(draft.aim.id.clone()),
        GitMode::Revert if draft.moves_branch() => {
            let commits = revert::range(&draft.repository, &draft.tip, &draft.aim)?;
            let because = revert::Because {
                operation: staging.operation,
                incident: goal.incident,
                reason: goal.reason,
                actor: goal.actor,
                at: goal.now,
            };
            revert::make(&draft.repository, &draft.tip, &commits, &because)
        }
        GitMode::Revert | GitMode::Paths => Ok(draft.tip.id.clone()),
    }
}

/// What a switch is called in the repository: two that touch different paths have different names.
fn tag(operation: &str, area: &Area) -> String {
    match area.only.as_slice() {
        [] => operation.to_owned(),
        paths => {
            let digest = Digest::of(paths.join("\n").as_bytes());
            format!("{operation}.{}", digest.short())
        }
    }
}

/// What it does, for people.
fn title(draft: &Draft) -> String {
    use super::config::GitMode;
    let aim = short(&draft.aim.id);
    match (draft.mode, draft.moves_branch()) {
        (GitMode::Reset, true) => format!("set {} to {aim}", draft.stand.shown()),
        (GitMode::Revert, true) => format!("take back the commits of {} since {aim}", draft.stand.shown()),
        (GitMode::Reset | GitMode::Revert, false) => {
            format!("put the files of {} back as committed", draft.stand.shown())
        }
        (GitMode::Paths, _) => format!("put {} back as in {aim}", draft.area.only.join(", ")),
    }
}

/// A name for the backup branch that is not taken: `refs/heads/backup/main_20261120-030700`.
fn backup(repository: &Repository, stand: &Stand, goal: &Goal<'_>) -> Result<String> {
    let branch = if stand.reference == "HEAD" { "detached" } else { stand.shown() };
    let name = format!("refs/heads/backup/{branch}_{}", goal.now.format("%Y%m%d-%H%M%S"));
    let mut free = name.clone();
    let mut number = 1;
    while repository.reference(&free)?.is_some() {
        number += 1;
        free = format!("{name}-{number}");
    }
    if repository.reference("refs/heads/backup")?.is_some() {
        refuse::refused(&[
            "a branch named `backup` stands where the backup branch would go: rename it".to_owned()
        ])?;
    }
    Ok(free)
}
