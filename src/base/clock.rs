//! Time, injected: the library never asks the operating system for it.

use chrono::{DateTime, SecondsFormat, Utc};
use std::fmt;
use std::path::PathBuf;

use super::error::{Error, ErrorCode, Result};

/// Where "now" comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The operating system's clock.
    System,
    /// One instant, for reading commands with `--now`.
    Fixed(DateTime<Utc>),
    /// The instant written in a file, which tests move.
    File(PathBuf),
}

impl Clock {
    /// The current instant. A clock file that cannot be read is a broken test set-up, not a fallback.
    pub fn now(&self) -> Result<DateTime<Utc>> {
        match self {
            Clock::System => Ok(Utc::now()),
            Clock::Fixed(instant) => Ok(*instant),
            Clock::File(path) => {
                let text = fs_err::read_to_string(path)?;
                parse_instant(text.trim())
            }
        }
    }

    /// Waits until `at`; returns the instant that it then is. A clock that stands still, in tests and with `--now`,
    /// is taken to have arrived there at once.
    pub fn wait_until(&self, at: DateTime<Utc>) -> Result<DateTime<Utc>> {
        let now = self.now()?;
        if matches!(self, Clock::System) && at > now {
            std::thread::sleep((at - now).to_std().unwrap_or_default());
        }
        Ok(self.now()?.max(at))
    }

    /// The clock named by a hidden variable's value: an RFC 3339 instant or `@FILE`.
    pub fn from_hidden_value(value: &str) -> Result<Self> {
        match value.strip_prefix('@') {
            Some(path) => Ok(Clock::File(PathBuf::from(path))),
            None => parse_instant(value).map(Clock::Fixed),
        }
    }
}

/// Parses an RFC 3339 instant, with any offset, to UTC.
pub fn parse_instant(text: &str) -> Result<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).map(|instant| instant.with_timezone(&Utc)).map_err(|error| {
        Error::new(ErrorCode::Usage, format!("`{text}` is not an RFC 3339 instant: {error}"))
            .hint("write it like 2026-11-20T03:07:00Z")
    })
}

/// An instant as irctl prints and stores it: RFC 3339, UTC, `Z`.
pub fn format_instant(instant: DateTime<Utc>) -> String {
    let format =
        if instant.timestamp_subsec_millis() == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
    instant.to_rfc3339_opts(format, true)
}

/// An instant for people: `2026-11-20 03:42 UTC`.
pub fn format_minute(instant: DateTime<Utc>) -> String {
    instant.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// An instant for people who look at it at `now`: the day only where it is another one, `03:42 UTC`.
pub fn format_near(instant: DateTime<Utc>, now: DateTime<Utc>) -> String {
    if instant.date_naive() == now.date_naive() {
        instant.format("%H:%M UTC").to_string()
    } else {
        format_minute(instant)
    }
}

/// How long something took or how old it is, for people: `340 ms`, `12 s`, `3 min 5 s`, `2 h 10 min`, `8 d 3 h`.
pub struct Elapsed(pub chrono::TimeDelta);

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.num_milliseconds();
        if milliseconds < 0 {
            write!(f, "-")?;
        }
        let milliseconds = milliseconds.unsigned_abs();
        let seconds = milliseconds / 1000;
        let two = |f: &mut fmt::Formatter<'_>, a: u64, ua: &str, b: u64, ub: &str| {
            if b == 0 { write!(f, "{a} {ua}") } else { write!(f, "{a} {ua} {b} {ub}") }
        };
        match seconds {
            0 => write!(f, "{milliseconds} ms"),
            1..=9 => write!(f, "{}.{} s", seconds, milliseconds % 1000 / 100),
            10..=59 => write!(f, "{seconds} s"),
            60..=3599 => two(f, seconds / 60, "min", seconds % 60, "s"),
            3600..=86_399 => two(f, seconds / 3600, "h", seconds % 3600 / 60, "min"),
            _ => two(f, seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn elapsed_reads_like_speech() {
        let show = |ms| Elapsed(TimeDelta::milliseconds(ms)).to_string();
        assert_eq!(show(340), "340 ms");
        assert_eq!(show(1500), "1.5 s");
        assert_eq!(show(185_000), "3 min 5 s");
        assert_eq!(show(7_800_000), "2 h 10 min");
        assert_eq!(show(86_400_000), "1 d");
        assert_eq!(show(-60_000), "-1 min");
    }

    #[test]
    fn people_see_the_day_only_where_it_is_another_one() {
        let at = |text: &str| parse_instant(text).unwrap();
        let (night, morning) = (at("2026-11-20T03:07:09Z"), at("2026-11-20T09:00:00Z"));
        assert_eq!(format_near(night, morning), "03:07 UTC");
        assert_eq!(format_near(night, at("2026-11-21T00:00:00Z")), "2026-11-20 03:07 UTC");
    }

    #[test]
    fn hidden_values_are_instants_or_files() {
        assert!(matches!(Clock::from_hidden_value("2026-11-20T03:07:00Z"), Ok(Clock::Fixed(_))));
        assert!(matches!(Clock::from_hidden_value("@/x"), Ok(Clock::File(_))));
        assert!(Clock::from_hidden_value("tomorrow").is_err());
    }
}
