//! Lengths of time as people write them: `15m`, `1h`, `7 days`, `500ms`, `3bd` (business days).

use chrono::{DateTime, Datelike, Days, TimeDelta, Utc, Weekday};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use super::error::{Error, ErrorCode, Result};

/// A length of time with its unit. Business days are days that are neither Saturday nor Sunday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Duration {
    /// A fixed length, in milliseconds; never negative.
    Fixed(i64),
    /// A number of business days.
    BusinessDays(u32),
}

const UNITS: &[(&[&str], i64)] = &[
    (&["ms", "millisecond", "milliseconds"], 1),
    (&["s", "sec", "second", "seconds"], 1000),
    (&["m", "min", "minute", "minutes"], 60_000),
    (&["h", "hour", "hours"], 3_600_000),
    (&["d", "day", "days"], 86_400_000),
    (&["w", "week", "weeks"], 604_800_000),
];

impl Duration {
    /// A number of seconds.
    pub const fn seconds(seconds: i64) -> Self {
        Duration::Fixed(seconds * 1000)
    }

    /// A number of minutes.
    pub const fn minutes(minutes: i64) -> Self {
        Duration::seconds(minutes * 60)
    }

    /// The fixed length; business days count as calendar days here, for comparing and sorting only.
    pub fn approximate(self) -> TimeDelta {
        match self {
            Duration::Fixed(milliseconds) => TimeDelta::milliseconds(milliseconds),
            Duration::BusinessDays(days) => TimeDelta::days(i64::from(days)),
        }
    }

    /// As a standard duration, for timeouts.
    pub fn to_std(self) -> std::time::Duration {
        self.approximate().to_std().unwrap_or_default()
    }

    /// The instant this long after `start`; business days skip Saturdays and Sundays (UTC).
    pub fn after(self, start: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Duration::Fixed(milliseconds) => start + TimeDelta::milliseconds(milliseconds),
            Duration::BusinessDays(days) => {
                let mut at = start;
                let mut left = days;
                while left > 0 {
                    at = at.checked_add_days(Days::new(1)).unwrap_or(at);
                    if !matches!(at.weekday(), Weekday::Sat | Weekday::Sun) {
                        left -= 1;
                    }
                }
                at
            }
        }
    }
}

impl FromStr for Duration {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: String| {
            Error::new(ErrorCode::InvalidData, why)
                .hint("write a number and a unit: 500ms, 30s, 15m, 1h, 7 days, 2w, 3bd (business days)")
        };
        let trimmed = text.trim();
        let split = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(split);
        let unit = unit.trim();
        let shown = text.escape_debug();
        if number.is_empty() {
            return Err(wrong(format!("`{shown}` is not a duration: it does not start with a whole number")));
        }
        let number: i64 = number.parse().map_err(|_| wrong(format!("`{shown}` is too long")))?;
        if unit.is_empty() {
            return Err(wrong(format!("`{shown}` has no unit: is it {number}s, {number}m or {number}h?")));
        }
        if matches!(unit, "bd" | "business day" | "business days") {
            let days = u32::try_from(number).ok().filter(|days| *days <= 3650);
            return days.map(Duration::BusinessDays).ok_or_else(|| wrong(format!("`{shown}` is too long")));
        }
        let Some((_, factor)) = UNITS.iter().find(|(names, _)| names.contains(&unit)) else {
            return Err(wrong(format!("`{}` is not a unit of time", unit.escape_debug())));
        };
        // A century is longer than anything irctl waits for, and keeps every sum inside the calendar.
        let milliseconds = number.checked_mul(*factor).filter(|value| *value <= 3_155_760_000_000);
        milliseconds.map(Duration::Fixed).ok_or_else(|| wrong(format!("`{shown}` is longer than a century")))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Duration::BusinessDays(days) => write!(f, "{days}bd"),
            Duration::Fixed(0) => f.write_str("0s"),
            Duration::Fixed(milliseconds) => {
                let fits = UNITS.iter().rev().find(|(_, factor)| milliseconds % factor == 0);
                let (unit, factor) =
                    fits.map_or(("ms", 1), |(names, factor)| (names.first().unwrap_or(&"ms"), *factor));
                write!(f, "{}{}", milliseconds / factor, unit)
            }
        }
    }
}

impl TryFrom<String> for Duration {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> Self {
        duration.to_string()
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "duration",
            "description": "A whole number and a unit: 500ms, 30s, 15m, 1h, 7 days, 2w, 3bd (business days).",
            "examples": ["15m", "1h", "3bd"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_instant;

    #[test]
    fn reads_what_people_write() {
        for (text, seconds) in
            [("15m", 900), ("1h", 3600), ("7 days", 604_800), ("2 weeks", 1_209_600), ("0s", 0)]
        {
            assert_eq!(text.parse::<Duration>().unwrap(), Duration::seconds(seconds), "{text}");
        }
        assert_eq!("500ms".parse::<Duration>().unwrap(), Duration::Fixed(500));
        assert_eq!("3bd".parse::<Duration>().unwrap(), Duration::BusinessDays(3));
    }

    #[test]
    fn refuses_what_is_not_clear() {
        for text in ["15", "", "h", "1.5h", "-3m", "5 parsecs", "99999999999999999999s", "9999999999w"] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }

    #[test]
    fn shows_itself_in_the_largest_whole_unit() {
        for text in ["500ms", "90s", "15m", "1h", "7w", "3bd", "0s"] {
            assert_eq!(text.parse::<Duration>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn business_days_skip_the_weekend() {
        let friday = parse_instant("2026-11-20T03:07:00Z").unwrap();
        let due = Duration::BusinessDays(3).after(friday);
        assert_eq!(due, parse_instant("2026-11-25T03:07:00Z").unwrap());
    }
}
