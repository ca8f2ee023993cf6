//! The course of a round over its services: whoever is measured is judged and contained at once; what may take its time
//! comes when all are.

use chrono::{DateTime, Utc};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::arrivals::Arrivals;
use super::blocking::{self, Broken};
use super::datasets::{Datasets, unknown};
use super::measure::{self, Measured, Schemes};
use super::measuring::Taken;
use super::report::ServiceRound;
use super::standing;
use super::together::{self, Together};
use super::{Orders, Surroundings};
use super::{act, automatic, blind, catch_up, notices, readiness, record, release, updates, watches};
use crate::base::clock::format_instant;
use crate::base::{Error, ErrorCode, Result, Verdict, fault};
use crate::config::{ServiceConfig, ServiceKind, Workspace, maintenance};
use crate::incident::{Observed, State};
use crate::rollback;
use crate::severity::{Cause, Scheme};

/// The value that holds when a round last had the store wait for the disk.
const FORCED: &str = "check.forced";

/// What came of the services so far. Numbers are their places in the round.
pub struct Course<'a> {
    surroundings: &'a Surroundings<'a>,
    workspace: &'a Arc<Workspace>,
    orders: &'a Orders,
    begun: DateTime<Utc>,
    schemes: Schemes<'a>,
    datasets: Datasets,
    together: Together<'a>,
    /// Those that may take their time.
    stopped: Vec<(usize, Stopped<'a>)>,
    rounds: Vec<(usize, ServiceRound)>,
    problems: Vec<(usize, String)>,
    /// Whether incidents were written down without waiting for the disk.
    unforced: bool,
}

/// A service that was measured, judged and contained.
pub struct Stopped<'a> {
    pub(super) service: &'a ServiceConfig,
    pub(super) scheme: Arc<Scheme>,
    pub(super) measured: Measured,
    pub(super) observed: Vec<Observed>,
    pub(super) warming: bool,
    acted: act::Acted,
}

impl Stopped<'_> {
    /// What blocks those who need it, where it is a dataset and broken.
    fn cause(&self) -> Option<Cause> {
        if self.service.kind != ServiceKind::Dataset {
            return None;
        }
        let found = &self.measured.classification;
        let verdict = found.verdict;
        blocking::of_dataset(&self.service.service, found, verdict, &self.measured.blocked, &self.observed)
    }

    /// Lets go of the samples: only conditions of a rollback or a release look at them again.
    pub fn let_go(&mut self) {
        if self.service.rollback.is_none() {
            self.measured.samples = Vec::new();
        }
    }
}

impl<'a> Course<'a> {
    /// A round that begins.
    pub fn new(
        surroundings: &'a Surroundings<'a>,
        workspace: &'a Arc<Workspace>,
        orders: &'a Orders,
        begun: DateTime<Utc>,
    ) -> Self {
        Self {
            surroundings,
            workspace,
            orders,
            begun,
            schemes: Schemes::new(surroundings.workspace),
            datasets: Datasets::default(),
            together: Together::default(),
            stopped: Vec::new(),
            rounds: Vec::new(),
            problems: Vec::new(),
            unforced: false,
        }
    }

