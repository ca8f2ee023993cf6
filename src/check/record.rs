//! Storing what was measured, and what it means for incidents.

use chrono::{DateTime, Utc};

use super::measure::Measured;
use super::{Surroundings, findings, owed, patterns, warming};
use crate::base::Result;
use crate::config::ServiceConfig;
use crate::incident::{self, Change, Finding, Ledger, Observed};
use crate::severity::Scheme;
use crate::store::Session;

/// Stores the samples and what they mean for incidents, together or not at all. Also returns whether rules are
/// warming of which this was not said before.
pub fn samples(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    measured: &Measured,
    now: DateTime<Utc>,
) -> Result<(Vec<Observed>, bool)> {
    let observations = findings::observations(service, scheme, measured);
    let work = |session: &mut dyn Session| {
        session.put_samples(&measured.samples)?;
        let mut observed = Vec::new();
        let mut ledger = Ledger::load(session, &service.service)?;
        for (observation, timings) in &observations {
            let timings = |level: &str| timings(level);
            observed.push(ledger.observe(session, observation, &service.incidents, &timings, now)?);
        }
        observed.retain(|one| one.change != Change::Quiet);
        let mut owed: Vec<_> = observed.iter().filter_map(|one| owed::of(one, now)).collect();
        owed.extend(patterns::record(session, scheme, &observed, now)?);
        owed::owe(session, &service.service, owed)?;
        Ok((observed, warming::is_news(session, service, measured)?))
    };
    let store = &surroundings.store;
    let matched = |finding: &Finding| matches!(finding, Finding::Matched { .. });
    let harmless = !observations.iter().any(|(observation, _)| matched(&observation.finding));
    if harmless
        && store.view(|session| Ok(incident::book::open(session, Some(&service.service))?.is_empty()))?
    {
        // Samples alone are safe to forget in a power failure, as if the round had been missed; thousands of services
        // need not each wait for the disk.
        let mut result = None;
        store.write_relaxed(&mut |session| {
            result = Some(work(session)?);
            Ok(())
        })?;
        return Ok(result.unwrap_or_default());
    }
    store.with(work)
}
