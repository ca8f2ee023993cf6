//! Identifiers: incidents, operations, runs and notices.

use chrono::{DateTime, Utc};

use super::error::{Error, ErrorCode, Result};

/// `PREFIX-YYYYMMDD-HHMMSS`, in UTC: the form of incident and operation identifiers.
pub fn stamped(prefix: &str, at: DateTime<Utc>) -> String {
    format!("{prefix}-{}", at.format("%Y%m%d-%H%M%S"))
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
