//! The cron round: measure, judge, open and update incidents, contain, tell, act, report.
//!
//! The order is fixed: what harms is stopped before anybody is told, and telling waits for nobody's answer.

mod act;
pub mod after;
mod around;
mod arrivals;
mod audit;
mod automatic;
pub mod blind;
pub mod blocking;
mod catch_up;
mod datasets;
pub mod failing;
pub mod findings;
pub mod hands;
mod heartbeat;
pub mod held;
pub mod lock;
pub mod measure;
mod measuring;
mod modes;
mod news;
pub mod notices;
mod orders;
pub mod overlaps;
mod overview;
mod owed;
mod patterns;
mod pool;
pub mod post;
pub mod proposal;
pub mod readiness;
mod record;
pub mod release;
pub mod replay;
pub mod report;
mod rounds;
pub mod scope;
pub mod shard;
mod textfile;
pub mod thresholds;
mod triggers;
mod updates;
mod warming;
mod watches;

use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::base::{Clock, Error, ErrorCode, Result, Verdict, fault};
use crate::config::{ServiceConfig, ServiceKind, Workspace, maintenance};
use crate::incident::{Observed, State};
use crate::rollback;
use crate::severity::{Cause, Scheme};
use crate::store::{Actor, Sample, Store};
use arrivals::Arrivals;
use blocking::Broken;
use datasets::{Datasets, unknown};
use heartbeat::Heartbeat;
use lock::Holder;
use measure::{Measured, Schemes};
use measuring::{RoundJob, Taken};
pub use orders::Orders;
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

/// Runs one round.
///
/// `workspace` is the one of the surroundings: what measures may outlive the round, where it hangs.
///
/// # Errors
/// `busy` when another round runs; anything that keeps the state from being used. What keeps a service from being
/// measured is a verdict, not an error.
pub fn run(surroundings: &Surroundings<'_>, workspace: &Arc<Workspace>, orders: &Orders) -> Result<Round> {
    let clock = Instant::now();
    let begun = surroundings.clock.now()?;
    let selected = orders.select(workspace)?;
    let holder = Holder::here(orders.shard, begun)?;
    let lock = match lock::take(&workspace.state, &holder) {
        Err(error) if error.code == ErrorCode::Busy => return Err(kept_out(surroundings, error, begun)),
        lock => lock?,
    };
    let heartbeat = orders.heartbeat(workspace).map(|config| Heartbeat::begin(config, &holder.run, begun));
    let mut round = round(surroundings, workspace, orders, &selected, begun)?;
    round.run = holder.run;
    round.elapsed_ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
    if let Some(path) = orders.textfile(workspace)
        && let Err(error) = textfile::write(&path, &textfile::of(&round))
    {
        round.warnings.push(format!("the metrics could not be written: {}", error.message));
    }
    // The next round need not wait for whoever is told that this one is over.
    drop(lock);
    if let Some(heartbeat) = heartbeat {
        let said = format!("{}: {}, {} services", round.run, round.verdict, round.services.len());
        round.warnings.extend(heartbeat.end(Some(round.verdict), &said));
    }
    round.changes = news::take(&*surroundings.store, &round)?;
    Ok(round)
}

/// Tells whoever watches rounds that this one could not be run to its end. Returns what could not be told.
pub fn failed(workspace: &Workspace, orders: &Orders, clock: &Clock, error: &Error) -> Vec<String> {
    let mut problems = Vec::new();
    // A round that was kept out is no failure: the one that runs tells how it ends. A name that is none is a slip.
    let is_failure = !matches!(error.code, ErrorCode::Busy | ErrorCode::NotFound | ErrorCode::Usage);
    let Some(now) = clock.now().ok().filter(|_| is_failure) else { return problems };
    if let Some(path) = orders.textfile(workspace) {
        let old = fs_err::read_to_string(&path).unwrap_or_default();
        if let Err(error) = textfile::write(&path, &textfile::of_failure(&old, orders.shard, now)) {
            problems.push(format!("the metrics could not be written: {}", error.message));
        }
    }
    if let Some(config) = orders.heartbeat(workspace) {
        problems.extend(heartbeat::failed(config, &error.message, now));
    }
    problems
}

/// Counts a round that another one kept out.
fn kept_out(surroundings: &Surroundings<'_>, error: Error, now: DateTime<Utc>) -> Error {
    let holder = error.details.as_ref().and_then(|details| details.get("holder"));
    let holder = holder.and_then(|holder| serde_json::from_value(holder.clone()).ok());
    if let Err(problem) = overlaps::count(&*surroundings.store, holder, now) {
        tracing::warn!("that a round was kept out cannot be noted: {problem}");
    }
    error
}

