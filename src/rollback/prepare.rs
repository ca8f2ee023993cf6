//! Everything before the yes: claim, contain, resolve, guards, plan, stage.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::candidates::Selector;
use super::claims::{self, Claims};
use super::config::ReleaseMode;
use super::contain::{self, ContainOutcome};
use super::environment::{Environment, Request, Subject};
use super::leavings;
use super::plan::{Contained, Plan};
use super::planning::Scene;
use super::serving;
use super::stage;
use super::steps::{self, Pinning, StepSpec};
use super::targets::{Staging, SwitchSpec};
use super::versions::Version;
use crate::base::{Error, ErrorCode, Result};
use crate::operation::{Directory, Ending, Journal, directory};

/// A rollback that is planned, staged and claimed, and waits for a yes.
#[derive(Debug)]
pub struct Prepared {
    /// Its plan.
    pub plan: Plan,
    /// How its consumers were stopped; absent where nothing says how.
    pub containment: Option<ContainOutcome>,
    pub(super) subject: Subject,
    pub(super) directory: Directory,
    pub(super) claims: Claims,
    pub(super) journal: Journal,
    pub(super) specs: Vec<StepSpec>,
    pub(super) attended: bool,
    pub(super) spent: Duration,
}

/// Claims, contains, plans and stages. When it fails nothing is switched; what was contained stays contained.
pub fn prepare(environment: &Environment<'_>, subject: &Subject, request: &Request<'_>) -> Result<Prepared> {
    prepare_with(environment, subject, request, "rollback", &|work| work.roll_back())
}

/// The plan, the versions it goes to and from, and its switches with the number of the target of each.
pub(super) struct Made {
    pub plan: Plan,
    pub to: Version,
    pub from: Version,
    pub switches: Vec<(usize, SwitchSpec)>,
}

