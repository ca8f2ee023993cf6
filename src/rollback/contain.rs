//! Contain and release: stop what consumes a service, and put back what was, not a constant.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::asserting::{each_target, is_asserted, not_in_force, sorted};
use super::environment::{Environment, Subject};
use super::steps::{self, Pinning, StepSpec};
use super::targets::{Staging, SwitchSpec};
use super::{leavings, locks};
use crate::base::{Error, ErrorCode, Result, Untrusted, file, path};
use crate::operation::directory;
use crate::operation::{Conclusion, Directory, Ending, Stop, listing};
use crate::store::Actor;

/// A containment that is in force.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Containment {
    /// The operation that made it.
    pub operation: String,
    /// The service.
    pub service: String,
    /// Since when (UTC).
    pub since: DateTime<Utc>,
    /// Who contained.
    pub actor: Actor,
    /// Why.
    pub reason: Option<String>,
    /// The incident it answers.
    pub incident: Option<String>,
    /// What was set, and what it was.
    pub held: Vec<Held>,
}

/// One thing that stops consumers: what was set, and what it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Held {
    /// The target and the switch, as `settings config/rollout.yml: config/rollout.yml`.
    pub key: String,
    /// The switch.
    pub spec: SwitchSpec,
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        let text = |held: &Self| serde_json::to_value(held).ok();
        text(self) == text(other)
    }
}

/// What came of containing or releasing.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ContainOutcome {
    /// The service.
    pub service: String,
    /// How it ended.
    pub ending: Ending,
    /// The operation; absent when there was nothing to do.
    pub operation: Option<String>,
    /// Whether its consumers are stopped now.
    pub contained: bool,
    /// Whether it was so already.
    pub already: bool,
    /// Since when they are stopped (UTC).
    pub since: Option<DateTime<Utc>>,
    /// Each key, as `FILE KEY: was → is`.
    pub settings: Vec<String>,
    /// What a proof said.
    pub proof: Option<String>,
    /// In one sentence.
    pub summary: String,
}

/// Where a service's containment stands.
pub fn record_path(state: &Path, service: &str) -> Result<PathBuf> {
    Ok(state.join("containments").join(format!("{}.json", path::single_name(service)?)))
}

/// The containment of a service that is in force, if there is one.
pub fn current(state: &Path, service: &str) -> Result<Option<Containment>> {
    let path = record_path(state, service)?;
    if !path.exists() {
        return Ok(None);
    }
    let bytes = file::read_limited(&path, 16 * 1024 * 1024)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Error::new(ErrorCode::InvalidData, format!("{} cannot be read: {error}", path.display()))
    })
}

/// Stops what consumes a service. Doing it again asserts it again, and keeps what was before the first time.
pub fn contain(
    environment: &Environment<'_>,
    subject: &Subject,
    reason: Option<&str>,
    incident: Option<&str>,
) -> Result<ContainOutcome> {
    if subject.rollback.contain.is_empty() {
        return Err(Error::new(
            ErrorCode::InvalidConfiguration,
            format!("nothing says how to contain {}", subject.service),
        )
        .hint(
            "rollback: {contain: [{settings: {file: config/rollout.yml, set: {rollout.mode: disabled}}}]}",
        ));
    }
    let _locks = locks::to_contain(environment.state, subject)?;
    let known = current(environment.state, &subject.service)?;
    let leavings = leavings::close(environment, &subject.service, known.as_ref())?;
    let contained = stop(environment, subject, known, reason, incident);
    // Harm first: what only lies about is cleared afterwards.
    leavings::tidy(&subject.service, &leavings);
    contained
}