    /// Judges every service that is measured, and stops what harms.
    ///
    /// Nobody waits for another service's slow probe, its rollback, or its samples, before it is contained itself; only
    /// what a service needs comes before it.
    pub fn stop_harm(&mut self, ordered: &[&'a ServiceConfig], taken: Receiver<Taken>) -> Result<()> {
        let needs = Datasets::needs(ordered);
        for taken in Arrivals::new(taken, needs.clone()) {
            let number = taken.number;
            let Some(service) = ordered.get(number).copied() else { continue };
            let late = needs.get(&number).into_iter().flatten().filter_map(|number| ordered.get(*number));
            let above = self.datasets.above(self.surroundings.workspace, service, late);
            match self.judge(service, taken, above) {
                Ok((one, can_wait)) => {
                    self.datasets.judged(service, one.cause());
                    self.take(number, one, can_wait)?;
                }
                // What is wrong with one service's files must not keep the others from being contained.
                Err(error) if !blind::is_state(error.code) => {
                    self.failed(number, service, &error)?;
                }
                Err(error) => return Err(error),
            }
        }
        self.write_together()?;
        self.force()
    }

    /// What becomes of a service that something of its own keeps from being judged or written down.
    fn failed(&mut self, number: usize, service: &'a ServiceConfig, error: &Error) -> Result<()> {
        let why = format!("it was not judged: {}", error.message);
        self.datasets.judged(service, unknown(service, &why));
        let said = not_judged(self.surroundings, self.workspace, self.orders, service, error)?;
        self.problems.extend(said.into_iter().map(|said| (number, said)));
        Ok(())
    }

    /// Judges a service by what was measured, and stops what harms. `above` are the datasets that it needs and that are
    /// broken. Also says whether writing it down can wait for others.
    fn judge(
        &mut self,
        service: &'a ServiceConfig,
        taken: Taken,
        above: Broken,
    ) -> Result<(Stopped<'a>, bool)> {
        let surroundings = self.surroundings;
        let scheme = self.schemes.get(&service.scheme)?;
        // What ended while nobody could write it down: an incident must not be judged as if it had not.
        catch_up::ended(surroundings, service)?;
        let measured = measure::classified(surroundings, service, &scheme, taken, above, self.begun)?;
        fault::point("check:measured");
        let can_wait = together::can_wait(surroundings, service, &measured)?;
        let (observed, warming, acted) = (Vec::new(), false, act::Acted::default());
        let mut one = Stopped { service, scheme, measured, observed, warming, acted };
        if !can_wait {
            one.stop(surroundings, self.begun)?;
            self.unforced |= !one.observed.is_empty();
        }
        Ok((one, can_wait))
    }

    fn take(&mut self, number: usize, one: Stopped<'a>, can_wait: bool) -> Result<()> {
        if !can_wait {
            return self.stopped(number, one);
        }
        if self.together.add(number, one) {
            return self.write_together();
        }
        Ok(())
    }

    fn write_together(&mut self) -> Result<()> {
        for (number, one, error) in self.together.write(self.surroundings, self.begun)? {
            match error {
                None => self.stopped(number, one)?,
                Some(error) => self.failed(number, one.service, &error)?,
            }
        }
        Ok(())
    }

    /// Whoever cannot be rolled back has nothing before it that takes time, and need not be kept in mind.
    fn stopped(&mut self, number: usize, one: Stopped<'a>) -> Result<()> {
        if one.service.rollback.is_some() {
            self.stopped.push((number, one));
            return Ok(());
        }
        self.end(number, one)
    }

    fn end(&mut self, number: usize, one: Stopped<'a>) -> Result<()> {
        let (service, scheme) = (one.service, Arc::clone(&one.scheme));
        match one.finish(self.surroundings, self.begun) {
            Ok(mut round) => {
                if self.orders.brief {
                    round.shorten(&scheme);
                }
                self.rounds.push((number, round));
                Ok(())
            }
            Err(error) if !blind::is_state(error.code) => {
                let why = format!("contained where it had to be, and no more: {}", error.message);
                let store = &self.surroundings.store;
                store.write_relaxed(&mut |session| standing::not_judged(session, &service.service, &why))?;
                self.problems.push((number, format!("{} was {why}", service.service)));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Waits for the disk once for all incidents that were written down: before anything is switched, and before anybody
    /// is told.
    fn force(&self) -> Result<()> {
        if !self.unforced {
            return Ok(());
        }
        let at = format_instant(self.begun);
        self.surroundings.store.with(|session| session.set_value(FORCED, &at))
    }

    /// Does what may take its time. From here on everything is in the order of the round, whoever was ready first.
    pub fn finish(mut self) -> Result<(Vec<ServiceRound>, Vec<String>)> {
        let mut stopped = std::mem::take(&mut self.stopped);
        stopped.sort_by_key(|(number, _)| *number);
        self.problems.sort();
        for (number, one) in stopped {
            self.end(number, one)?;
        }
        self.rounds.sort_by_key(|(number, _)| *number);
        let rounds = self.rounds.into_iter().map(|(_, round)| round).collect();
        Ok((rounds, self.problems.into_iter().map(|(_, problem)| problem).collect()))
    }
}

impl Stopped<'_> {
    /// Writes down what it means for incidents, stops what harms, and queues what people have to know.
    fn stop(&mut self, surroundings: &Surroundings<'_>, now: DateTime<Utc>) -> Result<()> {
        let Self { service, scheme, measured, .. } = self;
        (self.observed, self.warming) = record::samples(surroundings, service, scheme, measured, now)?;
        fault::point("check:recorded");
        // Harm first: nobody is told, and nothing else is looked at, before consumers are stopped.
        let mut contained = act::contain(surroundings, service, scheme, &self.observed);
        contained.extend(act::contain_blocked(surroundings, service, scheme, measured));
        fault::point("check:contained");
        self.acted.contained = contained;
        notices::queue_owed(surroundings, service, scheme)?;
        updates::queue_due(surroundings, service, scheme, now)?;
        fault::point("check:queued");
        self.let_go();
        Ok(())
    }

    /// Everything that may take its time: rolling back, confirming what was rolled back, letting back.
    fn finish(self, surroundings: &Surroundings<'_>, now: DateTime<Utc>) -> Result<ServiceRound> {
        let Stopped { service, scheme, mut measured, observed, warming, mut acted } = self;
        let running = match &service.rollback {
            Some(_) => catch_up::running(surroundings, service)?,
            None => None,
        };
        match running {
            Some(running) => acted.rollback = Some(automatic::yielded(&running)),
            None => {
                acted.rollback = automatic::run(surroundings, service, &scheme, &measured, &observed);
                acted.watches = watches::settle(surroundings, service, &measured, now);
                if acted.rollback.is_none() && acted.watches.is_empty() {
                    acted.release = release::settle(surroundings, service, &scheme, &measured, now);
                }
            }
        }
        fault::point("check:acted");
        if let Err(problem) = remember(surroundings, service, &measured, &observed, now) {
            measured.doubt.get_or_insert(problem);
        }
        let readiness = readiness::round(surroundings, service, now);
        let maintenance = maintenance::active(surroundings.workspace, service, now);
        let round = ServiceRound::new(service, &scheme, measured, observed, acted, warming, readiness);
        Ok(ServiceRound { maintenance, ..round })
    }
}

/// What served, and whether it served without an incident: from this, versions get their evidence.
fn remember(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    measured: &Measured,
    observed: &[Observed],
    now: DateTime<Utc>,
) -> std::result::Result<(), String> {
    let Some(served) = &measured.versions.served else { return Ok(()) };
    // A late data feed is not the model's doing; only what is critical counts against the version.
    let against: Vec<_> = observed
        .iter()
        .filter_map(|one| one.incident.as_ref())
        .filter(|incident| incident.is_open() && incident.state != State::Mitigated)
        .filter(|incident| {
            incident.level.verdict == Verdict::Crit && incident.version.as_ref() == Some(served)
        })
        .map(|incident| (incident.id.clone(), incident.episode_at))
        .collect();
    rollback::evidence::update(&surroundings.workspace.state, &service.service, |evidence| {
        evidence.served(served, now);
        evidence.entry(served).incidents.extend(against);
    })
    .map_err(|error| format!("its evidence cannot be kept: {}", error.message))
}

/// What becomes of a service that cannot be judged as the others are: it is looked at by itself, without what is known of it,
/// and contained where that shows harm. One whose configuration has errors cannot be.
fn not_judged(
    surroundings: &Surroundings<'_>,
    workspace: &Arc<Workspace>,
    orders: &Orders,
    service: &ServiceConfig,
    error: &Error,
) -> Result<Vec<String>> {
    let why = format!("not judged: {}", error.message);
    surroundings.store.write_relaxed(&mut |session| standing::not_judged(session, &service.service, &why))?;
    let mut said = vec![format!("{} was {why}", service.service)];
    if error.code != ErrorCode::InvalidConfiguration {
        let alone = Orders { services: vec![service.service.clone()], shard: None, ..orders.clone() };
        said.extend(blind::contain(workspace, surroundings.clock, &alone));
    }
    Ok(said)
}
