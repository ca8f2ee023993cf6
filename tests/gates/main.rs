//! The gates before and after a model serves: leakage, baselines, parity, imports, test suites; from YAML to samples, and
//! through the whole program.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod baseline;
mod imports;
mod leakage;
mod linear_numbers;
mod parity;
#[path = "../support/mod.rs"]
mod support;
mod test_suite;
mod whole;

use chrono::{DateTime, Utc};
use irctl::base::Digest;
use irctl::probe::{self, Outcome, ProbeConfig, Request, VersionMap};
use irctl::store::Measurement;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A folder with files, and a clock.
struct Folder {
    directory: tempfile::TempDir,
    versions: VersionMap,
    now: DateTime<Utc>,
    untrusted: bool,
}

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
}

fn version(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

impl Folder {
    fn new() -> Self {
        let versions = VersionMap { served: Some(version("served")), ..VersionMap::default() };
        let directory = tempfile::tempdir().unwrap();
        Self { directory, versions, now: at("2026-11-20T03:00:00Z"), untrusted: false }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// The outcome of one probe called `p`.
    fn measure(&self, yaml: &str) -> Outcome {
        self.measure_all(&format!("p: {yaml}")).remove(0)
    }

    fn measure_all(&self, yaml: &str) -> Vec<Outcome> {
        let probes: BTreeMap<String, ProbeConfig> = serde_saphyr::from_str(yaml).unwrap();
        let root: &Path = self.directory.path();
        let (now, versions, untrusted) = (self.now, &self.versions, self.untrusted);
        let outcomes = probe::measure_all(&probes, &Request { service: "s", root, now, versions, untrusted });
        for (outcome, (name, config)) in outcomes.iter().zip(&probes) {
            let declared: BTreeMap<_, _> = probe::metrics_of(name, config).into_iter().collect();
            let emitted: BTreeMap<_, _> =
                outcome.samples.iter().map(|sample| (sample.metric.clone(), sample.unit)).collect();
            assert_eq!(emitted, declared, "what is declared is emitted, and nothing else");
        }
        outcomes
    }
}

/// The only sample of a metric.
#[track_caller]
fn only<'a>(outcome: &'a Outcome, metric: &str) -> &'a irctl::store::Sample {
    let found: Vec<_> = outcome.samples.iter().filter(|sample| sample.metric == metric).collect();
    assert_eq!(found.len(), 1, "{metric}: {outcome:#?}");
    found[0]
}

#[track_caller]
fn value(outcome: &Outcome, metric: &str) -> f64 {
    match &only(outcome, metric).measurement {
        Measurement::Value(value) => *value,
        Measurement::Undecided(reason) => panic!("{metric} is undecided: {reason}"),
    }
}

#[track_caller]
fn reason(outcome: &Outcome, metric: &str) -> String {
    match &only(outcome, metric).measurement {
        Measurement::Value(value) => panic!("{metric} is {value}"),
        Measurement::Undecided(reason) => reason.raw().to_owned(),
    }
}

fn fact(outcome: &Outcome, label: &str) -> String {
    let facts = outcome.examined.iter().filter(|fact| fact.label == label);
    facts.map(|fact| fact.value.raw().to_owned()).collect::<Vec<_>>().join(" | ")
}

/// Every sample is undecided, for this reason, which is also a problem.
#[track_caller]
fn nothing_decided(outcome: &Outcome, expected: &str) {
    assert!(!outcome.samples.is_empty() && !outcome.problems.is_empty(), "{outcome:#?}");
    for sample in &outcome.samples {
        match &sample.measurement {
            Measurement::Undecided(why) if why.raw().contains(expected) => {}
            other => panic!("{}: {other:?}, expected: {expected}", sample.metric),
        }
    }
}

/// The python of this machine.
fn python() -> String {
    let output = std::process::Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .expect("this test needs Python: apt-get install python3");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
