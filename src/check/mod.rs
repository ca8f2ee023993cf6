//! The cron round: measure, judge, open and update incidents, contain, tell, act, report.
//!
//! The order is fixed: what harms is stopped before anybody is told, and telling waits for nobody's answer.

mod act;
pub mod after;
mod automatic;
pub mod blind;
mod catch_up;
pub mod failing;
mod findings;
mod lock;
pub mod measure;
mod notices;
mod overview;
mod owed;
pub mod post;
pub mod report;
pub mod scope;
mod watches;

use chrono::{DateTime, Utc};
use std::sync::Arc;

use crate::base::{Clock, Result, Verdict, fault};
use crate::config::{ServiceConfig, Workspace};
use crate::incident::{self, Change, Observed, State};
use crate::rollback;
use crate::severity::Scheme;
use crate::store::{Actor, Store};
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
    for service in selected {
        rounds.push(service_round(surroundings, service, begun)?);
    }
    fault::point("check:before-delivery");
    let deliveries = post::deliver(surroundings)?;
    fault::point("check:delivered");
    surroundings
        .store
        .with(|session| session.set_value("check.last_round", &crate::base::clock::format_instant(begun)))?;
    Ok(Round::new(begun, rounds, deliveries))
}

fn select<'a>(workspace: &'a Workspace, names: &[String]) -> Result<Vec<&'a ServiceConfig>> {
    if names.is_empty() {
        return Ok(workspace.services.values().collect());
    }
    names.iter().map(|name| workspace.service(name)).collect()
}

/// Everything of one round that concerns one service.
fn service_round(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    now: DateTime<Utc>,
) -> Result<ServiceRound> {
    let scheme = measure::scheme(surroundings.workspace, &service.scheme)?;
    // What ended while nobody could write it down: an incident must not be judged as if it had not.
    catch_up::ended(surroundings, service)?;
    let mut measured = measure::service(surroundings, service, &scheme, now)?;
    fault::point("check:measured");
    let observed = record(surroundings, service, &scheme, &measured, now)?;
    fault::point("check:recorded");
    // Harm first: nobody is told, and nothing else is looked at, before consumers are stopped.
    let contained = act::contain(surroundings, service, &scheme, &observed);
    fault::point("check:contained");
    let mut acted = act::Acted { contained, ..act::Acted::default() };
    notices::queue_owed(surroundings, service, &scheme)?;
    fault::point("check:queued");
    match catch_up::running(surroundings, service)? {
        Some(running) => acted.rollback = Some(automatic::yielded(&running)),
        None => {
            acted.rollback = automatic::run(surroundings, service, &scheme, &measured, &observed);
            acted.watches = watches::settle(surroundings, service, &measured, now);
        }
    }
    fault::point("check:acted");
    if let Err(problem) = remember(surroundings, service, &measured, &observed, now) {
        measured.doubt.get_or_insert(problem);
    }
    Ok(ServiceRound::new(service, &scheme, measured, observed, acted))
}

/// Stores the samples and what they mean for incidents, together or not at all.
fn record(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    measured: &Measured,
    now: DateTime<Utc>,
) -> Result<Vec<Observed>> {
    let observations = findings::observations(service, scheme, measured);
    surroundings.store.with(|session| {
        session.put_samples(&measured.samples)?;
        let mut observed = Vec::new();
        for (observation, timings) in &observations {
            let timings = |level: &str| timings(level);
            observed.push(incident::observe(session, observation, &service.incidents, &timings, now)?);
        }
        observed.retain(|one| one.change != Change::Quiet);
        let owed = observed.iter().filter_map(|one| owed::of(one, now)).collect();
        owed::owe(session, &service.service, owed)?;
        Ok(observed)
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
