//! What was measured in earlier rounds, for the probes that compare with it.
//!
//! A probe never asks the store itself. It names the metrics that it needs ([`ProbeConfig::remembers`]), whoever runs a
//! round reads their samples and hands them over with the versions: `VersionMap::earlier`.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};

use super::ProbeConfig;
use crate::base::Result;
use crate::store::{Sample, SampleFilter, Session};

/// How far back samples are handed over.
const REACH: TimeDelta = TimeDelta::days(90);

/// The metrics whose earlier samples these probes need.
pub fn remembered(probes: &BTreeMap<String, ProbeConfig>) -> BTreeSet<String> {
    probes.iter().filter_map(|(name, probe)| probe.remembers(name)).collect()
}

/// The earlier samples of a service that its probes need, oldest first: those of the last 90 days that are older than
/// `now`. A round that is run again at the same instant finds the same.
pub fn recall(
    session: &mut dyn Session,
    service: &str,
    probes: &BTreeMap<String, ProbeConfig>,
    now: DateTime<Utc>,
) -> Result<Vec<Sample>> {
    let mut all = Vec::new();
    for metric in remembered(probes) {
        let filter = SampleFilter {
            service: Some(service.to_owned()),
            metric: Some(metric),
            since: Some(now - REACH),
            as_of: Some(now),
        };
        all.extend(session.samples(&filter)?);
    }
    all.retain(|sample| sample.event_time < now && sample.recorded_at < now);
    all.sort_by_key(|sample| sample.event_time);
    Ok(all)
}
