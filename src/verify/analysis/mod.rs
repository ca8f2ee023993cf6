//! Verification by metric analysis: samples taken over time, limits on how many may be bad, and a baseline.

mod config;
mod judge;
mod run;
mod source;

pub use config::{AnalysisConfig, Better, CompareConfig};
pub(super) use run::run;

use std::collections::BTreeMap;

use super::condition;
use super::selection::{Fault, Selection};
use crate::base::Unit;

/// The name under which expressions know what is sampled.
pub(super) const VALUE: &str = "value";

/// A part of an analysis that is wrong: the key below it, and what is wrong there.
pub(super) type Wrong = (&'static str, Fault);

/// Everything that is wrong with an analysis before anything is sampled.
pub(super) fn problems(config: &AnalysisConfig, selection: &Selection) -> Vec<Wrong> {
    let mut found: Vec<Wrong> = Vec::new();
    let unit = match unit(config, selection) {
        Ok(unit) => Some(unit),
        Err(wrong) => {
            found.push(wrong);
            None
        }
    };
    if let Some(unit) = unit
        && let Err(faults) = condition::compile(&config.success, &BTreeMap::from([(VALUE.to_owned(), unit)]))
    {
        found.extend(faults.into_iter().map(|fault| ("/success", fault)));
    }
    if let Some(query) = &config.prometheus {
        for (at, named) in
            [("/prometheus/metric", query.metric.is_some()), ("/prometheus/labels", !query.labels.is_empty())]
        {
            if named {
                let text = "an analysis samples one number, which its expression calls `value`";
                found.push((at, Fault::new(text).help("leave this key out")));
            }
        }
    }
    limits(config, &mut found);
    if let Some(compare) = &config.compare {
        found.extend(compare_problem(config, compare, selection));
    }
    found
}

fn limits(config: &AnalysisConfig, found: &mut Vec<Wrong>) {
    let tolerated = config.failure_limit.saturating_add(config.inconclusive_limit);
    if tolerated >= config.samples {
        let text = format!(
            "with {} samples these limits would tolerate that every one of them is bad or inconclusive",
            config.samples
        );
        let at = if config.failure_limit > 0 { "/failure_limit" } else { "/inconclusive_limit" };
        let at = if tolerated == 0 { "/samples" } else { at };
        found.push((at, Fault::new(text).help("take more samples, or tolerate fewer bad ones")));
    }
    if config.consecutive_success.is_some_and(|count| count == 0 || count > config.samples) {
        let text = format!("{} samples cannot hold that many in a row", config.samples);
        found.push(("/consecutive_success", Fault::new(text)));
    }
    if config.samples > 1 && config.every.to_std().is_zero() {
        found.push(("/every", Fault::new("samples of one instant are one sample").help("write it like 10s")));
    }
}

/// The unit of what is sampled.
pub(super) fn unit(config: &AnalysisConfig, selection: &Selection) -> Result<Unit, Wrong> {
    match (&config.prometheus, &config.metric) {
        (Some(_), Some(_)) => {
            Err(("", Fault::new("it samples a query (`prometheus`) and a metric: one of the two")))
        }
        (None, None) => {
            Err(("", Fault::new("it samples neither a query (`prometheus`) nor a `metric` of a probe")))
        }
        (Some(query), None) => Ok(query.unit()),
        (None, Some(metric)) => metric_unit(metric, selection).map_err(|fault| ("/metric", fault)),
    }
}

fn metric_unit(metric: &str, selection: &Selection) -> Result<Unit, Fault> {
    let shown = metric.escape_debug();
    match selection.metrics.get(metric) {
        None => {
            let known: Vec<_> = selection.metrics.keys().map(String::as_str).collect();
            let help = match known.as_slice() {
                [] => "the suite measures nothing: name probes under `use:` or `probes:`".to_owned(),
                known => format!("measured here: {}", known.join(", ")),
            };
            Err(Fault::new(format!("the suite does not measure `{shown}`")).help(help))
        }
        Some((_, probes)) if probes.len() > 1 => {
            let probes: Vec<_> = probes.iter().cloned().collect();
            Err(Fault::new(format!("`{shown}` comes from several probes: {}", probes.join(", "))))
        }
        Some((unit, _)) => Ok(*unit),
    }
}

fn compare_problem(config: &AnalysisConfig, compare: &CompareConfig, selection: &Selection) -> Option<Wrong> {
    let fault = |at, text: &str| Some((at, Fault::new(text)));
    if compare.no_worse_than.to(Unit::Change).is_err() || compare.no_worse_than.number < 0.0 {
        return fault("/compare/no_worse_than", "this is not a part of a value: write it like 10%");
    }
    match (&compare.before, &compare.query, &compare.metric) {
        (Some(_), None, None) | (None, Some(_), None) if config.prometheus.is_none() => {
            fault("/compare", "only a query has a past: compare a metric with another `metric`")
        }
        (Some(_), None, None) | (None, Some(_), None) => None,
        (None, None, Some(metric)) => match metric_unit(metric, selection) {
            Err(wrong) => Some(("/compare/metric", wrong)),
            Ok(other) => {
                let own = unit(config, selection).ok()?;
                (own.dimension() != other.dimension()).then(|| {
                    let text =
                        format!("`{metric}` is a {other}, what is sampled a {own}: only like is compared");
                    ("/compare/metric", Fault::new(text))
                })
            }
        },
        _ => fault("/compare", "it needs exactly one of `before`, `query` and `metric`"),
    }
}
