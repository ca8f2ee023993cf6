//! Storing what was measured, and what it means for incidents.

use chrono::{DateTime, Utc};

use super::measure::Measured;
use super::{Surroundings, findings, news, owed, patterns, standing, warming};
use crate::base::{Result, Verdict};
use crate::config::ServiceConfig;
use crate::incident::{Change, Ledger, Observed};
use crate::severity::Scheme;
use crate::store::Session;

/// Stores the samples of a service and what they mean for its incidents, together or not at all. Also returns whether
/// rules are warming of which this was not said before.
pub fn samples(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    measured: &Measured,
    now: DateTime<Utc>,
) -> Result<(Vec<Observed>, bool)> {
    let store = &surroundings.store;
    if waits_for_disk(service) {
        return store.with(|session| within(session, service, scheme, measured, now));
    }
    let mut result = None;
    store.write_relaxed(&mut |session| {
        result = Some(within(session, service, scheme, measured, now)?);
        Ok(())
    })?;
    Ok(result.unwrap_or_default())
}

/// Whether what a round writes down of it is waited for: where consumers are stopped next, in the name of an incident.
/// Of all others the round waits once, before anybody is told.
fn waits_for_disk(service: &ServiceConfig) -> bool {
    service.rollback.as_ref().is_some_and(|rollback| !rollback.contain.is_empty())
}

/// [`samples`], in the transaction of the caller.
pub fn within(
    session: &mut dyn Session,
    service: &ServiceConfig,
    scheme: &Scheme,
    measured: &Measured,
    now: DateTime<Utc>,
) -> Result<(Vec<Observed>, bool)> {
    session.put_samples(&measured.samples)?;
    let mut observed = Vec::new();
    let mut ledger = Ledger::load(session, &service.service)?;
    for (observation, timings) in &findings::observations(service, scheme, measured) {
        let timings = |level: &str| timings(level);
        let one = ledger.observe(session, observation, &service.incidents, &timings, now)?;
        if one.change != Change::Quiet {
            observed.push(one);
        }
    }
    let mut owed: Vec<_> = observed.iter().filter_map(|one| owed::of(one, now)).collect();
    owed.extend(patterns::record(session, scheme, &observed, now)?);
    owed::owe(session, &service.service, owed)?;
    let known = if measured.doubt.is_some() { Verdict::Unknown } else { Verdict::Ok };
    let why = measured.doubt.clone().or_else(|| news::reason(&measured.classification));
    standing::judged(
        session,
        &service.service,
        measured.classification.verdict.worst(known),
        why.as_deref(),
    )?;
    Ok((observed, warming::is_news(session, service, measured)?))
}
