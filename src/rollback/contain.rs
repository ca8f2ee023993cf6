//! Contain and release: stop what consumes a service, and put back what was, not a constant.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::asserting::{each_target, is_asserted, not_in_force, sorted};
use super::environment::{Environment, Subject};
use super::steps::{self, Pinning, StepSpec};
use super::targets::{self, Staging, SwitchSpec};
use crate::base::{Digest, Error, ErrorCode, Result, Untrusted, file, path};
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
    let _locks = lock(environment.state, subject)?;
    take_over(environment, &subject.service)?;
    let known = current(environment.state, &subject.service)?;
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
    let Some(containment) = current(environment.state, &subject.service)? else {
        let mut outcome = outcome(subject, Ending::Restored, None, None, true, None);
        outcome.contained = false;
        outcome.summary = format!("{} is not contained", subject.service);
        return Ok(outcome);
    };
    // Once to be told at once who is at work, and once when nobody can begin to be any more.
    may_release(environment.state, &subject.service, reason)?;
    let _locks = lock(environment.state, subject)?;
    may_release(environment.state, &subject.service, reason)?;
    take_over(environment, &subject.service)?;
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

/// Closes what a crash left of earlier containing and releasing: the one that comes now does it anyway.
fn take_over(environment: &Environment<'_>, service: &str) -> Result<()> {
    let left = listing::list(environment.state)?.into_iter().filter(|one| {
        one.service == service && one.resumable && matches!(one.kind.as_str(), "contain" | "release")
    });
    for one in left {
        let directory = Directory::open(environment.state, &one.id)?;
        let Some((_, digest)) = directory.pinned()? else { continue };
        let (mut journal, _) = directory.reopen(&digest)?;
        let conclusion = Conclusion { ending: Ending::Undone, reason: None, step: None };
        steps::end(environment, &mut journal, &conclusion, "taken over by a later one", Instant::now())?;
    }
    Ok(())
}

/// One process at a time contains or releases a service, and one at a time those that share a target. A program that
/// hangs while it stops the consumers of one service keeps nobody from stopping those of another.
fn lock(state: &Path, subject: &Subject) -> Result<Vec<fs_err::File>> {
    let folder = state.join("locks");
    directory::make(&folder)?;
    let ground = subject.ground();
    let mut shared = Vec::new();
    for config in &subject.rollback.contain {
        for claim in targets::build(config, &ground).claims()? {
            shared.push(format!("target-{}", Digest::of(claim.as_os_str().as_encoded_bytes()).short()));
        }
    }
    // Always in one order, so that nobody holds half each.
    shared.sort();
    shared.dedup();
    let service = format!("service-{}", path::single_name(&subject.service)?);
    let names = std::iter::once(service).chain(shared);
    names
        .map(|name| {
            let place = folder.join(name);
            let file = fs_err::OpenOptions::new().write(true).create(true).truncate(false).open(place)?;
            file.file().lock()?;
            Ok(file)
        })
        .collect()
}
