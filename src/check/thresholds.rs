//! `irctl check --test`: every threshold of the workspace's schemes, tried until it fires.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Result, Verdict};
use crate::config::alone::SchemePlaces;
use crate::config::{ServiceConfig, Workspace};
use crate::probe::{self, Buckets, ProbeConfig};
use crate::severity::thresholds::{self, Surroundings, ThresholdTrial};
use crate::severity::{Expression, Scheme};
use crate::store::{Sample, SampleFilter, Store};

/// What became of every threshold.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ThresholdReport {
    /// OK where every threshold fires, CRIT where one never does, UNKNOWN where there was none to try or a file with
    /// errors was left out.
    pub verdict: Verdict,
    /// How many thresholds were tried.
    pub thresholds: usize,
    /// How many never fire.
    pub never: usize,
    /// Files with errors, which were left out.
    pub left_out: Vec<String>,
    /// Scheme by scheme.
    pub schemes: Vec<SchemeReport>,
}

/// The thresholds of one scheme.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SchemeReport {
    /// The scheme.
    pub scheme: String,
    /// The file it stands in.
    pub file: String,
    /// The services that it judges.
    pub services: Vec<String>,
    /// The service whose newest samples were the starting point; absent where all values were made up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured_by: Option<String>,
    /// Optional metrics that no probe of these services emits: only an alert or a person can raise what hangs on them.
    pub by_alert_only: Vec<String>,
    /// Every threshold, in the order in which they stand.
    pub trials: Vec<ThresholdTrial>,
}

/// Tries the thresholds of the schemes that judge these services (all, and every scheme of the workspace's own, where
/// none is named), with the newest samples of `store` where there is one.
///
/// # Errors
/// An unknown service, a scheme with errors, a store that cannot be read.
pub fn run(
    workspace: &Workspace,
    store: Option<&dyn Store>,
    services: &[String],
    now: DateTime<Utc>,
) -> Result<ThresholdReport> {
    let selected = super::select(workspace, services)?;
    let mut names: BTreeSet<&str> = selected.iter().map(|service| service.scheme.as_str()).collect();
    if services.is_empty() {
        names.extend(
            workspace.schemes.keys().filter(|name| !workspace.shipped.contains(*name)).map(String::as_str),
        );
    }
    let mut schemes = Vec::new();
    for name in names {
        let judged: Vec<&ServiceConfig> =
            selected.iter().copied().filter(|service| service.scheme == name).collect();
        schemes.push(scheme(workspace, store, name, &judged, now)?);
    }
    let thresholds = schemes.iter().map(|scheme| scheme.trials.len()).sum();
    let never =
        schemes.iter().flat_map(|scheme| &scheme.trials).filter(|trial| trial.never.is_some()).count();
    let verdict = match (thresholds, never) {
        (0, _) => Verdict::Unknown,
        (_, 0) => Verdict::Ok,
        _ => Verdict::Crit,
    };
    let left_out = workspace.left_out_of_rounds();
    let verdict = if left_out.is_empty() { verdict } else { verdict.worst(Verdict::Unknown) };
    Ok(ThresholdReport { verdict, thresholds, never, left_out, schemes })
}

