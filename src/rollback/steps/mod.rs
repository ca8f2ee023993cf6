//! The steps of a rollback: what the pinned plan says of each, and how each is built from that.

mod activate;
mod contain;
mod exchange;
mod preserve;
mod prove;
mod settings;
mod switch;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::contain::Containment;
use super::environment::{Environment, Subject};
use super::settings::FileEdit;
use super::versions::Artifact;
use crate::base::{Digest, Error, ErrorCode, Result, fault, host};
use crate::operation::directory::Pinned;
use crate::operation::{Conclusion, Directory, Engine, Journal, Progress, RecordKind, Step};

/// A step as the pinned plan holds it; another process can build the step from it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepSpec {
    /// Keep what stands there: before-images for the engine, a safety backup for people.
    Preserve {
        /// The folder that serves.
        live: PathBuf,
        /// What stands there.
        artifacts: BTreeMap<String, Artifact>,
        /// Where the safety backup goes.
        backup: PathBuf,
        /// Where the before-images go.
        images: PathBuf,
    },
    /// Let the serving process take up again what was there, if the switch is undone.
    Reactivate,
    /// Put one file in place.
    SwitchFile(SwitchFile),
    /// Put a whole folder in place.
    Exchange(Exchange),
    /// Set keys of a settings file that is part of the version.
    SwitchSettings {
        /// The keys.
        edit: FileEdit,
    },
    /// Make the serving process take up what was switched.
    Activate,
    /// Show what is on disk and what serves.
    Prove {
        /// The version that must be there: its files.
        files: BTreeMap<String, Option<Digest>>,
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
    /// Stop consumers by setting keys.
    ContainSettings {
        /// The keys.
        edit: FileEdit,
    },
    /// Let consumers back by putting keys back.
    ReleaseSettings {
        /// The keys.
        edit: FileEdit,
    },
    /// End the containment.
    Forget {
        /// The containment.
        containment: Containment,
    },
}

/// Put one file in place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SwitchFile {
    /// The folder that serves.
    pub live: PathBuf,
    /// The file's name in it.
    pub name: String,
    /// The staging folder.
    pub stage: PathBuf,
    /// What stands there; absent where nothing does.
    pub before: Option<Digest>,
    /// What comes there; absent where nothing is to stand there.
    pub after: Option<Digest>,
    /// The before-image.
    pub image: PathBuf,
}

/// Put a whole folder in place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Exchange {
    /// The folder that serves, or the symbolic link to it.
    pub live: PathBuf,
    /// The staged folder.
    pub stage: PathBuf,
    /// The files that make a version.
    pub artifacts: Vec<String>,
    /// The version that stands there; absent where a file of it is missing.
    pub before: Option<Digest>,
    /// The version that comes there.
    pub after: Digest,
    /// Where the displaced folder goes.
    pub backup: PathBuf,
}

/// Builds a step.
pub fn build<'a>(
    spec: &'a StepSpec,
    subject: &'a Subject,
    environment: &'a Environment<'_>,
) -> Box<dyn Step + 'a> {
    match spec {
        StepSpec::Preserve { live, artifacts, backup, images } => {
            Box::new(preserve::Preserve { live, artifacts, backup, images })
        }
        StepSpec::Reactivate => Box::new(activate::Reactivate { subject }),
        StepSpec::SwitchFile(spec) => Box::new(switch::Switch { spec }),
        StepSpec::Exchange(spec) => Box::new(exchange::ExchangeFolder { spec }),
        StepSpec::SwitchSettings { edit } => Box::new(settings::SwitchSettings { edit }),
        StepSpec::Activate => Box::new(activate::Activate { subject }),
        StepSpec::Prove { files } => Box::new(prove::Prove { subject, files }),
        StepSpec::Verify { suite } => Box::new(prove::Verify { suite, subject, environment }),
        StepSpec::Remember { containment, previous } => {
            let previous = previous.as_ref();
            Box::new(contain::Remember { containment, previous, state: environment.state })
        }
        StepSpec::ContainSettings { edit } => Box::new(settings::ContainSettings { edit }),
        StepSpec::ReleaseSettings { edit } => Box::new(settings::ReleaseSettings { edit }),
        StepSpec::Forget { containment } => {
            Box::new(contain::Forget { containment, state: environment.state })
        }
    }
}

/// Builds every step, in order.
pub fn build_all<'a>(
    specs: &'a [StepSpec],
    subject: &'a Subject,
    environment: &'a Environment<'_>,
) -> Vec<Box<dyn Step + 'a>> {
    specs.iter().map(|spec| build(spec, subject, environment)).collect()
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
    budget: Option<Duration>,
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
