//! One expectation against what the probes measured.

use std::collections::{BTreeMap, BTreeSet};

use super::analysis::AnalysisConfig;
use super::condition::{self, Held};
use super::config::ExpectationConfig;
use super::report::{Check, Value};
use super::selection::{self, Selection};
use crate::base::{Digest, Unit, Untrusted, Verdict};
use crate::probe::{Outcome, ProbeConfig, Request};
use crate::severity::Expression;
use crate::store::{Measurement, Sample};

/// Everything an expectation is judged by.
pub(super) struct Evidence<'run> {
    pub selection: &'run Selection,
    pub outcomes: &'run [Outcome],
    pub request: &'run Request<'run>,
    units: BTreeMap<String, Unit>,
    samples: Vec<Sample>,
}

impl<'run> Evidence<'run> {
    /// Gathers it.
    pub fn new(selection: &'run Selection, outcomes: &'run [Outcome], request: &'run Request<'run>) -> Self {
        let samples = outcomes.iter().flat_map(|outcome| outcome.samples.iter().cloned()).collect();
        Self { selection, outcomes, request, units: selection.units(), samples }
    }

    /// Whether a probe is one that was not run because the configuration is not trusted.
    fn not_run(&self, probe: &str) -> bool {
        self.request.untrusted && self.selection.probes.get(probe).is_some_and(ProbeConfig::needs_trust)
    }
}

/// Judges.
pub(super) fn judge(expectation: &ExpectationConfig, evidence: &Evidence<'_>) -> Check {
    let mut check = Check {
        id: expectation.id.clone().unwrap_or_else(|| expectation.text()),
        description: expectation.description.clone(),
        expected: expectation.text(),
        severity: expectation.severity,
        verdict: Verdict::Unknown,
        reason: Untrusted::default(),
        values: Vec::new(),
        distance: None,
        probes: Vec::new(),
        rows: 0,
        newest: None,
        samples: Vec::new(),
    };
    if let Err(faults) = selection::check(expectation, evidence.selection) {
        check.reason = selection::explain(&faults).into();
        return check;
    }
    match (&expectation.that, &expectation.probe) {
        (Some(that), _) => by_condition(&mut check, that, evidence),
        (None, Some(probe)) => by_probe(&mut check, probe, evidence),
        (None, None) => {
            if let Some(analysis) = &expectation.analysis {
                by_analysis(&mut check, analysis, evidence);
            }
        }
    }
    let asks = expectation.analysis.as_ref().is_some_and(|analysis| analysis.prometheus.is_some());
    let not_run = check.probes.iter().any(|probe| evidence.not_run(probe));
    if check.verdict == Verdict::Unknown && (not_run || (asks && evidence.request.untrusted)) {
        check.verdict = Verdict::Blocked;
        check.reason = "not run: only data probes run from an untrusted configuration".into();
    }
    check
}

fn by_condition(check: &mut Check, that: &Expression, evidence: &Evidence<'_>) {
    let metrics: Vec<String> = that.metrics().into_iter().map(str::to_owned).collect();
    check.probes = evidence.selection.probes_of(&metrics).into_iter().map(str::to_owned).collect();
    let condition = match condition::compile(that, &evidence.units) {
        Ok(condition) => condition,
        Err(faults) => {
            check.reason = selection::explain(&faults).into();
            return;
        }
    };
    let request = evidence.request;
    let finding = condition.judge(&evidence.samples, request.versions.served.as_ref(), request.now);
    check.verdict = match finding.held {
        Held::Yes => Verdict::Ok,
        Held::No => check.severity.verdict(),
        Held::Undecided => Verdict::Unknown,
    };
    check.reason = finding.reason.into();
    check.distance = finding.distance;
    check.rows = newest(&metrics, evidence).map(|sample| sample.rows).max().unwrap_or(0);
    check.newest = finding.newest;
    check.values = values(&metrics, &finding.values, evidence);
}

/// The values used; of a metric without one, the newest reason why.
fn values(metrics: &[String], used: &BTreeMap<String, f64>, evidence: &Evidence<'_>) -> Vec<Value> {
    // A key is a metric's name, with its labels in braces where the expression asks for some.
    let name = |key: &str| key.split('{').next().unwrap_or_default().trim().to_owned();
    let mut values: Vec<Value> = used
        .iter()
        .map(|(key, value)| {
            let unit = evidence.units.get(&name(key)).copied().unwrap_or(Unit::Number);
            Value { metric: key.clone(), value: Some(*value), unit, text: unit.show(*value).into() }
        })
        .collect();
    let known: BTreeSet<String> = used.keys().map(|key| name(key)).collect();
    for metric in metrics.iter().filter(|metric| !known.contains(*metric)) {
        let newest = newest(std::slice::from_ref(metric), evidence).next();
        let text = match newest.map(|sample| &sample.measurement) {
            Some(Measurement::Undecided(reason)) => reason.clone(),
            Some(Measurement::Value(_)) => "not of the served version".into(),
            None => "not measured".into(),
        };
        let unit = evidence.units.get(metric).copied().unwrap_or(Unit::Number);
        values.push(Value { metric: metric.clone(), value: None, unit, text });
    }
    values
}