/// [`prepare`] with another way to find out what to switch.
pub(super) fn prepare_with(
    environment: &Environment<'_>,
    subject: &Subject,
    request: &Request<'_>,
    kind: &str,
    make: &dyn Fn(&Work<'_>) -> Result<Made>,
) -> Result<Prepared> {
    let started = Instant::now();
    // A configuration without anything to switch is refused before anybody's consumers are stopped.
    let ground = subject.ground();
    let lead = subject.lead(&ground)?;
    if let (Selector::Named(name), "rollback") = (&request.to, kind) {
        lead.accepts(name)?;
    }
    let paths = claims::paths(environment, subject)?;
    let directory = Directory::create(environment.state, environment.clock.now()?)?;
    let claims = match claims::take(environment, subject, &paths, &directory) {
        Ok(claims) => claims,
        Err(error) => {
            let _ = directory.discard();
            return Err(error);
        }
    };
    // Harm first: nothing is hashed, asked or explained before consumers are stopped.
    let (contained, containment) = stop_consumers(environment, subject, request);
    let work = Work { environment, subject, request, directory: &directory, contained };
    match work.prepare(kind, paths, make) {
        Ok((plan, specs, journal)) => Ok(Prepared {
            plan,
            containment,
            subject: subject.clone(),
            directory,
            claims,
            journal,
            specs,
            attended: request.attended,
            spent: started.elapsed(),
        }),
        Err(error) => {
            for target in subject.targets(&ground) {
                if let Err(error) = target.sweep(&directory.id) {
                    tracing::warn!("{}: {error}", target.name());
                }
            }
            let _ = directory.discard();
            claims.release();
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

fn stop_consumers(
    environment: &Environment<'_>,
    subject: &Subject,
    request: &Request<'_>,
) -> (Contained, Option<ContainOutcome>) {
    if subject.rollback.contain.is_empty() {
        return (Contained::NotConfigured, None);
    }
    let (reason, incident) = (request.reason.as_deref(), request.incident.as_deref());
    match contain::contain(environment, subject, reason, incident) {
        Ok(outcome) if outcome.ending == Ending::Restored => {
            let since = outcome.since.unwrap_or_default();
            (Contained::Yes { since, proof: outcome.proof.clone() }, Some(outcome))
        }
        Ok(outcome) => (Contained::Failed { why: outcome.summary.clone() }, Some(outcome)),
        Err(error) => (Contained::Failed { why: error.message }, None),
    }
}

/// What preparing works with.
pub(super) struct Work<'a> {
    pub environment: &'a Environment<'a>,
    pub subject: &'a Subject,
    pub request: &'a Request<'a>,
    pub directory: &'a Directory,
    pub contained: Contained,
}

impl Work<'_> {
    fn prepare(
        &self,
        kind: &str,
        paths: Vec<PathBuf>,
        make: &dyn Fn(&Self) -> Result<Made>,
    ) -> Result<(Plan, Vec<StepSpec>, Journal)> {
        let Made { mut plan, to, from, switches } = make(self)?;
        plan.backup = switches.iter().find_map(|(_, spec)| spec.kept_as());
        let specs = self.compile(switches, to, from)?;
        let pinning = Pinning {
            kind,
            incident: self.request.incident.as_deref(),
            reason: self.request.reason.as_deref(),
            plan: serde_json::to_value(&plan)
                .map_err(|error| Error::new(ErrorCode::Bug, format!("a plan: {error}")))?,
            claims: paths,
        };
        let journal = steps::pin(self.environment, self.subject, self.directory, &specs, &pinning)?;
        Ok((plan, specs, journal))
    }

    /// The scene of this operation.
    pub fn scene(&self) -> Scene<'_> {
        Scene::new(self.environment, self.subject, self.request, Some(&self.directory.id))
    }

    fn roll_back(&self) -> Result<Made> {
        let scene = self.scene();
        let served = serving::served(self.subject)?;
        let aim = scene.aim(&self.request.to, &served)?;
        let (plan, to) = scene.draft(self.contained.clone(), &served, aim)?;
        plan.refuse_if_impossible()?;
        if let Some(saved) = self.request.saved {
            saved.refuse_if_drifted(self.subject, &plan)?;
        }
        let mut switches = Vec::new();
        match self.stage(&scene, &to, &served, &mut switches) {
            Ok(()) => Ok(Made { plan, to, from: served.on_disk, switches }),
            Err(error) => {
                leavings::tidy(&self.directory.id, switches.iter().map(|(_, spec)| spec));
                Err(error)
            }
        }
    }

    /// Does everything slow, target by target, and has the version loaded.
    fn stage(
        &self,
        scene: &Scene<'_>,
        to: &Version,
        served: &serving::Served,
        switches: &mut Vec<(usize, SwitchSpec)>,
    ) -> Result<()> {
        let ground = self.subject.ground();
        let goal = scene.goal(to, served)?;
        let mut staged = None;
        for (number, target) in self.subject.targets(&ground).iter().enumerate() {
            let images = self.images(number)?;
            let staging = Staging { images: &images, operation: &self.directory.id };
            let specs = target.stage(&goal, &staging)?;
            switches.extend(specs.into_iter().map(|spec| (number, spec)));
            if target.leads() && staged.is_none() {
                staged = target.staged(&self.directory.id);
            }
        }
        if let Some(load) = &self.subject.rollback.load {
            let folder = match &staged {
                Some(folder) => folder,
                None => to.folder()?,
            };
            stage::load(&self.subject.root, load, folder)?;
        }
        Ok(())
    }

    /// The before-images of one target.
    pub fn images(&self, number: usize) -> Result<PathBuf> {
        let images = self.directory.before()?.join(number.to_string());
        directory::make(&images)?;
        Ok(images)
    }

    fn compile(
        &self,
        switches: Vec<(usize, SwitchSpec)>,
        to: Version,
        from: Version,
    ) -> Result<Vec<StepSpec>> {
        let config = &self.subject.rollback;
        let mut specs = Vec::new();
        if config.activate.is_some() {
            specs.push(StepSpec::Reactivate);
        }
        specs.extend(steps::of_switches(switches));
        if config.activate.is_some() {
            specs.push(StepSpec::Activate);
        }
        specs.push(StepSpec::Prove { version: to, before: from });
        specs.extend(config.verify.iter().map(|suite| StepSpec::Verify { suite: suite.clone() }));
        if config.release == ReleaseMode::Auto
            && let Some(containment) = contain::current(self.environment.state, &self.subject.service)?
        {
            specs.extend(contain::release_steps(&containment));
        }
        Ok(specs)
    }
}
