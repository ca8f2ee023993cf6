//! The values of a metric that are worth trying.

use std::collections::BTreeMap;

use crate::base::Unit;
use crate::severity::catalog::{Slot, SlotId};
use crate::severity::condition::{Comparison, Condition, Threshold};
use crate::severity::scheme::Rule;

/// How far a value is moved to stand beside a threshold: as finely as people look at such a number.
pub(super) fn step(unit: Unit, at: f64) -> f64 {
    match unit {
        Unit::Ratio | Unit::Change => 0.0001,
        Unit::Days | Unit::Hours | Unit::Minutes | Unit::Sigma => 0.01,
        Unit::Milliseconds | Unit::Seconds | Unit::Bytes | Unit::Count | Unit::Flag => 1.0,
        Unit::Number => (at.abs() * 1e-4).max(1e-4),
    }
}

/// The threshold and its neighbours, as far as the metric can have them, in order.
pub(super) fn around(slot: &Slot, at: f64) -> Vec<f64> {
    let step = step(slot.unit, at);
    let values = match slot.unit {
        Unit::Flag => vec![0.0, 1.0],
        // Half a thing is no thing: the whole numbers on both sides.
        Unit::Count => vec![at.ceil() - 1.0, at.floor(), at.ceil(), at.floor() + 1.0],
        _ => vec![at - step, at, at + step],
    };
    tidy(slot, values)
}

/// What the metric can have, in order, each once.
fn tidy(slot: &Slot, mut values: Vec<f64>) -> Vec<f64> {
    values.retain(|value| possible(slot, *value));
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

/// Whether a metric can have a value: in its range, and where things are counted a whole number.
fn possible(slot: &Slot, value: f64) -> bool {
    let whole = match slot.unit {
        Unit::Flag => value == 0.0 || value == 1.0,
        Unit::Count => value.fract() == 0.0,
        _ => true,
    };
    whole && slot.accepts(value)
}

/// Values of one metric for the others to be tried beside: the measured one first, then what lies between, on and
/// around the thresholds of the rule, then usual ones, and the ends of its range last.
pub(super) fn of(rule: &Rule, id: SlotId, slot: &Slot, measured: &BTreeMap<String, f64>) -> Vec<f64> {
    let mut pivots = Vec::new();
    rule.condition.leaves(&mut |leaf, _| {
        if let Condition::Compare(comparison) = leaf {
            pivots.extend(pivot(comparison, id));
        }
    });
    pivots.sort_by(f64::total_cmp);
    pivots.dedup();
    let between = pivots.iter().zip(pivots.iter().skip(1)).map(|(low, high)| f64::midpoint(*low, *high));
    let mut wanted: Vec<f64> = between.collect();
    wanted.extend(pivots.iter().flat_map(|pivot| around(slot, *pivot)));
    if slot.unit == Unit::Flag {
        wanted.push(0.0);
    }
    wanted.extend([100.0, 1.0, 0.5, f64::midpoint(slot.low, slot.high), slot.low, slot.high]);
    let mut values: Vec<f64> =
        measured.get(&slot.key).copied().filter(|known| slot.accepts(*known)).into_iter().collect();
    for value in wanted {
        if possible(slot, value) && !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

/// Where a comparison with a constant changes.
fn pivot(comparison: &Comparison, id: SlotId) -> Option<f64> {
    let Threshold::Constant(constant) = comparison.right else { return None };
    let plain =
        comparison.left.slot == id && comparison.left.divisor.is_none() && comparison.left.factor != 0.0;
    let at = constant / comparison.left.factor;
    (plain && at.is_finite()).then_some(at)
}
