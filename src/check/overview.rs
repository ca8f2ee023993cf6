//! What stands now: the facts behind the screen for three in the morning. Nothing is measured here.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;

use super::lock::{self, Holder};
use super::notices::kind;
use super::overlaps::{self, Overlaps};
use super::proposal::{self, Proposal};
use super::rounds;
use super::standing::{self, NotGood};
use crate::base::clock::parse_instant;
use crate::base::{Result, Untrusted, Verdict};
use crate::config::Workspace;
use crate::config::maintenance::{self, InMaintenance};
use crate::incident::deadlines::{self, Promise};
use crate::incident::{self, Incident, State};
use crate::operation::{self, Summary};
use crate::rollback::{self, Watch};
use crate::store::{Actor, DeliveryState, Store};

/// What stands now.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Overview {
    /// As of when (UTC).
    pub at: DateTime<Utc>,
    /// The worst of what is open; at best UNKNOWN where nothing was checked lately, or the last look at a service knew nothing.
    pub verdict: Verdict,
    /// When the last round of `irctl check` began (UTC).
    pub last_round: Option<DateTime<Utc>>,
    /// The rounds that are running.
    pub running: Vec<Holder>,
    /// Rounds that the last one, or the one that still runs, kept out.
    pub overlaps: Option<Overlaps>,
    /// Whether that is longer ago than two rounds should take.
    pub overdue: bool,
    /// What the last look at each service found, where it was not good and no open incident says so.
    pub not_good: Vec<NotGood>,
    /// Open incidents, worst first.
    pub incidents: Vec<Pending>,
    /// Services whose consumers are stopped.
    pub contained: Vec<Contained>,
    /// Rollbacks that were let back provisionally and wait to be confirmed.
    pub watches: Vec<Watch>,
    /// Services that are in maintenance.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintenance: Vec<InMaintenance>,
    /// Files of the configuration that have errors and were left out.
    pub left_out: Vec<String>,
    /// Operations that are running or can be resumed.
    pub operations: Vec<Summary>,
    /// Messages that did not get through, or not surely.
    pub undelivered: usize,
    /// The one next command.
    pub next: Option<String>,
}

/// A service whose consumers are stopped.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Contained {
    /// The service.
    pub service: String,
    /// Since when (UTC).
    pub since: DateTime<Utc>,
    /// Who stopped them.
    pub by: Actor,
    /// Why.
    pub reason: Option<Untrusted>,
    /// What lets them back.
    pub release: String,
}

/// An open incident.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Pending {
    /// The incident.
    pub incident: Incident,
    /// What its level promises and how that stands.
    pub promises: Vec<Promise>,
    /// The next command for it.
    pub next: String,
    /// What its level proposes to a human.
    pub proposal: Option<Proposal>,
}

/// Collects what stands now.
pub fn overview(workspace: &Workspace, store: &dyn Store, now: DateTime<Utc>) -> Result<Overview> {
    let (incidents, last_round, undelivered, overlaps, not_good) = store.view(|session| {
        let incidents = incident::book::open(session, None)?;
        let last = session.value(rounds::LAST)?;
        let stuck = [DeliveryState::Failed, DeliveryState::Ambiguous, DeliveryState::Queued];
        let undelivered = session.deliveries_in(&stuck)?.len();
        // Before the first round, that it is overdue says it all.
        let not_good = match last {
            Some(_) => {
                let about: BTreeSet<&str> = incidents.iter().map(|one| one.service.as_str()).collect();
                standing::not_good(session, workspace, &|service| about.contains(service))?
            }
            None => Vec::new(),
        };
        Ok((incidents, last, undelivered, overlaps::read(session)?, not_good))
    })?;
    let last_round = last_round.as_deref().map(parse_instant).transpose()?;
    let operations: Vec<Summary> = operation::list(&workspace.state)?
        .into_iter()
        .filter(|operation| operation.running || operation.resumable)
        .collect();
    let mut open = incidents;
    open.sort_by_key(|incident| {
        (incident.state == State::Mitigated, incident.level.rank, incident.opened_at)
    });
    let incidents: Vec<Pending> =
        open.into_iter().map(|incident| pending(workspace, incident, now)).collect();
    let overdue = overdue(workspace, last_round, now);
    let contained = contained(workspace)?;
    let left_out = workspace.left_out_of_rounds();
    let mut verdict = verdict(&incidents, &operations, overdue);
    if !contained.is_empty() {
        verdict = verdict.worst(Verdict::Warn);
    }
    if !left_out.is_empty() {
        verdict = verdict.worst(Verdict::Unknown);
    }
    verdict = Verdict::worst_of(not_good.iter().map(|one| one.verdict).chain([verdict]));
    Ok(Overview {
        at: now,
        verdict,
        last_round,
        running: lock::running(&workspace.state),
        overlaps,
        overdue,
        next: next(&incidents, &operations, &contained, &left_out, overdue).or_else(|| look_again(&not_good)),
        watches: rollback::watch::watches(&workspace.state)?,
        maintenance: maintenance::all(workspace, now),
        not_good,
        contained,
        left_out,
        incidents,
        operations,
        undelivered,
    })
}

