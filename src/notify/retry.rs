//! When a delivery is tried again: backoff, jitter, and what a receiver asks for.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use super::config::BackoffConfig;

/// The longest wait that a receiver's `Retry-After` can ask for: a wrong header must not silence a channel for days.
pub const LONGEST_RETRY_AFTER: TimeDelta = TimeDelta::hours(1);

/// How long to wait after the `attempts`-th try (from 1): `first` doubled each time up to `longest`, shortened by up
/// to a half by `jitter` in [0, 1).
pub fn backoff(config: &BackoffConfig, attempts: u32, jitter: f64) -> TimeDelta {
    let first = config.first.approximate().num_milliseconds().max(1);
    let longest = config.longest.approximate().num_milliseconds().max(1);
    let doubled = first.saturating_mul(1_i64.checked_shl(attempts.saturating_sub(1).min(40)).unwrap_or(1));
    let base = doubled.min(longest);
    let share = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
    TimeDelta::milliseconds(base - (base as f64 / 2.0 * share) as i64)
}

/// Reads `Retry-After`: a number of seconds or an HTTP date; negative waits are none, long ones are cut to
/// [`LONGEST_RETRY_AFTER`].
pub fn retry_after(value: &str, now: DateTime<Utc>) -> Option<TimeDelta> {
    let value = value.trim();
    let wait = match value.parse::<u32>() {
        Ok(seconds) => TimeDelta::seconds(i64::from(seconds)),
        Err(_) if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => LONGEST_RETRY_AFTER,
        Err(_) => {
            let at = NaiveDateTime::parse_from_str(value, "%a, %d %b %Y %H:%M:%S GMT").ok()?;
            at.and_utc() - now
        }
    };
    Some(wait.clamp(TimeDelta::zero(), LONGEST_RETRY_AFTER))
}

/// Whether an answer with this HTTP status may be different next time: too early, too many, or the server's fault.
pub const fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429) || status >= 500
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Duration;
    use crate::base::clock::parse_instant;

    #[test]
    fn doubles_up_to_the_longest_and_jitter_only_shortens() {
        let config = BackoffConfig { first: Duration::seconds(2), longest: Duration::seconds(60) };
        let waits: Vec<_> = (1..=7).map(|n| backoff(&config, n, 0.0).num_seconds()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff(&config, 3, 1.0).num_seconds(), 4);
        assert_eq!(backoff(&config, u32::MAX, f64::NAN).num_seconds(), 60);
    }

    #[test]
    fn a_receiver_asks_in_seconds_or_by_date() {
        let now = parse_instant("2026-11-20T03:07:00Z").unwrap();
        assert_eq!(retry_after("120", now), Some(TimeDelta::seconds(120)));
        assert_eq!(retry_after("Fri, 20 Nov 2026 03:09:00 GMT", now), Some(TimeDelta::seconds(120)));
        assert_eq!(retry_after("Fri, 20 Nov 2026 03:00:00 GMT", now), Some(TimeDelta::zero()));
        assert_eq!(retry_after("99999999999", now), Some(LONGEST_RETRY_AFTER));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("", now), None);
    }

    #[test]
    fn statuses() {
        for status in [408, 425, 429, 500, 502, 503, 504, 599] {
            assert!(is_passing(status), "{status}");
        }
        for status in [301, 400, 401, 403, 404, 410, 413, 422] {
            assert!(!is_passing(status), "{status}");
        }
    }
}
