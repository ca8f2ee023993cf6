//! What a switch would change: the branch, its commits, the files, what is uncommitted; and what to know before a yes.

use super::call::Call;
use super::commit::Commit;
use super::config::GitMode;
use super::draft::{Draft, Work};
use super::entries::{Entries, SUBMODULE};
use super::refuse;
use super::revert;
use super::target::GitTarget;
use crate::base::process::carried;
use crate::base::{Result, Untrusted};
use crate::rollback::targets::{Change, Fidelity, Prediction};

/// How many commits, and how many files, are shown one by one.
const SHOWN: usize = 10;

/// Everything that a plan says of a switch.
pub(super) fn predict(target: &GitTarget<'_>, draft: &Draft) -> Result<Prediction> {
    if draft.is_done() {
        return Ok(Prediction::default());
    }
    // Each waits for git alone, and none for another.
    let (refusals, stake, changes) = std::thread::scope(|scope| {
        let refusals = scope.spawn(carried(|| refuse::refusals(draft)));
        let stake = scope.spawn(carried(|| Stake::of(draft)));
        let changes = changes(draft, Some("OPERATION"));
        (joined(refusals), joined(stake), changes)
    });
    let stake = stake?;
    Ok(Prediction {
        changes: changes?,
        manner: Some(manner(target, draft)),
        kept: kept(draft),
        mixed: draft.work.is_some(),
        cannot_be_undone: Vec::new(),
        could_undo_this: could_undo_this(draft, stake.upstream.as_deref()),
        warnings: warnings(draft, stake.commits)?,
        refusals: refusals?,
    })
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What others have of a branch that moves.
struct Stake {
    /// The branch that it follows, as `origin/main`.
    upstream: Option<String>,
    /// What is said of the commits that it loses.
    commits: Vec<String>,
}

impl Stake {
    fn of(draft: &Draft) -> Result<Self> {
        let upstream = upstream(draft)?;
        let commits = match (draft.moves_branch(), draft.mode) {
            (true, GitMode::Reset) => commits_at_stake(draft, upstream.as_deref())?,
            _ => Vec::new(),
        };
        Ok(Self { upstream, commits })
    }
}

fn change(place: impl Into<Untrusted>, from: Option<String>, to: Option<String>) -> Change {
    Change {
        place: place.into(),
        from: from.map(Into::into),
        to: to.map(Into::into),
        fidelity: Fidelity::Proven,
    }
}

/// What changes. `stash` is what the uncommitted work will be called.
pub(super) fn changes(draft: &Draft, stash: Option<&str>) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    if draft.moves_branch() {
        changes.extend(branch(draft)?);
    }
    changes.extend(files(draft)?);
    let uncommitted = draft.uncommitted();
    if let Some(tag) = stash.filter(|_| !uncommitted.is_none()) {
        let to = format!("the stash, and refs/irctl/stash/{tag}");
        changes.push(change("uncommitted work", Some(uncommitted.shown()), Some(to)));
    }
    Ok(changes)
}

/// The branch and its commits: those that go and those that come, or the ones that are made.
fn branch(draft: &Draft) -> Result<Vec<Change>> {
    let name = match draft.stand.reference.as_str() {
        "HEAD" => "HEAD (detached)".to_owned(),
        _ => format!("branch {}", draft.stand.shown()),
    };
    if draft.mode == GitMode::Revert {
        // A range that cannot be taken back is a refusal, and said there.
        let Ok(commits) = revert::range(&draft.repository, &draft.tip, &draft.aim) else {
            return Ok(Vec::new());
        };
        let to = format!("{} new commits; the content of {}", commits.len(), draft.aim.shown());
        let mut changes = vec![change(name, Some(draft.tip.shown()), Some(to))];
        changes.extend(commits.iter().take(SHOWN).map(|commit| {
            change("commit", None, Some(format!("Revert \"{}\" ({})", commit.subject, commit.short())))
        }));
        return Ok(changes);
    }
    let mut changes = vec![change(name, Some(draft.tip.shown()), Some(draft.aim.shown()))];
    let sides = apart(draft)?;
    for ((commits, count), goes) in sides.into_iter().zip([true, false]) {
        changes.extend(commits.iter().map(|commit| match goes {
            true => change(format!("commit {}", commit.short()), Some(commit.subject.clone()), None),
            false => change(format!("commit {}", commit.short()), None, Some(commit.subject.clone())),
        }));
        if count > commits.len() {
            let rest = format!("{} more", count - commits.len());
            let (from, to) = if goes { (Some(rest), None) } else { (None, Some(rest)) };
            changes.push(change(
                if goes { "older commits that go" } else { "older commits that come" },
                from,
                to,
            ));
        }
    }
    Ok(changes)
}

