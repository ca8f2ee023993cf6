//! Samples: what a probe measured, when it was true, when it was recorded, and of which version.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::base::{Digest, Unit, Untrusted};

/// A value, or the reason why there is none. NaN, infinity and values outside their unit's range are reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measurement {
    /// A finite number in the metric's unit.
    Value(f64),
    /// No usable value, and why.
    Undecided(Untrusted),
}

impl Measurement {
    /// A measured number, judged by its unit: not finite or out of range is undecided.
    pub fn judged(value: f64, unit: Unit) -> Self {
        let (low, high) = unit.range();
        if value.is_nan() {
            Measurement::Undecided("not a number (NaN)".into())
        } else if !value.is_finite() {
            Measurement::Undecided("infinite".into())
        } else if value < low || value > high {
            Measurement::Undecided(
                format!("{value} is outside the range of a {unit}, {low} to {high}").into(),
            )
        } else {
            Measurement::Value(value)
        }
    }

    /// The number, if there is one.
    pub fn value(&self) -> Option<f64> {
        match self {
            Measurement::Value(value) => Some(*value),
            Measurement::Undecided(_) => None,
        }
    }
}

/// A closed stretch of time that a sample sums up, start included, end excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Bucket {
    /// First instant.
    pub start: DateTime<Utc>,
    /// First instant after it: the start of the next bucket.
    pub end: DateTime<Utc>,
}

/// One measured value of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// The service measured.
    pub service: String,
    /// The probe that measured.
    pub probe: String,
    /// The metric's name.
    pub metric: String,
    /// Labels that tell samples of one metric apart.
    pub labels: BTreeMap<String, String>,
    /// The value, or why there is none.
    pub measurement: Measurement,
    /// Its unit.
    pub unit: Unit,
    /// When it was true (UTC): the end of the bucket, the newest row, or the moment of measuring.
    pub event_time: DateTime<Utc>,
    /// When irctl recorded it (UTC).
    pub recorded_at: DateTime<Utc>,
    /// The closed stretch of time it sums up, where it sums one up.
    pub bucket: Option<Bucket>,
    /// The version that produced what was measured; absent where that is not known.
    pub version: Option<Digest>,
    /// The digest of the input it was computed from; new evidence has another.
    pub input: Option<Digest>,
    /// How many rows or readings stand behind it.
    pub rows: u64,
}

/// Which samples to read.
#[derive(Debug, Clone, Default)]
pub struct SampleFilter {
    /// Of this service.
    pub service: Option<String>,
    /// Of this metric.
    pub metric: Option<String>,
    /// With an event time at or after this instant.
    pub since: Option<DateTime<Utc>>,
    /// As it was known at this instant: what was recorded later is left out.
    pub as_of: Option<DateTime<Utc>>,
}
