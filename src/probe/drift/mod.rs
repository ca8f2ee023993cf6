//! The `drift` probe: how far columns have moved from a reference.

mod categories;
mod feature;
mod findings;
mod reading;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pattern::Pattern;
use super::source::SourceConfig;
use super::zone::Zone;
use crate::base::Unit;
pub(super) use reading::DriftReading;

/// A `drift` probe: rows of a reference and current rows, compared column by column.
///
/// For every column (label `feature`) it emits the population stability index (`NAME_psi`), the Kolmogorov–Smirnov
/// distance (`NAME_ks`) and its p (`NAME_ks_p`), the shift of the mean in standard deviations of the reference
/// (`NAME_shift`), what each is where nothing has changed (`_expected`), and the rows behind them (`NAME_reference_rows`,
/// `NAME_current_rows`). Of columns with categories it emits the index and how many rows are of categories that the
/// reference does not have (`NAME_unseen`).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DriftConfig {
    /// The rows that are compared with.
    pub reference: SourceConfig,
    /// The rows that are compared.
    pub current: SourceConfig,
    /// The zone whose calendar days count.
    #[serde(default)]
    pub timezone: Zone,
    /// The columns with numbers, or patterns of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Pattern>,
    /// The columns with categories, or patterns of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Pattern>,
    /// How many rows a column needs in the reference and in the current rows each; with fewer, it is undecided.
    #[serde(default = "thirty")]
    pub minimum: u64,
    /// The population stability index. Where neither `psi`, `ks` nor `shift` is given, all are measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psi: Option<PsiConfig>,
    /// The Kolmogorov–Smirnov distance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ks: Option<KsConfig>,
    /// The shift of the mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift: Option<ShiftConfig>,
}

/// The population stability index.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PsiConfig {
    /// The metric; `NAME_psi` otherwise. What it is by chance is called the same with `_expected` behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Into how many parts of equal size the reference is divided.
    #[serde(default = "ten")]
    #[schemars(range(min = 2, max = 100))]
    pub bins: u64,
    /// What has to be told from chance. A lower value is undecided where one unchanged sample in twenty would reach this.
    #[serde(default = "tenth")]
    pub resolution: f64,
}

/// The Kolmogorov–Smirnov distance.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KsConfig {
    /// The metric; `NAME_ks` otherwise. Its p is called the same with `_p` behind, what it is by chance with `_expected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// What has to be told from chance. A lower value is undecided where one unchanged sample in twenty would reach this.
    #[serde(default = "fifth")]
    pub resolution: f64,
}

/// The shift of the mean.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShiftConfig {
    /// The metric; `NAME_shift` otherwise. What it is by chance is called the same with `_expected` behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// What has to be told from chance, in standard deviations. A lower value is undecided where one unchanged sample in
    /// twenty would reach this.
    #[serde(default = "one")]
    pub resolution: f64,
}

fn thirty() -> u64 {
    30
}

fn ten() -> u64 {
    10
}

fn tenth() -> f64 {
    0.1
}

fn fifth() -> f64 {
    0.2
}

fn one() -> f64 {
    1.0
}

impl Default for PsiConfig {
    fn default() -> Self {
        Self { metric: None, bins: ten(), resolution: tenth() }
    }
}

impl Default for KsConfig {
    fn default() -> Self {
        Self { metric: None, resolution: fifth() }
    }
}

impl Default for ShiftConfig {
    fn default() -> Self {
        Self { metric: None, resolution: one() }
    }
}

/// What is measured of every column, with its metrics' names.
#[derive(Debug, Clone)]
struct Plan {
    minimum: u64,
    psi: Option<(String, PsiConfig)>,
    ks: Option<(String, KsConfig)>,
    shift: Option<(String, ShiftConfig)>,
    /// The index of columns with categories, which is measured whatever is measured of the others.
    categories: (String, PsiConfig),
    unseen: String,
    rows: [String; 2],
}

impl Plan {
    fn new(name: &str, config: &DriftConfig) -> Self {
        let all = config.psi.is_none() && config.ks.is_none() && config.shift.is_none();
        let metric = |own: Option<&String>, ending: &str| own.cloned().unwrap_or(format!("{name}_{ending}"));
        let psi = config.psi.clone().or_else(|| all.then(PsiConfig::default));
        let ks = config.ks.clone().or_else(|| all.then(KsConfig::default));
        let shift = config.shift.clone().or_else(|| all.then(ShiftConfig::default));
        let psi = psi.map(|psi| (metric(psi.metric.as_ref(), "psi"), psi));
        let categories = psi.clone().unwrap_or_else(|| (metric(None, "psi"), PsiConfig::default()));
        Self {
            minimum: config.minimum.max(2),
            psi,
            ks: ks.map(|ks| (metric(ks.metric.as_ref(), "ks"), ks)),
            shift: shift.map(|shift| (metric(shift.metric.as_ref(), "shift"), shift)),
            categories,
            unseen: metric(None, "unseen"),
            rows: ["reference_rows", "current_rows"].map(|ending| metric(None, ending)),
        }
    }

    /// The metrics of a column with numbers.
    fn of_numbers(&self) -> Vec<(String, Unit)> {
        let mut metrics = Vec::new();
        if let Some((metric, _)) = &self.psi {
            metrics.extend(with_expectation(metric, Unit::Number));
        }
        if let Some((metric, _)) = &self.ks {
            metrics.extend(with_expectation(metric, Unit::Ratio));
            metrics.push((format!("{metric}_p"), Unit::Ratio));
        }
        if let Some((metric, _)) = &self.shift {
            metrics.extend(with_expectation(metric, Unit::Sigma));
        }
        metrics.extend(self.of_rows());
        metrics
    }

    /// The metrics of a column with categories.
    fn of_categories(&self) -> Vec<(String, Unit)> {
        let mut metrics = Vec::from(with_expectation(&self.categories.0, Unit::Number));
        metrics.push((self.unseen.clone(), Unit::Count));
        metrics.extend(self.of_rows());
        metrics
    }

    fn of_rows(&self) -> impl Iterator<Item = (String, Unit)> {
        self.rows.iter().map(|metric| (metric.clone(), Unit::Count))
    }
}

fn with_expectation(metric: &str, unit: Unit) -> [(String, Unit); 2] {
    [(metric.to_owned(), unit), (format!("{metric}_expected"), unit)]
}

/// The metrics that it emits.
pub(super) fn metrics(name: &str, config: &DriftConfig) -> Vec<(String, Unit)> {
    let plan = Plan::new(name, config);
    let mut metrics = Vec::new();
    if !config.columns.is_empty() || config.categories.is_empty() {
        metrics.extend(plan.of_numbers());
    }
    if !config.categories.is_empty() {
        metrics.extend(plan.of_categories());
    }
    let mut once: Vec<(String, Unit)> = Vec::new();
    for metric in metrics {
        if !once.contains(&metric) {
            once.push(metric);
        }
    }
    once
}
