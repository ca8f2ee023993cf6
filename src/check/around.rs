//! What is known besides the samples of a round: which incidents are open, and when what serves began to serve.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};

use super::Surroundings;
use crate::base::{Digest, Result, Unit};
use crate::config::ServiceConfig;
use crate::incident::{self, Incident};
use crate::probe::VersionMap;
use crate::rollback::evidence;
use crate::severity::{Began, Scheme};
use crate::store::{Sample, SampleFilter};

/// How far back samples are counted where it is not known when something began to serve.
const COUNTED: TimeDelta = TimeDelta::days(90);

/// How far back the samples of a match that is kept until a condition holds are looked at; before that, its open
/// incident tells that it matched.
const KEPT: TimeDelta = TimeDelta::days(7);

/// The open incidents that keep rules matching: those of the version that serves.
pub struct Open {
    /// By symptom, the rules that the incident names.
    pub rules: BTreeMap<String, BTreeSet<String>>,
    /// Since when the oldest of them lasts (UTC).
    since: Option<DateTime<Utc>>,
}

impl Open {
    /// None.
    pub const NONE: Open = Open { rules: BTreeMap::new(), since: None };

    /// Reads them, where a rule of the scheme asks.
    pub fn read(
        surroundings: &Surroundings<'_>,
        service: &ServiceConfig,
        scheme: &Scheme,
        versions: &VersionMap,
    ) -> Result<Self> {
        if !scheme.keeps() {
            return Ok(Self::NONE);
        }
        let name = Some(service.service.as_str());
        let incidents = surroundings.store.view(|session| incident::book::open(session, name))?;
        let own = |incident: &&Incident| match (&incident.version, &versions.served) {
            (Some(version), Some(served)) => version == served,
            _ => true,
        };
        let mut open = Self::NONE;
        for incident in incidents.iter().filter(own) {
            let rules = incident.rules.iter().map(|rule| rule.id.clone());
            open.rules.entry(incident.symptom.clone()).or_default().extend(rules);
            open.since = Some(open.since.map_or(incident.episode_at, |at| at.min(incident.episode_at)));
        }
        Ok(open)
    }
}

/// When what serves now began to: the later of its version's beginning and its last restart.
pub fn began(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    versions: &VersionMap,
    samples: &[Sample],
    now: DateTime<Utc>,
) -> Result<Option<Began>> {
    let version = version_began(surroundings, service, versions, now)?;
    let restart = restarted(service, samples, now);
    Ok(match (version, restart) {
        (Some(version), Some(restart)) if version.at > restart.at => Some(version),
        (version, restart) => restart.or(version),
    })
}

/// Since when the served version serves, where another one was seen before it or its deployment is known.
fn version_began(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    versions: &VersionMap,
    now: DateTime<Utc>,
) -> Result<Option<Began>> {
    let Some(served) = &versions.served else { return Ok(None) };
    let known = evidence::load(&surroundings.workspace.state, &service.service)?;
    let mut periods = known.periods.iter().rev();
    // It was first seen at some time, after another one was seen last: it began between the two.
    let (before, seen) = match periods.next() {
        Some(last) if last.version == *served => (periods.next().map(|one| one.until), Some(last.from)),
        Some(last) => (Some(last.until), Some(now)),
        None => (None, None),
    };
    let deployed = versions.deployments.iter().rev().find(|(at, version)| version == served && *at <= now);
    let deployed = deployed.map(|(at, _)| *at).filter(|at| before.is_none_or(|before| *at >= before));
    let deployed = deployed.filter(|at| seen.is_none_or(|seen| *at <= seen));
    let at = deployed.or(seen.filter(|_| before.is_some()));
    Ok(at.map(|at| Began { at, what: format!("version {} began to serve", served.short()) }))
}

/// The last restart, by the metric that says for how long the service has been running. Of several instances the one
/// that was started last counts.
fn restarted(service: &ServiceConfig, samples: &[Sample], now: DateTime<Utc>) -> Option<Began> {
    let metric = service.uptime.as_deref()?;
    let own = samples.iter().filter(|sample| sample.metric == metric);
    let milliseconds = own.filter_map(|sample| {
        let value = sample.measurement.value()? * sample.unit.factor() / Unit::Milliseconds.factor();
        (value.is_finite() && value >= 0.0).then_some((value, sample.event_time))
    });
    let starts = milliseconds.filter_map(|(value, at)| {
        // Ten years up are as good as forever, and no number that a time could not hold.
        let value = value.min(3.2e11) as i64;
        at.checked_sub_signed(TimeDelta::milliseconds(value))
    });
    let at = starts.max()?.min(now);
    Some(Began { at, what: "it was restarted".to_owned() })
}

/// What earlier rounds stored, as far back as the rules look.
pub fn stored(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    (samples, served): (&[Sample], Option<&Digest>),
    open: &Open,
    began: Option<&Began>,
    now: DateTime<Utc>,
) -> Result<Vec<Sample>> {
    let age = open.since.map(|since| (now - since).clamp(TimeDelta::zero(), KEPT));
    let by_time = scheme.reach(age).map(|reach| now - reach);
    let counts = scheme.samples_to_warm_up(service.warm_up).is_some();
    let by_count = counts.then(|| began.map_or(now - COUNTED, |began| began.at));
    let earliest = [by_time, by_count, buckets_since(scheme, samples, served)].into_iter().flatten().min();
    let Some(since) = earliest else { return Ok(Vec::new()) };
    let filter =
        SampleFilter { service: Some(service.service.clone()), since: Some(since), ..Default::default() };
    surroundings.store.view(|session| session.samples(&filter))
}

/// From when on stored buckets are needed: where a source tells fewer of them than a rule asks for, of what serves.
fn buckets_since(scheme: &Scheme, samples: &[Sample], served: Option<&Digest>) -> Option<DateTime<Utc>> {
    let wanted = scheme.buckets();
    let own =
        |sample: &&Sample| served.is_none() || sample.version.is_none() || sample.version.as_ref() == served;
    let mut series: BTreeMap<_, (u16, BTreeSet<_>)> = BTreeMap::new();
    for sample in samples.iter().filter(own) {
        if let (Some(bucket), Some(count)) = (sample.bucket, wanted.get(sample.metric.as_str())) {
            let (_, buckets) =
                series.entry((&sample.metric, &sample.labels)).or_insert_with(|| (*count, BTreeSet::new()));
            buckets.insert(bucket);
        }
    }
    let short = series.values().filter(|(count, buckets)| buckets.len() < usize::from(*count));
    short
        .filter_map(|(count, buckets)| {
            let newest = buckets.last()?;
            // Months differ in length, and days by an hour.
            let length = (newest.end - newest.start).max(TimeDelta::minutes(1)) * 5 / 4;
            newest.end.checked_sub_signed(length * (i32::from(*count) + 1))
        })
        .min()
}
