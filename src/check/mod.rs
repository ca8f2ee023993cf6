//! The cron round: measure, judge, open and update incidents, contain, tell, act, report.
//!
//! The order is fixed: what harms is stopped before anybody is told, and telling waits for nobody's answer.

mod act;
pub mod after;
mod around;
mod audit;
mod automatic;
pub mod blind;
pub mod blocking;
mod catch_up;
pub mod failing;
pub mod findings;
pub mod hands;
pub mod held;
mod lock;
pub mod measure;
mod modes;
pub mod notices;
mod overview;
mod owed;
mod patterns;
pub mod post;
pub mod proposal;
pub mod readiness;
pub mod release;
pub mod replay;
pub mod report;
pub mod scope;
pub mod thresholds;
mod triggers;
mod updates;
mod warming;
mod watches;

use chrono::{DateTime, Utc};
use std::sync::Arc;

use crate::base::{Clock, ErrorCode, Result, Verdict, fault};
use crate::config::{ServiceConfig, ServiceKind, Workspace, maintenance};
use crate::incident::{Change, Ledger, Observed, State};
use crate::rollback;
use crate::severity::{Cause, Scheme};
use crate::store::{Actor, Store};
use blocking::Broken;
use measure::Measured;
pub use overview::{Overview, Pending, overview};
pub use report::{Round, ServiceRound};

/// What a round works with.
pub struct Surroundings<'a> {
    /// The configuration.
    pub workspace: &'a Workspace,
    /// Where events, samples and messages are kept.
    pub store: Arc<dyn Store>,
    /// The clock.
    pub clock: &'a Clock,
    /// Who runs the round.
    pub actor: Actor,
}

/// Runs one round over these services (all, if none is named).
///
/// # Errors
/// `busy` when another round runs; anything that keeps the state from being used. What keeps a service from being
/// measured is a verdict, not an error.
pub fn run(surroundings: &Surroundings<'_>, services: &[String]) -> Result<Round> {
    let workspace = surroundings.workspace;
    let _round = lock::take(&workspace.state)?;
    let begun = surroundings.clock.now()?;
    let selected = select(workspace, services)?;
    crate::operation::drain_spool(&*surroundings.store, &workspace.state)?;
    let mut rounds = Vec::new();
    let mut problems = Vec::new();
    let mut stopped = Vec::new();
    let mut broken = Broken::new();
    // Nobody waits for another service's rollback, or for its samples, before it is contained itself; only what others
    // need comes before them.
    for service in workspace.in_order(&selected) {
        unloaded(workspace, service, &mut broken);
        match stop_harm(surroundings, service, &broken, begun) {
            Ok(one) => {
                broken.extend(one.cause().map(|cause| (service.service.clone(), cause)));
                stopped.push(one);
            }
            // What is wrong with one service's files must not keep the others from being contained.
            Err(error) if error.code == ErrorCode::InvalidConfiguration => {
                broken.extend(unjudged(service, &error.message));
                problems.push(format!("{} was not judged: {}", service.service, error.message));
            }
            Err(error) => return Err(error),
        }
    }
    for one in stopped {
        let service = &one.service.service;
        match finish(surroundings, one, begun) {
            Ok(round) => rounds.push(round),
            Err(error) if error.code == ErrorCode::InvalidConfiguration => {
                problems.push(format!(
                    "{service} was contained where it had to be, and no more: {}",
                    error.message
                ));
            }
            Err(error) => return Err(error),
        }
    }
    fault::point("check:before-delivery");
    let deliveries = post::deliver(surroundings)?;
    fault::point("check:delivered");
    // Forgotten in a power failure, it makes the next look say that a round is overdue, which is then true.
    let last = crate::base::clock::format_instant(begun);
    surroundings.store.write_relaxed(&mut |session| session.set_value("check.last_round", &last))?;
    Ok(Round::new(begun, rounds, deliveries, workspace.left_out_of_rounds(), problems))
}