fn contained(workspace: &Workspace) -> Result<Vec<Contained>> {
    let mut all = Vec::new();
    for service in workspace.services.values() {
        let Some(known) = rollback::contain::current(&workspace.state, &service.service)? else { continue };
        all.push(Contained {
            service: known.service,
            since: known.since,
            by: known.actor,
            reason: known.reason.map(Into::into),
            release: format!("irctl release --{} {}", kind(service), service.service),
        });
    }
    Ok(all)
}

/// Longer ago than two rounds; without a cadence, than a day.
fn overdue(workspace: &Workspace, last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    let cadence = workspace.settings.cadence.map(|cadence| cadence.approximate() * 2);
    last.is_none_or(|last| now - last > cadence.unwrap_or(TimeDelta::days(1)))
}

fn pending(workspace: &Workspace, incident: Incident, now: DateTime<Utc>) -> Pending {
    let promises = deadlines::promises(&incident, now);
    let next = next_for(workspace, &incident);
    let level =
        workspace.schemes.get(&incident.scheme).and_then(|scheme| scheme.levels.get(&incident.level.name));
    let service = workspace.services.get(&incident.service);
    let proposal = service.and_then(|service| proposal::of(service, level, &incident));
    Pending { incident, promises, next, proposal }
}

fn next_for(workspace: &Workspace, incident: &Incident) -> String {
    let service = workspace.services.get(&incident.service);
    if incident.state == State::Mitigated {
        return format!("irctl incident resolve {} --reason \"…\"", incident.id);
    }
    match service {
        Some(service) if service.rollback.is_some() && incident.level.verdict == Verdict::Crit => {
            format!("irctl rollback --{} {} --to prev", kind(service), service.service)
        }
        _ if incident.acknowledged.is_none() => format!("irctl incident ack {}", incident.id),
        _ => format!("irctl incident show {}", incident.id),
    }
}

/// What is unfinished comes before what is broken: nothing else can be begun before it.
fn next(
    incidents: &[Pending],
    operations: &[Summary],
    contained: &[Contained],
    left_out: &[String],
    overdue: bool,
) -> Option<String> {
    if let Some(running) = operations.iter().find(|operation| operation.running) {
        return Some(format!("irctl rollback attach {}", running.id));
    }
    if let Some(halted) = operations.iter().find(|operation| operation.resumable) {
        return Some(format!("irctl rollback resume {}", halted.id));
    }
    let first = incidents.first().map(|pending| pending.next.clone());
    first
        .or_else(|| (!left_out.is_empty()).then(|| "irctl config check".to_owned()))
        .or_else(|| contained.first().map(|contained| contained.release.clone()))
        .or_else(|| overdue.then(|| "irctl check".to_owned()))
}

/// What shows everything about what was not good.
fn look_again(not_good: &[NotGood]) -> Option<String> {
    match not_good {
        [] => None,
        [one] => Some(format!("irctl check --service {}", one.service)),
        _ => Some("irctl check".to_owned()),
    }
}

fn verdict(incidents: &[Pending], operations: &[Summary], overdue: bool) -> Verdict {
    let open = incidents.iter().map(|pending| match pending.incident.state {
        // The harm has ended; what is left is work, not an alarm.
        State::Mitigated => Verdict::Warn,
        _ => pending.incident.level.verdict,
    });
    let unfinished = operations.iter().map(|_| Verdict::Crit);
    let seen = if overdue { Verdict::Unknown } else { Verdict::Ok };
    Verdict::worst_of(open.chain(unfinished).chain([seen]))
}
