//! Metric names of one's own for what a probe measures: schemes have words of their own for availability, latency and
//! the rest, and rules are written in these.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use super::Outcome;
use crate::base::Unit;

/// Parts of a probe by the metric names that they get: `{latency: p95}` makes `latency` of `NAME_p95`. Parts that are not
/// in it keep their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Emits(BTreeMap<String, String>);

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misnamed {
    /// The metric name that is to blame.
    pub metric: String,
    /// The part that it is meant for, as it is written.
    pub part: String,
    /// What is wrong.
    pub message: String,
    /// The parts that there are.
    pub parts: Vec<String>,
}

impl Emits {
    /// Whether every part keeps its name.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a metric of the probe `name` is called.
    fn called(&self, name: &str, metric: &str) -> Option<&str> {
        let part = metric.strip_prefix(name)?.strip_prefix('_')?;
        self.0.iter().find(|(_, wanted)| *wanted == part).map(|(called, _)| called.as_str())
    }

    /// The metrics with the names that they get.
    pub(super) fn renamed(&self, name: &str, metrics: Vec<(String, Unit)>) -> Vec<(String, Unit)> {
        let one = |(metric, unit): (String, Unit)| match self.called(name, &metric) {
            Some(called) => (called.to_owned(), unit),
            None => (metric, unit),
        };
        metrics.into_iter().map(one).collect()
    }

    /// The outcome with the names that its metrics get.
    pub(super) fn rename(&self, name: &str, mut outcome: Outcome) -> Outcome {
        for sample in &mut outcome.samples {
            if let Some(called) = self.called(name, &sample.metric) {
                called.clone_into(&mut sample.metric);
            }
        }
        for metric in outcome.problems.iter_mut().filter_map(|problem| problem.metric.as_mut()) {
            if let Some(called) = self.called(name, metric) {
                called.clone_into(metric);
            }
        }
        outcome
    }

    /// Names that cannot be given: to a part that is not there, twice to one part, or that another part has already.
    pub(super) fn wrong(&self, name: &str, metrics: &[(String, Unit)]) -> Vec<Misnamed> {
        let parts: BTreeSet<&str> =
            metrics.iter().filter_map(|(metric, _)| metric.strip_prefix(name)?.strip_prefix('_')).collect();
        let kept: BTreeSet<&str> = metrics
            .iter()
            .filter(|(metric, _)| self.called(name, metric).is_none())
            .map(|(metric, _)| metric.as_str())
            .collect();
        let mut taken = BTreeSet::new();
        let mut wrong = Vec::new();
        for (metric, part) in &self.0 {
            let message = if !parts.contains(part.as_str()) {
                format!("the probe has no `{}`", part.escape_debug())
            } else if !taken.insert(part) {
                format!("`{part}` has another name already")
            } else if kept.contains(metric.as_str()) {
                format!("another part of the probe is called `{}`", metric.escape_debug())
            } else {
                continue;
            };
            let parts = parts.iter().map(|part| (*part).to_owned()).collect();
            wrong.push(Misnamed { metric: metric.clone(), part: part.clone(), message, parts });
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use crate::probe::{ProbeConfig, metrics_of, misnamed};
    use std::collections::BTreeMap;

    fn probe(emits: &[(&str, &str)]) -> ProbeConfig {
        let emits: BTreeMap<_, _> = emits.iter().copied().collect();
        let config = serde_json::json!({"tcp": {"host": "h", "port": 1, "emits": emits}});
        serde_json::from_value(config).unwrap()
    }

    #[test]
    fn a_part_gets_its_name_and_the_others_keep_theirs() {
        let metrics: Vec<String> = metrics_of("port", &probe(&[("instance_failed", "failed")]))
            .into_iter()
            .map(|(metric, _)| metric)
            .collect();
        assert!(metrics.contains(&"instance_failed".to_owned()) && metrics.contains(&"port_p95".to_owned()));
        assert!(!metrics.contains(&"port_failed".to_owned()), "{metrics:?}");
    }

    #[test]
    fn a_name_that_cannot_be_given_says_why() {
        let why = |emits: &[(&str, &str)]| {
            misnamed("port", &probe(emits)).into_iter().map(|one| one.message).collect::<Vec<_>>()
        };
        assert!(why(&[("a", "failed"), ("b", "p95")]).is_empty());
        assert_eq!(why(&[("a", "fails")]), ["the probe has no `fails`"]);
        assert_eq!(why(&[("a", "failed"), ("b", "failed")]), ["`failed` has another name already"]);
        assert_eq!(why(&[("port_p50", "p95")]), ["another part of the probe is called `port_p50`"]);
        // What gives its own name away leaves it free.
        assert!(why(&[("port_p50", "p95"), ("x", "p50")]).is_empty());
    }
}
