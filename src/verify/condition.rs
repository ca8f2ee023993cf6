//! The severity room's expressions, as expectations use them: this file alone knows that room.

use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

use crate::base::{Digest, Unit};
use crate::severity::{self, Catalog, CompiledExpression, Expression, MetricConfig, Outcome, Truth};
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
pub(super) fn compile(that: &Expression, units: &BTreeMap<String, Unit>) -> Result<Condition, String> {
    let catalog: Catalog = units.iter().map(|(metric, unit)| (metric.clone(), described(*unit))).collect();
    let explain = |errors: Vec<severity::ExpressionError>| {
        let one = |error: &severity::ExpressionError| match &error.help {
            // The catalog here is what the probes emit, which nobody declares.
            Some(help) if help.starts_with("declare it") => unmeasured(&error.message, units),
            Some(help) => format!("{} ({help})", error.message),
            None => error.message.clone(),
        };
        errors.iter().map(one).collect::<Vec<_>>().join("; ")
    };
    // Errors are shown for the expression as it was written.
    CompiledExpression::compile(that, &catalog).map_err(explain)?;
    let opposite = Expression::parse(&format!("not ({})", that.source())).map_err(|error| error.message)?;
    let opposite = CompiledExpression::compile(&opposite, &catalog).map_err(explain)?;
    Ok(Condition { opposite })
}

fn unmeasured(message: &str, units: &BTreeMap<String, Unit>) -> String {
    let known: Vec<_> = units.keys().map(String::as_str).collect();
    if known.is_empty() {
        return format!("{message}: the suite measures nothing");
    }
    format!("{message}; measured here: {}", known.join(", "))
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
