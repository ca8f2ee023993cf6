//! What a rule may say besides its condition and `for`: how long a match is kept, what no data means, and how long
//! what has just begun to serve is left alone.

use chrono::{DateTime, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use super::Expression;
use crate::base::{Duration, Error, ErrorCode, Result};

/// How a match is kept while its incident is open, so that a metric which flaps is one incident.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeepConfig {
    /// For this long after the condition last held, in event time.
    For(Duration),
    /// Until this condition has held, for every series that the rule reads.
    Until(Box<Expression>),
}

/// What it means that a rule cannot be decided: no sample, one that is too old, an error, an impossible value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnNoData {
    /// The rule is undecided, and the result UNKNOWN. This is so where nothing is said.
    Unknown,
    /// The rule matches.
    Crit,
    /// What was decided last stands for so long after it was true; then the rule is undecided.
    Hold(Duration),
}

/// How long what has just begun to serve is left alone: `15m`, or `10 samples`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum WarmUp {
    /// For this long after the restart or the change of version; never zero.
    For(Duration),
    /// Until this many samples, taken at different times, are there; at least one.
    Samples(u16),
}

impl WarmUp {
    /// Until when something that began then is left alone, where a time says so.
    pub fn until(self, began: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            WarmUp::For(length) => Some(length.after(began)),
            WarmUp::Samples(_) => None,
        }
    }
}

const HINT: &str = "write a duration like `15m`, or `10 samples`";

impl FromStr for WarmUp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let trimmed = text.trim();
        let wrong = |why: &str| {
            Error::new(ErrorCode::InvalidData, format!("`{}` {why}", text.escape_debug())).hint(HINT)
        };
        if let Some(number) = trimmed.strip_suffix("samples").or_else(|| trimmed.strip_suffix("sample")) {
            let count = number.trim().parse::<u16>().ok().filter(|count| (1..=1000).contains(count));
            return count.map(WarmUp::Samples).ok_or_else(|| wrong("is not a number of samples, 1 to 1000"));
        }
        match trimmed.parse::<Duration>() {
            Ok(Duration::Fixed(0)) => Err(wrong("is no time at all")),
            Ok(duration @ Duration::Fixed(_)) => Ok(WarmUp::For(duration)),
            Ok(Duration::BusinessDays(_)) => Err(wrong("is in business days, which samples do not know")),
            Err(error) => Err(error.hint(HINT)),
        }
    }
}

impl fmt::Display for WarmUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WarmUp::For(duration) => duration.fmt(f),
            WarmUp::Samples(1) => f.write_str("1 sample"),
            WarmUp::Samples(count) => write!(f, "{count} samples"),
        }
    }
}

impl TryFrom<String> for WarmUp {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<WarmUp> for String {
    fn from(warm_up: WarmUp) -> Self {
        warm_up.to_string()
    }
}

impl JsonSchema for WarmUp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "WarmUp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "warm-up",
            "description": "How long what has just begun to serve is left alone: a duration (`15m`), or a number of \
                            samples (`10 samples`).",
            "examples": ["15m", "10 samples"]
        })
    }
}

/// Why a length of time is none that events can be measured by, if it is not.
pub(crate) fn unusable(duration: Duration) -> Option<&'static str> {
    match duration {
        Duration::Fixed(0) => Some("this is no time at all"),
        Duration::Fixed(_) => None,
        Duration::BusinessDays(_) => Some("samples know no business days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_is_a_time_or_a_number_of_samples() {
        assert_eq!("15m".parse::<WarmUp>().unwrap(), WarmUp::For(Duration::minutes(15)));
        assert_eq!("10 samples".parse::<WarmUp>().unwrap().to_string(), "10 samples");
        assert_eq!("1 sample".parse::<WarmUp>().unwrap(), WarmUp::Samples(1));
        for wrong in ["", "0s", "3bd", "0 samples", "samples", "15", "2 buckets", "-1 samples"] {
            assert!(wrong.parse::<WarmUp>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_is_written_in_one_way() {
        let keep: KeepConfig = serde_json::from_value(serde_json::json!({"for": "30m"})).unwrap();
        assert!(matches!(keep, KeepConfig::For(duration) if duration == Duration::minutes(30)));
        let hold: OnNoData = serde_json::from_value(serde_json::json!({"hold": "1h"})).unwrap();
        assert_eq!(hold, OnNoData::Hold(Duration::minutes(60)));
        let crit: OnNoData = serde_json::from_value(serde_json::json!("crit")).unwrap();
        assert_eq!(crit, OnNoData::Crit);
        assert!(serde_json::from_value::<OnNoData>(serde_json::json!("ok")).is_err());
    }
}
