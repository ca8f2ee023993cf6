//! Values as they are kept: exactly what the database holds, in a form that survives a file.

use serde::{Deserialize, Serialize};

use super::connection::Dialect;
use crate::base::{Error, ErrorCode, Result};

/// How much of a value is shown.
const SHOWN: usize = 80;

/// One value. PostgreSQL's are its own text for them, whatever their type; SQLite's follow their storage class.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// NULL.
    Null,
    /// Text; in PostgreSQL the text of a value of any type.
    Text(String),
    /// A whole number (SQLite).
    Integer(i64),
    /// The bits of a floating-point number (SQLite): text would lose some.
    Real(u64),
    /// Bytes in hexadecimal (SQLite).
    Blob(String),
}

impl Value {
    /// Text.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Value::Text(text.into())
    }

    /// True or false for a column that is a boolean or a number: both databases read 1 and 0 in either.
    pub(super) fn flag(flag: bool, dialect: Dialect) -> Self {
        match dialect {
            Dialect::Postgres => Value::text(if flag { "1" } else { "0" }),
            Dialect::Sqlite => Value::Integer(i64::from(flag)),
        }
    }

    /// What a configuration says.
    ///
    /// # Errors
    /// A number that SQLite cannot hold.
    pub(super) fn configured(value: &serde_json::Value, dialect: Dialect) -> Result<Self> {
        use serde_json::Value as Json;
        Ok(match (value, dialect) {
            (Json::Null, _) => Value::Null,
            (Json::String(text), _) => Value::text(text.as_str()),
            (Json::Bool(flag), Dialect::Sqlite) => Value::Integer(i64::from(*flag)),
            (Json::Number(number), Dialect::Sqlite) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Value::Integer(whole),
                (None, Some(real)) => Value::Real(real.to_bits()),
                (None, None) => {
                    let what = format!("{number} is no number that SQLite can hold");
                    return Err(Error::new(ErrorCode::InvalidConfiguration, what).hint("write it as text"));
                }
            },
            (other, _) => Value::text(other.to_string()),
        })
    }

    /// For people, shortened.
    pub(super) fn shown(&self) -> String {
        let text = match self {
            Value::Null => "NULL".to_owned(),
            Value::Text(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Real(bits) => f64::from_bits(*bits).to_string(),
            Value::Blob(hex) => format!("x'{hex}'"),
        };
        match text.char_indices().nth(SHOWN) {
            Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
            None => text,
        }
    }

    /// The text, where it is one.
    pub(super) fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of hexadecimal digits.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    let digits = text.as_bytes().chunks_exact(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_a_file() {
        for value in [
            Value::Null,
            Value::text("\u{0}é'\"\n"),
            Value::Integer(i64::MIN),
            Value::Real((0.1_f64 + 0.2).to_bits()),
            Value::Real(f64::NEG_INFINITY.to_bits()),
            Value::Real((-0.0_f64).to_bits()),
            Value::Blob(hex(&[0, 255, 16])),
        ] {
            let text = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value, "{text}");
        }
        assert_eq!(unhex("00ff10"), Some(vec![0, 255, 16]));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("zz"), None);
    }

    #[test]
    fn what_is_configured_fits_the_database() {
        let number: serde_json::Value = serde_json::from_str("1.5").unwrap();
        assert_eq!(Value::configured(&number, Dialect::Postgres).unwrap(), Value::text("1.5"));
        assert_eq!(Value::configured(&number, Dialect::Sqlite).unwrap(), Value::Real(1.5_f64.to_bits()));
        let flag = serde_json::Value::Bool(true);
        assert_eq!(Value::configured(&flag, Dialect::Postgres).unwrap(), Value::text("true"));
        assert_eq!(Value::configured(&flag, Dialect::Sqlite).unwrap(), Value::Integer(1));
    }
}
