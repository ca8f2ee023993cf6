//! What a round does on its own: contain what harms and, where the policy says so, roll back.

use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

use super::Surroundings;
use super::after::Hand;
use super::measure::Measured;
use super::owed::{self, Owed, What};
use super::release::ReleaseReport;
use super::watches::WatchReport;
use super::{catch_up, modes, scope};
use crate::base::{Result, Verdict};
use crate::config::ServiceConfig;
use crate::incident::event::ByOperation;
use crate::incident::{self, Book, Change, Incident, Observed, State};
use crate::operation::{Ending, Stop};
use crate::rollback;
use crate::severity::{RuleResult, Scheme};
use crate::store::{Actor, EventFilter};

/// What a round did for one service.
#[derive(Debug, Clone, Default)]
pub struct Acted {
    /// Containment, by incident.
    pub contained: BTreeMap<String, ContainedNow>,
    /// A rollback.
    pub rollback: Option<AutomaticRollback>,
    /// Rollbacks that were being watched.
    pub watches: Vec<WatchReport>,
    /// A release by a condition.
    pub release: Option<ReleaseReport>,
}

/// Whether a service is contained.
#[derive(Debug, Clone, Default)]
pub struct ContainedNow {
    /// What proves it.
    pub proof: Option<String>,
    /// Why it could not be done.
    pub problem: Option<String>,
}

/// A rollback that a round ran, or why it did not.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AutomaticRollback {
    /// The operation, where one was begun.
    pub operation: Option<String>,
    /// The reason for which the policy asked for it: `onnx_parity_fail`, `psi_feature_spread`.
    pub reason: Option<String>,
    /// In one sentence.
    pub summary: String,
    /// The exit status that stands for its end; absent where nothing was begun.
    pub exit: Option<u8>,
}

/// Contains the service for every incident that asks for it, once, and keeps it contained.
///
/// A failure is part of the round's result: the people who are told next must know it.
pub fn contain(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    observed: &[Observed],
) -> BTreeMap<String, ContainedNow> {
    let mut contained = BTreeMap::new();
    if service.rollback.as_ref().is_none_or(|rollback| rollback.contain.is_empty()) {
        return contained;
    }
    for one in observed {
        let Some(incident) = &one.incident else { continue };
        match wanted_now(surroundings, service, scheme, incident, &one.change) {
            Ok(false) => {}
            Ok(true) => {
                contained.insert(incident.id.clone(), contain_for(surroundings, service, incident));
            }
            Err(error) => {
                let problem = Some(error.message);
                contained.insert(incident.id.clone(), ContainedNow { problem, ..ContainedNow::default() });
            }
        }
    }
    contained
}

/// Contains the service where a rule that is blocked holds and would have it contained: the incident is that of what the
/// service needs, and the harm is its own. A person who let it go has the last word.
pub fn contain_blocked(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    measured: &Measured,
) -> BTreeMap<String, ContainedNow> {
    let able = service.rollback.as_ref().is_some_and(|rollback| !rollback.contain.is_empty());
    let asks = |rule: &&RuleResult| {
        let verdict = scheme.level(&rule.level).map_or(Verdict::Crit, |level| level.verdict);
        rule.holds_though_blocked
            && (level_asks(service, &rule.level, verdict)
                || scheme.rule(&rule.rule).is_some_and(|rule| rule.contain))
    };
    let rules: Vec<&RuleResult> = measured.classification.rules.iter().filter(asks).collect();
    let Some(cause) = rules.iter().find_map(|rule| rule.blocked_by.as_deref()).filter(|_| able) else {
        return BTreeMap::new();
    };
    let subject = cause.strip_prefix("dataset/").unwrap_or(&service.service);
    match incident_of(surroundings, service, subject) {
        Ok(Some(incident)) => {
            BTreeMap::from([(incident.id.clone(), contain_under(surroundings, service, &incident))])
        }
        // The cause has no incident yet, or a person let the service go after it began.
        Ok(None) => BTreeMap::new(),
        Err(error) => {
            let now = ContainedNow { problem: Some(error.message), ..ContainedNow::default() };
            BTreeMap::from([(cause.to_owned(), now)])
        }
    }
}

/// The worst open incident of what is broken, unless the service was released since it began.
fn incident_of(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    subject: &str,
) -> Result<Option<Incident>> {
    let filter = EventFilter {
        service: Some(service.service.clone()),
        kind_prefix: Some("release.completed".to_owned()),
        ..EventFilter::default()
    };
    surroundings.store.view(|session| {
        let open = incident::book::open(session, Some(subject))?;
        let working = open.into_iter().filter(|one| one.state != State::Mitigated);
        let Some(worst) = working.min_by_key(|one| one.level.rank) else { return Ok(None) };
        let released = session.events(&filter)?.iter().any(|event| event.occurred_at >= worst.episode_at);
        Ok((!released).then_some(worst))
    })
}

