//! The data probes, from YAML to samples, on files written by the tests and on the shipped fixtures.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod calibration;
mod coefficients;
mod drift;
mod files;
mod fixtures;
mod forecast;
mod machine;
mod returns;
mod shuffled;
mod table;

#[path = "../support/mod.rs"]
mod support;

use chrono::{DateTime, Utc};
use irctl::base::Digest;
use irctl::probe::{self, Outcome, ProbeConfig, Request, VersionMap};
use irctl::store::{Measurement, Sample};
use std::collections::BTreeMap;
use std::path::Path;

/// A folder with files, and a clock: the fixtures' night.
struct Workspace {
    directory: tempfile::TempDir,
    versions: VersionMap,
    now: DateTime<Utc>,
}

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
}

impl Workspace {
    fn new() -> Self {
        let versions = VersionMap { served: Some(version("served")), ..VersionMap::default() };
        Self { directory: tempfile::tempdir().unwrap(), versions, now: at("2026-11-20T03:00:00Z") }
    }

    fn root(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        std::fs::write(self.root().join(path), content).unwrap();
        self
    }

    /// The outcome of one probe called `p`.
    fn measure(&self, yaml: &str) -> Outcome {
        let outcomes = self.measure_all(&format!("p: {yaml}"));
        assert_eq!(outcomes.len(), 1);
        outcomes.into_iter().next().unwrap()
    }

    /// The outcome of one probe called `p` of a configuration that is trusted.
    fn trusted(&self, yaml: &str) -> Outcome {
        let request = Request { untrusted: false, ..self.request(self.root()) };
        Self::measured(&format!("p: {yaml}"), &request).remove(0)
    }

    fn measure_all(&self, yaml: &str) -> Vec<Outcome> {
        Self::measured(yaml, &self.request(self.root()))
    }

    fn measured(yaml: &str, request: &Request<'_>) -> Vec<Outcome> {
        let probes: BTreeMap<String, ProbeConfig> = serde_saphyr::from_str(yaml).unwrap();
        let outcomes = probe::measure_all(&probes, request);
        for (outcome, (name, config)) in outcomes.iter().zip(&probes) {
            let declared: BTreeMap<_, _> = probe::metrics_of(name, config).into_iter().collect();
            for sample in &outcome.samples {
                assert_eq!(
                    declared.get(&sample.metric),
                    Some(&sample.unit),
                    "{} is not declared",
                    sample.metric
                );
            }
        }
        outcomes
    }

    fn request<'a>(&'a self, root: &'a Path) -> Request<'a> {
        Request { service: "s", root, now: self.now, versions: &self.versions, untrusted: true }
    }
}

fn version(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

/// The samples of a metric, in order.
fn samples<'a>(outcome: &'a Outcome, metric: &str) -> Vec<&'a Sample> {
    outcome.samples.iter().filter(|sample| sample.metric == metric).collect()
}

/// The only sample of a metric.
fn only<'a>(outcome: &'a Outcome, metric: &str) -> &'a Sample {
    let samples = samples(outcome, metric);
    assert_eq!(samples.len(), 1, "{metric}: {:#?}", outcome);
    samples[0]
}

fn value(outcome: &Outcome, metric: &str) -> f64 {
    match &only(outcome, metric).measurement {
        Measurement::Value(value) => *value,
        Measurement::Undecided(reason) => panic!("{metric} is undecided: {reason}"),
    }
}

fn reason(outcome: &Outcome, metric: &str) -> String {
    match &only(outcome, metric).measurement {
        Measurement::Value(value) => panic!("{metric} is {value}"),
        Measurement::Undecided(reason) => reason.raw().to_owned(),
    }
}

/// The samples of a metric that belong to a version.
fn of<'a>(outcome: &'a Outcome, metric: &str, version: &Digest) -> Vec<&'a Sample> {
    let all = outcome.samples.iter();
    all.filter(|sample| sample.metric == metric && sample.version.as_ref() == Some(version)).collect()
}

fn fact(outcome: &Outcome, label: &str) -> String {
    let facts = outcome.examined.iter().filter(|fact| fact.label == label);
    facts.map(|fact| fact.value.raw().to_owned()).collect::<Vec<_>>().join(" | ")
}

/// The sample of a metric with this label, and its value or the reason why there is none.
fn labelled(outcome: &Outcome, metric: &str, label: (&str, &str)) -> Result<f64, String> {
    let all = samples(outcome, metric);
    let own: Vec<_> =
        all.iter().filter(|sample| sample.labels.get(label.0).is_some_and(|v| v == label.1)).collect();
    assert_eq!(own.len(), 1, "{metric} {label:?}: {outcome:#?}");
    match &own[0].measurement {
        Measurement::Value(value) => Ok(*value),
        Measurement::Undecided(reason) => Err(reason.raw().to_owned()),
    }
}

/// A file of fixtures/statistics.
fn statistics(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/statistics").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// A number that NumPy, SciPy or scikit-learn found, by pointer into fixtures/statistics/expected.json.
fn expected(pointer: &str) -> f64 {
    let document: serde_json::Value = serde_json::from_str(&statistics("expected.json")).unwrap();
    document.pointer(pointer).and_then(serde_json::Value::as_f64).unwrap_or_else(|| panic!("{pointer}"))
}

/// Whether two numbers are the same but for rounding.
fn near(found: f64, wanted: f64, what: &str) {
    assert!((found - wanted).abs() <= 1e-9 * wanted.abs().max(1e-3), "{what}: {found} is not {wanted}");
}
