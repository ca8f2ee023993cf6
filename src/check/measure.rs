//! Measuring a service: its probes, what is already known, and the judgement of its scheme.

use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

use super::Surroundings;
use super::around::{self, Open};
use super::blocking::{self, Broken};
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
    /// The datasets that were broken when it was measured.
    pub above: Broken,
    /// Until when the service as a whole is left alone after its beginning (UTC), where a time says so.
    pub warming_until: Option<DateTime<Utc>>,
    /// The services that need it, where it is a dataset.
    pub dependents: Vec<String>,
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

/// Measures and judges a service. `broken` are the datasets that are broken in this round.
pub fn service(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    broken: &Broken,
    now: DateTime<Utc>,
) -> Result<Measured> {
    let earlier = earlier(surroundings, service, now)?;
    with_earlier(surroundings, service, scheme, (broken, earlier), now)
}

/// Measures and judges a service once more in a round. What probes compare with is what it was the first time: the first
/// look of the round is no earlier one.
pub fn again(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    now: DateTime<Utc>,
    first: &Measured,
) -> Result<Measured> {
    with_earlier(surroundings, service, scheme, (&first.above, first.versions.earlier.clone()), now)
}

/// What the probes of a service need of earlier rounds. Most need nothing.
fn earlier(
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

fn with_earlier(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    (broken, earlier): (&Broken, Option<Vec<Sample>>),
    now: DateTime<Utc>,
) -> Result<Measured> {
    let taken = take(surroundings.workspace, service, earlier, now);
    let open = Open::read(surroundings, service, scheme, &taken.versions)?;
    let warms_up = scheme.warms_up() || service.warm_up.is_some();
    let began = match warms_up {
        true => around::began(surroundings, service, &taken.versions, &taken.samples, now)?,
        false => None,
    };
    let warm_up = service.warm_up.or(scheme.config().warm_up);
    let warming_until = began.as_ref().zip(warm_up).and_then(|(began, warm_up)| warm_up.until(began.at));
    let stored = around::stored(surroundings, service, scheme, &taken.samples, &open, began.as_ref(), now)?;
    let around = Circumstances {
        began,
        warm_up: service.warm_up,
        blocked: blocking::by_datasets(service, broken),
        open: open.rules,
    };
    let mut measured = judge(service, scheme, taken, &stored, around, now);
    measured.above = broken.clone();
    measured.warming_until = warming_until;
    if service.kind == ServiceKind::Dataset {
        measured.dependents = surroundings.workspace.dependents(&service.service).into_iter().collect();
    }
    Ok(measured)
}

/// Measures a service and judges it by that alone.
pub fn alone(
    workspace: &Workspace,
    service: &ServiceConfig,
    scheme: &Scheme,
    now: DateTime<Utc>,
) -> Measured {
    judge(service, scheme, take(workspace, service, None, now), &[], Circumstances::default(), now)
}

/// What the probes of a service said.
struct Taken {
    outcomes: Vec<Outcome>,
    samples: Vec<Sample>,
    versions: VersionMap,
    doubt: Option<String>,
}

fn take(
    workspace: &Workspace,
    service: &ServiceConfig,
    earlier: Option<Vec<Sample>>,
    now: DateTime<Utc>,
) -> Taken {
    let (mut versions, doubt) = super::scope::versions(workspace, service);
    versions.earlier = earlier;
    let root = &workspace.root;
    let request =
        probe::Request { service: &service.service, root, now, versions: &versions, untrusted: false };
    let outcomes = probe::measure_all(&service.probes, &request);
    let samples = outcomes.iter().flat_map(|outcome| outcome.samples.iter().cloned()).collect();
    Taken { outcomes, samples, versions, doubt }
}

fn judge(
    service: &ServiceConfig,
    scheme: &Scheme,
    taken: Taken,
    stored: &[Sample],
    mut around: Circumstances,
    now: DateTime<Utc>,
) -> Measured {
    let Taken { outcomes, samples, versions, doubt } = taken;
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
    }
}
