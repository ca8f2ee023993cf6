//! Does every threshold of a scheme do what it is there for? For each comparison and flag in a rule: the value at which
//! the rule fires because of it, and the one next to it at which it does not.
//!
//! What is looked for is a pair of neighbouring values of one metric, everything else unchanged, between which both the
//! comparison and the whole condition change (the criterion that the software of aeroplanes is tested by, MC/DC). The
//! pair is then put to the scheme as samples, as long as the rule's `for` asks, so that what is proven is what a round
//! of `irctl check` would do.

mod candidates;
mod search;
mod trial;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

use super::expression::syntax::{Node, Span};
use super::scheme::Rule;
use super::{Persistence, Scheme};
use crate::base::Duration;

/// What the thresholds are tried on.
pub struct Surroundings<'a> {
    /// The newest measured values by metric (with labels as they are written in rules), each in its metric's unit.
    /// Metrics that are not in it get made-up values.
    pub measured: &'a BTreeMap<String, f64>,
    /// Whether a metric comes summed up over buckets; `None` where that is not known.
    pub bucketed: &'a dyn Fn(&str) -> Option<bool>,
    /// How far apart rounds lie, where that is known.
    pub cadence: Option<Duration>,
    /// The instant of the trial.
    pub now: DateTime<Utc>,
}

/// A value as it was tried.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Tried {
    /// The value, in the metric's unit.
    pub value: f64,
    /// As people read it.
    pub shown: String,
    /// How its rule came out.
    pub outcome: super::Outcome,
}

/// What became of one threshold.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ThresholdTrial {
    /// The rule.
    pub rule: String,
    /// Its level.
    pub level: String,
    /// The comparison or flag, as it is written.
    pub threshold: String,
    /// The metric that was changed.
    pub metric: String,
    /// How long the condition has to hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// The value that fires; absent where none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fires: Option<Tried>,
    /// The value next to it that does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Tried>,
    /// The other metrics of the condition while it was tried, by name, each in its metric's unit.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, f64>,
    /// The metrics of the condition whose values were measured; the others were made up.
    pub measured: Vec<String>,
    /// Why it never fires, or never ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub never: Option<String>,
    /// Where it stands, as `file:line:column`; filled in by whoever knows the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Where the threshold stands in the rule's `when`, in bytes: first byte and length.
    #[serde(skip)]
    pub span: (usize, usize),
    /// The place of the rule in the scheme.
    #[serde(skip)]
    pub index: usize,
}

/// Tries every threshold of a scheme, rule by rule.
pub fn try_all(scheme: &Scheme, surroundings: &Surroundings<'_>) -> Vec<ThresholdTrial> {
    let mut trials = Vec::new();
    for (index, rule) in scheme.rules.iter().enumerate() {
        let mut written = Vec::new();
        leaves(rule.config.when.node(), &mut written);
        for (leaf, (text, metric, span)) in written.into_iter().enumerate() {
            let mut trial = blank(rule, text, metric);
            trial.span = (span.start, span.length);
            trial.index = index;
            trial.measured = measured(scheme, rule, surroundings);
            match search::pair(scheme, rule, leaf, surroundings.measured) {
                Err(never) => trial.never = Some(never),
                Ok(found) => trial::run(scheme, rule, &found, surroundings, &mut trial),
            }
            trials.push(trial);
        }
    }
    trials
}

fn blank(rule: &Rule, threshold: String, metric: String) -> ThresholdTrial {
    ThresholdTrial {
        rule: rule.config.id.clone(),
        level: rule.config.level.clone(),
        threshold,
        metric,
        held: rule.config.persistence.as_ref().map(Persistence::to_string),
        fires: None,
        quiet: None,
        with: BTreeMap::new(),
        measured: Vec::new(),
        never: None,
        place: None,
        span: (0, 0),
        index: 0,
    }
}

fn measured(scheme: &Scheme, rule: &Rule, surroundings: &Surroundings<'_>) -> Vec<String> {
    let keys = rule.slots.iter().filter_map(|slot| scheme.table.get(*slot)).map(|slot| slot.key.clone());
    keys.filter(|key| surroundings.measured.contains_key(key)).collect()
}

