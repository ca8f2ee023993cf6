//! Counters: from one value to the next, and what became of them in between.

use chrono::{DateTime, Utc};

use crate::base::clock::format_instant;
use crate::store::Sample;

/// What came since the last look at a counter; with what was looked at, in words.
///
/// A counter that stands lower than at the last look began again at zero: all that it counts is new. At the first look
/// only zero is certain.
pub(super) fn since(last: Option<&Sample>, total: f64) -> (Result<f64, String>, String) {
    let Some((at, before)) = last.and_then(|last| Some((last.event_time, last.measurement.value()?))) else {
        let first = format!("{total} in all; there was no look before this one");
        if total == 0.0 {
            return (Ok(0.0), first);
        }
        return (Err(format!("{first}: from the next one on, what comes is counted")), first);
    };
    let at = format_instant(at);
    if total < before {
        return (Ok(total), format!("{before} at {at}, {total} now: it began again at zero"));
    }
    (Ok(total - before), format!("{before} at {at}, {total} now"))
}

/// How a counter grew.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Increase {
    /// By how much.
    pub(super) value: f64,
    /// How often it began again at zero.
    pub(super) resets: u64,
    /// Whether it has no value from before the start, so that it counts from zero.
    pub(super) began: bool,
}

/// By how much a counter grew after `start`, over its values, oldest first: each step up counts, and after a step down
/// the new value does. Nothing is extrapolated. `Err` where a value is none.
pub(super) fn increase(values: &[(DateTime<Utc>, f64)], start: DateTime<Utc>) -> Result<Increase, String> {
    if let Some((_, value)) = values.iter().find(|(_, value)| !value.is_finite() || *value < 0.0) {
        return Err(format!("the counter stands at {value}"));
    }
    let before = values.iter().rev().find(|(at, _)| *at <= start).map(|(_, value)| *value);
    let mut increase = Increase { began: before.is_none(), ..Increase::default() };
    let mut last = before.unwrap_or(0.0);
    for (_, value) in values.iter().filter(|(at, _)| *at > start) {
        if *value < last {
            increase.resets += 1;
            increase.value += value;
        } else {
            increase.value += value - last;
        }
        last = *value;
    }
    Ok(increase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn grown(values: &[(i64, f64)], start: i64) -> Result<Increase, String> {
        let values: Vec<_> = values.iter().map(|(second, value)| (at(*second), *value)).collect();
        increase(&values, at(start))
    }

    #[test]
    fn steps_up_count_and_resets_begin_at_zero() {
        let values = [(10, 5.0), (20, 7.0), (30, 2.0), (40, 2.0), (50, 3.0)];
        assert_eq!(grown(&values, 10), Ok(Increase { value: 5.0, resets: 1, began: false }));
        assert_eq!(grown(&values, 15), Ok(Increase { value: 5.0, resets: 1, began: false }));
        assert_eq!(grown(&values, 30), Ok(Increase { value: 1.0, resets: 0, began: false }));
        assert_eq!(grown(&values, 50), Ok(Increase::default()));
        // Born in the window: its first value is what `increase()` of PromQL does not see.
        assert_eq!(grown(&[(20, 1.0), (30, 1.0)], 10), Ok(Increase { value: 1.0, resets: 0, began: true }));
    }

    #[test]
    fn what_is_no_counter_is_said() {
        for value in [f64::NAN, f64::INFINITY, -1.0] {
            assert!(grown(&[(10, value)], 5).is_err(), "{value}");
        }
    }
}
