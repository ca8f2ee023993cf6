//! What users write to find something in a line: regular expressions, and how an instant is written.

use chrono::{DateTime, Datelike as _, NaiveDateTime, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write as _};
use std::str::FromStr;

use crate::base::{Error, ErrorCode, Result};
use crate::probe::file;

/// A regular expression over the bytes of a line. It takes time in proportion to the line, whatever it says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LinePattern(regex::bytes::Regex);

impl LinePattern {
    /// Whether it is found in a line.
    pub fn is_in(&self, line: &[u8]) -> bool {
        self.0.is_match(line)
    }

    /// What its first group holds, or all that it found where it has none.
    pub fn group<'line>(&self, line: &'line [u8]) -> Option<&'line [u8]> {
        let found = self.0.captures(line)?;
        found.get(1).or_else(|| found.get(0)).map(|found| found.as_bytes())
    }
}

impl FromStr for LinePattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: String| {
            Error::new(ErrorCode::InvalidData, why)
                .hint("`(?i)` at its beginning is for upper and lower case alike; `\\` goes before . ( ) [ ] { } * + ? | ^ $")
        };
        if text.is_empty() {
            return Err(wrong("an empty regular expression is found in every line".to_owned()));
        }
        regex::bytes::Regex::new(text).map(Self).map_err(|error| {
            let why = error.to_string();
            let last = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
            wrong(format!("`{}` is not a regular expression: {last}", text.escape_debug()))
        })
    }
}

/// How an instant is written, as strftime has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeFormat(String);

/// An instant, or a local time whose zone is not said.
pub(super) enum Written {
    Instant(DateTime<Utc>),
    Local(NaiveDateTime),
}

impl TimeFormat {
    /// What stands at the beginning of a text. Where no year is written, as syslog has it, it is the year that puts the time
    /// nearest to `now` (local), and not after it, clocks being a little apart.
    pub(super) fn read(&self, text: &str, now: NaiveDateTime) -> Option<Written> {
        if let Ok((instant, _)) = DateTime::parse_and_remainder(text, &self.0) {
            return Some(Written::Instant(instant.with_timezone(&Utc)));
        }
        if let Ok((local, _)) = NaiveDateTime::parse_and_remainder(text, &self.0) {
            return Some(Written::Local(local));
        }
        if self.tells_a_year() {
            return None;
        }
        let until = now.checked_add_signed(file::SKEW)?;
        let format = format!("%Y {}", self.0);
        // The 29th of February may be eight years ago.
        let in_year = |year: i32| {
            let dated = format!("{year} {text}");
            NaiveDateTime::parse_and_remainder(&dated, &format).ok().map(|(local, _)| local)
        };
        let mut years = (0..=8).filter_map(|back| in_year(until.year() - back));
        years.find(|local| *local <= until).map(Written::Local)
    }

    /// Whether the year is written, in whatever form.
    fn tells_a_year(&self) -> bool {
        ["%Y", "%y", "%G", "%g", "%C", "%s", "%c", "%+", "%D", "%x", "%F", "%v"]
            .iter()
            .any(|part| self.0.contains(part))
    }
}

impl FromStr for TimeFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            let message = format!("`{}` {why}", text.escape_debug());
            Err(Error::new(ErrorCode::InvalidData, message).hint(
                "write it like %Y-%m-%d %H:%M:%S or %d/%b/%Y:%H:%M:%S %z, or %b %e %H:%M:%S as syslog has it",
            ))
        };
        let format = Self(text.to_owned());
        // What it writes it has to read again, or no line would have an instant.
        let sample = DateTime::from_timestamp(981_173_106, 0).unwrap_or_default();
        let mut written = String::new();
        if write!(written, "{}", sample.format(text)).is_err() {
            return wrong("is not a format of strftime");
        }
        match format.read(&written, sample.naive_utc()) {
            Some(Written::Instant(read)) if read == sample => Ok(format),
            Some(Written::Local(read)) if read == sample.naive_utc() => Ok(format),
            _ => wrong("does not tell an instant to the second"),
        }
    }
}

impl fmt::Display for LinePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl fmt::Display for TimeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for LinePattern {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl TryFrom<String> for TimeFormat {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<LinePattern> for String {
    fn from(pattern: LinePattern) -> Self {
        pattern.to_string()
    }
}

impl From<TimeFormat> for String {
    fn from(format: TimeFormat) -> Self {
        format.0
    }
}

impl JsonSchema for LinePattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LinePattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "line-pattern",
            "description": "A regular expression that is looked for in each line; (?i) at its beginning is for upper and lower case alike.",
            "examples": ["(?i)error|nan"]
        })
    }
}

impl JsonSchema for TimeFormat {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TimeFormat".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "time-format",
            "description": "How an instant is written, as strftime has it, with day and time to the second.",
            "examples": ["%d/%b/%Y:%H:%M:%S %z"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_has_to_read_what_it_writes() {
        for good in ["%Y-%m-%d %H:%M:%S", "%d/%b/%Y:%H:%M:%S %z", "%s", "%c", "[%a %b %e %T %Y]", "%+"] {
            assert!(good.parse::<TimeFormat>().is_ok(), "{good}");
        }
        for bad in ["%Y %H:%M:%S", "%e %H:%M:%S", "%H:%M:%S", "%Q", "", "at", "%Y-%m-%d %H:%M"] {
            assert!(bad.parse::<TimeFormat>().is_err(), "{bad}");
        }
    }

    #[test]
    fn without_a_year_it_is_the_nearest_that_has_come() {
        let format: TimeFormat = "%b %e %H:%M:%S".parse().unwrap();
        let local = |text: &str| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap();
        for (text, now, read) in [
            ("Nov 20 02:59:59 host x", "2026-11-20 03:00:00", "2026-11-20 02:59:59"),
            ("Nov  5 02:59:59 host x", "2026-11-20 03:00:00", "2026-11-05 02:59:59"),
            ("Nov 20 03:00:30 clocks are apart", "2026-11-20 03:00:00", "2026-11-20 03:00:30"),
            ("Dec 31 23:59:00 x", "2027-01-01 00:01:00", "2026-12-31 23:59:00"),
            ("Jan  1 00:00:20 x", "2026-12-31 23:59:50", "2027-01-01 00:00:20"),
            ("Nov 21 03:00:00 x", "2026-11-20 03:00:00", "2025-11-21 03:00:00"),
            ("Feb 29 12:00:00 x", "2026-11-20 03:00:00", "2024-02-29 12:00:00"),
        ] {
            let Some(Written::Local(found)) = format.read(text, local(now)) else { panic!("{text}") };
            assert_eq!(found, local(read), "{text}");
        }
        assert!(format.read("Feb 30 12:00:00", local("2026-11-20 03:00:00")).is_none());
    }

    #[test]
    fn patterns_are_checked() {
        assert!("(?i)error".parse::<LinePattern>().unwrap().is_in(b"an ERROR \xff"));
        for bad in ["", "(", "a{1000}{1000}{1000}"] {
            assert!(bad.parse::<LinePattern>().is_err(), "{bad}");
        }
        let group: LinePattern = r"\[([^]]+)\]".parse().unwrap();
        assert_eq!(group.group(b"x [now] y"), Some(&b"now"[..]));
    }
}
