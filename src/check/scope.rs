//! From the configuration to what rollback works with: the subject, its suites, its versions.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::{Clock, Error, ErrorCode, Result, Verdict};
use crate::config::{ServiceConfig, Workspace};
use crate::probe::{self, ProbeConfig, VersionMap};
use crate::rollback::config::TargetConfig;
use crate::rollback::serving::Proof;
use crate::rollback::{self, RollbackConfig, ServingConfig, Subject, VerifyOutcome};
use crate::store::sqlite::SqliteStore;
use crate::store::{Sample, Store};
use crate::verify::{self, SuiteConfig};

/// What an operation pins so that it can verify without reading the workspace again.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Pinned {
    service: String,
    root: PathBuf,
    state: PathBuf,
    rollback: RollbackConfig,
    serving: Option<ServingConfig>,
    probes: BTreeMap<String, ProbeConfig>,
    suites: BTreeMap<String, SuiteConfig>,
}

/// The service as rollback knows it.
///
/// # Errors
/// `invalid-configuration` where nothing says how to roll it back, or a suite that it names is not there.
pub fn subject(workspace: &Workspace, service: &ServiceConfig) -> Result<Subject> {
    subject_in(workspace, service, None)
}

/// [`subject`] in an environment: the named one, else the one that the configuration names.
pub fn subject_in(
    workspace: &Workspace,
    service: &ServiceConfig,
    environment: Option<&str>,
) -> Result<Subject> {
    let Some(rollback) = &service.rollback else {
        return Err(Error::new(
            ErrorCode::InvalidConfiguration,
            format!("nothing says how to contain or roll back {}", service.service),
        )
        .hint("add `rollback:` to the service; `irctl config schema service` shows what belongs in it"));
    };
    let mut suites = BTreeMap::new();
    let of_phases = rollback.phases.values().filter_map(|phase| phase.verify.as_ref());
    for name in rollback.verify.iter().chain(&rollback.proof).chain(of_phases) {
        suites.insert(name.clone(), workspace.suite(name)?.clone());
    }
    let mut subject = Subject {
        service: service.service.clone(),
        root: workspace.root.clone(),
        rollback: rollback.clone(),
        serving: service.serving.clone(),
        suites: serde_json::Value::Null,
        phase: None,
        environment: None,
        immediate: 0,
    }
    .in_environment(environment)?
    .keeping_contained();
    resolve_recipes(workspace, &mut subject.rollback)?;
    let pinned = Pinned {
        service: service.service.clone(),
        root: workspace.root.clone(),
        state: workspace.state.clone(),
        rollback: subject.rollback.clone(),
        serving: subject.serving.clone(),
        probes: service.probes.clone(),
        suites,
    };
    subject.suites = serde_json::to_value(&pinned)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("suites cannot be pinned: {error}")))?;
    Ok(subject)
}

/// Puts the programs of each recipe in its place, so that an operation pins what it runs.
fn resolve_recipes(workspace: &Workspace, rollback: &mut RollbackConfig) -> Result<()> {
    let phases = rollback.phases.values_mut().flat_map(|phase| [&mut phase.immediate, &mut phase.recovery]);
    let all = phases.chain([&mut rollback.contain, &mut rollback.targets]).flatten();
    for target in all {
        if let TargetConfig::Recipe(used) = target {
            *target = TargetConfig::Command(Box::new(workspace.programs(used)?));
        }
    }
    Ok(())
}

/// Which versions a service has and which one serves; and, where that cannot be said, why.
pub fn versions(workspace: &Workspace, service: &ServiceConfig) -> (VersionMap, Option<String>) {
    // What is only rolled back phase by phase has no versions as a whole.
    if service.rollback.as_ref().is_none_or(|rollback| rollback.targets.is_empty()) {
        return (VersionMap::default(), None);
    }
    let known =
        subject(workspace, service).and_then(|subject| rollback::known_versions(&subject, &workspace.state));
    match known {
        Ok((versions, _)) if versions.served.is_none() => {
            (versions, Some("what is on disk is not a whole version".to_owned()))
        }
        Ok((versions, proof)) => (versions, silent(&proof)),
        Err(error) => (VersionMap::default(), Some(error.message)),
    }
}

