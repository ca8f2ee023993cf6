//! Looking for two neighbouring values of one metric between which a threshold decides.

use std::collections::BTreeMap;

use super::candidates;
use crate::severity::catalog::SlotId;
use crate::severity::condition::{Absent, Comparison, Condition, Operand};
use crate::severity::frame::{Frame, Reading};
use crate::severity::scheme::Rule;
use crate::severity::{Scheme, Truth, wording};

/// How many combinations of the other metrics' values are tried at most.
const MOST: usize = 50_000;

/// The metric that was changed, its two values, and the values of the others.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) slot: SlotId,
    pub(super) fires: f64,
    pub(super) quiet: f64,
    pub(super) others: BTreeMap<SlotId, f64>,
}

/// What was seen on the way, to say why nothing was found.
#[derive(Default)]
struct Seen {
    leaf_held: bool,
    leaf_missed: bool,
    rule_held: bool,
    rule_missed: bool,
}

/// The pair for the leaf of this number, or why there is none.
pub(super) fn pair(
    scheme: &Scheme,
    rule: &Rule,
    number: usize,
    measured: &BTreeMap<String, f64>,
) -> Result<Pair, String> {
    let mut all = Vec::new();
    rule.condition.leaves(&mut |leaf, _| all.push(leaf));
    let Some(leaf) = all.get(number).copied() else {
        return Err("it has no place in the condition".to_owned());
    };
    let slot = match leaf {
        Condition::Compare(comparison) => comparison.left.slot,
        Condition::Flag(slot) => *slot,
        _ => return Err("it is neither a comparison nor a flag".to_owned()),
    };
    let others: Vec<SlotId> = rule.slots.iter().copied().filter(|other| *other != slot).collect();
    let choices: Vec<Vec<f64>> = others
        .iter()
        .map(|other| {
            scheme
                .table
                .get(*other)
                .map_or_else(Vec::new, |definition| candidates::of(rule, *other, definition, measured))
        })
        .collect();
    let mut seen = Seen::default();
    let mut choice = vec![0_usize; others.len()];
    let mut frame = Frame::default();
    for _ in 0..MOST {
        frame.reset(&scheme.table);
        let mut chosen = BTreeMap::new();
        for ((other, values), at) in others.iter().zip(&choices).zip(&choice) {
            if let Some(value) = values.get(*at) {
                frame.set(*other, Reading::Value(*value));
                chosen.insert(*other, *value);
            }
        }
        let values = values(scheme, rule, leaf, slot, &frame, measured);
        if let Some((fires, quiet)) = change(scheme, rule, leaf, slot, &values, &mut frame, &mut seen) {
            return Ok(Pair { slot, fires, quiet, others: chosen });
        }
        if !next(&mut choice, &choices) {
            break;
        }
    }
    Err(why(scheme, leaf, slot, &seen))
}

/// The next combination, the last metric's value first; false when all were tried.
fn next(choice: &mut [usize], choices: &[Vec<f64>]) -> bool {
    for (at, values) in choice.iter_mut().zip(choices).rev() {
        if *at + 1 < values.len() {
            *at += 1;
            return true;
        }
        *at = 0;
    }
    false
}

/// The values of the leaf's own metric to try, in order: around where the comparison changes, and everywhere else that
/// the rule looks.
fn values(
    scheme: &Scheme,
    rule: &Rule,
    leaf: &Condition,
    slot: SlotId,
    frame: &Frame,
    measured: &BTreeMap<String, f64>,
) -> Vec<f64> {
    let Some(definition) = scheme.table.get(slot) else { return Vec::new() };
    let mut values = Vec::new();
    if let Condition::Compare(comparison) = leaf
        && let Some(at) = boundary(comparison, frame)
    {
        values.extend(candidates::around(definition, at));
    }
    values.extend(candidates::of(rule, slot, definition, measured));
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

/// Where a comparison changes, while everything but its left metric stays.
fn boundary(comparison: &Comparison, frame: &Frame) -> Option<f64> {
    let Operand { divisor, factor, .. } = &comparison.left;
    let right = comparison.right.value(frame)?;
    let divisor = match divisor {
        Some(divisor) => frame.value(*divisor)?,
        None => 1.0,
    };
    let at = right * divisor / factor;
    at.is_finite().then_some(at)
}

/// Two neighbours between which the leaf and the whole condition change, the one that fires first. Of several the pair
/// that lies closest together.
fn change(
    scheme: &Scheme,
    rule: &Rule,
    leaf: &Condition,
    slot: SlotId,
    values: &[f64],
    frame: &mut Frame,
    seen: &mut Seen,
) -> Option<(f64, f64)> {
    let mut best: Option<(f64, f64)> = None;
    let mut before: Option<(f64, Truth, Truth)> = None;
    for value in values {
        frame.set(slot, Reading::Value(*value));
        let own = leaf.evaluate(frame, &scheme.table, Absent::Undecided);
        let whole = rule.condition.evaluate(frame, &scheme.table, Absent::Undecided);
        seen.leaf_held |= own == Truth::True;
        seen.leaf_missed |= own == Truth::False;
        seen.rule_held |= whole == Truth::True;
        seen.rule_missed |= whole == Truth::False;
        if let Some((other, own_before, whole_before)) = before
            && own != own_before
            && own != Truth::Undecided
            && own_before != Truth::Undecided
            && (whole == Truth::True) != (whole_before == Truth::True)
        {
            let found = if whole == Truth::True { (*value, other) } else { (other, *value) };
            let wide = |pair: (f64, f64)| (pair.0 - pair.1).abs();
            if best.is_none_or(|best| wide(found) < wide(best)) {
                best = Some(found);
            }
        }
        before = Some((*value, own, whole));
    }
    best
}

fn why(scheme: &Scheme, leaf: &Condition, slot: SlotId, seen: &Seen) -> String {
    let range = scheme.table.get(slot).map_or_else(String::new, |slot| {
        let (low, high) = (wording::value(slot.unit, slot.low), wording::value(slot.unit, slot.high));
        format!(" from {low} to {high}")
    });
    match (leaf, seen) {
        (_, Seen { leaf_held: false, leaf_missed: false, .. }) => {
            "no value of its metrics decides it".to_owned()
        }
        (_, Seen { leaf_held: false, .. }) => format!("no value{range} makes it hold"),
        (_, Seen { leaf_missed: false, .. }) => format!("it always holds, whatever the value{range}"),
        (_, Seen { rule_held: false, .. }) => {
            "the condition contradicts itself: no values make the whole hold".to_owned()
        }
        (_, Seen { rule_missed: false, .. }) => "the whole condition always holds".to_owned(),
        _ => "another part of the condition always decides before it: it makes no difference".to_owned(),
    }
}
