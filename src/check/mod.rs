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
mod course;
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
mod standing;
mod textfile;
pub mod thresholds;
mod together;
mod triggers;
mod updates;
mod warming;
mod watches;

use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::base::{Clock, Error, ErrorCode, Result, fault};
use crate::config::{ServiceConfig, Workspace};
use crate::operation::ByService;
use crate::store::{Actor, Sample, Store};
use course::Course;
use heartbeat::Heartbeat;
use lock::Holder;
use measuring::RoundJob;
pub use orders::Orders;
pub use overview::{Overview, Pending, overview};
pub use report::{Round, ServiceRound};
pub use standing::NotGood;

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
    /// The operations of the state directory.
    pub operations: ByService,
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
    round.changes = news::of_services(&*surroundings.store, &round)?;
    // Last, when what was found stands in the store. Forgotten in a power failure, it makes the next look say that a
    // round is overdue, which is then true.
    surroundings.store.write_relaxed(&mut |session| rounds::note(session, workspace, orders, begun))?;
    // The next round need not wait for whoever is told that this one is over.
    drop(lock);
    if let Some(heartbeat) = heartbeat {
        let said = format!("{}: {}, {} services", round.run, round.verdict, round.services.len());
        let left =
            orders.deadline(workspace).map(|deadline| deadline.to_std().saturating_sub(clock.elapsed()));
        round.warnings.extend(heartbeat.end(Some(round.verdict), &said, left));
    }
    let whole = news::of_whole(&*surroundings.store, &round)?;
    round.changes.extend(whole);
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
    let mut course = Course::new(surroundings, workspace, orders, begun);
    course.stop_harm(&ordered, taken)?;
    let (rounds, mut problems) = course.finish()?;
    problems.extend(nobody(workspace, orders, selected));
    fault::point("check:before-delivery");
    let deliveries = post::deliver(surroundings)?;
    fault::point("check:delivered");
    let mut round = Round::new(begun, rounds, deliveries, workspace.left_out_of_rounds(), problems);
    round.shard = orders.shard;
    Ok(round)
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
