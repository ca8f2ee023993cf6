//! From one end of a switch to the other, in either direction, again and again until it is done.
//!
//! The order: git's own lock; a look whether everything is as expected; a marker; what keeps the old state (backup
//! branch, stash); the files; the branch, by compare-and-swap; the index, by a rename; the way back's leftovers; the
//! marker and the lock go. A process that dies in between leaves the marker, and the next one goes on from whatever is
//! there.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::area::Area;
use super::call::Call;
use super::entries;
use super::keep;
use super::lock::{self, IndexLock, Marker};
use super::place::{Files, Look, Place};
use super::repository::{Repository, short};
use super::snapshot::{Snapshot, copy_for_now, copy_index, refresh};
use super::switch::GitSwitch;
use crate::base::{Error, ErrorCode, Result, fault, file};
use crate::operation::StepContext;

/// How many files are forced to disk one by one; beyond that the whole file system is.
const ONE_BY_ONE: usize = 256;

/// Goes from before to after, or back.
pub fn travel(switch: &GitSwitch, context: &mut StepContext<'_>, forward: bool) -> Result<Option<String>> {
    let (from, to): (&Place, &Place) = match forward {
        true => (&switch.before, &switch.after),
        false => (&switch.after, &switch.before),
    };
    let repository = Repository::open(&switch.repository)?;
    let scratch = tempfile::tempdir().map_err(|error| Error::io("cannot make a folder", error))?;
    fault::point("git:before-lock");
    let held = match from.files {
        Some(_) => Some(IndexLock::take(&repository, &switch.tag)?),
        None => None,
    };
    if let Some(aside) = held.as_ref().and_then(|lock| lock.moved_aside.as_ref()) {
        context.note(format!("a lock that a dead git had left is now {}", aside.display()))?;
    }
    fault::point("git:locked");
    let look = Look::take(switch, &repository, scratch.path())?;
    if !may_go(switch, &repository, &look, from, to)? {
        return Ok(None);
    }
    check_objects(&repository, to)?;
    let marker = Marker::of(&repository, &switch.tag);
    marker.set(&repository)?;
    fault::point("git:marked");
    let making = forward != switch.backwards;
    if making {
        keep::make(switch, &repository, context)?;
    }
    if let (Some(snapshot), Some(files)) = (&look.snapshot, &to.files) {
        fault::point("git:before-files");
        move_files(&repository, context, &switch.area, snapshot, files, scratch.path())?;
        fault::point("git:after-files");
    }
    move_branch(switch, &repository, context, &look, to)?;
    if let (Some(snapshot), Some(files)) = (&look.snapshot, &to.files) {
        put_index(switch, &repository, snapshot, files)?;
    }
    let mut left = Vec::new();
    if !making {
        left = keep::take_away(switch, &repository, context)?;
    }
    fault::point("git:before-unlock");
    drop(held);
    fault::point("git:unlocked");
    marker.clear()?;
    fault::point("git:unmarked");
    Ok(Some(said(switch, to, making, &left)))
}

/// Whether there is anything to do; what somebody else changed is refused.
fn may_go(
    switch: &GitSwitch,
    repository: &Repository,
    look: &Look,
    from: &Place,
    to: &Place,
) -> Result<bool> {
    if look.begun {
        return match look.is_between(switch, repository)? {
            true => Ok(true),
            false => Err(switch.drifted(look, from, to)),
        };
    }
    if look.is(to, repository, &switch.area)? {
        return Ok(false);
    }
    match look.is(from, repository, &switch.area)? {
        true => Ok(true),
        false => Err(switch.drifted(look, from, to)),
    }
}

