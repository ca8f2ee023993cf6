//! The severity room's expressions, as expectations use them: this file alone knows that room.

use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

use super::selection::Fault;
use crate::base::{Digest, Unit};
use crate::severity::{self, Catalog, CompiledExpression, Expression, ExpressionError, MetricConfig, Truth};
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
        Finding {
            held,
            reason: judgement.reason,
            distance: judgement.distance,
            values: judgement.values,
            newest: judgement.looked_at.and_then(|looked_at| looked_at.newest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_instant;
    use crate::store::Measurement;

    fn sample(carrier: &str, value: f64, version: Option<&Digest>) -> Sample {
        let at = parse_instant("2026-11-20T03:00:00Z").unwrap();
        Sample {
            service: "s".into(),
            probe: "carriers".into(),
            metric: "rows".into(),
            labels: BTreeMap::from([("carrier".to_owned(), carrier.to_owned())]),
            measurement: Measurement::judged(value, Unit::Count),
            unit: Unit::Count,
            event_time: at,
            recorded_at: at,
            bucket: None,
            version: version.cloned(),
            input: None,
            rows: 1,
        }
    }

    fn judge(that: &str, samples: &[Sample]) -> Finding {
        let units = BTreeMap::from([("rows".to_owned(), Unit::Count)]);
        let condition = compile(&that.parse().unwrap(), &units).unwrap();
        let now = parse_instant("2026-11-20T03:00:00Z").unwrap();
        condition.judge(samples, Some(&Digest::of(b"served")), now)
    }

    #[test]
    fn of_several_series_all_have_to_hold() {
        let all = |values: &[f64]| -> Vec<Sample> {
            values.iter().enumerate().map(|(at, value)| sample(&at.to_string(), *value, None)).collect()
        };
        assert_eq!(judge("rows >= 5", &all(&[5.0, 9.0])).held, Held::Yes);
        assert_eq!(judge("rows >= 5", &all(&[9.0, 4.0, 9.0])).held, Held::No);
        assert_eq!(judge("rows >= 5", &all(&[9.0, f64::NAN])).held, Held::Undecided);
        assert_eq!(judge("rows >= 5", &all(&[4.0, f64::NAN])).held, Held::No);
        assert_eq!(judge("rows >= 5", &[]).held, Held::Undecided);
        assert!(judge("rows >= 5", &all(&[9.0, 4.0])).reason.contains("carrier=1"));
    }

    #[test]
    fn only_the_served_version_counts() {
        let (served, other) = (Digest::of(b"served"), Digest::of(b"other"));
        assert_eq!(judge("rows >= 5", &[sample("a", 9.0, Some(&served))]).held, Held::Yes);
        let foreign = judge("rows >= 5", &[sample("a", 9.0, Some(&other))]);
        assert_eq!(foreign.held, Held::Undecided);
        insta::assert_snapshot!(foreign.reason);
    }

    #[test]
    fn errors_point_into_the_expression_as_written() {
        let units = BTreeMap::from([("rows".to_owned(), Unit::Count)]);
        let faults = compile(&"rows > 1 and rwos > 2".parse().unwrap(), &units).err().unwrap();
        assert_eq!(faults[0].span, Some(13..17));
        let faults = compile(&"rows > 1".parse().unwrap(), &BTreeMap::new()).err().unwrap();
        assert!(faults[0].help.as_deref().unwrap().contains("`use:`"));
    }
}