fn round(
    surroundings: &Surroundings<'_>,
    workspace: &Arc<Workspace>,
    orders: &Orders,
    selected: &[&ServiceConfig],
    begun: DateTime<Utc>,
) -> Result<Round> {
    surroundings.store.write_relaxed(&mut overlaps::forget)?;
    crate::operation::drain_spool(&*surroundings.store, &workspace.state)?;
    let ordered = workspace.in_order(selected);
    let job = RoundJob {
        workspace: Arc::clone(workspace),
        services: ordered.iter().map(|service| service.service.clone()).collect(),
        now: begun,
        timeout: orders.probe_timeout(workspace),
        earlier: earlier(surroundings, &ordered, begun)?,
    };
    let taken = pool::start(job, ordered.len(), orders.limits(workspace, Instant::now()));
    let mut schemes = Schemes::new(workspace);
    let mut datasets = Datasets::default();
    let mut problems = Vec::new();
    let mut stopped = Vec::new();
    // Nobody waits for another service's slow probe, its rollback, or its samples, before it is contained itself; only
    // what a service needs comes before it.
    let needs = Datasets::needs(&ordered);
    for taken in Arrivals::new(taken, needs.clone()) {
        let number = taken.number;
        let Some(service) = ordered.get(number) else { continue };
        let late = needs.get(&number).into_iter().flatten().filter_map(|number| ordered.get(*number));
        let above = datasets.above(workspace, service, late);
        match stop_harm(surroundings, &mut schemes, service, taken, above, begun) {
            Ok(one) => {
                datasets.judged(service, one.cause());
                stopped.push((number, one));
            }
            // What is wrong with one service's files must not keep the others from being contained.
            Err(error) if !blind::is_state(error.code) => {
                datasets.judged(service, unknown(service, &format!("it was not judged: {}", error.message)));
                let said = not_judged(surroundings, workspace, orders, service, &error)?;
                problems.extend(said.into_iter().map(|said| (number, said)));
            }
            Err(error) => return Err(error),
        }
    }
    // From here on everything is in the order of the round, whoever was ready first.
    stopped.sort_by_key(|(number, _)| *number);
    problems.sort();
    let mut problems: Vec<String> = problems.into_iter().map(|(_, problem)| problem).collect();
    let mut rounds = Vec::new();
    for (_, one) in stopped {
        let service = &one.service.service;
        match finish(surroundings, one, begun) {
            Ok(round) => rounds.push(round),
            Err(error) if !blind::is_state(error.code) => {
                let why = format!("contained where it had to be, and no more: {}", error.message);
                surroundings.store.write_relaxed(&mut |session| news::not_judged(session, service, &why))?;
                problems.push(format!("{service} was {why}"));
            }
            Err(error) => return Err(error),
        }
    }
    problems.extend(nobody(workspace, orders, selected));
    fault::point("check:before-delivery");
    let deliveries = post::deliver(surroundings)?;
    fault::point("check:delivered");
    // Forgotten in a power failure, it makes the next look say that a round is overdue, which is then true.
    surroundings.store.write_relaxed(&mut |session| rounds::note(session, workspace, orders, begun))?;
    let mut round = Round::new(begun, rounds, deliveries, workspace.left_out_of_rounds(), problems);
    round.shard = orders.shard;
    Ok(round)
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
    surroundings.store.write_relaxed(&mut |session| news::not_judged(session, &service.service, &why))?;
    let mut said = vec![format!("{} was {why}", service.service)];
    if error.code != ErrorCode::InvalidConfiguration {
        let alone = Orders { services: vec![service.service.clone()], shard: None, ..orders.clone() };
        said.extend(blind::contain(workspace, surroundings.clock, &alone));
    }
    Ok(said)
}

/// A part of the services in which there is none was not looked at, and must not seem so.
fn nobody(workspace: &Workspace, orders: &Orders, selected: &[&ServiceConfig]) -> Option<String> {
    let shard = orders.shard.filter(|_| selected.is_empty())?;
    Some(format!(
        "no service belongs to the part {shard} of {}: nothing was looked at",
        workspace.services.len()
    ))
}

fn select<'a>(workspace: &'a Workspace, names: &[String]) -> Result<Vec<&'a ServiceConfig>> {
    if names.is_empty() {
        return Ok(workspace.services.values().collect());
    }
    names.iter().map(|name| workspace.service(name)).collect()
}

/// What probes that compare need of earlier rounds, by the places of their services in this one.
fn earlier(
    surroundings: &Surroundings<'_>,
    ordered: &[&ServiceConfig],
    now: DateTime<Utc>,
) -> Result<BTreeMap<usize, Vec<Sample>>> {
    let mut all = BTreeMap::new();
    for (number, service) in ordered.iter().enumerate() {
        if let Some(samples) = measure::earlier(surroundings, service, now)? {
            all.insert(number, samples);
        }
    }
    Ok(all)
}

/// A service that was measured, judged and contained.
struct Stopped<'a> {
    service: &'a ServiceConfig,
    scheme: Arc<Scheme>,
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

/// Judges a service by what was measured, and stops what harms. `above` are the datasets that it needs and that are broken.
fn stop_harm<'a>(
    surroundings: &Surroundings<'_>,
    schemes: &mut Schemes<'_>,
    service: &'a ServiceConfig,
    taken: Taken,
    above: Broken,
    now: DateTime<Utc>,
) -> Result<Stopped<'a>> {
    let scheme = schemes.get(&service.scheme)?;
    // What ended while nobody could write it down: an incident must not be judged as if it had not.
    catch_up::ended(surroundings, service)?;
    let mut measured = measure::classified(surroundings, service, &scheme, taken, above, now)?;
    fault::point("check:measured");
    let (observed, warming) = record::samples(surroundings, service, &scheme, &measured, now)?;
    fault::point("check:recorded");
    if service.rollback.is_none() {
        // Only conditions of a rollback or a release look at them again.
        measured.samples = Vec::new();
    }
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