/// Everything that is needed must still be in the repository before the first file is touched.
fn check_objects(repository: &Repository, to: &Place) -> Result<()> {
    let files = to.files.as_ref().map(|files| [&files.work, &files.index]);
    let mut objects: Vec<&str> =
        to.tip.iter().chain(files.into_iter().flatten()).map(String::as_str).collect();
    objects.sort_unstable();
    objects.dedup();
    let call = Call::new(["cat-file", "--batch-check"]).stdin(objects.join("\n") + "\n");
    let told = repository.line(&call)?;
    let is_there = |object: &&str| {
        let told = told.lines().find_map(|line| line.strip_prefix(*object));
        told.is_some_and(|told| ["commit", "tree"].iter().any(|kind| told.trim().starts_with(kind)))
    };
    let Some(object) = objects.iter().find(|object| !is_there(object)) else { return Ok(()) };
    Err(Error::new(
        ErrorCode::NotFound,
        format!("{} no longer has the object {}", repository.top.display(), short(object)),
    )
    .hint("somebody pruned it (`git gc --prune=now`); nothing was changed. Make a new plan"))
}

/// Makes the files of the area those of a tree. Git refuses what changed since the snapshot.
fn move_files(
    repository: &Repository,
    context: &mut StepContext<'_>,
    area: &Area,
    snapshot: &Snapshot,
    to: &Files,
    scratch: &Path,
) -> Result<()> {
    let goal = composed(repository, area, &snapshot.index, &to.work, scratch)?;
    if goal == snapshot.tree {
        return Ok(());
    }
    let call = Call::new(["read-tree", "-m", "-u", &snapshot.tree, &goal]).index(&snapshot.index);
    repository.act(context, &call)?;
    force_to_disk(repository, &snapshot.tree, &goal)
}

/// The tree of an index in which the area is replaced by that of another tree.
pub fn composed(
    repository: &Repository,
    area: &Area,
    index: &Path,
    tree: &str,
    scratch: &Path,
) -> Result<String> {
    if area.is_everything() {
        return Ok(tree.to_owned());
    }
    let composed = scratch.join("index-composed");
    copy_for_now(index, &composed)?;
    entries::set(repository, &composed, area, &entries::of_tree(repository, tree, area)?)?;
    entries::write_tree(repository, &composed)
}

fn force_to_disk(repository: &Repository, from: &str, to: &str) -> Result<()> {
    let names = entries::differing(repository, from, to, &Area::default())?;
    if names.len() > ONE_BY_ONE {
        let top = fs_err::File::open(&repository.top)?;
        return rustix::fs::syncfs(&top)
            .map_err(|error| Error::io("cannot force the files to disk", error.into()));
    }
    let mut folders = std::collections::BTreeSet::new();
    for name in &names {
        let path = repository.top.join(Path::new(std::ffi::OsStr::from_bytes(name)));
        if path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
            file::sync_file(fs_err::File::open(&path)?.file())?;
        }
        folders.extend(path.ancestors().skip(1).find(|folder| folder.is_dir()).map(Path::to_path_buf));
    }
    folders.iter().try_for_each(|folder| file::sync_directory(folder))
}

/// Moves the branch, if it is still where it was seen.
fn move_branch(
    switch: &GitSwitch,
    repository: &Repository,
    context: &mut StepContext<'_>,
    look: &Look,
    to: &Place,
) -> Result<()> {
    let (Some(reference), Some(new), Some(old)) = (&switch.reference, &to.tip, &look.tip) else {
        return Ok(());
    };
    if new == old {
        return Ok(());
    }
    fault::point("git:before-branch");
    let call = Call::new(["update-ref", "--no-deref", "-m", &switch.words.message, reference, new, old]);
    keep::update(switch, repository, context, &call)?;
    fault::point("git:after-branch");
    Ok(())
}

/// Puts the index in place as a whole, by a rename.
fn put_index(switch: &GitSwitch, repository: &Repository, snapshot: &Snapshot, to: &Files) -> Result<()> {
    let next = lock::folder(repository)?.join(format!("{}.index", switch.tag));
    let area = &switch.area;
    match same_outside(repository, area, snapshot, to)? {
        Some(image) => copy_index(image, &next)?,
        None => {
            let base = if area.is_everything() { &snapshot.index } else { &snapshot.real };
            copy_index(base, &next)?;
            entries::set(repository, &next, area, &entries::of_tree(repository, &to.index, area)?)?;
        }
    }
    if next.exists() {
        refresh(repository, &next)?;
    }
    fault::point("git:before-index");
    let index = repository.git_dir.join("index");
    match next.exists() {
        true => fs_err::rename(&next, &index)?,
        // There was none before.
        false if index.exists() => fs_err::remove_file(&index)?,
        false => {}
    }
    file::sync_directory(&repository.git_dir)?;
    fault::point("git:after-index");
    Ok(())
}

