//! Measuring a service: its probes, what is already known, and the judgement of its scheme.

use chrono::{DateTime, Utc};

use super::Surroundings;
use crate::base::{Error, ErrorCode, Result};
use crate::config::{ServiceConfig, Workspace};
use crate::probe::{self, Outcome, VersionMap, earlier};
use crate::severity::{self, Classification, Evidence, Persistence, Scheme};
use crate::store::{Sample, SampleFilter, Session};

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

/// Measures and judges a service.
pub fn service(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    now: DateTime<Utc>,
) -> Result<Measured> {
    let known = history(surroundings, service, scheme, now)?;
    let earlier = earlier(surroundings, service, now)?;
    Ok(judged(surroundings.workspace, service, scheme, now, Known { samples: known, earlier }))
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
    let samples = history(surroundings, service, scheme, now)?;
    let known = Known { samples, earlier: first.versions.earlier.clone() };
    Ok(judged(surroundings.workspace, service, scheme, now, known))
}

/// What is known before a round.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Samples of earlier rounds that rules look back on.
    pub samples: Vec<Sample>,
    /// Samples of earlier rounds that probes compare with; absent where they cannot be read.
    pub earlier: Option<Vec<Sample>>,
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

/// Measures a service and judges it by that and by what is `known` of earlier.
pub fn judged(
    workspace: &Workspace,
    service: &ServiceConfig,
    scheme: &Scheme,
    now: DateTime<Utc>,
    known: Known,
) -> Measured {
    let (mut versions, doubt) = super::scope::versions(workspace, service);
    versions.earlier = known.earlier;
    let mut known = known.samples;
    let root = &workspace.root;
    let request =
        probe::Request { service: &service.service, root, now, versions: &versions, untrusted: false };
    let outcomes = probe::measure_all(&service.probes, &request);
    let samples: Vec<Sample> = outcomes.iter().flat_map(|outcome| outcome.samples.iter().cloned()).collect();
    known.extend(samples.iter().cloned());
    let evidence = Evidence::from_samples(&known, versions.served.as_ref(), now);
    let classification = severity::classify(scheme, &evidence);
    tracing::info!(
        service = %service.service, probes = outcomes.len(), samples = samples.len(),
        verdict = %classification.verdict, "measured"
    );
    Measured { outcomes, samples, classification, versions, doubt }
}

/// Earlier samples, as far back as the rules that ask for a duration look.
fn history(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    now: DateTime<Utc>,
) -> Result<Vec<Sample>> {
    let longest = scheme.config().rules.iter().filter_map(|rule| match rule.persistence {
        Some(Persistence::Duration(duration)) => Some(duration.approximate()),
        _ => None,
    });
    let Some(longest) = longest.max() else { return Ok(Vec::new()) };
    // Twice as long, so that the sample before the stretch is seen too.
    let since = now - longest - longest;
    let filter =
        SampleFilter { service: Some(service.service.clone()), since: Some(since), ..Default::default() };
    surroundings.store.view(|session| session.samples(&filter))
}