fn stop(
    environment: &Environment<'_>,
    subject: &Subject,
    known: Option<Containment>,
    reason: Option<&str>,
    incident: Option<&str>,
) -> Result<ContainOutcome> {
    if let Some(known) = &known
        && is_asserted(environment, subject)?
    {
        return Ok(outcome(subject, Ending::Restored, None, Some(known), true, proof(environment, subject)));
    }
    let now = environment.clock.now()?;
    let directory = Directory::create(environment.state, now)?;
    match assert(environment, subject, &directory, known, reason, incident) {
        Ok(outcome) => Ok(outcome),
        Err(error) => {
            // Without a pinned plan nothing was touched, and nothing is left to look at.
            if directory.pinned().is_ok_and(|pinned| pinned.is_none()) {
                let _ = directory.discard();
            }
            Err(error)
        }
    }
}

fn assert(
    environment: &Environment<'_>,
    subject: &Subject,
    directory: &Directory,
    known: Option<Containment>,
    reason: Option<&str>,
    incident: Option<&str>,
) -> Result<ContainOutcome> {
    let before = directory.before()?;
    let now = environment.clock.now()?;
    let previous = known.clone();
    let mut containment = known.unwrap_or_else(|| Containment {
        operation: directory.id.clone(),
        service: subject.service.clone(),
        since: now,
        actor: environment.actor.clone(),
        reason: reason.map(str::to_owned),
        incident: incident.map(str::to_owned),
        held: Vec::new(),
    });
    let staged = each_target(environment, subject, (Some(&directory.id), reason), |number, target, goal| {
        let images = before.join(number.to_string());
        directory::make(&images)?;
        let staging = Staging { images: &images, operation: &directory.id };
        let specs = target.stage(goal, &staging)?.into_iter();
        let held =
            |spec: SwitchSpec| Held { key: format!("{}: {}", target.name(), spec.switch().id()), spec };
        Ok(specs.map(held).collect::<Vec<_>>())
    })?;
    let (mut staged, mut missing) = sorted(staged)?;
    staged.iter_mut().for_each(|held| hold(&mut containment, held, &directory.id));
    let mut specs = vec![StepSpec::Remember { containment: containment.clone(), previous }];
    specs.extend(staged.iter().cloned().map(|held| StepSpec::Contain { held }));
    let pinning =
        Pinning { kind: "contain", incident, reason, plan: serde_json::Value::Null, claims: Vec::new() };
    let conclusion = run(environment, subject, directory, &specs, &pinning)?;
    let proof = match conclusion.ending {
        Ending::Restored => proof(environment, subject),
        _ => None,
    };
    let mut outcome =
        outcome(subject, conclusion.ending, Some(&directory.id), Some(&containment), false, proof);
    if conclusion.ending != Ending::Restored {
        outcome.contained = false;
        outcome.summary = conclusion.reason.unwrap_or_else(|| "containing failed".to_owned());
    } else {
        missing.extend(staged.iter().filter_map(not_in_force));
        if !missing.is_empty() {
            outcome.ending = Ending::Unproven;
            outcome.summary =
                format!("{} is contained only in part: {}", subject.service, missing.join("; "));
        }
    }
    let incident = incident.or(containment.incident.as_deref());
    tell(environment, "contain.completed", incident, &outcome)?;
    Ok(outcome)
}

/// Adds what is set now to what is held. What was before the first time stays what release puts back; where the first
/// may never have come to act, or found less to stop, both are put back, the first of them first.
fn hold(containment: &mut Containment, held: &mut Held, operation: &str) {
    if let Some(known) = containment.held.iter_mut().find(|known| known.key == held.key) {
        if let Some(both) = known.spec.reasserted(&held.spec) {
            known.spec = both;
            return;
        }
        held.key = format!("{} ({operation})", held.key);
    }
    containment.held.push(held.clone());
}

/// The payload of `contain.completed` and `release.completed`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ContainEvent {
    /// The operation.
    pub operation: Option<String>,
    /// How it ended.
    pub outcome: Ending,
    /// Each key, as `FILE KEY: was → is`.
    pub what: Vec<String>,
    /// Whether consumers are stopped now.
    pub contained: bool,
    /// What a proof said.
    pub proof: Option<String>,
    /// In one sentence.
    pub summary: String,
}

