//! The switch and the way back on a copy, timed.

use std::path::Path;
use std::time::Instant;

use super::call::Call;
use super::draft::Draft;
use super::entries;
use super::refuse;
use super::repository::Repository;
use super::scratch::{self, Copy};
use super::snapshot::copy_index;
use super::stage;
use super::target::GitTarget;
use crate::base::{Clock, Digest, Error, ErrorCode, Result};
use crate::operation::{Journal, Observation, StepContext};
use crate::rollback::targets::{Goal, Rehearsed, Staging, Switch};

/// The parts of a rehearsal, as they come.
#[derive(Default)]
struct Parts(Vec<Rehearsed>);

impl Parts {
    /// Does a part and times it; `None` when it failed.
    fn run<T>(&mut self, what: &str, work: impl FnOnce() -> Result<T>) -> Option<T> {
        let begun = Instant::now();
        let result = work();
        let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (value, failure) = match result {
            Ok(value) => (Some(value), None),
            Err(error) => (None, Some(error.message)),
        };
        self.0.push(Rehearsed { what: what.to_owned(), elapsed_ms, failure, not_run: None });
        value
    }

    fn not_run(&mut self, what: &str, why: String) {
        let not_run = Some(why);
        self.0.push(Rehearsed { what: what.to_owned(), elapsed_ms: 0, failure: None, not_run });
    }
}

/// Copies, validates, switches and undoes, all in `scratch`.
pub(super) fn rehearse(target: &GitTarget<'_>, goal: &Goal<'_>, scratch: &Path) -> Result<Vec<Rehearsed>> {
    let mut parts = Parts::default();
    let objects = scratch.join("objects");
    fs_err::create_dir_all(&objects)?;
    let looking = target.open()?.with_objects(&objects);
    let unfinished = refuse::unfinished(&looking)?;
    if !unfinished.is_empty() {
        parts.not_run("switch", unfinished.join("; "));
        return Ok(parts.0);
    }
    let folder = scratch.join("looking");
    fs_err::create_dir_all(&folder)?;
    let draft = Draft::new(target, looking, goal, &folder)?;
    if let Some(config) = &target.config.validate {
        let checkout = scratch.join("checkout");
        parts.run(&format!("validate {} in a checkout", draft.aim.short()), || {
            let copy = Copy::bare_of_history(&draft.repository, &checkout)?;
            copy.check_out(&draft.aim.id)?;
            scratch::validate(config, copy.folder())
        });
    }
    if draft.is_done() {
        parts.not_run("switch", "it is as it should be already".to_owned());
        return Ok(parts.0);
    }
    let Some(copy) = parts.run("copy the work tree", || imitate(&draft, &objects, &scratch.join("copy")))
    else {
        return Ok(parts.0);
    };
    switch_and_back(target, goal, &draft, &copy, scratch, &mut parts)?;
    Ok(parts.0)
}

/// A repository of its own that stands where the real one stands: branch, index, files.
fn imitate(draft: &Draft, objects: &Path, folder: &Path) -> Result<Copy> {
    let copy = Copy::bare_of_history(&draft.repository, folder)?;
    let alternates = folder.join(".git/objects/info/alternates");
    let both = format!("{}{}\n", fs_err::read_to_string(&alternates)?, objects.display());
    fs_err::write(&alternates, both)?;
    let repository = copy.repository();
    let reference = draft.stand.reference.as_str();
    repository.run(&Call::new(["update-ref", "--no-deref", reference, &draft.tip.id]))?;
    let Some(work) = &draft.work else { return Ok(copy) };
    if reference != "HEAD" {
        repository.run(&Call::new(["symbolic-ref", "HEAD", reference]))?;
    }
    same_cone(&draft.repository, repository)?;
    repository.run(&Call::new(["read-tree", "--reset", "-u", &work.snapshot.tree]))?;
    copy_index(&work.snapshot.real, &repository.git_dir.join("index"))?;
    super::snapshot::refresh(repository, &repository.git_dir.join("index"))?;
    Ok(copy)
}

/// A sparse work tree is copied as sparse as it is.
fn same_cone(original: &Repository, copy: &Repository) -> Result<()> {
    let patterns = original.git_dir.join("info/sparse-checkout");
    let sparse = original.maybe(&Call::new(["config", "--bool", "--get", "core.sparseCheckout"]))?;
    if sparse.as_deref() != Some("true") || !patterns.exists() {
        return Ok(());
    }
    fs_err::create_dir_all(copy.git_dir.join("info"))?;
    fs_err::copy(patterns, copy.git_dir.join("info/sparse-checkout"))?;
    for key in ["core.sparseCheckout", "core.sparseCheckoutCone"] {
        if let Some(value) = original.maybe(&Call::new(["config", "--bool", "--get", key]))? {
            copy.run(&Call::new(["config", "--local", key, &value]))?;
        }
    }
    Ok(())
}

fn switch_and_back(
    target: &GitTarget<'_>,
    goal: &Goal<'_>,
    real: &Draft,
    copy: &Copy,
    scratch: &Path,
    parts: &mut Parts,
) -> Result<()> {
    let repository = copy.repository().clone();
    let images = scratch.join("images");
    fs_err::create_dir_all(&images)?;
    let staging = Staging { images: &images, operation: goal.operation.unwrap_or("OP-rehearsal") };
    let before = picture(&repository)?;
    let staged = parts.run("stage on the copy", || {
        let folder = scratch.join("staging");
        fs_err::create_dir_all(&folder)?;
        let mut config = target.config.clone();
        if real.work.is_none() {
            // The copy has a work tree, but not of this branch.
            config.branch = Some(real.stand.shown().to_owned());
        }
        let target = GitTarget { config: &config, ground: target.ground };
        let draft = Draft::to(&target, repository.clone(), real.aim.clone(), &folder)?;
        refuse::refused(&refuse::refusals(&draft)?)?;
        stage::build(&draft, goal, &staging, &folder)
    });
    let Some(switch) = staged else { return Ok(()) };
    let mut journal = Journal::create(&scratch.join("journal.jsonl"), &Digest::of(b"rehearsal"))?;
    let clock = Clock::Fixed(goal.now);
    let mut context = StepContext::new("rehearsal", &mut journal, &clock);
    let switched = parts.run("switch the copy", || {
        switch.act(&mut context)?;
        match switch.observe()? {
            Observation::After => Ok(()),
            other => Err(unexpected(&format!("after the switch it is not as planned: {other:?}"))),
        }
    });
    if switched.is_none() {
        return Ok(());
    }
    parts.run("undo on the copy", || {
        switch.undo(&mut context)?;
        match picture(&repository)? == before {
            true => Ok(()),
            false => Err(unexpected("the way back does not lead to where it began")),
        }
    });
    Ok(())
}

fn unexpected(why: &str) -> Error {
    Error::new(ErrorCode::Halted, why).hint("only a copy was touched; tell the maintainers")
}

/// All references, what git thinks of the files, and the index.
fn picture(repository: &Repository) -> Result<(Vec<u8>, Vec<u8>, Digest)> {
    let references = repository.bytes(&Call::new(["for-each-ref"]))?;
    let status = match repository.bare {
        true => Vec::new(),
        false => repository.bytes(&Call::new(["status", "--porcelain=v2", "-z", "--untracked-files=all"]))?,
    };
    let index = entries::digest(&entries::of_index(repository, None, &Default::default())?);
    Ok((references, status, index))
}
