//! The steps of a rollback: what the pinned plan says of each, and how each is built from that.

mod activate;
mod contain;
mod prove;
mod target;

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Instant;

use super::contain::{Containment, Held};
use super::environment::{Environment, Subject};
use super::targets::SwitchSpec;
use super::versions::Version;
use crate::base::{Error, ErrorCode, Result, fault, host};
use crate::operation::directory::Pinned;
use crate::operation::engine::Budget;
use crate::operation::{Conclusion, Directory, Ending, Engine, Journal, Progress, RecordKind, Step};

/// A step as the pinned plan holds it; another process can build the step from it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepSpec {
    /// Let the serving process take up again what was there, if the switch is undone.
    Reactivate,
    /// Switch a target, or a part of one.
    Switch {
        /// Which target of the plan, from 0.
        target: usize,
        /// What tells it from the other switches of the plan.
        key: String,
        /// The switch.
        spec: SwitchSpec,
    },
    /// Make the serving process take up what was switched.
    Activate,
    /// Show what is in place and what serves.
    Prove {
        /// The version that must be there.
        version: Version,
        /// The version that was.
        before: Version,
    },
    /// Run the suite that must pass.
    Verify {
        /// The suite.
        suite: String,
    },
    /// Write down what a containment sets and what was there before.
    Remember {
        /// The containment.
        containment: Containment,
        /// The one that was in force before, if one was.
        previous: Option<Containment>,
    },
    /// Stop consumers.
    Contain {
        /// How.
        held: Held,
    },
    /// Let consumers back, as they were.
    Release {
        /// How they were stopped.
        held: Held,
    },
    /// End the containment.
    Forget {
        /// The containment.
        containment: Containment,
    },
}

impl StepSpec {
    /// What may have left something beside what it switches, now that its operation has ended so. What stops consumers
    /// keeps what it needs to let them back until it has.
    pub fn to_tidy(&self, ending: Ending) -> Option<&SwitchSpec> {
        match self {
            StepSpec::Switch { spec, .. } if !ending.is_open() => Some(spec),
            StepSpec::Contain { held } if ending == Ending::Undone => Some(&held.spec),
            StepSpec::Release { held } if ending == Ending::Restored => Some(&held.spec),
            _ => None,
        }
    }
}

/// The name in the journal of a switch with this key.
pub fn switch_id(key: &str) -> String {
    format!("switch:{key}")
}

/// The steps of switches, given with the number of the target of each: what only keeps what is in place comes first.
pub fn of_switches(mut switches: Vec<(usize, SwitchSpec)>) -> Vec<StepSpec> {
    switches.sort_by_key(|(_, spec)| spec.switch().phase());
    let key = |target: usize, spec: &SwitchSpec| match target {
        0 => spec.switch().id(),
        target => format!("{}:{}", target + 1, spec.switch().id()),
    };
    switches
        .into_iter()
        .map(|(target, spec)| StepSpec::Switch { target, key: key(target, &spec), spec })
        .collect()
}

/// Builds every step, in order.
pub fn build_all<'a>(
    specs: &'a [StepSpec],
    subject: &'a Subject,
    environment: &'a Environment<'_>,
) -> Vec<Box<dyn Step + 'a>> {
    let one = |spec: &'a StepSpec| -> Box<dyn Step + 'a> {
        match spec {
            StepSpec::Reactivate => Box::new(activate::Reactivate { subject }),
            StepSpec::Switch { key, spec, .. } => Box::new(target::SwitchTarget { key, spec }),
            StepSpec::Activate => Box::new(activate::Activate { subject }),
            StepSpec::Prove { version, .. } => Box::new(prove::Prove { subject, version, specs }),
            StepSpec::Verify { suite } => Box::new(prove::Verify { suite, subject, environment }),
            StepSpec::Remember { containment, previous } => {
                let previous = previous.as_ref();
                Box::new(contain::Remember { containment, previous, state: environment.state })
            }
            StepSpec::Contain { held } => Box::new(contain::Contain { held }),
            StepSpec::Release { held } => Box::new(contain::Release { held }),
            StepSpec::Forget { containment } => {
                Box::new(contain::Forget { containment, state: environment.state })
            }
        }
    };
    specs.iter().map(one).collect()
}

/// What is pinned beside the steps.
pub struct Pinning<'a> {
    /// What kind of operation.
    pub kind: &'a str,
    /// The incident it answers.
    pub incident: Option<&'a str>,
    /// Why.
    pub reason: Option<&'a str>,
    /// The plan that is shown.
    pub plan: serde_json::Value,
    /// What is claimed.
    pub claims: Vec<PathBuf>,
}

/// Pins an operation and begins its journal.
pub fn pin(
    environment: &Environment<'_>,
    subject: &Subject,
    directory: &Directory,
    specs: &[StepSpec],
    pinning: &Pinning<'_>,
) -> Result<Journal> {
    let bug = |error: serde_json::Error| Error::new(ErrorCode::Bug, format!("a plan: {error}"));
    let now = environment.clock.now()?;
    let mut journal = directory.pin(&Pinned {
        format: Pinned::format(),
        id: directory.id.clone(),
        kind: pinning.kind.to_owned(),
        service: subject.service.clone(),
        created_at: now,
        actor: environment.actor.clone(),
        incident: pinning.incident.map(str::to_owned),
        reason: pinning.reason.map(str::to_owned),
        host: host::host_name(),
        claims: pinning.claims.clone(),
        plan: pinning.plan.clone(),
        steps: specs.iter().map(serde_json::to_value).collect::<std::result::Result<_, _>>().map_err(bug)?,
        configuration: serde_json::to_value(subject).map_err(bug)?,
    })?;
    let process = host::current();
    journal.append(now, RecordKind::Began { actor: environment.actor.clone(), process })?;
    fault::point("journal:began");
    Ok(journal)
}

/// An engine over a journal.
pub fn engine<'a>(
    environment: &'a Environment<'_>,
    journal: &'a mut Journal,
    progress: Progress,
    started: Instant,
    budget: Option<Budget>,
) -> Engine<'a> {
    Engine {
        journal,
        progress,
        clock: environment.clock,
        stop: environment.stop,
        watch: environment.progress,
        started,
        budget,
    }
}

/// Writes that an operation ended.
pub fn end(
    environment: &Environment<'_>,
    journal: &mut Journal,
    conclusion: &Conclusion,
    summary: &str,
    started: Instant,
) -> Result<u64> {
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (ending, summary) = (conclusion.ending, summary.to_owned());
    journal.append(environment.clock.now()?, RecordKind::Ended { ending, summary, duration_ms })?;
    fault::point("journal:ended");
    Ok(duration_ms)
}
