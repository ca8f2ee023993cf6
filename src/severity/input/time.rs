//! Instants as monitoring systems write them.

use chrono::{DateTime, Datelike as _, Utc};
use serde_json::Value;

/// An instant from a text: RFC 3339, also with an offset without a colon (`+0000`). The year 1, which Go writes for
/// "never", is no instant.
pub(super) fn from_text(text: &str) -> Option<DateTime<Utc>> {
    let parsed = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .ok()?
        .with_timezone(&Utc);
    (parsed.year() > 1).then_some(parsed)
}

/// An instant from a JSON value: a text, or a number of seconds, milliseconds, microseconds or nanoseconds since 1970,
/// told apart by their size.
pub(super) fn from_value(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::String(text) => from_text(text).or_else(|| from_number(text.trim().parse().ok()?)),
        Value::Number(number) => from_number(number.as_f64()?),
        _ => None,
    }
}

fn from_number(number: f64) -> Option<DateTime<Utc>> {
    // Until the year 5138 seconds have at most eleven digits, and milliseconds have had twelve since 1973.
    let scale = match number.abs() {
        size if size < 1e11 => 1e3,
        size if size < 1e14 => 1.0,
        size if size < 1e17 => 1e-3,
        _ => 1e-6,
    };
    let milliseconds = number * scale;
    // A number of milliseconds that chrono takes lies far inside what an i64 holds.
    let whole = (milliseconds.is_finite() && milliseconds.abs() < 8e15).then_some(milliseconds as i64)?;
    DateTime::from_timestamp_millis(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_what_the_systems_write() {
        let wanted: DateTime<Utc> = "2026-11-20T03:00:00Z".parse().unwrap();
        let seconds = wanted.timestamp();
        for value in [
            json!("2026-11-20T03:00:00Z"),
            json!("2026-11-19T22:00:00-05:00"),
            json!("2026-11-20T03:00:00.000+0000"),
            json!(seconds),
            json!(seconds * 1_000),
            json!(seconds * 1_000_000),
            json!(seconds * 1_000_000_000),
            json!(seconds.to_string()),
        ] {
            assert_eq!(from_value(&value), Some(wanted), "{value}");
        }
        for value in [json!("0001-01-01T00:00:00Z"), json!("soon"), json!(null), json!(true), json!(1e300)] {
            assert_eq!(from_value(&value), None, "{value}");
        }
    }
}
