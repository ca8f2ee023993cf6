//! What users write under `serving:` and `rollback:` of a service.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::copying::Sharing;
use super::drill::DrillConfig;
pub use super::serving::http::HttpServing;
use super::snapshot::SnapshotConfig;
use super::targets::command::{CommandTargetConfig, RecipeConfig};
use super::targets::git::GitConfig;
use super::targets::kubernetes::KubernetesConfig;
use super::targets::registry::RegistryConfig;
use super::targets::sql::SqlConfig;
use crate::base::Duration;

/// How to see which version really serves.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServingConfig {
    /// A JSON file that the serving process writes.
    Json(JsonServing),
    /// A health endpoint of the serving process.
    Http(HttpServing),
}

impl ServingConfig {
    /// The artifact whose SHA-256 the service says, where the configuration names one.
    pub fn artifact(&self) -> Option<&str> {
        match self {
            ServingConfig::Json(json) => json.artifact.as_deref(),
            ServingConfig::Http(http) => http.artifact.as_deref(),
        }
    }

    /// How long to wait after a switch until the service says so.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            ServingConfig::Json(json) => json.wait,
            ServingConfig::Http(http) => http.wait,
        }
    }
}

/// A JSON file that says what serves.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonServing {
    /// The file, relative to the workspace.
    pub file: PathBuf,
    /// The JSON pointer to the digest in it, as `/model_sha256`.
    pub pointer: String,
    /// The artifact whose SHA-256 it is; without it, the digest of the whole version or of its first artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// How long to wait after a switch until it says so; 10s otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Duration>,
}

/// How a service is contained and rolled back.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackConfig {
    /// What stops the consumers of this service; taken back by `release`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contain: Vec<TargetConfig>,
    /// The suite that proves that consumers are quiet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// What is switched, in this order. The first that knows versions (files, registry, git, kubernetes) says which
    /// there are; without one, the targets declare the one version there is to go to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetConfig>,
    /// Named plans, each with targets of its own: `irctl rollback --phase NAME`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub phases: BTreeMap<String, PhaseConfig>,
    /// Values that differ between environments, by environment: `{values.namespace}` in any text above stands for the
    /// value `namespace` of the environment that `--env` names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environments: BTreeMap<String, BTreeMap<String, Scalar>>,
    /// The environment that is meant where `--env` is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Proves that a staged version can be loaded, before anything is switched; `{version_dir}` is its folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<CommandConfig>,
    /// How the failing metric is found for each candidate, so that the plan can say whether it would have helped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluate: Option<EvaluateConfig>,
    /// Makes the serving process take up what was switched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activate: Option<CommandConfig>,
    /// The suite that must pass after the switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<String>,
    /// When consumers are let back.
    #[serde(default)]
    pub release: ReleaseMode,
    /// What has to hold before consumers are let back, with `release: when`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_when: Option<ReleaseWhenConfig>,
    /// How long the released version is watched before the rollback counts as confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Duration>,
    /// What holds automation back; a human sees it and may go on.
    #[serde(default)]
    pub guards: GuardsConfig,
    /// When irctl rolls back on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto: Option<AutoConfig>,
    /// What is recorded as known to be good before a deploy, and what else must be ready then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotConfig>,
    /// How often a rollback is rehearsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillConfig>,
    /// A file that gets a copy of the rollback history, relative to the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<PathBuf>,
}

/// A named plan: what is switched when one phase of a system is rolled back.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhaseConfig {
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The phases that build on this one. Each is rolled back before it: until then automation may not roll this one
    /// back, and a human is warned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// What stops the harm, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub immediate: Vec<TargetConfig>,
    /// What restores the service then, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recovery: Vec<TargetConfig>,
    /// How long the immediate part may take; 15m otherwise. It stops a rollback before the first switch, later it only
    /// alarms.
    #[serde(default = "immediate_budget")]
    pub immediate_within: Duration,
    /// How long both parts may take together; 60m otherwise.
    #[serde(default = "recovery_budget")]
    pub recovery_within: Duration,
    /// The suite that must pass after the switch; otherwise the one of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<String>,
}

fn immediate_budget() -> Duration {
    Duration::minutes(15)
}

fn recovery_budget() -> Duration {
    Duration::minutes(60)
}

/// Keys in a YAML, JSON, TOML or .env file and what they are set to; the rest of the file stays byte for byte. The
/// format is that of the file's name: `.yaml`, `.yml`, `.json`, `.toml`; `.env`, `.env.NAME` and `NAME.env`. In an
/// environment file every value is a text (`"0.1"`); a date of TOML stays one.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsConfig {
    /// The file, relative to the workspace.
    pub file: PathBuf,
    /// Dotted keys and their values, as `rollout.mode: disabled`. `{version}`, `{name}` and `{digest}` stand for those
    /// of the version that comes back.
    pub set: BTreeMap<String, Scalar>,
}

/// A single value: text, a number, true, false or null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scalar(pub serde_json::Value);

impl JsonSchema for Scalar {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number", "boolean", "null"],
            "description": "A single value: text, a number, true, false or null."
        })
    }
}