fn scheme(
    workspace: &Workspace,
    store: Option<&dyn Store>,
    name: &str,
    services: &[&ServiceConfig],
    now: DateTime<Utc>,
) -> Result<SchemeReport> {
    let scheme = super::measure::scheme(workspace, name)?;
    let (measured_by, samples) = newest(store, services)?;
    let measured = values(&scheme, &samples);
    let emitted = emitted(services);
    let bucketed = |metric: &str| {
        let mut own = samples.iter().filter(|sample| sample.metric == metric).peekable();
        if own.peek().is_some() {
            return Some(own.any(|sample| sample.bucket.is_some()));
        }
        emitted.get(metric).copied()
    };
    let cadence = workspace.settings.cadence;
    let mut trials = thresholds::try_all(
        &scheme,
        &Surroundings { measured: &measured, bucketed: &bucketed, cadence, now },
    );
    let places = SchemePlaces::of(workspace, name);
    let probed = services.iter().any(|service| !service.probes.is_empty());
    let mut by_alert_only = BTreeSet::new();
    for trial in &mut trials {
        trial.place = Some(places.at(&format!("/rules/{}/when", trial.index), trial.span));
        if !probed {
            continue;
        }
        for metric in metrics(&trial.threshold).into_iter().filter(|metric| !emitted.contains_key(metric)) {
            let optional = scheme.config().metrics.get(&metric).is_some_and(|metric| metric.optional);
            if optional {
                by_alert_only.insert(metric);
            } else if trial.never.is_none() {
                let names: Vec<&str> = services.iter().map(|service| service.service.as_str()).collect();
                trial.never = Some(format!("no probe of {} emits `{metric}`", names.join(", ")));
            }
        }
    }
    Ok(SchemeReport {
        scheme: name.to_owned(),
        file: places.shown.clone(),
        services: services.iter().map(|service| service.service.clone()).collect(),
        measured_by,
        by_alert_only: by_alert_only.into_iter().collect(),
        trials,
    })
}

/// The metrics of a threshold.
fn metrics(threshold: &str) -> Vec<String> {
    let parsed = Expression::parse(threshold).ok();
    parsed.iter().flat_map(Expression::metrics).map(str::to_owned).collect()
}

/// The samples of the first service that has any.
fn newest(store: Option<&dyn Store>, services: &[&ServiceConfig]) -> Result<(Option<String>, Vec<Sample>)> {
    let Some(store) = store else { return Ok((None, Vec::new())) };
    for service in services {
        let filter = SampleFilter { service: Some(service.service.clone()), ..SampleFilter::default() };
        let samples = store.view(|session| session.samples(&filter))?;
        if !samples.is_empty() {
            return Ok((Some(service.service.clone()), samples));
        }
    }
    Ok((None, Vec::new()))
}

/// The newest measured value of each series, by the name that rules have for it, in the scheme's unit.
fn values(scheme: &Scheme, samples: &[Sample]) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    for sample in samples {
        let Some(config) = scheme.config().metrics.get(&sample.metric) else { continue };
        let Some(value) = sample.measurement.value() else { continue };
        if config.unit.dimension() != sample.unit.dimension() {
            continue;
        }
        let value = value * sample.unit.factor() / config.unit.factor();
        // Samples come oldest first, so the last one stays.
        values.insert(sample.metric.clone(), value);
        if !sample.labels.is_empty() {
            let labels: Vec<String> =
                sample.labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
            values.insert(format!("{}{{{}}}", sample.metric, labels.join(", ")), value);
        }
    }
    values
}

/// Every metric that a probe of the services emits, and whether it is summed up over buckets. One service that sums it up
/// is enough.
fn emitted(services: &[&ServiceConfig]) -> BTreeMap<String, bool> {
    let mut emitted: BTreeMap<String, bool> = BTreeMap::new();
    for service in services {
        let own = summed_up(service);
        for (name, config) in &service.probes {
            for (metric, _) in probe::metrics_of(name, config) {
                let bucketed = match config.buckets(&metric) {
                    Buckets::Always => true,
                    Buckets::Never => false,
                    Buckets::As(other) => own.contains(other),
                };
                *emitted.entry(metric).or_default() |= bucketed;
            }
        }
    }
    emitted
}

/// The metrics of a service whose samples sum up stretches of time by themselves.
fn summed_up(service: &ServiceConfig) -> BTreeSet<String> {
    let of = |(name, config): (&String, &ProbeConfig)| {
        let metrics = probe::metrics_of(name, config).into_iter().map(|(metric, _)| metric);
        metrics.filter(|metric| config.buckets(metric) == Buckets::Always).collect::<Vec<_>>()
    };
    service.probes.iter().flat_map(of).collect()
}
