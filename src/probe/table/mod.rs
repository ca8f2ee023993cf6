//! The `table` probe: rows, nulls, ranges, freshness, coverage of groups.

mod count;
mod coverage;
mod days;
mod findings;
mod reading;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use super::pattern::Pattern;
use super::zone::Zone;
use crate::base::{Duration, Unit};
pub(super) use reading::TableReading;

/// A `table` probe. Its file is CSV, Parquet or JSON lines: what it is, its bytes say.
///
/// It measures whether the file exists (`NAME_exists`), its rows (`NAME_rows`), and what its checks measure.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableConfig {
    /// The file, relative to the workspace.
    pub file: PathBuf,
    /// The column that says which version a row comes from. Nulls and values out of range are then counted by version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_column: Option<String>,
    /// The zone whose calendar days count: `today`, and the day of a date with a time.
    #[serde(default)]
    pub timezone: Zone,
    /// How many rows there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowsCheck>,
    /// How many values are null or NaN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nulls: Option<NullsCheck>,
    /// How many rows have a value out of its range.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub range: Vec<RangeCheck>,
    /// How old the newest row is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<FreshnessCheck>,
    /// Which groups are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<CoverageCheck>,
}

/// Counts rows.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowsCheck {
    /// The metric; `NAME_rows` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// With fewer rows than this, nothing but the number of rows is decided.
    #[serde(default = "one")]
    pub minimum: u64,
}

fn one() -> u64 {
    1
}

/// Counts values that are null or NaN; in CSV also empty ones and `null`, `none`, `na`, `n/a`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NullsCheck {
    /// The columns, or patterns of them; all otherwise.
    #[serde(default = "every", skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Pattern>,
    /// The metric; `NAME_nulls` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
}

fn every() -> Vec<Pattern> {
    "*".parse().into_iter().collect()
}

/// Counts rows that have a value out of a range. Ranges with one metric are counted together.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RangeCheck {
    /// The columns, or patterns of them.
    pub columns: Vec<Pattern>,
    /// The least value that is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The greatest value that is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// Whether missing values are left to the nulls check. Otherwise they leave undecided what they could hide.
    #[serde(default)]
    pub allow_missing: bool,
    /// The metric; `NAME_out_of_range` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
}

/// Measures the age of the newest row in whole calendar days. A date in the future leaves it undecided.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreshnessCheck {
    /// The column with dates or times.
    pub column: String,
    /// The metric; `NAME_age` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
}

/// Counts the expected groups that have no row, or few.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CoverageCheck {
    /// The column that names the group of a row.
    pub column: String,
    /// The groups that there should be.
    pub groups: Vec<String>,
    /// The column with the date of a row; needed for `within`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// How many days back from today rows count, both ends included; all rows otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
    /// A group with fewer rows than this, but with some, is sparse.
    #[serde(default = "one")]
    pub sparse_below: u64,
    /// The metric for missing groups; `NAME_missing` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The metric for sparse groups; `NAME_sparse` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sparse_metric: Option<String>,
}

/// A metric's name: its own, or the probe's name with an ending.
fn named(own: Option<&String>, name: &str, ending: &str) -> String {
    own.cloned().unwrap_or_else(|| format!("{name}_{ending}"))
}

impl TableConfig {
    fn exists_metric(name: &str) -> String {
        named(None, name, "exists")
    }

    fn rows_metric(&self, name: &str) -> String {
        named(self.rows.as_ref().and_then(|rows| rows.metric.as_ref()), name, "rows")
    }

    fn minimum(&self) -> u64 {
        self.rows.as_ref().map_or(1, |rows| rows.minimum)
    }
}

impl RangeCheck {
    fn metric(&self, name: &str) -> String {
        named(self.metric.as_ref(), name, "out_of_range")
    }
}

/// The metrics that it emits.
pub(super) fn metrics(name: &str, config: &TableConfig) -> Vec<(String, Unit)> {
    let mut metrics =
        vec![(TableConfig::exists_metric(name), Unit::Flag), (config.rows_metric(name), Unit::Count)];
    if let Some(nulls) = &config.nulls {
        metrics.push((named(nulls.metric.as_ref(), name, "nulls"), Unit::Count));
    }
    for range in &config.range {
        let metric = (range.metric(name), Unit::Count);
        if !metrics.contains(&metric) {
            metrics.push(metric);
        }
    }
    if let Some(freshness) = &config.freshness {
        metrics.push((named(freshness.metric.as_ref(), name, "age"), Unit::Days));
    }
    if let Some(coverage) = &config.coverage {
        metrics.push((named(coverage.metric.as_ref(), name, "missing"), Unit::Count));
        metrics.push((named(coverage.sparse_metric.as_ref(), name, "sparse"), Unit::Count));
    }
    metrics
}
