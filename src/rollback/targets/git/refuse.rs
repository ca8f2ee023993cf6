//! When a work tree is left alone, and why.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::area::Area;
use super::call::Call;
use super::config::GitMode;
use super::draft::Draft;
use super::entries::{self, Entries, Name, SUBMODULE};
use super::lock::Marker;
use super::repository::Repository;
use super::revert;
use super::travel;
use crate::base::{Error, ErrorCode, Result};

/// What git is in the middle of, by the file that says so, and how it is ended.
const UNFINISHED: &[(&str, &str, &str)] = &[
    ("MERGE_HEAD", "a merge", "git merge --abort"),
    ("rebase-merge", "a rebase", "git rebase --abort"),
    ("rebase-apply", "a rebase or `git am`", "git rebase --abort` or `git am --abort"),
    ("CHERRY_PICK_HEAD", "a cherry-pick", "git cherry-pick --abort"),
    ("REVERT_HEAD", "a revert", "git revert --abort"),
    ("sequencer", "a row of cherry-picks or reverts", "git cherry-pick --abort"),
    ("BISECT_LOG", "a bisection", "git bisect reset"),
];

/// What somebody has begun in this work tree and not ended.
pub(super) fn unfinished(repository: &Repository) -> Result<Vec<String>> {
    let mut refusals = Vec::new();
    if repository.bare {
        return Ok(refusals);
    }
    for (file, what, end) in UNFINISHED {
        if repository.git_dir.join(file).exists() {
            refusals.push(format!("{what} is under way in {}: end it, or `{end}`", repository.top.display()));
        }
    }
    let unsettled = || -> Result<bool> {
        let all = entries::of_index(repository, None, &Area::default())?;
        Ok(all.values().any(|entry| entry.stage != "0"))
    };
    if refusals.is_empty() && unsettled()? {
        refusals.push(format!(
            "the index of {} holds a merge that is not settled: settle it and `git add` the files",
            repository.top.display()
        ));
    }
    Ok(refusals)
}

/// Why a switch cannot be done as things stand.
pub(super) fn refusals(draft: &Draft) -> Result<Vec<String>> {
    let mut refusals = Vec::new();
    for tag in Marker::standing(&draft.repository) {
        refusals.push(format!("{tag} stopped half-way in this work tree: resume or abort it first"));
    }
    if draft.moves_branch() {
        refusals.extend(checked_out_elsewhere(draft)?);
        if draft.mode == GitMode::Revert
            && let Err(error) = revert::range(&draft.repository, &draft.tip, &draft.aim)
        {
            refusals.push(error.message);
        }
    }
    let Some(work) = &draft.work else { return Ok(refusals) };
    refusals.extend(submodules(draft, &work.staged, &work.wanted)?);
    if draft.mode == GitMode::Paths {
        refusals.extend(paths_of_nothing(draft, work.files.keys().chain(work.wanted.keys())));
    }
    if refusals.is_empty()
        && let Err(error) = try_files(draft)
    {
        refusals.push(format!("git would not switch the files: {}", error.message));
    }
    Ok(refusals)
}

/// All of them as one error.
pub(super) fn refused(refusals: &[String]) -> Result<()> {
    if refusals.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Refused, refusals.join("; ")).hint("nothing was changed"))
}

/// The work trees of a repository, as git lists them; nothing where there is only the one.
pub(super) fn worktrees(repository: &Repository) -> Result<String> {
    if repository.common_dir.join("worktrees").symlink_metadata().is_err() {
        return Ok(String::new());
    }
    repository.line(&Call::new(["worktree", "list", "--porcelain"]))
}

/// A branch that another work tree has checked out must not be moved under its feet.
fn checked_out_elsewhere(draft: &Draft) -> Result<Option<String>> {
    let wanted = draft.stand.reference.as_str();
    if wanted == "HEAD" {
        return Ok(None);
    }
    let listed = worktrees(&draft.repository)?;
    let mut folder = "";
    for line in listed.lines() {
        if let Some(path) = line.strip_prefix("worktree ") {
            folder = path;
        }
        let here = Path::new(folder).canonicalize().is_ok_and(|path| path == draft.repository.top);
        if line.strip_prefix("branch ") == Some(wanted) && !here {
            return Ok(Some(format!(
                "{} is checked out in {}: roll back there, or `git -C {} switch --detach`",
                draft.stand.shown(),
                folder.escape_debug(),
                folder.escape_debug()
            )));
        }
    }
    Ok(None)
}

/// Submodules with work of their own, or that would have to move: git does not move what is checked out in them.
fn submodules(draft: &Draft, staged: &Entries, wanted: &Entries) -> Result<Vec<String>> {
    let repository = &draft.repository;
    let ours = |entries: &Entries, name: &Name| {
        entries.get(name).filter(|entry| entry.mode == SUBMODULE).map(|entry| entry.object.clone())
    };
    let populated =
        |name: &Name| repository.top.join(Path::new(std::ffi::OsStr::from_bytes(name))).join(".git").exists();
    let mut refusals = Vec::new();
    for name in staged.keys().filter(|name| ours(staged, name).is_some() && populated(name)) {
        if ours(staged, name) != ours(wanted, name) {
            refusals.push(format!(
                "the submodule `{}` would have to move: set it by hand with `git submodule update` after the switch, \
                 or `git submodule deinit` it first",
                shown(name)
            ));
        }
    }
    if !staged.values().any(|entry| entry.mode == SUBMODULE) {
        return Ok(refusals);
    }
    let call = Call::new([
        "status",
        "--porcelain=v2",
        "-z",
        "--untracked-files=no",
        "--no-renames",
        "--ignore-submodules=none",
    ]);
    let bytes = repository.bytes(&call)?;
    for line in entries::split(&bytes) {
        let text = String::from_utf8_lossy(line);
        let fields: Vec<_> = text.splitn(9, ' ').collect();
        let [_, _, state, _, _, _, _, _, name] = fields.as_slice() else { continue };
        let dirty = state.starts_with('S') && *state != "S...";
        if dirty && draft.area.contains(name.as_bytes()) {
            refusals.push(format!(
                "the submodule `{}` holds work of its own: commit it there, or stash it there",
                name.escape_debug()
            ));
        }
    }
    Ok(refusals)
}

/// A path that stands neither here nor there is a slip of the pen.
fn paths_of_nothing<'a>(draft: &Draft, names: impl Iterator<Item = &'a Name>) -> Vec<String> {
    let mut missing = draft.area.only.clone();
    for name in names {
        missing.retain(|path| {
            let rest = name.strip_prefix(path.as_bytes());
            !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        });
    }
    missing
        .iter()
        .map(|path| {
            format!("`{}` stands neither in {} nor in the work tree", path.escape_debug(), draft.aim.short())
        })
        .collect()
}

/// Lets git look whether it would overwrite anything that it does not know.
fn try_files(draft: &Draft) -> Result<()> {
    let Some(work) = &draft.work else { return Ok(()) };
    let repository = &draft.repository;
    let index = &work.snapshot.index;
    let scratch = super::target::scratch()?;
    let goal = travel::composed(repository, &draft.area, index, &draft.aim.tree, scratch.path())?;
    let call = Call::new(["read-tree", "--dry-run", "-m", "-u", &work.snapshot.tree, &goal]).index(index);
    repository.run(&call).map(|_| ())
}

/// A name as it can be shown.
pub(super) fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().to_string()
}