/// The newest commits that go and how many go, and the same of those that come.
fn apart(draft: &Draft) -> Result<[(Vec<Commit>, usize); 2]> {
    let (tip, aim) = (&draft.tip.id, &draft.aim.id);
    // One question where there are few.
    if let Some(sides) = draft.repository.apart(tip, aim, 2 * SHOWN)? {
        return Ok(sides.map(|mut commits| {
            let count = commits.len();
            commits.truncate(SHOWN);
            (commits, count)
        }));
    }
    Ok([between(draft, tip, aim)?, between(draft, aim, tip)?])
}

/// The newest commits that one has and the other has not, and how many those are.
fn between(draft: &Draft, one: &str, other: &str) -> Result<(Vec<Commit>, usize)> {
    let range = format!("{other}..{one}");
    let limit = format!("-{SHOWN}");
    let commits = draft.repository.log([limit.as_str(), "--end-of-options", &range])?;
    let all = if commits.len() < SHOWN { commits.len() } else { count(draft, &[&range])? };
    Ok((commits, all))
}

fn count(draft: &Draft, arguments: &[&str]) -> Result<usize> {
    let call = Call::new(["rev-list", "--count"]).all(arguments.iter().copied()).with("--");
    Ok(draft.repository.line(&call)?.trim().parse().unwrap_or(0))
}

/// The files: how many in all, and one by one where they are few or where they were asked for by name.
fn files(draft: &Draft) -> Result<Vec<Change>> {
    let (from, to) = match &draft.work {
        Some(work) => (known(work), work.wanted.clone()),
        None => {
            let of = |commit: &Commit| super::entries::of_tree(&draft.repository, &commit.tree, &draft.area);
            (of(&draft.tip)?, of(&draft.aim)?)
        }
    };
    let mut numbers = [0_usize; 3];
    let mut changes = Vec::new();
    let names: std::collections::BTreeSet<_> = from.keys().chain(to.keys()).collect();
    for name in names {
        let (was, will) = (from.get(name), to.get(name));
        let kind = match (was, will) {
            (was, will) if was == will => continue,
            (Some(_), Some(_)) => 0,
            (None, _) => 1,
            (_, None) => 2,
        };
        if let Some(number) = numbers.get_mut(kind) {
            *number += 1;
        }
        let shown = |entry: &super::entries::Entry| {
            let object = super::repository::short(&entry.object);
            match entry.mode.as_str() {
                "100644" => format!("blob {object}"),
                "100755" => format!("blob {object}, executable"),
                "120000" => format!("symbolic link {object}"),
                SUBMODULE => format!("submodule at {object}"),
                mode => format!("{mode} {object}"),
            }
        };
        changes.push(change(String::from_utf8_lossy(name).into_owned(), was.map(shown), will.map(shown)));
    }
    let [changed, added, removed] = numbers;
    if changes.len() <= SHOWN || draft.mode == GitMode::Paths {
        return Ok(changes);
    }
    let all = format!("{changed} changed, {added} come, {removed} go");
    changes.truncate(SHOWN);
    changes.insert(0, change("files", Some(format!("as in {}", draft.tip.short())), Some(all)));
    Ok(changes)
}

fn known(work: &Work) -> Entries {
    let known = work.files.iter().filter(|(name, _)| !work.snapshot.untracked.contains(*name));
    known.map(|(name, entry)| (name.clone(), entry.clone())).collect()
}

fn manner(target: &GitTarget<'_>, draft: &Draft) -> String {
    let mut parts = vec![match (draft.mode, &draft.work) {
        (GitMode::Paths, _) => {
            "file by file in the work tree, then in the index; the branch stays".to_owned()
        }
        (_, None) => "the branch moves at once; no files, for it is checked out nowhere".to_owned(),
        (_, Some(_)) => {
            "file by file, then the branch and the index at once; git is locked meanwhile".to_owned()
        }
    }];
    if target.config.validate.is_some() {
        parts.push("validated in a checkout of its own before anything is switched".to_owned());
    }
    parts.join("; ")
}

