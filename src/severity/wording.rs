//! Numbers and reasons in words, written into a buffer that is used again and again.

use std::fmt::Write as _;

use super::Truth;
use super::catalog::{SlotId, Table};
use super::condition::{Absent, Comparison, Condition, Threshold};
use super::expression::syntax::Operator;
use super::frame::{Frame, Reading};
use crate::base::Unit;
use crate::base::unit::Dimension;

/// A value in its unit as people read it: `25 %`, `+200 %`, `180 ms`.
pub(crate) fn value(unit: Unit, value: f64) -> String {
    let mut text = String::new();
    push_value(&mut text, unit, value);
    text
}

/// Appends a value in its unit; what it writes is what [`Unit::show`] writes, up to rounding.
pub(crate) fn push_value(out: &mut String, unit: Unit, value: f64) {
    let suffix = match unit {
        Unit::Ratio | Unit::Change => {
            if unit == Unit::Change && value > 0.0 {
                out.push('+');
            }
            push_number(out, value * 100.0, 2);
            " %"
        }
        Unit::Flag if value == 0.0 => return out.push_str("no"),
        Unit::Flag if value == 1.0 => return out.push_str("yes"),
        _ => {
            push_number(out, value, 4);
            suffix(unit)
        }
    };
    out.push_str(suffix);
}

const fn suffix(unit: Unit) -> &'static str {
    match unit {
        Unit::Milliseconds => " ms",
        Unit::Seconds => " s",
        Unit::Minutes => " min",
        Unit::Hours => " h",
        Unit::Days => " days",
        Unit::Bytes => " bytes",
        Unit::Sigma => " σ",
        _ => "",
    }
}

/// Appends a number with at most `decimals` digits after the point, without needless zeros.
fn push_number(out: &mut String, value: f64, decimals: u32) {
    let scale = if decimals == 2 { 100.0 } else { 10_000.0 };
    let scaled = value.abs() * scale;
    // Beyond this, a float has no digits after the point left to round.
    if scaled >= 4e15 || scaled.is_nan() {
        let _ = write!(out, "{value}");
        return;
    }
    // Half is rounded up: adding and cutting off is much faster than `round`.
    let scaled = (scaled + 0.5) as u64;
    if scaled == 0 {
        out.push('0');
        return;
    }
    if value < 0.0 {
        out.push('-');
    }
    let places = if decimals == 2 { 2 } else { 4 };
    let mut digits = [b'0'; 24];
    let (mut rest, mut length, mut first) = (scaled, 0, digits.len());
    // From the last digit; zeros behind the point say nothing until one that does.
    while rest > 0 || length <= places {
        let digit = b'0' + (rest % 10) as u8;
        let silent = length < places && digit == b'0' && first == digits.len();
        if length == places && first < digits.len() {
            first = first.saturating_sub(1);
            put(&mut digits, first, b'.');
        }
        if !silent {
            first = first.saturating_sub(1);
            put(&mut digits, first, digit);
        }
        rest /= 10;
        length += 1;
    }
    out.push_str(digits.get(first..).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default());
}

fn put(digits: &mut [u8], at: usize, byte: u8) {
    if let Some(place) = digits.get_mut(at) {
        *place = byte;
    }
}

/// Appends a distance in its unit: `4.2 points`, `3 days`. One too small to show is said to be so.
fn push_distance(out: &mut String, unit: Unit, distance: f64) {
    let fraction = unit.dimension() == Dimension::Fraction;
    let (shown, smallest) = if fraction { (distance * 100.0, 0.01) } else { (distance, 0.0001) };
    if shown > 0.0 && shown < smallest / 2.0 {
        let _ = write!(out, "less than {smallest}");
    } else {
        push_number(out, shown, if fraction { 2 } else { 4 });
    }
    match (fraction, shown == 1.0) {
        (true, true) => out.push_str(" point"),
        (true, false) => out.push_str(" points"),
        (false, _) => out.push_str(suffix(unit)),
    }
}

/// Why a condition came out as it did: what each part that decided it says.
pub(crate) fn push_reason(
    out: &mut String,
    condition: &Condition,
    frame: &Frame,
    table: &Table,
    truth: Truth,
) {
    // The common rule is one comparison, and needs no walk.
    if let Condition::Compare(_) | Condition::Flag(_) = condition {
        return push_leaf(out, condition, frame, table);
    }
    let mut first = true;
    condition.leaves(&mut |leaf, negated| {
        let own = leaf.evaluate(frame, table, Absent::Undecided);
        let own = if negated { own.negated() } else { own };
        if own == truth {
            let start = out.len();
            if !std::mem::take(&mut first) {
                out.push_str("; ");
            }
            let text = out.len();
            push_leaf(out, leaf, frame, table);
            // Two parts that lack the same metric say so once.
            let said = out.get(text..).unwrap_or_default().to_owned();
            if out.get(..start).is_some_and(|before| before.split("; ").any(|part| part == said)) {
                out.truncate(start);
            }
        }
    });
}

fn push_leaf(out: &mut String, leaf: &Condition, frame: &Frame, table: &Table) {
    match leaf {
        Condition::Compare(comparison) => match comparison.values(frame) {
            Some((left, right)) => push_comparison(out, comparison, left, right, None),
            None => push_missing(out, comparison.slots(), &comparison.left_text, frame, table),
        },
        Condition::Flag(slot) => match (frame.value(*slot), table.get(*slot)) {
            (Some(value), Some(definition)) => {
                out.push_str(&definition.key);
                out.push_str(if value == 0.0 { " no" } else { " yes" });
            }
            _ => push_missing(out, std::iter::once(*slot), "", frame, table),
        },
        _ => {}
    }
}

