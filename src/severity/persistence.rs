//! How long a condition has to hold before its rule matches: `for: 2 buckets` or `for: 30m`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use crate::base::{Duration, Error, ErrorCode, Result};

/// How long a condition has to hold, in event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Persistence {
    /// In the latest so many closed, consecutive buckets; at least one.
    Buckets(u16),
    /// In every sample of this length of time up to the newest; never zero.
    Duration(Duration),
}

impl FromStr for Persistence {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let trimmed = text.trim();
        let hint = "write `2 buckets` or a duration like `30m`";
        let shown = text.escape_debug();
        let number = trimmed.strip_suffix("buckets").or_else(|| trimmed.strip_suffix("bucket"));
        if let Some(number) = number {
            let count = number.trim().parse::<u16>().ok().filter(|count| (1..=1000).contains(count));
            return count.map(Persistence::Buckets).ok_or_else(|| {
                Error::new(ErrorCode::InvalidData, format!("`{shown}` is not a number of buckets, 1 to 1000"))
                    .hint(hint)
            });
        }
        match trimmed.parse::<Duration>() {
            Ok(Duration::Fixed(0)) => {
                Err(Error::new(ErrorCode::InvalidData, format!("`{shown}` is no time at all")).hint(hint))
            }
            Ok(duration @ Duration::Fixed(_)) => Ok(Persistence::Duration(duration)),
            Ok(Duration::BusinessDays(_)) => {
                Err(Error::new(ErrorCode::InvalidData, format!("`{shown}`: samples know no business days"))
                    .hint(hint))
            }
            Err(error) => Err(error.hint(hint)),
        }
    }
}

impl fmt::Display for Persistence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Persistence::Buckets(1) => f.write_str("1 bucket"),
            Persistence::Buckets(count) => write!(f, "{count} buckets"),
            Persistence::Duration(duration) => duration.fmt(f),
        }
    }
}

impl TryFrom<String> for Persistence {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Persistence> for String {
    fn from(persistence: Persistence) -> Self {
        persistence.to_string()
    }
}

impl JsonSchema for Persistence {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Persistence".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "persistence",
            "description": "How long a condition has to hold: `2 buckets` (the latest two closed, consecutive ones) \
                            or a duration in event time, `30m`.",
            "examples": ["2 buckets", "30m"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_buckets_and_durations() {
        assert_eq!("2 buckets".parse::<Persistence>().unwrap(), Persistence::Buckets(2));
        assert_eq!("1 bucket".parse::<Persistence>().unwrap().to_string(), "1 bucket");
        let half_hour = "30m".parse::<Persistence>().unwrap();
        assert_eq!(half_hour, Persistence::Duration(Duration::minutes(30)));
        for wrong in ["0 buckets", "buckets", "-1 bucket", "1.5 buckets", "0s", "3bd", "30", "2000 buckets"] {
            assert!(wrong.parse::<Persistence>().is_err(), "{wrong}");
        }
    }
}
