//! What users write for a `leakage` probe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::gate::Kind;
use super::name_pattern::{NamePattern, usual};
use crate::base::Duration;
use crate::probe::coefficients::Tolerance;
use crate::probe::pattern::Pattern;
use crate::probe::zone::Zone;

/// A `leakage` probe: gates against data leakage. At least one has to be there; those that are not are named as not
/// looked at.
///
/// It emits a metric for each gate, `NAME_state` (0 PASS, 1 WARN, 2 HALT), and the flags `leakage_gate_halt` and
/// `leakage_suspected`. While a gate cannot be judged, nothing of this says PASS.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeakageConfig {
    /// The model's R², which is suspicious when it is too good. Emits `NAME_r_squared`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r_squared: Option<RSquaredGate>,
    /// How much better than a baseline the model is. Emits `NAME_improvement`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub improvement: Option<ImprovementGate>,
    /// Features whose name says that they are competitors' values of the same period. Emits `NAME_lag_features`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_features: Option<LagGate>,
    /// Training ends before the test begins. Emits `NAME_overlap`, the days by which it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<BoundaryGate>,
    /// R² on targets that were shuffled, which should be next to nothing. Emits `NAME_shuffled_r_squared`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shuffled: Option<ShuffledGate>,
    /// The signs of the coefficients. Emits `NAME_sign_violations`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs: Option<SignsGate>,
}

/// R² that is too good: over `warn` the gate warns, over `halt` it halts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RSquaredGate {
    /// Where R² comes from.
    pub of: RSquaredConfig,
    /// Over this the gate warns.
    #[serde(default = "twenty_hundredths")]
    pub warn: f64,
    /// Over this the gate halts.
    #[serde(default = "thirty_hundredths")]
    pub halt: f64,
}

/// Where R² comes from.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RSquaredConfig {
    /// A number in a JSON document.
    Json(DocumentValue),
    /// A program that prints it. It runs only from trusted configuration.
    Command(NumberCommand),
    /// A table with what was predicted and what happened.
    Predictions(PredictionsConfig),
    /// Ordinary least squares on a table of features.
    Linear(LinearModel),
}

/// Where a number comes from.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NumberConfig {
    /// This number.
    Value(f64),
    /// A number in a JSON document.
    Json(DocumentValue),
    /// A program that prints it. It runs only from trusted configuration.
    Command(NumberCommand),
}

/// A place in a JSON document.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentValue {
    /// The document, relative to the workspace.
    pub file: PathBuf,
    /// Where the value stands, as a JSON pointer (RFC 6901); the whole document otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pointer: String,
}

/// A program that prints one number and nothing else on its standard output. It runs in the workspace, without a shell.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NumberCommand {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// How long it may run; 5 minutes otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Variables added to its environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
}

/// A table with a column of actual values and one of predictions: R² is 1 − Σ(a − p)² / Σ(a − ā)².
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PredictionsConfig {
    /// The table (CSV, Parquet or JSON lines), relative to the workspace.
    pub file: PathBuf,
    /// The column with what happened.
    pub actual: String,
    /// The column with what was predicted.
    pub predicted: String,
    /// Whether rows without one of the two are left out. Otherwise they leave the gate unknown.
    #[serde(default)]
    pub allow_missing: bool,
}

/// A linear model with an intercept, fitted by ordinary least squares.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinearModel {
    /// The table of features (CSV, Parquet or JSON lines), relative to the workspace.
    pub file: PathBuf,
    /// The column that the model explains.
    pub target: String,
    /// The columns that it explains it by, or patterns of them. The target is never one of them.
    pub features: Vec<Pattern>,
    /// Whether rows without one of the values are left out. Otherwise they leave the gate unknown.
    #[serde(default)]
    pub allow_missing: bool,
}

/// How much better than a baseline the model may be before that is suspicious. A baseline of zero warns.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImprovementGate {
    /// The model's figure.
    pub model: NumberConfig,
    /// The baseline's figure, of the same kind.
    pub baseline: NumberConfig,
    /// Which figure is the better one: `lower` for an error, `higher` for a score.
    #[serde(default)]
    pub better: Better,
    /// Over this the gate warns.
    #[serde(default = "ten_percent")]
    pub warn: Tolerance,
    /// Over this the gate halts.
    #[serde(default = "twenty_percent")]
    pub halt: Tolerance,
}

/// Which of two figures is the better one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// The lower: it is an error.
    #[default]
    Lower,
    /// The higher: it is a score.
    Higher,
}

/// Names of features that must not be there. One halts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LagGate {
    /// Where the names stand.
    pub of: NamesConfig,
    /// What must not be there; `C_lag0`, `competitor*lag*0` and `C_t` otherwise.
    #[serde(default = "usual", skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<NamePattern>,
}