fn select<'a>(workspace: &'a Workspace, names: &[String]) -> Result<Vec<&'a ServiceConfig>> {
    if names.is_empty() {
        return Ok(workspace.services.values().collect());
    }
    names.iter().map(|name| workspace.service(name)).collect()
}

/// Datasets that a service needs and whose files have errors: nobody knows how they are.
fn unloaded(workspace: &Workspace, service: &ServiceConfig, broken: &mut Broken) {
    for name in service.datasets().into_iter().filter(|name| !workspace.services.contains_key(*name)) {
        let why = "unknown: its file could not be loaded".to_owned();
        let cause = Cause { name: format!("dataset/{name}"), why, failed: false };
        broken.entry(name.to_owned()).or_insert(cause);
    }
}

/// A dataset that could not be judged.
fn unjudged(service: &ServiceConfig, why: &str) -> Option<(String, Cause)> {
    let name = format!("dataset/{}", service.service);
    let cause = Cause { name, why: format!("unknown: it was not judged: {why}"), failed: false };
    (service.kind == ServiceKind::Dataset).then(|| (service.service.clone(), cause))
}

/// A service that was measured, judged and contained.
struct Stopped<'a> {
    service: &'a ServiceConfig,
    scheme: Scheme,
    measured: Measured,
    observed: Vec<Observed>,
    warming: bool,
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
}

/// Measures and judges a service, and stops what harms.
fn stop_harm<'a>(
    surroundings: &Surroundings<'_>,
    service: &'a ServiceConfig,
    broken: &Broken,
    now: DateTime<Utc>,
) -> Result<Stopped<'a>> {
    let scheme = measure::scheme(surroundings.workspace, &service.scheme)?;
    // What ended while nobody could write it down: an incident must not be judged as if it had not.
    catch_up::ended(surroundings, service)?;
    let measured = measure::service(surroundings, service, &scheme, broken, now)?;
    fault::point("check:measured");
    let (observed, warming) = record(surroundings, service, &scheme, &measured, now)?;
    fault::point("check:recorded");
    // Harm first: nobody is told, and nothing else is looked at, before consumers are stopped.
    let mut contained = act::contain(surroundings, service, &scheme, &observed);
    contained.extend(act::contain_blocked(surroundings, service, &scheme, &measured));
    fault::point("check:contained");
    let acted = act::Acted { contained, ..act::Acted::default() };
    notices::queue_owed(surroundings, service, &scheme)?;
    updates::queue_due(surroundings, service, &scheme, now)?;
    fault::point("check:queued");
    Ok(Stopped { service, scheme, measured, observed, warming, acted })
}

/// Everything that may take its time: rolling back, confirming what was rolled back, letting back.
fn finish(surroundings: &Surroundings<'_>, one: Stopped<'_>, now: DateTime<Utc>) -> Result<ServiceRound> {
    let Stopped { service, scheme, mut measured, observed, warming, mut acted } = one;
    match catch_up::running(surroundings, service)? {
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

/// Stores the samples and what they mean for incidents, together or not at all. Also returns whether rules are
/// warming of which this was not said before.
fn record(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    measured: &Measured,
    now: DateTime<Utc>,
) -> Result<(Vec<Observed>, bool)> {
    let observations = findings::observations(service, scheme, measured);
    surroundings.store.with(|session| {
        session.put_samples(&measured.samples)?;
        let mut observed = Vec::new();
        let mut ledger = Ledger::load(session, &service.service)?;
        for (observation, timings) in &observations {
            let timings = |level: &str| timings(level);
            observed.push(ledger.observe(session, observation, &service.incidents, &timings, now)?);
        }
        observed.retain(|one| one.change != Change::Quiet);
        let mut owed: Vec<_> = observed.iter().filter_map(|one| owed::of(one, now)).collect();
        owed.extend(patterns::record(session, scheme, &observed, now)?);
        owed::owe(session, &service.service, owed)?;
        Ok((observed, warming::is_news(session, service, measured)?))
    })
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