fn tell(
    environment: &Environment<'_>,
    kind: &str,
    incident: Option<&str>,
    outcome: &ContainOutcome,
) -> Result<()> {
    let event = ContainEvent {
        operation: outcome.operation.clone(),
        outcome: outcome.ending,
        what: outcome.settings.clone(),
        contained: outcome.contained,
        proof: outcome.proof.clone(),
        summary: outcome.summary.clone(),
    };
    environment.tell(kind, &outcome.service, outcome.operation.as_deref(), incident, &event)
}

/// Runs a short operation from its first step to its end.
fn run(
    environment: &Environment<'_>,
    subject: &Subject,
    directory: &Directory,
    specs: &[StepSpec],
    pinning: &Pinning<'_>,
) -> Result<Conclusion> {
    let mut journal = steps::pin(environment, subject, directory, specs, pinning)?;
    let built = steps::build_all(specs, subject, environment);
    let started = Instant::now();
    let progress = crate::operation::Progress::default();
    let mut engine = steps::engine(environment, &mut journal, progress, started, None);
    // It takes milliseconds, and half of it would be worse than all of it: Ctrl-C is heard by what comes next.
    let unstoppable = Stop::default();
    engine.stop = &unstoppable;
    let conclusion = engine.run(&built)?;
    let done = if pinning.kind == "release" { "released" } else { "contained" };
    let summary = conclusion.reason.clone().unwrap_or_else(|| format!("{} is {done}", subject.service));
    leavings::tidy(&directory.id, specs.iter().filter_map(|spec| spec.to_tidy(conclusion.ending)));
    steps::end(environment, &mut journal, &conclusion, &summary, started)?;
    Ok(conclusion)
}

/// How the words of a proof begin that failed.
const NOT_PROVED: &str = "NOT proved";

/// The words of the suite that proves that consumers are quiet; a failing one starts with `NOT proved`.
fn proof(environment: &Environment<'_>, subject: &Subject) -> Option<String> {
    let suite = subject.rollback.proof.as_ref()?;
    let said = (environment.verify)(suite, &subject.suites);
    let prefix = if said.passes() { "proved" } else { NOT_PROVED };
    Some(format!("{prefix} quiet by {}", said.summary))
}

fn outcome(
    subject: &Subject,
    ending: Ending,
    operation: Option<&str>,
    containment: Option<&Containment>,
    already: bool,
    proof: Option<String>,
) -> ContainOutcome {
    let unproven = proof.as_ref().is_some_and(|proof| proof.starts_with(NOT_PROVED));
    let ending = if ending == Ending::Restored && unproven { Ending::Unproven } else { ending };
    let service = &subject.service;
    let summary = match (already, unproven) {
        (true, false) => format!("{service} is contained already"),
        (false, false) => format!("{service} is contained"),
        (_, true) => format!("{service} is contained, but {}", proof.clone().unwrap_or_default()),
    };
    ContainOutcome {
        service: service.clone(),
        ending,
        operation: operation.map(str::to_owned),
        contained: true,
        already,
        since: containment.map(|containment| containment.since),
        settings: containment.map(|containment| set(&containment.held, false)).unwrap_or_default(),
        proof,
        summary,
    }
}

/// What was set, or put back, for people.
fn set(held: &[Held], back: bool) -> Vec<String> {
    let changes = held.iter().flat_map(|held| held.spec.switch().changes());
    let shown = |value: Option<Untrusted>| value.map_or("nothing".to_owned(), |value| value.to_string());
    changes
        .map(|change| if back { change.turned() } else { change })
        .map(|change| format!("{}: {} → {}", change.place, shown(change.from), shown(change.to)))
        .collect()
}

