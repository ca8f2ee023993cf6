//! The `coefficients` probe: the signs of a model's coefficients, and their drift.

mod drift;
mod reading;
mod signs;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::str::FromStr;

use super::pattern::Pattern;
use crate::base::{Error, ErrorCode, Result, Unit};
pub(super) use reading::{CoefficientsReading, wrong_signs};

/// A `coefficients` probe: a JSON object of names and numbers, or one with such an object at `coefficients`.
///
/// It emits `sign_violations`, the number of coefficients with the wrong sign, and with a history
/// `coefficient_drift`, the largest relative change from a coefficient's historical mean.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CoefficientsConfig {
    /// The JSON file, relative to the workspace.
    pub file: PathBuf,
    /// Coefficients that may not be negative. Zero is neither.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub positive: Vec<Pattern>,
    /// Coefficients that may not be positive. Zero is neither.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub negative: Vec<Pattern>,
    /// Earlier coefficients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryConfig>,
}

/// Earlier coefficients: a table with a column for each.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryConfig {
    /// The table, relative to the workspace.
    pub file: PathBuf,
    /// From which relative change on a coefficient is named in what was looked at.
    #[serde(default)]
    pub tolerance: Tolerance,
}

/// A percentage.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tolerance(f64);

impl Default for Tolerance {
    fn default() -> Self {
        Self(50.0)
    }
}

impl Tolerance {
    /// A number of percents.
    pub(super) const fn percent(number: f64) -> Self {
        Self(number)
    }

    /// As a fraction: 50 % is 0.5.
    pub(super) fn fraction(self) -> f64 {
        self.0 / 100.0
    }
}

impl FromStr for Tolerance {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        number.filter(|number| number.is_finite() && *number >= 0.0).map(Self).ok_or_else(|| {
            Error::new(ErrorCode::InvalidData, format!("`{}` is not a percentage", text.escape_debug()))
                .hint("write a number and the sign: 50%")
        })
    }
}

impl TryFrom<String> for Tolerance {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Tolerance> for String {
    fn from(tolerance: Tolerance) -> Self {
        format!("{}%", tolerance.0)
    }
}

impl JsonSchema for Tolerance {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tolerance".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "percentage",
            "description": "A percentage: 50%.",
            "examples": ["50%"]
        })
    }
}

/// How many coefficients have the wrong sign.
const VIOLATIONS: (&str, Unit) = ("sign_violations", Unit::Count);

/// How far the coefficient that moved most is from its mean.
const DRIFT: (&str, Unit) = ("coefficient_drift", Unit::Change);

/// The metrics that it emits.
pub(super) fn metrics(_name: &str, config: &CoefficientsConfig) -> Vec<(String, Unit)> {
    let drift = config.history.as_ref().map(|_| DRIFT);
    std::iter::once(VIOLATIONS).chain(drift).map(|(metric, unit)| (metric.to_owned(), unit)).collect()
}