fn push_missing(
    out: &mut String,
    slots: impl Iterator<Item = SlotId>,
    text: &str,
    frame: &Frame,
    table: &Table,
) {
    let mut first = true;
    for slot in slots {
        let Some(definition) = table.get(slot) else { continue };
        let reading = frame.reading(slot);
        if matches!(reading, Reading::Value(_)) {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push_str(", ");
        }
        match reading {
            Reading::Undecided(index) => out.push_str(frame.reason(index)),
            Reading::Warming => {
                out.push_str("no sample of ");
                out.push_str(&definition.key);
                out.push_str(" from the served version yet");
            }
            Reading::Absent if definition.optional => {
                out.push_str(&definition.key);
                out.push_str(" was not reported");
            }
            Reading::Absent | Reading::Value(_) => {
                out.push_str("no sample of ");
                out.push_str(&definition.key);
            }
        }
    }
    if first {
        let _ = write!(out, "{text} is a division by zero");
    }
}

/// Appends what a comparison says; `shown` is the left side's value where that is at hand as text.
pub(crate) fn push_comparison(
    out: &mut String,
    comparison: &Comparison,
    left: f64,
    right: f64,
    shown: Option<&str>,
) {
    let holds = comparison.operator.holds(left, right);
    out.push_str(&comparison.left_text);
    out.push(' ');
    match shown {
        Some(shown) => out.push_str(shown),
        None => push_value(out, comparison.unit, left),
    }
    let distance = (left - right).abs();
    if holds {
        out.push(' ');
        out.push_str(comparison.operator.as_str());
        out.push(' ');
        push_threshold(out, comparison, right);
        let ordered = !matches!(comparison.operator, Operator::Equal | Operator::NotEqual);
        if ordered && distance > 0.0 {
            out.push_str(" (");
            push_distance(out, comparison.unit, distance);
            out.push_str(if left > right { " over)" } else { " under)" });
        }
        return;
    }
    match comparison.operator {
        Operator::Greater | Operator::GreaterOrEqual | Operator::Less | Operator::LessOrEqual
            if distance > 0.0 =>
        {
            out.push_str(", ");
            push_distance(out, comparison.unit, distance);
            out.push_str(if left > right { " above " } else { " below " });
        }
        Operator::Greater | Operator::GreaterOrEqual => out.push_str(", not above "),
        Operator::Less | Operator::LessOrEqual => out.push_str(", not below "),
        Operator::Equal | Operator::NotEqual => out.push_str(", not "),
    }
    push_threshold(out, comparison, right);
}

fn push_threshold(out: &mut String, comparison: &Comparison, right: f64) {
    out.push_str(&comparison.right_text);
    if let Threshold::Operand(_) = comparison.right {
        out.push_str(" (");
        push_value(out, comparison.unit, right);
        out.push(')');
    }
}

/// How far the deciding comparison is from its threshold (value minus threshold, in the metric's unit): of several,
/// the one that comes nearest to changing the outcome.
pub(crate) fn distance(condition: &Condition, frame: &Frame, table: &Table, truth: Truth) -> Option<f64> {
    if let Condition::Compare(comparison) = condition {
        return comparison.values(frame).map(|(left, right)| rounded(left - right));
    }
    let mut nearest: Option<(f64, f64)> = None;
    condition.leaves(&mut |leaf, negated| {
        let own = leaf.evaluate(frame, table, Absent::Undecided);
        let own = if negated { own.negated() } else { own };
        let Condition::Compare(comparison) = leaf else { return };
        let Some((left, right)) = comparison.values(frame).filter(|_| own == truth) else { return };
        let relative = (left - right).abs() / right.abs().max(1e-9);
        if nearest.is_none_or(|(least, _)| relative < least) {
            nearest = Some((relative, rounded(left - right)));
        }
    });
    nearest.map(|(_, distance)| distance)
}

/// Without the noise that subtracting floats leaves in the last digits: nine digits after the point are kept.
pub(crate) fn rounded(value: f64) -> f64 {
    match billionths(value) {
        Some(0) => 0.0,
        Some(whole) => (whole as f64 / 1e9).copysign(value),
        None => value,
    }
}

/// How many billionths the nearest whole number of them is, of a value that is not too large to be told that way.
pub(crate) fn billionths(value: f64) -> Option<u64> {
    let size = value.abs();
    (size < 1e6).then_some((size * 1e9 + 0.5) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_the_units_show_them() {
        let values =
            [0.0, 1.0, 0.25, -0.15, 0.3141, 2.0, 180.0, 8.5, 0.0001, 123_456.789, 1e15, 12.3456, 0.05];
        for unit in
            [Unit::Ratio, Unit::Change, Unit::Milliseconds, Unit::Days, Unit::Count, Unit::Flag, Unit::Sigma]
        {
            for value in values {
                assert_eq!(super::value(unit, value), unit.show(value), "{unit} {value}");
            }
        }
    }

    #[test]
    fn distances_are_never_a_false_zero() {
        let show = |unit, distance| {
            let mut out = String::new();
            push_distance(&mut out, unit, distance);
            out
        };
        assert_eq!(show(Unit::Ratio, 0.042), "4.2 points");
        assert_eq!(show(Unit::Ratio, 0.01), "1 point");
        assert_eq!(show(Unit::Ratio, 1e-9), "less than 0.01 points");
        assert_eq!(show(Unit::Days, 3.0), "3 days");
    }
}
