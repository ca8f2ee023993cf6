//! The `forecast` probe: predictions joined with what really happened.

mod bucket;
mod figures;
mod findings;
mod join;
mod reading;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use super::zone::Zone;
use crate::base::{Day, Duration, Unit};
pub(super) use figures::wilson;
pub(super) use reading::ForecastReading;

/// A `forecast` probe. Both files are CSV, Parquet or JSON lines: what they are, their bytes say.
///
/// For every closed bucket of a version it emits `mape_weekly` (`mape_daily`, `mape_monthly`) and, over the rolling
/// window that ends with it, `mape_rolling`, `mape_rolling_rise`, `bias`, `wape` and `interval_coverage`; for the join
/// as a whole `forecast_rows`, `forecast_join_rate`, `forecast_unmatched`, `forecast_duplicates` and
/// `forecast_zero_actuals`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForecastConfig {
    /// The file with the predictions, relative to the workspace.
    pub predictions: PathBuf,
    /// The file with what really happened, relative to the workspace.
    pub actuals: PathBuf,
    /// The column with the date, in both files.
    #[serde(default = "date")]
    pub on: String,
    /// The column with the date in the actuals, where it is called something else there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actuals_on: Option<String>,
    /// The column with the prediction.
    #[serde(default = "mean")]
    pub mean: String,
    /// The column with the lower end of the prediction interval.
    #[serde(default = "lower")]
    pub lower: String,
    /// The column with the upper end of the prediction interval.
    #[serde(default = "upper")]
    pub upper: String,
    /// The column with what really happened.
    #[serde(default = "actual")]
    pub actual: String,
    /// The column of the predictions that says which version a row comes from. Without one, a row comes from the
    /// version that was deployed when its day began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_column: Option<String>,
    /// The stretches of time that are summed up.
    #[serde(default)]
    pub bucket: BucketConfig,
    /// How many buckets the rolling window spans.
    #[serde(default = "thirteen")]
    pub rolling: u32,
    /// How many closed buckets of its own in the window a version needs for rolling figures.
    #[serde(default = "four")]
    pub rolling_minimum: u32,
}

/// Buckets: when they start, and when they are closed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BucketConfig {
    /// How long a bucket is.
    #[serde(default)]
    pub every: Every,
    /// The day with which a week starts.
    #[serde(default)]
    pub starts: Day,
    /// The zone in which days and buckets begin at midnight.
    #[serde(default)]
    pub timezone: Zone,
    /// On how many days there must be a prediction and an actual; all days of the bucket otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<Duration>,
}

/// The length of a bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Every {
    /// A calendar day.
    #[serde(rename = "1d")]
    Day,
    /// A week.
    #[default]
    #[serde(rename = "1w")]
    Week,
    /// A calendar month.
    #[serde(rename = "1mo")]
    Month,
}

impl Every {
    /// The metric of the MAPE of one bucket.
    const fn metric(self) -> &'static str {
        match self {
            Every::Day => "mape_daily",
            Every::Week => "mape_weekly",
            Every::Month => "mape_monthly",
        }
    }

    /// As it stands in a sentence.
    const fn as_str(self) -> &'static str {
        match self {
            Every::Day => "day",
            Every::Week => "week",
            Every::Month => "month",
        }
    }
}

fn date() -> String {
    "date".to_owned()
}

fn mean() -> String {
    "mean".to_owned()
}

fn lower() -> String {
    "lower".to_owned()
}

fn upper() -> String {
    "upper".to_owned()
}

fn actual() -> String {
    "actual".to_owned()
}

fn thirteen() -> u32 {
    13
}

fn four() -> u32 {
    4
}

/// What is measured of each bucket, and over the window that ends with it. A percentage error may exceed 100 %, so it
/// is a change and not a ratio; a scheme may still call it a ratio with a range of its own.
const OF_BUCKETS: [(&str, Unit); 5] = [
    ("mape_rolling", Unit::Change),
    ("mape_rolling_rise", Unit::Change),
    ("bias", Unit::Change),
    ("wape", Unit::Change),
    ("interval_coverage", Unit::Ratio),
];

/// What is measured of the join as a whole.
const OF_JOIN: [(&str, Unit); 5] = [
    ("forecast_rows", Unit::Count),
    ("forecast_join_rate", Unit::Ratio),
    ("forecast_unmatched", Unit::Count),
    ("forecast_duplicates", Unit::Count),
    ("forecast_zero_actuals", Unit::Count),
];

/// Whether samples of a metric are of closed buckets; the others are of the join as a whole.
pub(super) fn sums_up(metric: &str) -> bool {
    !OF_JOIN.iter().any(|(of_join, _)| *of_join == metric)
}

/// The metrics that it emits.
pub(super) fn metrics(_name: &str, config: &ForecastConfig) -> Vec<(String, Unit)> {
    let weekly = [(config.bucket.every.metric(), Unit::Change)];
    let all = weekly.iter().chain(&OF_BUCKETS).chain(&OF_JOIN);
    all.map(|(metric, unit)| ((*metric).to_owned(), *unit)).collect()
}
