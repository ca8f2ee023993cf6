//! The `calibration` probe: whether probabilities mean what they say.

mod figures;
mod reading;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::source::SourceConfig;
use super::zone::Zone;
use crate::base::Unit;
pub(super) use reading::CalibrationReading;

/// A `calibration` probe: rows with a probability and with what came of it, 1 or 0.
///
/// It emits the expected calibration error (`NAME_ece`), what that is for a perfectly calibrated model with as many rows
/// (`NAME_ece_expected`), the Brier score (`NAME_brier`) and the rows behind them (`NAME_rows`).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CalibrationConfig {
    /// The rows.
    pub rows: SourceConfig,
    /// The zone whose calendar days count.
    #[serde(default)]
    pub timezone: Zone,
    /// The column with the probability, from 0 to 1.
    #[serde(default = "probability")]
    pub probability: String,
    /// The column with what came of it: 1, or 0. Where it is missing, it is not known yet and the row does not count.
    #[serde(default = "outcome")]
    pub outcome: String,
    /// The column that tells series apart, such as a segment. Its name is the label's name, its values are the label's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The values of `by` that there should be. Those without a row are undecided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<String>,
    /// The column that says which version a row comes from. Without one, a row comes from the version that was deployed
    /// when its day began, where dates and deployments are known; else from the served one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_column: Option<String>,
    /// Into how many bins of equal width the probabilities are put.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 1000))]
    pub bins: u32,
    /// How many rows with a known outcome are needed; with fewer, it is undecided.
    #[serde(default = "hundred")]
    pub minimum: u64,
    /// The metric of the expected calibration error; `NAME_ece` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ece_metric: Option<String>,
    /// The metric of the Brier score; `NAME_brier` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brier_metric: Option<String>,
}

fn probability() -> String {
    "probability".to_owned()
}

fn outcome() -> String {
    "outcome".to_owned()
}

fn ten() -> u32 {
    10
}

fn hundred() -> u64 {
    100
}

/// The metrics that it emits: the calibration error, what it is by chance, the Brier score, the rows.
pub(super) fn metrics(name: &str, config: &CalibrationConfig) -> Vec<(String, Unit)> {
    let ece = config.ece_metric.clone().unwrap_or_else(|| format!("{name}_ece"));
    let brier = config.brier_metric.clone().unwrap_or_else(|| format!("{name}_brier"));
    vec![
        (ece.clone(), Unit::Ratio),
        (format!("{ece}_expected"), Unit::Ratio),
        (brier, Unit::Ratio),
        (format!("{name}_rows"), Unit::Count),
    ]
}