/// The newest sample of each metric.
fn newest<'a>(metrics: &'a [String], evidence: &'a Evidence<'_>) -> impl Iterator<Item = &'a Sample> {
    metrics.iter().filter_map(|metric| {
        let own = evidence.samples.iter().filter(|sample| &sample.metric == metric);
        own.max_by_key(|sample| sample.event_time)
    })
}

/// What an analysis rests on; its samples are taken when everything else is judged.
fn by_analysis(check: &mut Check, analysis: &AnalysisConfig, evidence: &Evidence<'_>) {
    let compared = analysis.compare.as_ref().and_then(|compare| compare.metric.clone());
    let metrics: Vec<String> = analysis.metric.iter().cloned().chain(compared).collect();
    check.probes = evidence.selection.probes_of(&metrics).into_iter().map(str::to_owned).collect();
    check.reason = "no sample was taken".into();
}

/// A probe holds if everything it is there for was measured, and what it says about existence and success is yes.
fn by_probe(check: &mut Check, probe: &str, evidence: &Evidence<'_>) {
    check.probes = vec![probe.to_owned()];
    let Some(outcome) = evidence.outcomes.iter().find(|outcome| outcome.probe == probe) else {
        check.reason = "it was not measured".into();
        return;
    };
    let current = current(outcome, evidence.request.versions.served.as_ref());
    check.rows = current.iter().map(|sample| sample.rows).max().unwrap_or(0);
    check.newest = current.iter().map(|sample| sample.event_time).max();
    let asserts = |sample: &&&Sample| {
        let name = sample.metric.strip_prefix(probe).unwrap_or_default();
        sample.unit == Unit::Flag && matches!(name, "_exists" | "_succeeded")
    };
    check.values = current.iter().filter(asserts).map(|sample| value(sample)).collect();
    if let Some(bad) = current.iter().filter(asserts).find(|sample| sample.measurement.value() == Some(0.0)) {
        check.verdict = check.severity.verdict();
        check.reason = format!("{} is no", bad.metric).into();
        return;
    }
    let promised = evidence.selection.metrics.iter().filter(|(_, (_, probes))| probes.contains(probe));
    let absent: Vec<_> =
        promised.filter(|(metric, _)| !current.iter().any(|sample| &sample.metric == *metric)).collect();
    let undecided: Vec<_> = current.iter().filter(|sample| sample.measurement.value().is_none()).collect();
    check.reason = match (undecided.first(), absent.first()) {
        (Some(first), _) => {
            format!("{} undecided: {}: {}", undecided.len(), first.metric, value(first).text).into()
        }
        (None, Some((metric, _))) => {
            format!("{} not measured of the served version: {metric}", absent.len()).into()
        }
        (None, None) if current.is_empty() => "it measured nothing".into(),
        (None, None) => {
            check.verdict = Verdict::Ok;
            let count = current.len();
            if count == 1 { "measured".into() } else { format!("all {count} metrics measured").into() }
        }
    };
}

/// The newest sample of every series that belongs to the served version, or to none that is known.
pub(super) fn current<'a>(outcome: &'a Outcome, served: Option<&Digest>) -> Vec<&'a Sample> {
    let mut newest: BTreeMap<_, &Sample> = BTreeMap::new();
    for sample in &outcome.samples {
        let foreign = matches!((served, &sample.version), (Some(served), Some(own)) if served != own);
        let series = (&sample.metric, &sample.labels);
        if !foreign && newest.get(&series).is_none_or(|other| other.event_time <= sample.event_time) {
            newest.insert(series, sample);
        }
    }
    newest.into_values().collect()
}

fn value(sample: &Sample) -> Value {
    let text = match &sample.measurement {
        Measurement::Value(value) => sample.unit.show(*value).into(),
        Measurement::Undecided(reason) => reason.clone(),
    };
    Value { metric: sample.metric.clone(), value: sample.measurement.value(), unit: sample.unit, text }
}