/// What stays of what is there.
fn kept(draft: &Draft) -> Option<String> {
    let mut parts = Vec::new();
    if draft.moves_branch() {
        let name = match draft.stand.reference.as_str() {
            "HEAD" => "detached".to_owned(),
            _ => draft.stand.shown().to_owned(),
        };
        parts.push(format!("what is there stays on the branch backup/{name}_TIME"));
        parts.push(format!("by hand it is taken back with `git reset --keep backup/{name}_TIME`"));
    }
    if !draft.uncommitted().is_none() {
        parts.push(
            "uncommitted work comes back with `git stash apply --index refs/irctl/stash/OPERATION`"
                .to_owned(),
        );
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Where deployments by others are configured.
const PIPELINES: &[&str] =
    &[".github/workflows", ".gitlab-ci.yml", "Jenkinsfile", ".circleci", "azure-pipelines.yml"];

fn could_undo_this(draft: &Draft, upstream: Option<&str>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(upstream) = upstream.filter(|_| draft.moves_branch()) {
        lines.push(match draft.mode {
            GitMode::Revert => format!("nothing is pushed: others still build {upstream} as it is"),
            _ => format!(
                "the next `git pull` of {} brings the commits of {upstream} back",
                draft.stand.shown()
            ),
        });
    }
    if draft.mode == GitMode::Paths {
        lines.push("the next `git checkout` or `git reset --hard` puts the committed files back".to_owned());
    }
    if !draft.repository.bare {
        let pipelines = PIPELINES.iter().filter(|name| draft.repository.top.join(name).exists());
        lines.extend(
            pipelines
                .map(|name| format!("a pipeline ({name}) deploys what the remote has, not this work tree")),
        );
    }
    lines
}

/// The branch that this one follows, as `origin/main`.
fn upstream(draft: &Draft) -> Result<Option<String>> {
    if draft.stand.reference == "HEAD" {
        return Ok(None);
    }
    let call = Call::new(["for-each-ref", "--format=%(upstream:short)", &draft.stand.reference]);
    let name = draft.repository.line(&call)?;
    Ok(Some(name.trim().to_owned()).filter(|name| !name.is_empty()))
}

fn warnings(draft: &Draft, at_stake: Vec<String>) -> Result<Vec<String>> {
    let mut lines = at_stake;
    if draft.mode == GitMode::Revert
        && let Ok(commits) = revert::range(&draft.repository, &draft.tip, &draft.aim)
    {
        let merges = commits.iter().filter(|commit| commit.parents.len() > 1).count();
        if merges > 0 {
            lines.push(format!(
                "{merges} of the commits are merges and are taken back towards their first parent (`-m 1`): merging \
                 the same branches again will not bring their content back until that revert is reverted"
            ));
        }
    }
    let worktrees = refuse::worktrees(&draft.repository)?;
    let others = worktrees.lines().filter(|line| line.starts_with("worktree ")).count().saturating_sub(1);
    if others > 0 && draft.moves_branch() {
        lines.push(format!("{others} other work trees of this repository keep what they have checked out"));
    }
    let Some(work) = &draft.work else { return Ok(lines) };
    lines.extend(flagged(draft)?);
    let configured = |entries: &Entries| entries.get(b"config/irctl.yaml".as_slice()).cloned();
    if configured(&work.files) != configured(&work.wanted) {
        lines.push("irctl's own configuration (config/irctl.yaml) goes back with it".to_owned());
    }
    let hollow = work.wanted.iter().filter(|(name, entry)| {
        entry.mode == SUBMODULE && work.files.get(*name).map(|old| &old.object) != Some(&entry.object)
    });
    let hollow: Vec<_> = hollow.map(|(name, _)| refuse::shown(name)).collect();
    if !hollow.is_empty() {
        lines.push(format!("submodules are not checked out: {}", hollow.join(", ")));
    }
    if work.wanted.is_empty() {
        lines.push(format!("nothing of it is in {}: every file goes", draft.aim.short()));
    }
    Ok(lines)
}

/// What is said of the commits that a branch loses.
fn commits_at_stake(draft: &Draft, upstream: Option<&str>) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let not_new = format!("^{}", draft.aim.id);
    let own = format!("--exclude={}", draft.stand.shown());
    // `--exclude` counts for the `--branches` that follows it.
    let elsewhere = [&draft.tip.id, "--not", &draft.aim.id, &own, "--branches", "--tags", "--remotes"];
    let only_here = count(draft, &elsewhere)?;
    if only_here > 0 {
        lines.push(format!(
            "{only_here} of the commits that go are on no other branch or tag: only the backup branch keeps them"
        ));
    }
    if let Some(upstream) = upstream {
        let gone = count(draft, &[&draft.tip.id, &not_new])?;
        let unpushed = count(draft, &[&draft.tip.id, &not_new, &format!("^refs/remotes/{upstream}")])?;
        if gone > unpushed {
            lines.push(format!(
                "{} of the commits that go are pushed already ({upstream}): the branch will be behind it. \
                 `mode: revert` keeps the history that others have",
                gone - unpushed
            ));
        }
    }
    Ok(lines)
}

/// Files that git was told not to look at.
fn flagged(draft: &Draft) -> Result<Vec<String>> {
    let bytes = super::entries::listed(&draft.repository, None)?;
    let lines: Vec<_> = super::entries::split(&bytes).collect();
    let count = |wanted: fn(u8) -> bool| {
        lines.iter().filter(|line| line.first().copied().is_some_and(wanted)).count()
    };
    let mut said = Vec::new();
    let skipped = count(|flag| flag == b'S' || flag == b's');
    let sparse = || -> Result<bool> {
        let call = Call::new(["config", "--bool", "--get", "core.sparseCheckout"]);
        Ok(draft.repository.maybe(&call)?.as_deref() == Some("true"))
    };
    if skipped > 0 && !sparse()? {
        said.push(format!("{skipped} files are marked `skip-worktree`: git leaves them as they are on disk"));
    }
    let assumed = count(|flag| flag.is_ascii_lowercase());
    if assumed > 0 {
        said.push(format!(
            "{assumed} files are marked `assume-unchanged`; changes in them are stashed like others"
        ));
    }
    Ok(said)
}
