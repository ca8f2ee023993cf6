//! Everything before the yes: claim, contain, resolve, guards, stage, plan.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::candidates::Selector;
use super::config::{ReleaseMode, SwitchMode};
use super::contain::{self, ContainOutcome};
use super::environment::{Environment, Request, Subject};
use super::plan::{Contained, Plan};
use super::planning::{self, Aim, Draft};
use super::serving::{self, Served};
use super::settings;
use super::stage;
use super::steps::{self, Exchange, Pinning, StepSpec, SwitchFile};
use crate::base::{Error, ErrorCode, Result, fault, path};
use crate::operation::claim::{self, Claim};
use crate::operation::{Directory, Ending, Journal, Progress, listing};

/// A rollback that is planned, staged and claimed, and waits for a yes.
#[derive(Debug)]
pub struct Prepared {
    /// Its plan.
    pub plan: Plan,
    /// How its consumers were stopped; absent where nothing says how.
    pub containment: Option<ContainOutcome>,
    pub(super) subject: Subject,
    pub(super) directory: Directory,
    pub(super) claim: Claim,
    pub(super) journal: Journal,
    pub(super) specs: Vec<StepSpec>,
    pub(super) attended: bool,
    pub(super) spent: Duration,
}

/// Claims, contains, plans and stages. When it fails nothing is switched; what was contained stays contained.
pub fn prepare(environment: &Environment<'_>, subject: &Subject, request: &Request<'_>) -> Result<Prepared> {
    if let Selector::Named(name) = &request.to {
        // What can be no version stops nobody's consumers.
        path::single_name(name)?;
    }
    let choose = |served: &Served| planning::aim(environment, subject, &request.to, served);
    prepare_with(environment, subject, request, "rollback", &choose)
}

/// [`prepare`] with another way to find out where to go.
pub(super) fn prepare_with(
    environment: &Environment<'_>,
    subject: &Subject,
    request: &Request<'_>,
    kind: &str,
    choose: &dyn Fn(&Served) -> Result<Aim>,
) -> Result<Prepared> {
    let started = Instant::now();
    let live = subject.live()?;
    let directory = Directory::create(environment.state, environment.clock.now()?)?;
    let claim = match claim(environment, subject, &live, &directory) {
        Ok(claim) => claim,
        Err(error) => {
            let _ = directory.discard();
            return Err(error);
        }
    };
    let work = Work { environment, subject, request, kind, live: &live, directory: &directory };
    match work.prepare(choose) {
        Ok((plan, containment, specs, journal)) => Ok(Prepared {
            plan,
            containment,
            subject: subject.clone(),
            directory,
            claim,
            journal,
            specs,
            attended: request.attended,
            spent: started.elapsed(),
        }),
        Err(error) => {
            let mode = subject.rollback.files()?.mode;
            let _ = fs_err::remove_dir_all(stage::folder(&live, mode, &directory.id));
            let _ = directory.discard();
            claim.release();
            Err(still_contained(environment, subject, error))
        }
    }
}

/// An error after containing says that consumers stay stopped, and how to let them back.
fn still_contained(environment: &Environment<'_>, subject: &Subject, mut error: Error) -> Error {
    if contain::current(environment.state, &subject.service).is_ok_and(|known| known.is_some()) {
        let way_out = format!(
            "nothing was switched and its consumers stay stopped; `irctl release --service {}` \
                               lets them back",
            subject.service
        );
        error.hint = Some(error.hint.map_or(way_out.clone(), |hint| format!("{hint}; {way_out}")));
    }
    error
}

/// Takes the claim. What a dead holder left is refused if it is unfinished, and cleared away if it is not.
fn claim(
    environment: &Environment<'_>,
    subject: &Subject,
    live: &Path,
    directory: &Directory,
) -> Result<Claim> {
    let now = environment.clock.now()?;
    let us = claim::holder(&directory.id, &subject.service, environment.state, &environment.actor, now);
    let mut claim = Claim::take(&claim::beside(live), &us)?;
    if let Some(left) = claim.left_behind.take() {
        unfinished(&left.state, &left.operation)?;
        let mode = subject.rollback.files()?.mode;
        let _ = fs_err::remove_dir_all(stage::folder(live, mode, &left.operation));
        claim.write(&us)?;
    }
    Ok(claim)
}

/// An error if the operation that left a claim behind is not finished.
fn unfinished(state: &Path, id: &str) -> Result<()> {
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

struct Work<'a> {
    environment: &'a Environment<'a>,
    subject: &'a Subject,
    request: &'a Request<'a>,
    kind: &'a str,
    live: &'a Path,
    directory: &'a Directory,
}

type Ready = (Plan, Option<ContainOutcome>, Vec<StepSpec>, Journal);

