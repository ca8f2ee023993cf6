//! What keeps the old state: references and an entry of the stash. Made on the way there, taken away on the way back.

use super::call::Call;
use super::lock;
use super::repository::Repository;
use super::switch::{GitSwitch, Stash};
use crate::base::{Error, ErrorCode, Result, fault};
use crate::operation::StepContext;

/// Makes what is not there yet.
pub fn make(switch: &GitSwitch, repository: &Repository, context: &mut StepContext<'_>) -> Result<()> {
    for kept in &switch.keeps {
        match repository.reference(&kept.name)? {
            Some(found) if found == kept.commit => continue,
            Some(_) => {
                return Err(Error::new(
                    ErrorCode::Drifted,
                    format!("{} has a {} of another commit", repository.top.display(), kept.name),
                )
                .hint("somebody made it since the plan; make a new plan"));
            }
            None => {}
        }
        fault::point("git:before-keep");
        let zero = "0".repeat(kept.commit.len());
        let call = Call::new([
            "update-ref",
            "--no-deref",
            "-m",
            &switch.words.message,
            &kept.name,
            &kept.commit,
            &zero,
        ]);
        update(switch, repository, context, &call)?;
        fault::point("git:after-keep");
    }
    let Some(stash) = &switch.stash else { return Ok(()) };
    if position(repository, stash)?.is_none() {
        fault::point("git:before-stash");
        let call = Call::new(["stash", "store", "--quiet", "-m", &stash.message, &stash.commit]);
        repository.act(context, &call)?;
        fault::point("git:after-stash");
    }
    Ok(())
}

/// Takes away what is still there and still ours; returns what it left alone, and why.
pub fn take_away(
    switch: &GitSwitch,
    repository: &Repository,
    context: &mut StepContext<'_>,
) -> Result<Vec<String>> {
    let mut left = Vec::new();
    if let Some(stash) = &switch.stash
        && let Some(at) = position(repository, stash)?
    {
        fault::point("git:before-unstash");
        repository.act(context, &Call::new(["stash", "drop", "--quiet"]).with(format!("stash@{{{at}}}")))?;
        fault::point("git:after-unstash");
    }
    for kept in switch.keeps.iter().rev() {
        match repository.reference(&kept.name)? {
            None => continue,
            Some(found) if found != kept.commit => {
                left.push(format!("{} was moved by somebody and stays", kept.name));
                continue;
            }
            Some(_) => {}
        }
        fault::point("git:before-unkeep");
        let call = Call::new(["update-ref", "--no-deref", "-d", &kept.name, &kept.commit]);
        update(switch, repository, context, &call)?;
        fault::point("git:after-unkeep");
    }
    Ok(left)
}

/// Where a stash stands in the list of stashes.
fn position(repository: &Repository, stash: &Stash) -> Result<Option<usize>> {
    if repository.reference("refs/stash")?.is_none() {
        return Ok(None);
    }
    let list = repository.line(&Call::new(["log", "-g", "--format=%H", "refs/stash", "--"]))?;
    Ok(list.lines().position(|commit| commit == stash.commit))
}

/// Changes a reference. A lock that a dead git left on it is moved out of the way, once.
pub fn update(
    switch: &GitSwitch,
    repository: &Repository,
    context: &mut StepContext<'_>,
    call: &Call,
) -> Result<()> {
    let error = match repository.act(context, call) {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    let Some(path) = named_lock(&error.message).filter(|path| path.starts_with(&repository.common_dir))
    else {
        return Err(moved(error));
    };
    if let Some(why) = lock::living_git(repository, &path) {
        return Err(Error::new(ErrorCode::Busy, format!("{} is held: {why}", path.display()))
            .hint("wait until it is done, then resume"));
    }
    let aside = lock::move_aside(repository, &path, &switch.tag)?;
    context.note(format!("a lock that a dead git had left is now {}", aside.display()))?;
    repository.act(context, call).map(|_| ()).map_err(moved)
}

/// `Unable to create '/srv/app/.git/refs/heads/main.lock': File exists`.
fn named_lock(message: &str) -> Option<std::path::PathBuf> {
    let (_, rest) = message.split_once("Unable to create ")?;
    let rest = rest.trim_start_matches(['\\', '\'']);
    let (path, why) = rest.split_once(".lock")?;
    why.contains("File exists").then(|| std::path::PathBuf::from(format!("{path}.lock")))
}

/// A reference that is no longer where it was seen is somebody else's doing.
fn moved(error: Error) -> Error {
    let drifted =
        error.message.contains("but expected") || error.message.contains("reference already exists");
    if !drifted {
        return error;
    }
    Error::new(ErrorCode::Drifted, error.message)
        .hint("somebody moved it since the plan; look with `git reflog`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_read_from_what_git_says() {
        let message = "git update-ref ended with exit status 128: fatal: update_ref failed for ref 'refs/heads/main': \
                       cannot lock ref 'refs/heads/main': Unable to create '/srv/a b/.git/refs/heads/main.lock': \
                       File exists.";
        let expected = std::path::Path::new("/srv/a b/.git/refs/heads/main.lock");
        assert_eq!(named_lock(message).as_deref(), Some(expected));
        assert_eq!(named_lock(&message.escape_debug().to_string()).as_deref(), Some(expected));
        assert_eq!(named_lock("Unable to create '/x/main.lock': Permission denied"), None);
        assert_eq!(named_lock("cannot lock ref"), None);
    }
}
