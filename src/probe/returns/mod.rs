//! The `returns` probe: Sharpe ratio, drawdown and win rate of what a model earned.

mod figures;
mod findings;
mod reading;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::source::SourceConfig;
use super::zone::Zone;
use crate::base::Unit;
pub(super) use reading::ReturnsReading;

/// A `returns` probe: rows with a return each, as a fraction (0.01 is one per cent), of a trade or of a period.
///
/// It emits the Sharpe ratio (`NAME_sharpe`), the maximum drawdown (`NAME_drawdown`), the win rate (`NAME_winrate`), the
/// rows behind them (`NAME_rows`), and with a baseline the win rate less that of the baseline (`NAME_winrate_delta`) and
/// what that is by chance (`NAME_winrate_delta_expected`).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReturnsConfig {
    /// The rows, in the order of time: with a `date`, rows that go back in time leave the drawdown undecided.
    pub rows: SourceConfig,
    /// The zone whose calendar days count.
    #[serde(default)]
    pub timezone: Zone,
    /// The column with the return.
    #[serde(default = "column")]
    pub column: String,
    /// The column that tells series apart, such as a route. Its name is the label's name, its values are the label's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The label's name, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The values of `by` that there should be. Those without a row are undecided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<String>,
    /// The column that says which version a row comes from. Without one, a row comes from the version that was deployed
    /// when its day began, where dates and deployments are known; else from the served one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_column: Option<String>,
    /// How many rows there are in a year: 252 for the days of an exchange, 365 for calendar days, 52 for weeks.
    #[serde(default = "trading_days")]
    pub periods_per_year: f64,
    /// The return of a row without risk, as a fraction.
    #[serde(default)]
    pub risk_free: f64,
    /// How many rows a series needs; with fewer, it is undecided.
    #[serde(default = "thirty")]
    pub minimum: u64,
    /// Whether rows without a return are left out, such as trades that are still open. Otherwise they leave their series
    /// undecided.
    #[serde(default)]
    pub allow_missing: bool,
    /// What win rates are compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineConfig>,
    /// The metric of the Sharpe ratio; `NAME_sharpe` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharpe_metric: Option<String>,
    /// The metric of the maximum drawdown; `NAME_drawdown` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawdown_metric: Option<String>,
    /// The metric of the win rate; `NAME_winrate` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winrate_metric: Option<String>,
    /// The metric of the win rate less the baseline's; `NAME_winrate_delta` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winrate_delta_metric: Option<String>,
}

/// What win rates are compared with.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BaselineConfig {
    /// A win rate, as a fraction: 0.55.
    Value(f64),
    /// Other rows with the same columns, series by series.
    Rows(SourceConfig),
}

fn column() -> String {
    "return".to_owned()
}

fn trading_days() -> f64 {
    252.0
}

fn thirty() -> u64 {
    30
}

impl ReturnsConfig {
    /// The name of the label, if series are told apart.
    fn label(&self) -> Option<&String> {
        self.by.as_ref().map(|by| self.label.as_ref().unwrap_or(by))
    }
}

/// The metrics that it emits: Sharpe ratio, drawdown, win rate, rows, and with a baseline the delta and what it is by
/// chance.
pub(super) fn metrics(name: &str, config: &ReturnsConfig) -> Vec<(String, Unit)> {
    let named =
        |own: &Option<String>, ending: &str| own.clone().unwrap_or_else(|| format!("{name}_{ending}"));
    let mut metrics = vec![
        (named(&config.sharpe_metric, "sharpe"), Unit::Number),
        (named(&config.drawdown_metric, "drawdown"), Unit::Ratio),
        (named(&config.winrate_metric, "winrate"), Unit::Ratio),
        (format!("{name}_rows"), Unit::Count),
    ];
    if config.baseline.is_some() {
        let delta = named(&config.winrate_delta_metric, "winrate_delta");
        let expected = format!("{delta}_expected");
        metrics.extend([(delta, Unit::Change), (expected, Unit::Change)]);
    }
    metrics
}
