//! The claims of a rollback: on its service, and beside each thing that it switches. Always taken in one order, so
//! that two services that share a target wait for nobody and never hold half each.

use std::path::{Path, PathBuf};

use super::environment::{Environment, Subject};
use crate::base::{Error, ErrorCode, Result, file, path};
use crate::operation::claim::{self, Claim};
use crate::operation::{Directory, Progress, directory, listing};

/// Every claim of an operation, given back together.
#[derive(Debug, Default)]
pub struct Claims {
    held: Vec<Claim>,
}

impl Claims {
    /// Gives them back: nothing is left unfinished.
    pub fn release(self) {
        for claim in self.held.into_iter().rev() {
            claim.release();
        }
    }
}

/// The lock files that an operation on a service takes.
pub fn paths(environment: &Environment<'_>, subject: &Subject) -> Result<Vec<PathBuf>> {
    let service = environment.state.join("claims").join(path::single_name(&subject.service)?);
    let ground = subject.ground();
    let mut beside = Vec::new();
    for target in subject.targets(&ground) {
        beside.extend(target.claims()?);
    }
    beside.sort();
    beside.dedup();
    Ok(std::iter::once(service).chain(beside).collect())
}

/// Takes the claims of a new operation. What a dead holder left is refused if it is unfinished, and cleared away if
/// it is not.
pub(super) fn take(
    environment: &Environment<'_>,
    subject: &Subject,
    paths: &[PathBuf],
    directory: &Directory,
) -> Result<Claims> {
    taken(environment, &subject.service, paths, (&directory.id, false), &mut |path, left| {
        unfinished(path, left)?;
        let ground = subject.ground();
        subject.targets(&ground).iter().try_for_each(|target| target.sweep(&left.operation))
    })
}

/// Takes the claims of an operation again that is taken up after a crash.
pub(super) fn retake(
    environment: &Environment<'_>,
    service: &str,
    paths: &[PathBuf],
    id: &str,
) -> Result<Claims> {
    taken(environment, service, paths, (id, true), &mut |path, left| {
        if left.operation == id {
            return Ok(());
        }
        // What stands in the file of an operation that is over is only an old name.
        if unfinished(path, left).is_ok() {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::Busy,
            format!("another operation, {}, was begun there since and is unfinished", left.operation),
        )
        .hint(format!("finish that one first: `irctl rollback resume {}`", left.operation)))
    })
}

/// What becomes of a claim that was left behind: an error keeps it where it is.
type Settle<'a> = &'a mut dyn FnMut(&Path, &claim::Holder) -> Result<()>;

fn taken(
    environment: &Environment<'_>,
    service: &str,
    paths: &[PathBuf],
    (id, again): (&str, bool),
    left_behind: Settle<'_>,
) -> Result<Claims> {
    let now = environment.clock.now()?;
    let us = claim::holder(id, service, environment.state, &environment.actor, now);
    let mut claims = Claims::default();
    for path in paths {
        match one(path, &us, left_behind) {
            Ok(claim) => claims.held.push(claim),
            Err(refused) => {
                let (error, unsettled) = *refused;
                // What was left behind by an unfinished operation stays to be found.
                drop(unsettled);
                if !again {
                    claims.release();
                }
                return Err(error);
            }
        }
    }
    Ok(claims)
}

type Refused = Box<(Error, Option<Claim>)>;

fn one(path: &Path, us: &claim::Holder, left_behind: Settle<'_>) -> std::result::Result<Claim, Refused> {
    let made = file::parent(path);
    if path.starts_with(&us.state) {
        directory::make(made).map_err(|error| Box::new((error, None)))?;
    }
    let mut claim = Claim::take(path, us).map_err(|error| Box::new((error, None)))?;
    if let Some(left) = claim.left_behind.take() {
        match left_behind(path, &left).and_then(|()| claim.write(us)) {
            Ok(()) => {}
            Err(error) => return Err(Box::new((error, Some(claim)))),
        }
    }
    Ok(claim)
}

/// An error if the operation that left a claim behind is not finished, or if nobody here can tell.
fn unfinished(claim: &Path, left: &claim::Holder) -> Result<()> {
    let (state, id) = (&left.state, left.operation.as_str());
    if let Err(error) = fs_err::read_dir(directory::root(state)) {
        let (process, why) = (&left.process, error.kind());
        return Err(Error::new(
            ErrorCode::Busy,
            format!(
                "{id} of {} holds {}, and whether it is finished cannot be seen: its state is {} on {} ({why})",
                left.service,
                claim.display(),
                state.display(),
                process.host
            ),
        )
        .hint("finish it where its state is; when it is known to be over, take that file away"));
    }
    let directory = match Directory::open(state, id) {
        Err(error) if error.code == ErrorCode::NotFound => return Ok(()),
        directory => directory?,
    };
    let Some((pinned, digest)) = directory.pinned()? else {
        return directory.discard();
    };
    let progress = Progress::of(&directory.records(&digest)?);
    if let Some((child, program)) = progress.living_child() {
        return Err(Error::new(
            ErrorCode::Busy,
            format!("`{program}` of {id} still runs as process {} on {}", child.pid, child.host),
        )
        .hint("wait for it, or end it; then resume the operation"));
    }
    let summary = listing::summary(&pinned, &progress);
    if summary.resumable {
        return Err(Error::new(
            ErrorCode::Halted,
            format!("{id} of {} is unfinished: {}", pinned.service, summary.summary),
        )
        .hint(format!("`irctl rollback resume {id}` finishes it, `irctl rollback abort {id}` undoes it")));
    }
    Ok(())
}
