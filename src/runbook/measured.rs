//! The conditions of a runbook, and the metrics that they are about.

use std::ops::Range;

use super::kinds::ProbeStep;
use super::{Condition, Kind, RunbookConfig, StepConfig, Surroundings, walk};
use crate::probe::metrics_of;
use crate::severity::{Catalog, Expression, MetricConfig};

/// The name, unless it is only known when the runbook runs.
pub(super) fn fixed(name: Option<&String>) -> Option<&str> {
    name.map(String::as_str).filter(|name| !name.contains("{{"))
}

/// Metrics with nothing but their units.
pub(super) fn described(metrics: Vec<(String, crate::base::Unit)>) -> Catalog {
    let config = |unit| MetricConfig { unit, range: None, optional: false, max_age: None, description: None };
    metrics.into_iter().map(|(metric, unit)| (metric, config(unit))).collect()
}

/// The metrics of the probes that are written in steps.
pub(super) fn own_metrics(runbook: &RunbookConfig) -> Catalog {
    let mut catalog = Catalog::new();
    for (_, step) in walk::steps(runbook) {
        if let Some(Kind::Probe(ProbeStep::Detailed(details))) = step.kind()
            && let Some(config) = &details.measure
        {
            catalog.extend(described(metrics_of(&details.name, config)));
        }
    }
    catalog
}

/// The conditions of a step over the metrics of the service, with their pointers from the step on.
pub(super) fn expressions(step: &StepConfig) -> Vec<(String, &Expression)> {
    let mut found = Vec::new();
    if let Some(Condition::Probe(expression)) = &step.when {
        found.push(("/when/probe".to_owned(), expression.as_ref()));
    }
    for (number, branch) in step.decide.iter().flatten().enumerate() {
        if let Some(Condition::Probe(expression)) = &branch.when {
            found.push((format!("/decide/{number}/when/probe"), expression.as_ref()));
        }
    }
    if let Some(until) = step.wait.as_ref().and_then(|wait| wait.until.as_ref()) {
        found.push(("/wait/until".to_owned(), until));
    }
    found
}

/// A metric of a condition that nothing measures.
pub(super) struct Unmeasured {
    /// Where the condition stands.
    pub pointer: String,
    /// Where in it.
    pub span: Option<Range<usize>>,
    /// The metric.
    pub metric: String,
}

/// The metrics of conditions that no service measures, in a runbook that names no service. With a service they are errors.
pub(super) fn unmeasured(runbook: &RunbookConfig, around: &Surroundings<'_>) -> Vec<Unmeasured> {
    if fixed(runbook.service.as_ref()).is_some() || around.services.is_empty() {
        return Vec::new();
    }
    let own = own_metrics(runbook);
    let mut found = Vec::new();
    for (pointer, step) in walk::steps(runbook) {
        for (at, expression) in expressions(step) {
            for metric in expression.metrics() {
                let known = own.contains_key(metric)
                    || around.services.values().any(|service| service.metrics.contains_key(metric));
                if !known {
                    let start = expression.source().find(metric);
                    found.push(Unmeasured {
                        pointer: format!("{pointer}{at}"),
                        span: start.map(|start| start..start + metric.len()),
                        metric: metric.to_owned(),
                    });
                }
            }
        }
    }
    found
}