/// The comparisons and flags in the order in which they stand, which is the order of the compiled condition's.
fn leaves(node: &Node, found: &mut Vec<(String, String, Span)>) {
    match node {
        Node::Or(nodes) | Node::And(nodes) => nodes.iter().for_each(|node| leaves(node, found)),
        Node::Not(inner) => leaves(inner, found),
        Node::Flag(metric) => found.push((node.to_string(), metric.to_string(), metric.span)),
        Node::Compare { left, right, span, .. } => {
            let metric = [left, right].into_iter().find_map(|side| match side {
                super::expression::syntax::Side::Term(term) => Some(term.metric.to_string()),
                super::expression::syntax::Side::Literal(..) => None,
            });
            found.push((node.to_string(), metric.unwrap_or_default(), *span));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::severity::{SchemeConfig, resolve_scheme, shipped};

    fn try_yaml(rules: &str) -> Vec<ThresholdTrial> {
        try_with(rules, None, None)
    }

    fn try_with(rules: &str, bucketed: Option<bool>, cadence: Option<Duration>) -> Vec<ThresholdTrial> {
        let text = format!(
            "scheme: t\nlevels: {{P0: {{name: a, verdict: CRIT}}}}\nmetrics:\n  r: {{unit: ratio}}\n  c: {{unit: count}}\n  \
             m: {{unit: milliseconds}}\n  b: {{unit: milliseconds}}\n  f: {{unit: flag}}\nrules:\n{rules}"
        );
        let config: SchemeConfig = serde_yaml::from_str(&text).unwrap();
        let scheme = Scheme::compile(&config).unwrap();
        let measured = BTreeMap::new();
        let now = "2026-11-20T03:00:00Z".parse().unwrap();
        try_all(&scheme, &Surroundings { measured: &measured, bucketed: &|_| bucketed, cadence, now })
    }

    fn never(rules: &str) -> String {
        let trials = try_yaml(rules);
        let found: Vec<String> = trials.into_iter().filter_map(|trial| trial.never).collect();
        assert!(!found.is_empty(), "{rules}");
        found.join("; ")
    }

    #[test]
    fn the_neighbouring_values_on_both_sides_of_a_threshold() {
        for (when, fires, quiet) in [
            ("r > 25%", 0.2501, 0.25),
            ("r >= 25%", 0.25, 0.2499),
            ("r < 25%", 0.2499, 0.25),
            ("r <= 25%", 0.25, 0.2501),
            ("not r <= 25%", 0.2501, 0.25),
            ("c > 0", 1.0, 0.0),
            ("c < 1", 0.0, 1.0),
            ("c == 3", 3.0, 4.0),
            ("f", 1.0, 0.0),
            ("not f", 0.0, 1.0),
            ("m > 500ms", 501.0, 500.0),
        ] {
            let trials = try_yaml(&format!("  - {{id: x, level: P0, when: {when}}}\n"));
            let trial = &trials[0];
            assert_eq!(trial.never, None, "{when}");
            let found = (trial.fires.as_ref().unwrap().value, trial.quiet.as_ref().unwrap().value);
            let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
            assert!(
                close(found.0, fires) && (close(found.1, quiet) || when == "c == 3"),
                "{when}: {found:?}"
            );
        }
    }

    #[test]
    fn several_metrics_and_quotients() {
        for when in
            ["r > 20% and c > 3", "m > 2 * b", "m / b > 150%", "(r > 20% or c > 3) and not f", "1.5 * b < m"]
        {
            for trial in try_yaml(&format!("  - {{id: x, level: P0, when: {when}}}\n")) {
                assert_eq!(trial.never, None, "{when}: {}", trial.threshold);
            }
        }
    }

    #[test]
    fn what_never_fires_says_why() {
        for (when, says) in [
            ("r > 100%", "no value from 0 % to 100 %"),
            ("r > 30% and r < 20%", "contradicts itself"),
            ("c >= 0", "always holds"),
            ("r > 20% or r > 30%", "decides before"),
            ("f and not f", "contradicts itself"),
        ] {
            let why = never(&format!("  - {{id: x, level: P0, when: {when}}}\n"));
            assert!(why.contains(says), "{when}: {why}");
        }
    }

    #[test]
    fn persistence_that_cannot_be_met() {
        let rule = "  - {id: x, level: P0, when: r > 20%, for: 2 buckets}\n";
        assert_eq!(try_with(rule, Some(true), None)[0].never, None);
        assert_eq!(try_with(rule, None, None)[0].never, None);
        let why = try_with(rule, Some(false), None)[0].never.clone().unwrap();
        assert!(why.contains("for: 2 buckets"), "{why}");
        let rule = "  - {id: x, level: P0, when: r > 20%, for: 10m}\n";
        assert_eq!(try_with(rule, None, Some(Duration::minutes(5)))[0].never, None);
        let why = try_with(rule, None, Some(Duration::minutes(30)))[0].never.clone().unwrap();
        assert!(why.contains("30m") && why.contains("10m"), "{why}");
    }

    #[test]
    fn every_threshold_of_the_shipped_schemes_fires() {
        let (measured, now) = (BTreeMap::new(), "2026-11-20T03:00:00Z".parse().unwrap());
        for (name, _) in shipped() {
            let scheme = Scheme::compile(&resolve_scheme(name, None).unwrap()).unwrap();
            let surroundings = Surroundings { measured: &measured, bucketed: &|_| None, cadence: None, now };
            let trials = try_all(&scheme, &surroundings);
            assert!(trials.len() >= scheme.rules.len());
            for trial in trials {
                assert_eq!(trial.never, None, "{name} {} {}", trial.rule, trial.threshold);
            }
        }
    }
}