/// Where the names of features stand.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NamesConfig {
    /// The columns of this table (CSV, Parquet or JSON lines), relative to the workspace.
    Table(PathBuf),
    /// A list of names or the keys of an object in a JSON document.
    Json(DocumentValue),
}

/// The newest training date lies strictly before the first test date. Otherwise the gate halts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BoundaryGate {
    /// Where the training dates stand.
    pub train: DatesConfig,
    /// Where the test dates stand.
    pub test: DatesConfig,
    /// The zone whose calendar days count.
    #[serde(default)]
    pub timezone: Zone,
}

/// Where dates stand.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DatesConfig {
    /// A column of a table.
    Table(DatesInTable),
    /// One date in a JSON document: the newest of the training, the first of the test.
    Json(DocumentValue),
}

/// Dates in a table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatesInTable {
    /// The table (CSV, Parquet or JSON lines), relative to the workspace.
    pub file: PathBuf,
    /// The column with the dates.
    pub column: String,
    /// Only rows that have these texts in these columns: `{split: train}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub only: BTreeMap<String, String>,
}

/// R² on a shuffled target: over `halt` the model, or the way it is made, knows what it should not.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShuffledGate {
    /// Where R² on shuffled targets comes from.
    pub of: ShuffledConfig,
    /// How often a linear model is fitted to another shuffle; the mean of R² is judged.
    #[serde(default = "twenty")]
    pub shuffles: u32,
    /// Where the shuffles of a linear model begin; the same seed gives the same shuffles.
    #[serde(default = "seed")]
    pub seed: u64,
    /// Over this the gate halts.
    #[serde(default = "ten_hundredths")]
    pub halt: f64,
}

/// Where R² on shuffled targets comes from.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShuffledConfig {
    /// A program that shuffles the target, makes features and model anew, and prints R². It runs only from trusted
    /// configuration.
    Command(NumberCommand),
    /// Ordinary least squares on a table of features, with the target shuffled.
    Linear(LinearModel),
}

/// The signs of a model's coefficients. One that is wrong halts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignsGate {
    /// The JSON file of the coefficients, as for a `coefficients` probe, relative to the workspace.
    pub file: PathBuf,
    /// Coefficients that may not be negative. Zero is neither.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub positive: Vec<Pattern>,
    /// Coefficients that may not be positive. Zero is neither.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub negative: Vec<Pattern>,
}

fn ten_hundredths() -> f64 {
    0.10
}

fn twenty_hundredths() -> f64 {
    0.20
}

fn thirty_hundredths() -> f64 {
    0.30
}

fn ten_percent() -> Tolerance {
    Tolerance::percent(10.0)
}

fn twenty_percent() -> Tolerance {
    Tolerance::percent(20.0)
}

fn twenty() -> u32 {
    20
}

fn seed() -> u64 {
    42
}

impl LeakageConfig {
    /// The gates that are there, in the order in which they are reported.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| self.has(*kind)).collect()
    }

    pub(super) fn has(&self, kind: Kind) -> bool {
        match kind {
            Kind::RSquared => self.r_squared.is_some(),
            Kind::Improvement => self.improvement.is_some(),
            Kind::LagFeatures => self.lag_features.is_some(),
            Kind::Boundary => self.boundary.is_some(),
            Kind::Shuffled => self.shuffled.is_some(),
            Kind::Signs => self.signs.is_some(),
        }
    }

    /// Whether a gate runs a program.
    pub fn runs_programs(&self) -> bool {
        !self.programs().is_empty()
    }

    /// How long the programs that it runs may take, one after the other; nothing where it runs none.
    pub fn programs_take(&self) -> Option<std::time::Duration> {
        let programs = self.programs();
        let all = programs.iter().map(|program| program.limit().to_std());
        (!programs.is_empty())
            .then(|| all.fold(std::time::Duration::ZERO, std::time::Duration::saturating_add))
    }

    fn programs(&self) -> Vec<&NumberCommand> {
        fn number(number: &NumberConfig) -> Option<&NumberCommand> {
            match number {
                NumberConfig::Command(command) => Some(command),
                _ => None,
            }
        }
        let of = self.r_squared.as_ref().and_then(|gate| match &gate.of {
            RSquaredConfig::Command(command) => Some(command),
            _ => None,
        });
        let shuffled = self.shuffled.as_ref().and_then(|gate| match &gate.of {
            ShuffledConfig::Command(command) => Some(command),
            _ => None,
        });
        let improvement = self.improvement.iter().flat_map(|gate| [&gate.model, &gate.baseline]);
        of.into_iter().chain(shuffled).chain(improvement.filter_map(number)).collect()
    }
}

impl NumberCommand {
    /// How long it may run.
    pub fn limit(&self) -> Duration {
        self.timeout.unwrap_or(Duration::minutes(5))
    }
}
