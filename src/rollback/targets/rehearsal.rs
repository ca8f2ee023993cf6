//! Rehearsing on a copy: the real staging, the real switch and the real undo, on something that nobody uses.

use std::path::Path;
use std::time::Instant;

use super::{Goal, Rehearsed, Staging, Target};
use crate::base::{Clock, Digest, Error, ErrorCode, Result};
use crate::operation::{Journal, StepContext, directory};

/// The operation that a rehearsal pretends to be.
const OPERATION: &str = "OP-rehearsal";

/// Stages, switches and undoes a target that stands on a copy below `scratch`.
///
/// # Errors
/// Only what has nothing to do with the target: the scratch folder cannot be written. What goes wrong with the target
/// is the `failure` of a part.
pub fn on_copy(target: &dyn Target, goal: &Goal<'_>, scratch: &Path) -> Result<Vec<Rehearsed>> {
    let images = scratch.join("images");
    directory::make(&images)?;
    let staging = Staging { images: &images, operation: OPERATION };
    let clock = Clock::Fixed(goal.now);
    let mut journal = Journal::create(&scratch.join("journal.jsonl"), &Digest::of(OPERATION.as_bytes()))?;
    let mut context = StepContext::new("rehearsal", &mut journal, &clock);
    let mut parts = Vec::new();
    let before = target.observe()?;
    let Some(specs) = part(&mut parts, "stage", target, || target.stage(goal, &staging)) else {
        return Ok(parts);
    };
    part(&mut parts, "switch", target, || {
        specs.iter().try_for_each(|spec| spec.switch().act(&mut context).map(|_| ()))
    });
    part(&mut parts, "undo", target, || {
        specs.iter().rev().try_for_each(|spec| spec.switch().undo(&mut context).map(|_| ()))
    });
    part(&mut parts, "compare with what was there before", target, || {
        let after = target.observe()?;
        if after == before {
            return Ok(());
        }
        let text = format!("it was {} and is {} after the undo", before.shown, after.shown);
        Err(Error::new(ErrorCode::Drifted, text))
    });
    Ok(parts)
}

/// Runs one part and writes down how it went.
fn part<T>(
    parts: &mut Vec<Rehearsed>,
    what: &str,
    target: &dyn Target,
    work: impl FnOnce() -> Result<T>,
) -> Option<T> {
    let begun = Instant::now();
    let done = work();
    let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (value, failure) = match done {
        Ok(value) => (Some(value), None),
        Err(error) => (None, Some(error.message)),
    };
    let what = format!("{what}: a copy of {}", target.name());
    parts.push(Rehearsed { what, elapsed_ms, failure, not_run: None });
    value
}
