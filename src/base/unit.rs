//! Units of metrics, their dimensions and their plausible ranges.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The unit in which a metric's values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A part of a whole, stored as a fraction: 25 % is 0.25.
    Ratio,
    /// A change or proportion that may exceed one or be negative, stored as a fraction: +200 % is 2.0.
    Change,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
    /// Days.
    Days,
    /// A number of things.
    Count,
    /// A number of bytes.
    Bytes,
    /// Standard deviations.
    Sigma,
    /// True (1) or false (0).
    Flag,
    /// A number without a unit.
    Number,
}

/// What kind of quantity a unit measures; only like is compared with like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// A fraction.
    Fraction,
    /// A length of time.
    Time,
    /// A number of things.
    Count,
    /// A size in bytes.
    Bytes,
    /// Standard deviations.
    Sigma,
    /// True or false.
    Flag,
    /// A bare number.
    Number,
}

impl Unit {
    /// The quantity it measures.
    pub const fn dimension(self) -> Dimension {
        match self {
            Unit::Ratio | Unit::Change => Dimension::Fraction,
            Unit::Milliseconds | Unit::Seconds | Unit::Minutes | Unit::Hours | Unit::Days => Dimension::Time,
            Unit::Count => Dimension::Count,
            Unit::Bytes => Dimension::Bytes,
            Unit::Sigma => Dimension::Sigma,
            Unit::Flag => Dimension::Flag,
            Unit::Number => Dimension::Number,
        }
    }

    /// One of this unit in its dimension's base: milliseconds for time, itself otherwise.
    pub const fn factor(self) -> f64 {
        match self {
            Unit::Seconds => 1000.0,
            Unit::Minutes => 60_000.0,
            Unit::Hours => 3_600_000.0,
            Unit::Days => 86_400_000.0,
            _ => 1.0,
        }
    }

    /// The values that this unit can have at all, both ends included.
    pub const fn range(self) -> (f64, f64) {
        match self {
            Unit::Ratio | Unit::Flag => (0.0, 1.0),
            Unit::Change | Unit::Sigma | Unit::Number => (f64::NEG_INFINITY, f64::INFINITY),
            _ => (0.0, f64::INFINITY),
        }
    }

    /// A value in this unit as people read it: `25 %`, `+200 %`, `180 ms`, `8.5 days`, `yes`.
    pub fn show(self, value: f64) -> String {
        let number = |value: f64| trim(format!("{value:.4}"));
        match self {
            Unit::Ratio => format!("{} %", trim(format!("{:.2}", value * 100.0))),
            Unit::Change => format!("{} %", trim(format!("{:+.2}", value * 100.0))),
            Unit::Flag if value == 0.0 => "no".to_owned(),
            Unit::Flag if value == 1.0 => "yes".to_owned(),
            Unit::Flag | Unit::Number | Unit::Count => number(value),
            Unit::Milliseconds => format!("{} ms", number(value)),
            Unit::Seconds => format!("{} s", number(value)),
            Unit::Minutes => format!("{} min", number(value)),
            Unit::Hours => format!("{} h", number(value)),
            Unit::Days => format!("{} days", number(value)),
            Unit::Bytes => format!("{} bytes", number(value)),
            Unit::Sigma => format!("{} σ", number(value)),
        }
    }

    /// The name as it is written in YAML.
    pub const fn as_str(self) -> &'static str {
        match self {
            Unit::Ratio => "ratio",
            Unit::Change => "change",
            Unit::Milliseconds => "milliseconds",
            Unit::Seconds => "seconds",
            Unit::Minutes => "minutes",
            Unit::Hours => "hours",
            Unit::Days => "days",
            Unit::Count => "count",
            Unit::Bytes => "bytes",
            Unit::Sigma => "sigma",
            Unit::Flag => "flag",
            Unit::Number => "number",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Drops the zeros after a decimal point that say nothing.
fn trim(text: String) -> String {
    if !text.contains('.') {
        return text;
    }
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if matches!(text, "-0" | "+0") { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_values_as_people_read_them() {
        assert_eq!(Unit::Ratio.show(0.25), "25 %");
        assert_eq!(Unit::Ratio.show(0.3141), "31.41 %");
        assert_eq!(Unit::Change.show(2.0), "+200 %");
        assert_eq!(Unit::Milliseconds.show(180.0), "180 ms");
        assert_eq!(Unit::Days.show(8.5), "8.5 days");
        assert_eq!(Unit::Flag.show(1.0), "yes");
        assert_eq!(Unit::Count.show(-0.0), "0");
    }
}