/// A service without what would execute or connect while its versions are looked at: a health endpoint, and targets that
/// are no plain files. For configuration that nobody has vouched for.
pub fn data_only(service: &ServiceConfig) -> ServiceConfig {
    let mut service = service.clone();
    service.serving = service.serving.filter(|serving| matches!(serving, ServingConfig::Json(_)));
    if let Some(rollback) = &mut service.rollback {
        let is_data =
            |target: &TargetConfig| matches!(target, TargetConfig::Files(_) | TargetConfig::Registry(_));
        rollback.targets.retain(is_data);
    }
    service
}

/// A service that is to say what it serves, and does not, or says something else than what is on disk.
fn silent(proof: &Proof) -> Option<String> {
    match proof {
        Proof::Serving | Proof::OnDisk => None,
        Proof::Silent { why } => Some(format!("the service does not say what it serves: {why}")),
        Proof::Different { says } => Some(format!("the service says {says}, which is not what is on disk")),
    }
}

/// What probes need of earlier rounds, as far as it can be read: a store that is not there or cannot be opened must not
/// keep anything from being verified.
pub fn earlier(
    state: &Path,
    service: &str,
    probes: [&BTreeMap<String, ProbeConfig>; 2],
    now: DateTime<Utc>,
) -> Option<Vec<Sample>> {
    let mut all = Vec::new();
    for probes in probes.into_iter().filter(|probes| !probe::earlier::remembered(probes).is_empty()) {
        let store = SqliteStore::open_existing(state).ok()??;
        let store: &dyn Store = &store;
        all.extend(store.view(|session| probe::earlier::recall(session, service, probes, now)).ok()?);
    }
    all.sort_by_key(|sample| sample.event_time);
    Some(all)
}

/// Runs a pinned suite. An analysis waits by the clock.
pub fn run_suite(name: &str, pinned: &serde_json::Value, clock: &Clock) -> VerifyOutcome {
    match suite_report(name, pinned, clock) {
        Ok(report) => VerifyOutcome { verdict: report.verdict, summary: summary(&report) },
        Err(error) => {
            VerifyOutcome { verdict: Verdict::Unknown, summary: format!("{name} UNKNOWN: {error}") }
        }
    }
}

fn suite_report(name: &str, pinned: &serde_json::Value, clock: &Clock) -> Result<verify::Report> {
    let now = clock.now()?;
    let wrong = |why: String| Error::new(ErrorCode::InvalidData, why);
    let pinned: Pinned = serde_json::from_value(pinned.clone())
        .map_err(|error| wrong(format!("the pinned configuration cannot be read: {error}")))?;
    let suite = pinned.suites.get(name).ok_or_else(|| wrong(format!("the suite `{name}` was not pinned")))?;
    let subject = Subject {
        service: pinned.service.clone(),
        root: pinned.root.clone(),
        rollback: pinned.rollback.clone(),
        serving: pinned.serving.clone(),
        suites: serde_json::Value::Null,
        phase: None,
        environment: None,
        immediate: 0,
    };
    let mut versions = rollback::version_map(&subject, &pinned.state).unwrap_or_default();
    versions.earlier = earlier(&pinned.state, &pinned.service, [&suite.probes, &pinned.probes], now);
    let request = probe::Request {
        service: &pinned.service,
        root: &pinned.root,
        now,
        versions: &versions,
        untrusted: false,
    };
    Ok(verify::run(suite, &pinned.probes, &request, &|at| clock.wait_until(at)))
}

/// `rila-smoke OK (6 of 6 expectations hold)`, and the first that does not.
fn summary(report: &verify::Report) -> String {
    let held = report.checks.iter().filter(|check| check.verdict == Verdict::Ok).count();
    let mut text =
        format!("{} {} ({held} of {} expectations hold)", report.suite, report.verdict, report.checks.len());
    if let Some(check) = report.checks.iter().find(|check| check.verdict != Verdict::Ok) {
        text.push_str(&format!("; {}: {}", check.id, check.reason));
    }
    text
}
