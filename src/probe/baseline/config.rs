//! What users write for a `baseline` probe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::statistic::Statistic;
use crate::base::Unit;

/// A `baseline` probe: a metric that another probe measures in the same round, against a baseline.
///
/// It emits `NAME_baseline`, `NAME_ratio` and `NAME_change`, or what `emits` says, for every set of labels of the
/// metric. A baseline that is missing or zero leaves them undecided.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BaselineConfig {
    /// The metric that is compared. Another probe of the service, or of the suite, measures it.
    pub of: String,
    /// The unit in which both are compared; a bare number otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// What it is compared with.
    pub against: Against,
    /// What is emitted, by the name of the metric: `{latency_increase_pct: change}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub emits: BTreeMap<String, Figure>,
}

/// What a metric is compared with.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// This number, in the probe's unit.
    Value(f64),
    /// Another metric that is measured in the same round, with the same labels or without any.
    Metric(String),
    /// A number in a JSON document, in the probe's unit.
    Json(DocumentBaseline),
    /// A column of a table, in the probe's unit.
    Table(TableBaseline),
    /// What irctl measured of the version that served directly before the one that serves now.
    PreviousRelease(PreviousRelease),
}

/// A stored baseline in a JSON document.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentBaseline {
    /// The document, relative to the workspace.
    pub file: PathBuf,
    /// Where the number stands, as a JSON pointer (RFC 6901).
    pub pointer: String,
}

/// A stored baseline in a table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableBaseline {
    /// The table (CSV, Parquet or JSON lines), relative to the workspace.
    pub file: PathBuf,
    /// The column with the numbers.
    pub column: String,
    /// Only rows that have these texts in these columns: `{name: latency}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub only: BTreeMap<String, String>,
    /// What is made of several numbers; without it there has to be exactly one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistic: Option<Statistic>,
}

/// What was measured of the version before: the same metric, with the same labels.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviousRelease {
    /// What is made of the values: `p95`, `median`, `mean`, `minimum`, `maximum`, `latest`.
    pub statistic: Statistic,
    /// With fewer values than this there is no baseline; 20 otherwise, and 1 for `latest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<u64>,
}

impl PreviousRelease {
    /// How many values are needed.
    pub fn minimum(&self) -> u64 {
        let usual = if self.statistic == Statistic::Latest { 1 } else { 20 };
        self.minimum.unwrap_or(usual).max(1)
    }
}

/// What is made of a value and its baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// The baseline itself.
    Baseline,
    /// value / baseline; of a positive baseline only.
    Ratio,
    /// (value − baseline) / |baseline|: an increase is positive.
    Change,
    /// (baseline − value) / |baseline|: a drop is positive.
    Drop,
    /// value − baseline.
    Difference,
    /// baseline − value.
    Loss,
}

impl BaselineConfig {
    /// The unit in which both are compared.
    pub fn unit(&self) -> Unit {
        self.unit.unwrap_or(Unit::Number)
    }

    /// The metric whose earlier samples it needs.
    pub fn remembers(&self) -> Option<String> {
        matches!(self.against, Against::PreviousRelease(_)).then(|| self.of.clone())
    }

    /// The metrics of other probes that it needs.
    pub fn needs(&self) -> Vec<&str> {
        let other = match &self.against {
            Against::Metric(metric) => Some(metric.as_str()),
            _ => None,
        };
        std::iter::once(self.of.as_str()).chain(other).collect()
    }
}

impl Figure {
    /// Its unit where the metric has this one. A difference of fractions is a fraction; that of anything else is a bare
    /// number, because it may be negative.
    pub(super) fn unit(self, metric: Unit) -> Unit {
        match self {
            Figure::Baseline => metric,
            Figure::Ratio | Figure::Change | Figure::Drop => Unit::Change,
            Figure::Difference | Figure::Loss => match metric {
                Unit::Ratio | Unit::Change => Unit::Change,
                _ => Unit::Number,
            },
        }
    }

    /// The figure of a value and a baseline.
    pub(super) fn of(self, value: &Result<f64, String>, baseline: f64) -> Result<f64, String> {
        if !baseline.is_finite() {
            return Err(format!("the baseline is {baseline}"));
        }
        if baseline == 0.0 {
            return Err("the baseline is zero".to_owned());
        }
        if self == Figure::Baseline {
            return Ok(baseline);
        }
        let value = value.clone()?;
        Ok(match self {
            Figure::Baseline => baseline,
            Figure::Ratio if baseline < 0.0 => return Err("the baseline is negative".to_owned()),
            Figure::Ratio => value / baseline,
            Figure::Change => (value - baseline) / baseline.abs(),
            Figure::Drop => (baseline - value) / baseline.abs(),
            Figure::Difference => value - baseline,
            Figure::Loss => baseline - value,
        })
    }
}

impl fmt::Display for Against {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Against::Value(value) => write!(f, "{value}, as configured"),
            Against::Metric(metric) => write!(f, "the metric {metric}"),
            Against::Json(document) => write!(f, "{} {}", document.file.display(), document.pointer),
            Against::Table(table) => write!(f, "{}, column {}", table.file.display(), table.column),
            Against::PreviousRelease(release) => write!(f, "{} of the previous release", release.statistic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_what_they_say() {
        let of = |figure: Figure, value: f64, baseline| figure.of(&Ok(value), baseline);
        assert_eq!(of(Figure::Ratio, 300.0, 200.0), Ok(1.5));
        assert_eq!(of(Figure::Change, 300.0, 200.0), Ok(0.5));
        assert_eq!(of(Figure::Drop, 0.45, 0.9), Ok(0.5));
        assert_eq!(of(Figure::Difference, 1.0, 3.0), Ok(-2.0));
        assert_eq!(of(Figure::Loss, 1.0, 3.0), Ok(2.0));
        assert_eq!(of(Figure::Baseline, 1.0, 3.0), Ok(3.0));
        // Against a negative baseline an increase stays an increase.
        assert_eq!(of(Figure::Change, -1.0, -2.0), Ok(0.5));
        assert_eq!(of(Figure::Drop, -3.0, -2.0), Ok(0.5));
        assert!(of(Figure::Ratio, 1.0, -2.0).is_err());
    }

    #[test]
    fn a_baseline_of_nothing_decides_nothing() {
        let all =
            [Figure::Baseline, Figure::Ratio, Figure::Change, Figure::Drop, Figure::Difference, Figure::Loss];
        for figure in all {
            for baseline in [0.0, -0.0, f64::NAN, f64::INFINITY] {
                assert!(figure.of(&Ok(1.0), baseline).is_err(), "{figure:?} {baseline}");
            }
            assert_eq!(figure.of(&Err("no".to_owned()), 2.0).is_ok(), figure == Figure::Baseline);
        }
    }
}