impl Work<'_> {
    fn prepare(&self, choose: &dyn Fn(&Served) -> Result<Aim>) -> Result<Ready> {
        // Harm first: nothing is hashed, asked or explained before consumers are stopped.
        let (contained, containment) = self.contain();
        let served = serving::served(self.subject)?;
        let aim = choose(&served)?;
        let id = &self.directory.id;
        let draft =
            planning::draft(self.environment, self.subject, self.request, Some(id), contained, served, aim)?;
        let stage = self.stage(&draft)?;
        let specs = self.compile(&draft, &stage)?;
        let plan = draft.plan;
        let pinning = Pinning {
            kind: self.kind,
            incident: self.request.incident.as_deref(),
            reason: self.request.reason.as_deref(),
            plan: serde_json::to_value(&plan)
                .map_err(|error| Error::new(ErrorCode::Bug, format!("a plan: {error}")))?,
            claims: vec![claim::beside(self.live)],
        };
        let journal = steps::pin(self.environment, self.subject, self.directory, &specs, &pinning)?;
        Ok((plan, containment, specs, journal))
    }

    fn contain(&self) -> (Contained, Option<ContainOutcome>) {
        if self.subject.rollback.contain.is_empty() {
            return (Contained::NotConfigured, None);
        }
        let (reason, incident) = (self.request.reason.as_deref(), self.request.incident.as_deref());
        match contain::contain(self.environment, self.subject, reason, incident) {
            Ok(outcome) if outcome.ending == Ending::Restored => {
                let since = outcome.since.unwrap_or_default();
                (Contained::Yes { since, proof: outcome.proof.clone() }, Some(outcome))
            }
            Ok(outcome) => (Contained::Failed { why: outcome.summary.clone() }, Some(outcome)),
            Err(error) => (Contained::Failed { why: error.message }, None),
        }
    }

    /// Copies what comes back beside what serves, and has it loaded.
    fn stage(&self, draft: &Draft) -> Result<PathBuf> {
        let mode = self.subject.rollback.files()?.mode;
        let stage = stage::folder(self.live, mode, &self.directory.id);
        match mode {
            SwitchMode::PerFile => {
                stage::copy(draft.to.folder()?, &stage, &draft.to.artifacts, Some(self.live))?;
            }
            SwitchMode::Exchange => {
                stage::copy_tree(draft.to.folder()?, &stage)?;
                stage::copy(draft.to.folder()?, &stage, &draft.to.artifacts, None)?;
            }
        }
        fault::point("stage:done");
        if let Some(load) = &self.subject.rollback.load {
            stage::load(&self.subject.root, load, &stage)?;
        }
        Ok(stage)
    }

    fn compile(&self, draft: &Draft, stage: &Path) -> Result<Vec<StepSpec>> {
        let config = &self.subject.rollback;
        let files = config.files()?;
        let images = self.directory.before()?;
        let mut specs = Vec::new();
        if config.activate.is_some() {
            specs.push(StepSpec::Reactivate);
        }
        match files.mode {
            SwitchMode::PerFile => self.compile_files(draft, stage, &images, &mut specs),
            SwitchMode::Exchange => specs.push(StepSpec::Exchange(Exchange {
                live: self.live.to_path_buf(),
                stage: stage.to_path_buf(),
                artifacts: files.artifacts.clone(),
                before: draft.served.on_disk.digest.clone(),
                after: draft.to.digest.clone().ok_or_else(|| {
                    Error::new(ErrorCode::Refused, "a whole folder can only be exchanged for a whole version")
                })?,
                backup: draft.backup.clone(),
            })),
        }
        for (number, wanted) in draft.settings.iter().enumerate() {
            let path = path::inside(&self.subject.root, &wanted.file)?;
            let image = images.join(format!("target-settings-{number}"));
            let edit = settings::plan(path, wanted, image)?;
            specs.push(StepSpec::SwitchSettings { edit });
        }
        if config.activate.is_some() {
            specs.push(StepSpec::Activate);
        }
        let expected = files
            .artifacts
            .iter()
            .map(|name| (name.clone(), draft.to.artifacts.get(name).map(|artifact| artifact.digest.clone())));
        specs.push(StepSpec::Prove { files: expected.collect::<BTreeMap<_, _>>() });
        specs.extend(config.verify.iter().map(|suite| StepSpec::Verify { suite: suite.clone() }));
        if config.release == ReleaseMode::Auto
            && let Some(containment) = contain::current(self.environment.state, &self.subject.service)?
        {
            specs.extend(contain::release_steps(&containment));
        }
        Ok(specs)
    }

    fn compile_files(&self, draft: &Draft, stage: &Path, images: &Path, specs: &mut Vec<StepSpec>) {
        specs.push(StepSpec::Preserve {
            live: self.live.to_path_buf(),
            artifacts: draft.served.on_disk.artifacts.clone(),
            backup: draft.backup.clone(),
            images: images.to_path_buf(),
        });
        for change in draft.plan.files.iter().filter(|change| !change.is_same()) {
            specs.push(StepSpec::SwitchFile(SwitchFile {
                live: self.live.to_path_buf(),
                name: change.file.clone(),
                stage: stage.to_path_buf(),
                before: change.from.as_ref().map(|state| state.digest.clone()),
                after: change.to.as_ref().map(|state| state.digest.clone()),
                image: images.join(&change.file),
            }));
        }
    }
}
