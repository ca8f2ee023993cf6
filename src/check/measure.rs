//! Measuring a service: its probes, what is already known, and the judgement of its scheme.

use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Surroundings;
use super::around::{self, Open};
use super::blocking::{self, Broken};
use super::measuring::{Found, Taken};
use crate::base::{Error, ErrorCode, Result};
use crate::config::{ServiceConfig, ServiceKind, Workspace};
use crate::probe::{self, Outcome, VersionMap, earlier};
use crate::severity::{self, Cause, Circumstances, Classification, Evidence, Scheme};
use crate::store::{Sample, Session};

/// What a round found out about a service.
#[derive(Debug, Clone)]
pub struct Measured {
    /// What each probe looked at and found.
    pub outcomes: Vec<Outcome>,
    /// Their samples.
    pub samples: Vec<Sample>,
    /// What the scheme makes of them.
    pub classification: Classification,
    /// Which versions there are and which serves.
    pub versions: VersionMap,
    /// Why it is not known which version serves, where it is not.
    pub doubt: Option<String>,
    /// The metrics that hang on something broken, and on what.
    pub blocked: BTreeMap<String, Cause>,
    /// The datasets that it needs and that were broken when it was judged.
    pub above: Broken,
    /// Until when the service as a whole is left alone after its beginning (UTC), where a time says so.
    pub warming_until: Option<DateTime<Utc>>,
    /// The services that need it, where it is a dataset.
    pub dependents: Vec<String>,
    /// The probes that were not measured in time.
    pub overrun: Vec<String>,
}

/// A scheme by name, compiled.
pub fn scheme(workspace: &Workspace, name: &str) -> Result<Scheme> {
    Scheme::compile(workspace.scheme(name)?).map_err(|problems| {
        let first = problems.first().map(|problem| format!("{}: {}", problem.pointer, problem.message));
        Error::new(
            ErrorCode::InvalidConfiguration,
            format!(
                "the scheme `{name}` has {} errors; the first: {}",
                problems.len(),
                first.unwrap_or_default()
            ),
        )
        .hint("`irctl config check` shows all of them in place")
    })
}

/// Schemes, each compiled once for all services of a round that it judges.
pub struct Schemes<'a> {
    workspace: &'a Workspace,
    compiled: BTreeMap<String, Arc<Scheme>>,
}

impl<'a> Schemes<'a> {
    /// Of a workspace.
    pub fn new(workspace: &'a Workspace) -> Self {
        Self { workspace, compiled: BTreeMap::new() }
    }

    /// A scheme by name.
    pub fn get(&mut self, name: &str) -> Result<Arc<Scheme>> {
        if let Some(scheme) = self.compiled.get(name) {
            return Ok(Arc::clone(scheme));
        }
        let compiled = Arc::new(scheme(self.workspace, name)?);
        self.compiled.insert(name.to_owned(), Arc::clone(&compiled));
        Ok(compiled)
    }
}

/// Measures a service once more in a round, here and now, and judges it. What probes compare with is what it was the first
/// time: the first look of the round is no earlier one.
pub fn again(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    now: DateTime<Utc>,
    first: &Measured,
) -> Result<Measured> {
    let workspace = surroundings.workspace;
    let (mut versions, doubt) = super::scope::versions(workspace, service);
    versions.earlier.clone_from(&first.versions.earlier);
    let root = &workspace.root;
    let request =
        probe::Request { service: &service.service, root, now, versions: &versions, untrusted: false };
    let outcomes = probe::measure_all(&service.probes, &request);
    let mut taken = Taken::new(0);
    taken.add(Found::Versions(versions, doubt));
    taken.add(Found::Outcomes(outcomes));
    classified(surroundings, service, scheme, taken, first.above.clone(), now)
}

/// What the probes of a service need of earlier rounds. Most need nothing.
pub fn earlier(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    now: DateTime<Utc>,
) -> Result<Option<Vec<Sample>>> {
    if earlier::remembered(&service.probes).is_empty() {
        return Ok(None);
    }
    let recall = |session: &mut dyn Session| earlier::recall(session, &service.service, &service.probes, now);
    surroundings.store.view(recall).map(Some)
}

/// Judges a service by what was measured and by what is known besides. `above` are the datasets that it needs and that are
/// broken.
pub fn classified(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    taken: Taken,
    above: Broken,
    now: DateTime<Utc>,
) -> Result<Measured> {
    let samples = taken.samples();
    let open = Open::read(surroundings, service, scheme, &taken.versions)?;
    let warms_up = scheme.warms_up() || service.warm_up.is_some();
    let began = match warms_up {
        true => around::began(surroundings, service, &taken.versions, &samples, now)?,
        false => None,
    };
    let warm_up = service.warm_up.or(scheme.config().warm_up);
    let warming_until = began.as_ref().zip(warm_up).and_then(|(began, warm_up)| warm_up.until(began.at));
    let stored = around::stored(
        surroundings,
        service,
        scheme,
        (&samples, taken.versions.served.as_ref()),
        &open,
        began.as_ref(),
        now,
    )?;
    let around = Circumstances {
        began,
        warm_up: service.warm_up,
        blocked: blocking::by_datasets(service, &above),
        open: open.rules,
    };
    let mut measured = judge(service, scheme, (taken, samples), &stored, around, now);
    measured.above = above;
    measured.warming_until = warming_until;
    if service.kind == ServiceKind::Dataset {
        measured.dependents = surroundings.workspace.dependents(&service.service).into_iter().collect();
    }
    Ok(measured)
}

/// Judges a service by what was measured alone.
pub fn alone(service: &ServiceConfig, scheme: &Scheme, taken: Taken, now: DateTime<Utc>) -> Measured {
    let samples = taken.samples();
    judge(service, scheme, (taken, samples), &[], Circumstances::default(), now)
}

fn judge(
    service: &ServiceConfig,
    scheme: &Scheme,
    (taken, samples): (Taken, Vec<Sample>),
    stored: &[Sample],
    mut around: Circumstances,
    now: DateTime<Utc>,
) -> Measured {
    let Taken { versions, doubt, outcomes, overrun, .. } = taken;
    let versions = Arc::unwrap_or_clone(versions);
    let evidence = Evidence::with_history(stored, &samples, versions.served.as_ref(), now);
    let mut classification = severity::classify_in(scheme, &evidence, &around);
    if !service.needs.is_empty() {
        let blocked = blocking::by_probes(service, scheme, &outcomes, &classification, &around.blocked);
        if blocked != around.blocked {
            around.blocked = blocked;
            classification = severity::classify_in(scheme, &evidence, &around);
        }
    }
    tracing::info!(
        service = %service.service, probes = outcomes.len(), samples = samples.len(),
        verdict = %classification.verdict, "measured"
    );
    Measured {
        outcomes,
        samples,
        classification,
        versions,
        doubt,
        blocked: around.blocked,
        above: Broken::new(),
        warming_until: None,
        dependents: Vec::new(),
        overrun,
    }
}
