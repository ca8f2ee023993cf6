//! One value of a row: as a number, as a time, as a label.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone as _, Utc};

use crate::base::Unit;
use crate::probe::Zone;
use crate::probe::server::{number, quoted};
use crate::probe::zone::day_of;

/// The longest label that is taken, in characters.
const LONGEST_LABEL: usize = 200;

/// A value as it comes from a database.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Number(f64),
    Text(String),
    Bytes(usize),
}

impl Cell {
    /// The number, in a unit. It may be NaN or infinite; the sample says so.
    pub fn number(&self, unit: Unit) -> Result<f64, String> {
        let value = match self {
            Cell::Null => return Err("it is NULL".to_owned()),
            Cell::Number(value) => *value,
            Cell::Text(text) => number(text)?,
            Cell::Bytes(length) => return Err(format!("it is {length} bytes, not a number")),
        };
        if unit == Unit::Flag && value.is_finite() && value != 0.0 && value != 1.0 {
            return Err(format!("{value} is neither true nor false"));
        }
        Ok(value)
    }

    /// The instant. A date is its beginning; a number counts the seconds since 1970.
    pub fn instant(&self, zone: Zone) -> Result<DateTime<Utc>, String> {
        let seconds = |value: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "what is beyond the calendar is refused")]
            let milliseconds = (value * 1000.0) as i64;
            let instant = DateTime::from_timestamp_millis(milliseconds).filter(|_| value.is_finite());
            instant.ok_or_else(|| format!("{value} is no time (seconds since 1970)"))
        };
        match self {
            Cell::Null => Err("the time is NULL".to_owned()),
            Cell::Number(value) => seconds(*value),
            Cell::Bytes(length) => Err(format!("the time is {length} bytes")),
            Cell::Text(text) => match text.trim().parse::<f64>() {
                Ok(value) => seconds(value),
                Err(_) => {
                    parse(text.trim(), zone).ok_or_else(|| format!("the time is {}, no time", quoted(text)))
                }
            },
        }
    }

    /// The value as a label.
    pub fn label(&self, column: &str) -> Result<String, String> {
        let text = match self {
            Cell::Null => return Err(format!("a row has no {}: it is NULL", quoted(column))),
            Cell::Bytes(_) => return Err(format!("{} holds bytes, which are no label", quoted(column))),
            Cell::Number(value) => value.to_string(),
            Cell::Text(text) => text.clone(),
        };
        if text.chars().count() > LONGEST_LABEL {
            return Err(format!("a {} is longer than {LONGEST_LABEL} characters", quoted(column)));
        }
        Ok(text)
    }
}

/// A time as databases write it: RFC 3339, or with a blank, without seconds of the offset, without an offset, without
/// a time of day.
fn parse(text: &str, zone: Zone) -> Option<DateTime<Utc>> {
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(zone.start_of(day_of(date)));
    }
    let normal = text.replacen(' ', "T", 1);
    let with_offset = DateTime::parse_from_rfc3339(&normal)
        .or_else(|_| DateTime::parse_from_str(&normal, "%Y-%m-%dT%H:%M:%S%.f%#z"));
    if let Ok(instant) = with_offset {
        return Some(instant.with_timezone(&Utc));
    }
    let local = NaiveDateTime::parse_from_str(&normal, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(&normal, "%Y-%m-%dT%H:%M"))
        .ok()?;
    // What an hour that is there twice means is not known: the later one makes nothing look newer than it can be
    // judged to be, since the future is refused.
    zone.0.from_local_datetime(&local).latest().map(|instant| instant.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::format_instant;

    #[test]
    fn only_numbers_are_numbers() {
        let number = |text: &str| Cell::Text(text.to_owned()).number(Unit::Number);
        assert_eq!(number("12.50"), Ok(12.5));
        assert_eq!(number("true"), Ok(1.0));
        assert!(number("NaN").unwrap().is_nan());
        assert!(number("Infinity").unwrap().is_infinite());
        assert!(number("00:05:00").unwrap_err().contains("not a number"));
        assert!(Cell::Null.number(Unit::Number).is_err());
        assert!(Cell::Number(0.9).number(Unit::Flag).is_err());
        assert_eq!(Cell::Number(1.0).number(Unit::Flag), Ok(1.0));
        assert!(number("\u{1b}[31m").unwrap_err().contains("\\u{1b}"), "escaped");
    }

    #[test]
    fn times_are_read_as_databases_write_them() {
        let new_york: Zone = "America/New_York".parse().unwrap();
        let read = |text: &str| Cell::Text(text.to_owned()).instant(new_york).map(format_instant);
        for (text, instant) in [
            ("2026-11-20T03:00:00Z", "2026-11-20T03:00:00Z"),
            ("2026-11-20 03:00:00+00", "2026-11-20T03:00:00Z"),
            ("2026-11-20 03:00:00.25+05:30", "2026-11-19T21:30:00Z"),
            ("2026-11-20 03:00:00", "2026-11-20T08:00:00Z"),
            ("2026-11-20", "2026-11-20T05:00:00Z"),
            ("1795143600", "2026-11-20T03:00:00Z"),
        ] {
            let read = read(text).unwrap();
            assert_eq!(read.replace(".250", ""), instant, "{text}");
        }
        for text in ["infinity", "yesterday", "", "NaN", "1e300", "2026-13-01"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(Cell::Null.instant(new_york).is_err());
    }
}