/// The copy of the index at this end, where nobody changed anything outside the area since.
fn same_outside<'a>(
    repository: &Repository,
    area: &Area,
    snapshot: &Snapshot,
    to: &'a Files,
) -> Result<Option<&'a PathBuf>> {
    let Some(image) = to.image.as_ref().filter(|image| image.exists()) else { return Ok(None) };
    if area.is_everything() {
        return Ok(Some(image));
    }
    let outside = |index: &Path| -> Result<entries::Entries> {
        let mut all = entries::of_index(repository, Some(index), &Area::default())?;
        all.retain(|name, _| !area.contains(name));
        Ok(all)
    };
    Ok((outside(image)? == outside(&snapshot.real)?).then_some(image))
}

/// What there is to say about it.
fn said(switch: &GitSwitch, to: &Place, making: bool, left: &[String]) -> String {
    let mut parts = vec![to.shown()];
    if making {
        parts
            .extend(switch.keeps.iter().map(|kept| format!("{} kept as {}", short(&kept.commit), kept.name)));
        parts.push(format!("by hand it is taken back with: {}", by_hand(switch).join(" && ")));
    }
    parts.extend(left.iter().cloned());
    parts.join("; ")
}

/// Takes away what is left in the git directory of a switch that is over.
pub fn tidy(repository: &Repository, tag: &str) -> Result<()> {
    let folder = repository.git_dir.join("irctl");
    if Marker::of(repository, tag).exists() || !folder.exists() {
        return Ok(());
    }
    let next = folder.join(format!("{tag}.index"));
    if next.exists() {
        fs_err::remove_file(next)?;
    }
    // Other switches, or a lock that was moved aside, may still be in there.
    let _ = fs_err::remove_dir(&folder);
    Ok(())
}

/// The commands that take a switch back by hand.
pub fn by_hand(switch: &GitSwitch) -> Vec<String> {
    let mut words = vec!["git".to_owned(), "-C".to_owned(), switch.repository.display().to_string()];
    let mut lines = Vec::new();
    let mut say = |arguments: &[&str]| {
        words.truncate(3);
        words.extend(arguments.iter().map(|word| (*word).to_owned()));
        lines.push(words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "));
    };
    let (from, to) = (&switch.after, &switch.before);
    let stash = switch.stash.as_ref().filter(|_| !switch.backwards);
    match (&switch.reference, &to.tip, &to.files) {
        (Some(_), Some(tip), Some(_)) => {
            say(&["reset", "--keep", tip]);
            if let Some(stash) = stash {
                say(&["stash", "apply", "--index", &stash.commit]);
            }
        }
        (Some(reference), Some(tip), None) => {
            say(&["update-ref", reference, tip, from.tip.as_deref().unwrap_or_default()]);
        }
        (_, _, Some(files)) => {
            let paths: Vec<_> = switch.area.only.iter().map(String::as_str).collect();
            let restore = |tree: &str, place: &str| {
                [&["restore", "--no-overlay", &format!("--source={tree}"), place, "--"][..], &paths]
                    .concat()
                    .into_iter()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            for (tree, place) in [(&files.work, "--worktree"), (&files.index, "--staged")] {
                let arguments = restore(tree, place);
                say(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
            }
        }
        _ => {}
    }
    for kept in switch.keeps.iter().filter(|_| !switch.backwards) {
        say(&["update-ref", "-d", &kept.name, &kept.commit]);
    }
    lines
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '=' | ':' | '@' | '~' | '{' | '}')
    };
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