/// One thing that is switched.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetConfig {
    /// Files in a folder, and the folders with their earlier versions.
    Files(FilesConfig),
    /// Keys in a YAML, JSON, TOML or .env file.
    Settings(SettingsConfig),
    /// A model registry: a manifest, and an active and a shadow model.
    Registry(RegistryConfig),
    /// A git work tree: a branch, single paths, or a tag.
    Git(GitConfig),
    /// Rows of a database: PostgreSQL or SQLite.
    Sql(Box<SqlConfig>),
    /// Objects of a Kubernetes cluster: a Service, its Deployments.
    Kubernetes(KubernetesConfig),
    /// Programs that speak JSON: observe, predict, apply, undo.
    Command(Box<CommandTargetConfig>),
    /// A recipe: such programs, described in a file of their own.
    Recipe(RecipeConfig),
}

/// Files in a folder, and the folders with their earlier versions.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesConfig {
    /// The folder that serves, relative to the workspace.
    pub live: PathBuf,
    /// A pattern for the folders of earlier versions: in `live` for `per-file`, beside it for `exchange`.
    #[serde(default = "backups")]
    pub versions: String,
    /// The files that make a version; together they are its identity.
    pub artifacts: Vec<String>,
    /// How the switch is done.
    #[serde(default)]
    pub mode: SwitchMode,
    /// The file that describes a version (`version`, `deployed_at`).
    #[serde(default = "metadata")]
    pub metadata: String,
    /// What the staged copy may share with the version that it is made from.
    #[serde(default)]
    pub share: Sharing,
}

fn backups() -> String {
    "backup_*".to_owned()
}

fn metadata() -> String {
    "metadata.json".to_owned()
}

/// How files are switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SwitchMode {
    /// File by file. For some milliseconds there is a mix, so consumers are contained first.
    #[default]
    PerFile,
    /// The whole folder at once.
    Exchange,
}

/// A program to run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandConfig {
    /// The program and its arguments. No shell looks at them.
    pub command: Vec<String>,
    /// How long it may run; 1m otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// How the failing metric is found for a candidate.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvaluateConfig {
    /// A program that prints `{"metrics": {"mape_weekly": 0.12}}`; `{version_dir}` is the version's folder.
    Command(Vec<String>),
    /// Numbers that a file of the version records.
    Metadata(MetadataEvaluate),
}

/// Numbers that a file of the version records.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetadataEvaluate {
    /// The file in the version's folder.
    #[serde(default = "metadata")]
    pub file: String,
    /// Metric names and the JSON pointers to their values, as `mape_weekly: /performance/mape_13w`.
    pub metrics: BTreeMap<String, String>,
}

/// When consumers are let back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseMode {
    /// As soon as the version that came back is proved.
    #[default]
    Auto,
    /// When a human says `irctl release`.
    Manual,
    /// When a human says `irctl release`, and not before the incident's postmortem is completed.
    AfterPostmortem,
    /// When `irctl check` finds that `release_when` holds.
    When,
}

/// What has to hold before `irctl check` lets consumers back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseWhenConfig {
    /// The condition over the service's metrics.
    #[schemars(extend("format" = "expression"))]
    pub condition: String,
    /// How long it has to hold without a break, as the samples of several rounds show it.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub sustained: Option<Duration>,
}

/// What holds automation back.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuardsConfig {
    /// How long after a rollback the next one may come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown: Option<Duration>,
    /// How many rollbacks there may be in 24 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_per_day: Option<u32>,
    /// How long a rollback may take; it stops one before the first switch, later it only alarms.
    #[serde(default = "budget")]
    pub budget: Duration,
    /// How much of the budget is kept for undoing: the first switch comes before that, or not at all.
    #[serde(default = "undo_budget")]
    pub undo_budget: Duration,
    /// How long the same two versions may not be switched again.
    #[serde(default = "breaker")]
    pub breaker: Duration,
    /// How long a version that was rolled back is not gone back to; without it until an undo, or
    /// `irctl rollback quarantine --lift`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Duration>,
}

impl Default for GuardsConfig {
    fn default() -> Self {
        Self {
            cooldown: None,
            max_per_day: None,
            budget: budget(),
            undo_budget: undo_budget(),
            breaker: breaker(),
            quarantine: None,
        }
    }
}

fn budget() -> Duration {
    Duration::minutes(2)
}

fn undo_budget() -> Duration {
    Duration::seconds(30)
}

fn breaker() -> Duration {
    Duration::minutes(24 * 60)
}

/// When irctl rolls back on its own: when `when` holds, or one of the triggers does.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AutoConfig {
    /// The condition over the service's metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "expression"))]
    pub when: Option<String>,
    /// Conditions that each have a reason of their own, under which the rollback is recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<TriggerConfig>,
}

/// A condition on which irctl rolls back on its own, and the reason under which that is recorded.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TriggerConfig {
    /// The reason, as `winrate_delta` or `onnx_parity_fail`.
    #[schemars(extend("format" = "name"))]
    pub reason: String,
    /// The condition over the service's metrics.
    #[schemars(extend("format" = "expression"))]
    pub when: String,
    /// A label of the metric whose value is added to the reason: `psi_feature` by `feature` is recorded as
    /// `psi_feature_spread`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}
