//! The severity room's expressions, as expectations use them: this file alone knows that room.

use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

use super::selection::Fault;
use crate::base::{Digest, Unit};
use crate::severity::{
    self, Catalog, CompiledExpression, Expression, ExpressionError, MetricConfig, Outcome, Truth,
};
use crate::store::Sample;

/// A condition that is ready to be judged.
///
/// A rule matches if one of several labelled series matches; an expectation holds only if all of them hold. So what
/// is compiled is its opposite: it does not hold if that matches anywhere.
pub(super) struct Condition {
    opposite: CompiledExpression,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    Yes,
    No,
    Undecided,
}

/// What judging a condition found.
pub(super) struct Finding {
    pub held: Held,
    pub reason: String,
    /// Value minus threshold of the comparison that decided.
    pub distance: Option<f64>,
    /// The values used, by metric and labels.
    pub values: BTreeMap<String, f64>,
    pub newest: Option<DateTime<Utc>>,
}

/// Checks an expression against the metrics that there are.
pub(super) fn compile(that: &Expression, units: &BTreeMap<String, Unit>) -> Result<Condition, Vec<Fault>> {
    let catalog: Catalog = units.iter().map(|(metric, unit)| (metric.clone(), described(*unit))).collect();
    let faults = |errors: Vec<ExpressionError>| {
        errors.into_iter().map(|error| fault(error, units)).collect::<Vec<_>>()
    };
    // Errors are shown for the expression as it was written.
    CompiledExpression::compile(that, &catalog).map_err(faults)?;
    let opposite = Expression::parse(&format!("not ({})", that.source()));
    let opposite = opposite.map_err(|error| vec![Fault::new(error.message)])?;
    let opposite = CompiledExpression::compile(&opposite, &catalog).map_err(faults)?;
    Ok(Condition { opposite })
}

fn fault(error: ExpressionError, units: &BTreeMap<String, Unit>) -> Fault {
    let known: Vec<_> = units.keys().map(String::as_str).collect();
    let help = match error.help {
        // The catalog here is what the probes emit, which nobody declares.
        Some(help) if help.starts_with("declare it") && known.is_empty() => {
            Some("the suite measures nothing: name probes under `use:` or `probes:`".to_owned())
        }
        Some(help) if help.starts_with("declare it") => Some(format!("measured here: {}", known.join(", "))),
        help => help,
    };
    let message = error.message.replace("a metric of this catalog", "a metric that the suite measures");
    Fault { message, help, span: Some(error.offset..error.offset + error.length) }
}

const fn described(unit: Unit) -> MetricConfig {
    MetricConfig { unit, range: None, optional: false, max_age: None, description: None }
}

impl Condition {
    /// Judges the newest samples of the served version.
    pub fn judge(&self, samples: &[Sample], served: Option<&Digest>, now: DateTime<Utc>) -> Finding {
        let evidence = severity::Evidence::from_samples(samples, served, now);
        let judgement = self.opposite.judge(&evidence, None);
        let held = match judgement.truth {
            Truth::True => Held::No,
            Truth::False => Held::Yes,
            Truth::Undecided => Held::Undecided,
        };
        let mut reason = judgement.reason;
        if judgement.outcome == Outcome::Warming {
            reason.push_str("; the served version has no evidence of its own yet");
        }
        Finding {
            held,
            reason,
            distance: judgement.distance,
            values: judgement.values,
            newest: judgement.looked_at.and_then(|looked_at| looked_at.newest),
        }
    }
}
