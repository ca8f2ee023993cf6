//! Identifiers: incidents, operations, runs and notices.

use chrono::{DateTime, NaiveDateTime, Utc};

use super::error::{Error, ErrorCode, Result};

/// `PREFIX-YYYYMMDD-HHMMSS`, in UTC: the form of incident and operation identifiers.
pub fn stamped(prefix: &str, at: DateTime<Utc>) -> String {
    format!("{prefix}-{}", at.format("%Y%m%d-%H%M%S"))
}

/// The instant that an identifier made by [`stamped`] carries, whatever stands behind it.
pub fn instant_of(identifier: &str) -> Option<DateTime<Utc>> {
    let (_, rest) = identifier.split_once('-')?;
    let stamp = rest.get(..15)?;
    Some(NaiveDateTime::parse_from_str(stamp, "%Y%m%d-%H%M%S").ok()?.and_utc())
}

/// Random lower-case hexadecimal digits, two for each byte.
pub fn random_hex(bytes: usize) -> Result<String> {
    use std::fmt::Write as _;
    let mut buffer = vec![0_u8; bytes];
    getrandom::fill(&mut buffer)
        .map_err(|error| Error::new(ErrorCode::Io, format!("the system gives no randomness: {error}")))?;
    Ok(buffer.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
