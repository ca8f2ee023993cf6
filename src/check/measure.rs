//! Measuring a service: its probes, what is already known, and the judgement of its scheme.

use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Surroundings;
use super::measuring::{Found, Taken};
use crate::base::{Error, ErrorCode, Result};
use crate::config::{ServiceConfig, Workspace};
use crate::probe::{self, Outcome, VersionMap};
use crate::severity::{self, Classification, Evidence, Persistence, Scheme};
use crate::store::{Sample, SampleFilter};

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

/// Judges a service by what was measured and by what is known of earlier.
pub fn classified(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    taken: Taken,
    now: DateTime<Utc>,
) -> Result<Measured> {
    let known = history(surroundings, service, scheme, now)?;
    Ok(judge(service, scheme, now, known, taken))
}

/// Measures a service once more, here and now, and judges it with what is known of earlier.
pub fn service(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    now: DateTime<Utc>,
) -> Result<Measured> {
    let known = history(surroundings, service, scheme, now)?;
    let workspace = surroundings.workspace;
    let (versions, doubt) = super::scope::versions(workspace, service);
    let root = &workspace.root;
    let request =
        probe::Request { service: &service.service, root, now, versions: &versions, untrusted: false };
    let outcomes = probe::measure_all(&service.probes, &request);
    let mut taken = Taken::new(0);
    taken.add(Found::Versions(versions, doubt));
    taken.add(Found::Outcomes(outcomes));
    Ok(judge(service, scheme, now, known, taken))
}

/// Judges a service by what was measured and by what is `known` of earlier.
pub fn judge(
    service: &ServiceConfig,
    scheme: &Scheme,
    now: DateTime<Utc>,
    mut known: Vec<Sample>,
    taken: Taken,
) -> Measured {
    let Taken { versions, doubt, outcomes, overrun, .. } = taken;
    let versions = Arc::unwrap_or_clone(versions);
    let samples: Vec<Sample> = outcomes.iter().flat_map(|outcome| outcome.samples.iter().cloned()).collect();
    known.extend(samples.iter().cloned());
    let evidence = Evidence::from_samples(&known, versions.served.as_ref(), now);
    let classification = severity::classify(scheme, &evidence);
    tracing::info!(
        service = %service.service, probes = outcomes.len(), samples = samples.len(),
        verdict = %classification.verdict, "measured"
    );
    Measured { outcomes, samples, classification, versions, doubt, overrun }
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