fn contain_under(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    incident: &Incident,
) -> ContainedNow {
    match catch_up::running(surroundings, service) {
        Ok(None) => {}
        Ok(Some(_)) => return ContainedNow::default(),
        Err(error) => return ContainedNow { problem: Some(error.message), ..ContainedNow::default() },
    }
    match contained(surroundings, service, incident) {
        Ok(outcome) if outcome.contained && outcome.ending == Ending::Restored => {
            let proof = outcome.proof.clone().or_else(|| outcome.settings.first().cloned());
            ContainedNow { proof: proof.or(Some(outcome.summary)), problem: None }
        }
        Ok(outcome) => ContainedNow { problem: Some(outcome.summary), ..ContainedNow::default() },
        Err(error) => ContainedNow { problem: Some(error.message), ..ContainedNow::default() },
    }
}

fn contained(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    incident: &Incident,
) -> Result<rollback::ContainOutcome> {
    let subject = scope::subject(surroundings.workspace, service)?;
    Hand::of(surroundings).with_environment(&Stop::default(), &|_| {}, &mut |environment| {
        rollback::contain(environment, &subject, Some(incident.title.raw()), Some(&incident.id))
    })
}

/// Whether a service is to be contained for an incident: at its beginning, and for as long as nobody let it go.
fn wanted(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    incident: &Incident,
    change: &Change,
) -> Result<bool> {
    if !incident.is_open() || !asks(service, scheme, incident) {
        return Ok(false);
    }
    Ok(match change {
        Change::Opened | Change::Reopened | Change::Raised(_) => true,
        _ if incident.contained.is_some() => true,
        // It was not possible before; unless a human or a finished rollback let it go, it is tried again.
        Change::Unchanged if incident.state != State::Mitigated => !was_released(surroundings, incident)?,
        _ => false,
    })
}

/// [`wanted`], unless somebody is rolling the service back, or has just done so: that contains, and lets go, by itself.
fn wanted_now(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    incident: &Incident,
    change: &Change,
) -> Result<bool> {
    if !wanted(surroundings, service, scheme, incident, change)? {
        return Ok(false);
    }
    if catch_up::running(surroundings, service)?.is_some() {
        return Ok(false);
    }
    if !catch_up::ended(surroundings, service)? {
        return Ok(true);
    }
    let incident = surroundings.store.view(|session| incident::book::get(session, &incident.id))?;
    wanted(surroundings, service, scheme, &incident, &Change::Unchanged)
}

/// By level, or by a rule that says so itself.
fn asks(service: &ServiceConfig, scheme: &Scheme, incident: &Incident) -> bool {
    let by_level = level_asks(service, &incident.level.name, incident.level.verdict);
    by_level || incident.rules.iter().any(|rule| scheme.rule(&rule.id).is_some_and(|rule| rule.contain))
}

/// Whether incidents of this level are contained.
pub fn level_asks(service: &ServiceConfig, level: &str, verdict: Verdict) -> bool {
    match &service.contain_on {
        Some(levels) => levels.iter().any(|one| one == level),
        None => verdict == Verdict::Crit,
    }
}

fn was_released(surroundings: &Surroundings<'_>, incident: &Incident) -> Result<bool> {
    let filter = EventFilter {
        incident: Some(incident.id.clone()),
        kind_prefix: Some("incident.released".to_owned()),
        ..EventFilter::default()
    };
    let events = surroundings.store.view(|session| session.events(&filter))?;
    Ok(events.iter().any(|event| event.occurred_at >= incident.episode_at))
}

fn contain_for(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    incident: &Incident,
) -> ContainedNow {
    match contained(surroundings, service, incident) {
        Ok(outcome) if outcome.contained && outcome.ending == Ending::Restored => {
            let fresh = !outcome.already || incident.contained.is_none();
            let proof = outcome.proof.clone().or_else(|| outcome.settings.first().cloned());
            let proof = proof.or(Some(outcome.summary));
            let recorded = match fresh {
                true => mark(surroundings, incident, outcome.operation.as_deref(), proof.clone()),
                false => Ok(()),
            };
            let recorded = recorded.and_then(|()| switched(surroundings, service, incident));
            ContainedNow { proof, problem: recorded.err().map(|e| e.message) }
        }
        Ok(outcome) => ContainedNow { problem: Some(outcome.summary), ..ContainedNow::default() },
        Err(error) => ContainedNow { problem: Some(error.message), ..ContainedNow::default() },
    }
}

/// Records which modes were switched, under the rules that asked for it.
fn switched(surroundings: &Surroundings<'_>, service: &ServiceConfig, incident: &Incident) -> Result<()> {
    let rules: Vec<&str> = incident.rules.iter().map(|rule| rule.id.as_str()).collect();
    let reason = if rules.is_empty() { incident.symptom.clone() } else { rules.join(",") };
    modes::record(surroundings, service, Some(&incident.id), &reason)
}

/// Writes into the incident that the service is contained, and that people have to know.
fn mark(
    surroundings: &Surroundings<'_>,
    incident: &Incident,
    operation: Option<&str>,
    proof: Option<String>,
) -> Result<()> {
    let now = surroundings.clock.now()?;
    surroundings.store.with(|session| {
        if incident.contained.is_none() {
            let mut book = Book::new(session, Actor::Automation, now);
            let by = ByOperation { operation: operation.map(str::to_owned), reason: None };
            book.contained(&incident.id, by)?;
        }
        let owed = Owed { incident: incident.id.clone(), what: What::Contained(proof.clone()), at: now };
        owed::owe(session, &incident.service, vec![owed])
    })
}