/// The steps that let consumers back.
pub fn release_steps(containment: &Containment) -> Vec<StepSpec> {
    let held = containment.held.iter().cloned().map(|held| StepSpec::Release { held });
    held.chain([StepSpec::Forget { containment: containment.clone() }]).collect()
}

/// Lets what consumes a service back, as it was before it was contained.
///
/// Refused without a reason while its last rollback is unproven or unfinished.
pub fn release(
    environment: &Environment<'_>,
    subject: &Subject,
    reason: Option<&str>,
    incident: Option<&str>,
) -> Result<ContainOutcome> {
    let (state, service) = (environment.state, &subject.service);
    // Once to be told at once who is at work, and once when nobody can begin to be any more.
    if current(state, service)?.is_some() {
        may_release(state, service, reason)?;
    } else if leavings::left(environment, service)?.is_empty() {
        return Ok(not_contained(subject));
    }
    let (_locks, known) = locked(state, service)?;
    if known.is_some() {
        may_release(state, service, reason)?;
    }
    leavings::tidy(service, &leavings::close(environment, service, known.as_ref())?);
    let Some(containment) = known else { return Ok(not_contained(subject)) };
    let directory = Directory::create(environment.state, environment.clock.now()?)?;
    let pinning =
        Pinning { kind: "release", incident, reason, plan: serde_json::Value::Null, claims: Vec::new() };
    let conclusion = run(environment, subject, &directory, &release_steps(&containment), &pinning)?;
    let mut outcome =
        outcome(subject, conclusion.ending, Some(&directory.id), Some(&containment), false, None);
    outcome.contained = conclusion.ending != Ending::Restored;
    outcome.settings = set(&containment.held, true);
    outcome.summary = match conclusion.reason {
        None => format!("{} is released: its consumers are as they were", subject.service),
        Some(reason) => reason,
    };
    let incident = incident.or(containment.incident.as_deref());
    tell(environment, "release.completed", incident, &outcome)?;
    Ok(outcome)
}

fn not_contained(subject: &Subject) -> ContainOutcome {
    let mut outcome = outcome(subject, Ending::Restored, None, None, true, None);
    outcome.contained = false;
    outcome.summary = format!("{} is not contained", subject.service);
    outcome
}

/// The containment in force, with the locks on everything that it holds.
fn locked(state: &Path, service: &str) -> Result<(locks::Locks, Option<Containment>)> {
    let held = |known: &Option<Containment>| known.as_ref().map_or_else(Vec::new, |one| one.held.clone());
    let mut known = current(state, service)?;
    loop {
        let locks = locks::to_release(state, service, &held(&known))?;
        let now = current(state, service)?;
        // Whoever was before us may have come to hold more.
        if held(&now) == held(&known) {
            return Ok((locks, now));
        }
        known = now;
    }
}

fn may_release(state: &Path, service: &str, reason: Option<&str>) -> Result<()> {
    if let (Some(unreadable), None) = (listing::unreadable(state, service)?.first(), reason) {
        return Err(Error::new(
            ErrorCode::Refused,
            format!("whether {service} is proven good is not known: {unreadable}"),
        )
        .hint("look at what serves, then say why: `irctl release --reason …`"));
    }
    let last = listing::list(state)?.into_iter().rfind(|one| {
        one.service == service && matches!(one.kind.as_str(), "rollback" | "undo" | "redo") && one.acted
    });
    let Some(last) = last else { return Ok(()) };
    if last.running {
        return Err(Error::new(ErrorCode::Busy, format!("{} is running", last.id))
            .hint(format!("watch it with `irctl rollback attach {}`", last.id)));
    }
    let unproven = last.resumable || last.ending == Some(Ending::Unproven);
    if unproven && reason.is_none() {
        return Err(Error::new(
            ErrorCode::Refused,
            format!("{} is not proven good: {} ({})", service, last.summary, last.id),
        )
        .hint("finish it with `irctl rollback resume`, or say why: `irctl release --reason …`"));
    }
    Ok(())
}
