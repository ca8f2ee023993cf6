//! What is shipped for the procedures of RILA and of Protocol 25, put over good and bad data through the whole program:
//! every rule of both schemes is quiet over the first and fires over the second, by the probe that measures it for real.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../support/kubernetes.rs"]
#[allow(dead_code, unused_imports, reason = "other tests use the rest")]
mod double;
#[path = "../support/postgres.rs"]
mod postgres_server;
mod protocol_25;
mod rila;
#[path = "../support/s3.rs"]
mod s3_server;
#[path = "../support/mod.rs"]
mod support;
mod templates;

use irctl::probe::{Buckets, ProbeConfig, metrics_of};
use irctl::severity::{Scheme, resolve_scheme};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use support::{Run, Workspace, copy_tree, repository};

/// A template of a service, with some of its texts replaced by others, as somebody who copies it does.
fn template(name: &str, own: &[(&str, &str)]) -> Value {
    let path = repository().join("config/services/templates").join(format!("{name}.yaml"));
    let mut text = std::fs::read_to_string(path).unwrap();
    for (theirs, mine) in own {
        assert!(text.contains(theirs), "{name}.yaml does not say {theirs}");
        text = text.replace(theirs, mine);
    }
    serde_saphyr::from_str(&text).unwrap()
}

/// Which metrics each probe of a service measures.
fn measured(service: &Value) -> BTreeMap<String, Vec<String>> {
    let probes: BTreeMap<String, ProbeConfig> = serde_json::from_value(service["probes"].clone()).unwrap();
    let of = |(name, config): (&String, &ProbeConfig)| {
        (name.clone(), metrics_of(name, config).into_iter().map(|(metric, _)| metric).collect())
    };
    probes.iter().map(of).collect()
}

/// The service with only those of its probes that measure one of these metrics, and what these compare.
fn only(service: &Value, metrics: &[&str]) -> Value {
    let probes: BTreeMap<String, ProbeConfig> = serde_json::from_value(service["probes"].clone()).unwrap();
    let measured = measured(service);
    let mut wanted: BTreeSet<&str> = metrics.iter().copied().collect();
    for (name, config) in &probes {
        if measured[name].iter().any(|metric| metrics.contains(&metric.as_str())) {
            wanted.extend(config.needs_metrics());
        }
    }
    let mut service = service.clone();
    let keep = |name: &str| measured[name].iter().any(|metric| wanted.contains(metric.as_str()));
    service["probes"].as_object_mut().unwrap().retain(|name, _| keep(name));
    assert!(!service["probes"].as_object().unwrap().is_empty(), "nothing measures {metrics:?}");
    service
}

/// A rule of a shipped scheme: its level, and the metrics that it reads.
fn rule(scheme: &str, id: &str) -> (String, Vec<String>) {
    let scheme = Scheme::compile(&resolve_scheme(scheme, None).unwrap()).unwrap();
    let rule = scheme.rule(id).unwrap_or_else(|| panic!("there is no rule {id}"));
    (rule.level.clone(), rule.when.metrics().into_iter().map(str::to_owned).collect())
}

/// The rules of a shipped scheme.
fn rules(scheme: &str) -> BTreeSet<String> {
    let scheme = resolve_scheme(scheme, None).unwrap();
    scheme.rules.iter().map(|rule| rule.id.clone()).collect()
}

/// Lays a folder of the fixtures over a workspace.
fn lay_over(workspace: &Workspace, folder: &str) {
    let folder = repository().join("fixtures").join(folder);
    assert!(folder.is_dir(), "{}", folder.display());
    copy_tree(&folder, &workspace.root());
}

/// What a round made of the rules of the only service.
struct Round {
    run: Run,
    service: Value,
}

impl Round {
    fn of(run: Run) -> Self {
        let service = run.json()["services"][0].clone();
        Self { run, service }
    }

    /// The rules that came out like this.
    fn rules(&self, outcome: &str) -> BTreeSet<String> {
        let rules = self.service["classification"]["rules"].as_array().unwrap();
        let rules = rules.iter().filter(|rule| rule["outcome"] == outcome);
        rules.map(|rule| rule["rule"].as_str().unwrap().to_owned()).collect()
    }

    /// The only value of a metric.
    fn value(&self, metric: &str) -> f64 {
        let probes = self.service["probes"].as_array().unwrap().iter();
        let samples = probes.flat_map(|probe| probe["samples"].as_array().unwrap());
        let mut of = samples.filter(|sample| sample["metric"] == metric);
        let value = of.next().and_then(|sample| sample["measurement"]["value"].as_f64());
        assert!(of.next().is_none(), "several values of {metric}");
        value.unwrap_or_else(|| panic!("{metric} has no value\n{}", self.shown()))
    }

    /// Samples sum up stretches of time where the kind of their probe says so, and nowhere else.
    fn buckets_are_as_their_kind_says(&self, service: &Value) {
        let probes: BTreeMap<String, ProbeConfig> =
            serde_json::from_value(service["probes"].clone()).unwrap();
        for probe in self.service["probes"].as_array().unwrap() {
            let name = probe["probe"].as_str().unwrap();
            let decided = probe["samples"].as_array().unwrap().iter();
            let mut decided = decided.filter(|sample| sample["measurement"]["value"].is_number());
            let wanted =
                |sample: &Value| probes[name].buckets(sample["metric"].as_str().unwrap()) == Buckets::Always;
            assert!(
                decided.all(|sample| sample["bucket"].is_object() == wanted(sample)),
                "{name}: {probe:#}"
            );
        }
    }

    /// What is not quiet, with its reason, for whoever reads why a test failed.
    fn shown(&self) -> String {
        let rules = self.service["classification"]["rules"].as_array().unwrap().iter();
        let rules = rules
            .filter(|rule| rule["outcome"] != "missed")
            .map(|rule| format!("{}: {}: {}", rule["rule"], rule["outcome"], rule["reason"]));
        let lines: Vec<_> = rules.chain([self.run.stderr.clone()]).collect();
        lines.join("\n")
    }

    /// The rule fired, with its level, and there is an incident of at least that level.
    fn fired(&self, id: &str, level: &str) -> Result<(), String> {
        let rules = self.service["classification"]["rules"].as_array().unwrap();
        let rule = rules.iter().find(|rule| rule["rule"] == id).unwrap();
        let found = self.service["classification"]["level"].as_str().unwrap_or("none");
        if rule["outcome"] == "matched" && rule["level"] == level && found <= level {
            return Ok(());
        }
        Err(format!("{id} ({}): level {found}\n{}", rule["outcome"], self.shown()))
    }
}

/// A set of names.
fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

/// What only an alert tells: `irctl classify` with the flag on and off.
fn told_by_an_alert(scheme: &str, id: &str) {
    let (level, metrics) = rule(scheme, id);
    let [metric] = metrics.as_slice() else { panic!("{id} reads {metrics:?}") };
    let workspace = Workspace::empty();
    for (said, outcome) in [("true", "matched"), ("false", "missed")] {
        let given = format!("{metric}={said}");
        let found = workspace
            .irctl(&["classify", "--scheme", scheme, "--metric", &given, "--output", "json"])
            .expect(0)
            .json();
        let classification = found.get("classification").unwrap_or(&found);
        let rules = classification["rules"].as_array().unwrap_or_else(|| panic!("{found:#}"));
        let rule = rules.iter().find(|rule| rule["rule"] == id).unwrap();
        assert_eq!(rule["outcome"], outcome, "{rule:#}");
        if said == "true" {
            assert_eq!(classification["level"], level.as_str());
        }
    }
}
