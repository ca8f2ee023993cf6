//! Which condition of a policy asks for a rollback, and under which reason that is recorded.

use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

use super::measure::Measured;
use crate::base::{Error, ErrorCode, Result};
use crate::rollback::config::{AutoConfig, TriggerConfig};
use crate::severity::{CompiledExpression, Evidence, Expression, Judgement, Scheme, Truth};
use crate::store::Sample;

/// The reason of a policy's plain `when`.
const POLICY: &str = "policy";

/// A condition that asks for a rollback.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The reason under which it is recorded: `onnx_parity_fail`, `psi_feature_spread`.
    pub reason: String,
    /// The reasons of every other condition that asks for it too.
    pub also: Vec<String>,
    /// Why it asks, in words.
    pub why: String,
    /// The condition.
    pub expression: Expression,
    /// The labels of the series that decided, where the trigger tells series apart.
    pub labels: BTreeMap<String, String>,
}

/// The condition that asks for a rollback now, if one does. What is undecided rolls nothing back.
pub fn asked(
    policy: &AutoConfig,
    scheme: &Scheme,
    measured: &Measured,
    now: DateTime<Utc>,
) -> Result<Option<Asked>> {
    let mut all = Vec::new();
    for trigger in &policy.triggers {
        let mut found = by_trigger(trigger, scheme, measured, now)?;
        // The farthest beyond its threshold speaks first.
        found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        all.extend(found.into_iter().map(|(_, asked)| asked));
    }
    if let Some(when) = &policy.when {
        let (expression, compiled) = compile(when, "when", scheme)?;
        let judgement = judge(&compiled, &measured.samples, measured, now);
        if judgement.truth == Truth::True {
            all.push(asked_by(POLICY.to_owned(), judgement, expression, BTreeMap::new()));
        }
    }
    // What hangs on something broken is not the version's doing: going back would not mend it.
    let blocked =
        |one: &Asked| one.expression.metrics().iter().any(|metric| measured.blocked.contains_key(*metric));
    let mut all = all.into_iter().filter(|one| !blocked(one));
    let Some(mut first) = all.next() else { return Ok(None) };
    first.also = all.map(|other| other.reason).collect();
    Ok(Some(first))
}

fn by_trigger(
    trigger: &TriggerConfig,
    scheme: &Scheme,
    measured: &Measured,
    now: DateTime<Utc>,
) -> Result<Vec<(f64, Asked)>> {
    let (expression, compiled) = compile(&trigger.when, "triggers", scheme)?;
    let groups: Vec<Option<&str>> = match &trigger.by {
        None => vec![None],
        Some(label) => values_of(label, &expression, &measured.samples).into_iter().map(Some).collect(),
    };
    let mut found = Vec::new();
    for group in groups {
        let own = |sample: &&Sample| match (&trigger.by, group) {
            (Some(label), Some(value)) => sample.labels.get(label).is_none_or(|own| own == value),
            _ => true,
        };
        let samples: Vec<Sample> = measured.samples.iter().filter(own).cloned().collect();
        let judgement = judge(&compiled, &samples, measured, now);
        if judgement.truth == Truth::True {
            let labels = trigger.by.iter().zip(group).map(|(label, value)| (label.clone(), value.to_owned()));
            let reason = group.map_or_else(
                || trigger.reason.clone(),
                |value| format!("{}_{}", trigger.reason, plain(value)),
            );
            let distance = judgement.distance.map_or(0.0, f64::abs);
            found.push((distance, asked_by(reason, judgement, expression.clone(), labels.collect())));
        }
    }
    Ok(found)
}

fn asked_by(
    reason: String,
    judgement: Judgement,
    expression: Expression,
    labels: BTreeMap<String, String>,
) -> Asked {
    Asked { reason, also: Vec::new(), why: judgement.reason, expression, labels }
}

fn compile(text: &str, key: &str, scheme: &Scheme) -> Result<(Expression, CompiledExpression)> {
    let expression: Expression = text.parse()?;
    let compiled = CompiledExpression::compile(&expression, &scheme.config().metrics).map_err(|errors| {
        let first = errors.first().map(|error| error.message.clone()).unwrap_or_default();
        Error::new(ErrorCode::InvalidConfiguration, format!("rollback.auto.{key}: {first}"))
    })?;
    Ok((expression, compiled))
}

/// Only what the served version showed counts.
fn judge(
    compiled: &CompiledExpression,
    samples: &[Sample],
    measured: &Measured,
    now: DateTime<Utc>,
) -> Judgement {
    compiled.judge(&Evidence::from_samples(samples, measured.versions.served.as_ref(), now), None)
}

fn values_of<'a>(label: &str, expression: &Expression, samples: &'a [Sample]) -> BTreeSet<&'a str> {
    let metrics = expression.metrics();
    let own = samples.iter().filter(|sample| metrics.contains(&sample.metric.as_str()));
    own.filter_map(|sample| sample.labels.get(label).map(String::as_str)).collect()
}

/// A label's value as a part of a name.
fn plain(value: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' };
    value.chars().take(80).map(keep).collect()
}
