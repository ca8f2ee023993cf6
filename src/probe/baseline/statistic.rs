//! What is made of several values.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use crate::base::{Error, ErrorCode, Result};

/// A statistic: `mean`, `median`, `minimum`, `maximum`, `latest`, or a percentile as `p95`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Statistic {
    /// The arithmetic mean.
    Mean,
    /// The least value.
    Minimum,
    /// The greatest value.
    Maximum,
    /// The last value.
    Latest,
    /// A percentile from 0 to 100; the median is the 50th.
    Percentile(f64),
}

impl Statistic {
    /// Of finite values, in the order in which they were measured; `None` of no values.
    pub fn of(self, values: &[f64]) -> Option<f64> {
        let last = *values.last()?;
        Some(match self {
            Statistic::Mean => mean(values),
            Statistic::Minimum => values.iter().copied().fold(f64::INFINITY, f64::min),
            Statistic::Maximum => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Statistic::Latest => last,
            Statistic::Percentile(percent) => percentile(values, percent)?,
        })
    }
}

/// The mean; scaled, so that no sum overflows.
fn mean(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    values.iter().map(|value| value / count).sum()
}

/// Hyndman and Fan's seventh definition (Sample Quantiles in Statistical Packages, 1996): between the two nearest
/// values, linearly, as `numpy.percentile` does it.
fn percentile(values: &[f64], percent: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() - 1) as f64 * percent / 100.0;
    let below = *sorted.get(place.floor() as usize)?;
    let above = *sorted.get(place.ceil() as usize)?;
    Some(below + (above - below) * place.fract())
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statistic::Mean => f.write_str("mean"),
            Statistic::Minimum => f.write_str("minimum"),
            Statistic::Maximum => f.write_str("maximum"),
            Statistic::Latest => f.write_str("latest"),
            Statistic::Percentile(50.0) => f.write_str("median"),
            Statistic::Percentile(percent) => write!(f, "p{percent}"),
        }
    }
}

impl FromStr for Statistic {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let percentile = |text: &str| {
            let number = text.strip_prefix('p')?;
            let plain = number.chars().all(|c| c.is_ascii_digit() || c == '.');
            let percent = number.parse::<f64>().ok().filter(|_| plain)?;
            (0.0..=100.0).contains(&percent).then_some(Statistic::Percentile(percent))
        };
        match text.trim() {
            "mean" => Ok(Statistic::Mean),
            "median" => Ok(Statistic::Percentile(50.0)),
            "minimum" => Ok(Statistic::Minimum),
            "maximum" => Ok(Statistic::Maximum),
            "latest" => Ok(Statistic::Latest),
            other => percentile(other).ok_or_else(|| {
                let message = format!("`{}` is not a statistic", text.escape_debug());
                Error::new(ErrorCode::InvalidData, message)
                    .hint("mean, median, minimum, maximum, latest, or a percentile: p95")
            }),
        }
    }
}

impl TryFrom<String> for Statistic {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Statistic> for String {
    fn from(statistic: Statistic) -> Self {
        statistic.to_string()
    }
}

impl JsonSchema for Statistic {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Statistic".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "statistic",
            "description": "mean, median, minimum, maximum, latest, or a percentile: p95.",
            "examples": ["p95"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(statistic: &str, values: &[f64]) -> Option<f64> {
        statistic.parse::<Statistic>().unwrap().of(values)
    }

    #[test]
    fn percentiles_lie_between_the_nearest_values() {
        // numpy.percentile([3, 1, 4, 1, 5, 9, 2, 6], [0, 25, 50, 95, 100])
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        for (statistic, expected) in
            [("p0", 1.0), ("p25", 1.75), ("median", 3.5), ("p95", 7.949_999_999_999_999), ("p100", 9.0)]
        {
            let found = of(statistic, &values).unwrap();
            assert!((found - expected).abs() < 1e-12, "{statistic}: {found}");
        }
        assert_eq!(of("p95", &[7.0]), Some(7.0));
    }

    #[test]
    fn the_others_are_what_they_are_called() {
        let values = [3.0, 1.0, 2.0];
        for (statistic, expected) in [("mean", 2.0), ("minimum", 1.0), ("maximum", 3.0), ("latest", 2.0)] {
            assert_eq!(of(statistic, &values), Some(expected), "{statistic}");
            assert_eq!(of(statistic, &[]), None);
            assert_eq!(statistic.parse::<Statistic>().unwrap().to_string(), statistic);
        }
        assert_eq!(of("mean", &[f64::MAX, f64::MAX]), Some(f64::MAX));
    }

    #[test]
    fn what_is_no_statistic_is_refused() {
        for text in ["", "p", "p101", "p-1", "pNaN", "pinf", "average", "95", "p1e1"] {
            assert!(text.parse::<Statistic>().is_err(), "{text}");
        }
        assert_eq!("p99.9".parse::<Statistic>().unwrap().to_string(), "p99.9");
        assert_eq!("p50".parse::<Statistic>().unwrap().to_string(), "median");
    }
}
