//! The `baseline` probe: a metric of the same round against a number, a stored baseline, another metric, or what was
//! measured of the previous release.
//!
//! It measures nothing itself. It runs after the other probes and is handed their samples; what was measured in earlier
//! rounds comes with the versions. Without a baseline, or with one of zero, everything is undecided.

mod config;
mod source;
mod statistic;

use std::collections::BTreeMap;

use super::{Outcome, Request, VersionSource};
use crate::base::{Digest, Unit};
use crate::store::{Measurement, Sample};
pub use config::{Against, BaselineConfig, DocumentBaseline, Figure, PreviousRelease, TableBaseline};
use source::Baseline;
pub use statistic::Statistic;

/// The metrics that it emits.
pub(super) fn metrics(name: &str, config: &BaselineConfig) -> Vec<(String, Unit)> {
    emitted(name, config).into_iter().map(|(metric, figure)| (metric, figure.unit(config.unit()))).collect()
}

fn emitted(name: &str, config: &BaselineConfig) -> Vec<(String, Figure)> {
    if !config.emits.is_empty() {
        return config.emits.iter().map(|(metric, figure)| (metric.clone(), *figure)).collect();
    }
    let usual = [("baseline", Figure::Baseline), ("ratio", Figure::Ratio), ("change", Figure::Change)];
    usual.map(|(ending, figure)| (format!("{name}_{ending}"), figure)).to_vec()
}

/// Compares. `round` are the samples of the other probes of this round.
pub(super) fn measure(
    name: &str,
    config: &BaselineConfig,
    request: &Request<'_>,
    round: &[Sample],
) -> Outcome {
    let mut outcome = Outcome::new(name);
    outcome.version_source = Some(VersionSource::Adopted);
    outcome.fact("metric", config.of.clone());
    outcome.fact("against", config.against.to_string());
    let current = match newest(&config.of, request, round) {
        Ok(current) => current,
        Err(reason) => {
            let mut undecided = Outcome::undecided(name, &metrics(name, config), request, reason);
            undecided.examined = outcome.examined;
            return undecided;
        }
    };
    let mut source = source::Source::new(config, request, round);
    for sample in current {
        let baseline = source.of(&sample.labels);
        compare(name, config, request, sample, &baseline, &mut outcome);
    }
    outcome
}

/// The newest sample of the served version for each set of labels.
fn newest<'r>(metric: &str, request: &Request<'_>, round: &'r [Sample]) -> Result<Vec<&'r Sample>, String> {
    let all: Vec<&Sample> = round.iter().filter(|sample| sample.metric == metric).collect();
    if all.is_empty() {
        return Err(format!("no other probe measured `{metric}`"));
    }
    let served = request.versions.served.as_ref();
    let own =
        |sample: &&Sample| served.is_none() || sample.version.is_none() || sample.version.as_ref() == served;
    let mut newest: BTreeMap<_, &Sample> = BTreeMap::new();
    for sample in all.into_iter().filter(own) {
        let entry = newest.entry(&sample.labels).or_insert(sample);
        if sample.event_time > entry.event_time {
            *entry = sample;
        }
    }
    if newest.is_empty() {
        return Err(format!("`{metric}` was measured of other versions only, not of the one that serves"));
    }
    Ok(newest.into_values().collect())
}

fn compare(
    name: &str,
    config: &BaselineConfig,
    request: &Request<'_>,
    current: &Sample,
    baseline: &Result<Baseline, String>,
    outcome: &mut Outcome,
) {
    let labels: Vec<String> =
        current.labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
    let of = if labels.is_empty() { String::new() } else { format!("{{{}}} ", labels.join(", ")) };
    let value = in_unit(current, config.unit());
    let shown = |value: &Result<f64, String>| match value {
        Ok(value) => config.unit().show(*value),
        Err(reason) => reason.clone(),
    };
    let against = match baseline {
        Ok(baseline) => format!("{} ({})", config.unit().show(baseline.value), baseline.looked),
        Err(reason) => reason.clone(),
    };
    outcome.fact("compared", format!("{of}{} against {against}", shown(&value)));
    let mut told = false;
    for (metric, figure) in emitted(name, config) {
        let found =
            baseline.as_ref().map_err(Clone::clone).and_then(|baseline| figure.of(&value, baseline.value));
        let unit = figure.unit(config.unit());
        let mut sample = match found {
            Ok(found) => request.sample(name, &metric, found, unit),
            Err(reason) => {
                // One reason for all figures is said once.
                if !told {
                    outcome.problem(Some(&metric), format!("{of}{reason}"));
                }
                told = true;
                request.undecided(name, &metric, unit, reason)
            }
        };
        sample.labels.clone_from(&current.labels);
        sample.event_time = current.event_time;
        sample.bucket = current.bucket;
        sample.version.clone_from(&current.version);
        sample.rows = current.rows;
        sample.input = Some(input(current, baseline));
        outcome.samples.push(sample);
    }
}

/// A sample's value in a unit.
fn in_unit(sample: &Sample, unit: Unit) -> Result<f64, String> {
    match &sample.measurement {
        Measurement::Undecided(reason) => Err(format!("`{}` is undecided: {reason}", sample.metric)),
        Measurement::Value(_) if sample.unit.dimension() != unit.dimension() => {
            Err(format!("`{}` is measured as {}, not as {unit}", sample.metric, sample.unit))
        }
        Measurement::Value(value) => Ok(value * sample.unit.factor() / unit.factor()),
    }
}

/// New evidence is a new value, or a new baseline.
fn input(current: &Sample, baseline: &Result<Baseline, String>) -> Digest {
    let own =
        current.input.clone().unwrap_or_else(|| Digest::of(format!("{:?}", current.measurement).as_bytes()));
    let other = Digest::of(format!("{:?}", baseline.as_ref().map(|baseline| baseline.value)).as_bytes());
    Digest::of_parts([("current", &own), ("baseline", &other)])
}
