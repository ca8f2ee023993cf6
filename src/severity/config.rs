//! `config/severity/*.yaml`: a severity scheme as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{Expression, KeepConfig, OnNoData, Persistence, WarmUp};
use crate::base::{Duration, Unit, Verdict};

/// Metrics by name, with their units.
pub type Catalog = BTreeMap<String, MetricConfig>;

/// A severity scheme: levels, the metrics that its rules speak of, and the rules.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchemeConfig {
    /// Its name.
    pub scheme: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is for and where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The levels by name.
    pub levels: BTreeMap<String, LevelConfig>,
    /// The levels from the most to the least urgent; needed where their names do not sort that way (P0, P1, … do).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<String>,
    /// The level of what no rule matches; without it that has no level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_level: Option<String>,
    /// The metrics that rules may use, by name.
    pub metrics: Catalog,
    /// When the postmortem is due where neither the rule nor the level says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postmortem: Option<PostmortemConfig>,
    /// How long what has just begun to serve, after a restart or a change of version, is left alone: its rules are
    /// warming.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<WarmUp>,
    /// When incidents of one symptom are a pattern, which asks for a review.
    #[serde(default, skip_serializing_if = "RecurrenceConfig::is_usual")]
    pub recurrence: RecurrenceConfig,
    /// The rules; the highest level that matches wins.
    pub rules: Vec<RuleConfig>,
}

/// One level.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LevelConfig {
    /// A name for people, as `Critical`.
    pub name: String,
    /// What it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The verdict that it stands for, and so the exit status.
    pub verdict: Verdict,
    /// Time until somebody has acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge: Option<Duration>,
    /// Time until the response has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub respond: Option<Duration>,
    /// Time until the harm has stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mitigate: Option<Duration>,
    /// Time until it is resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve: Option<Duration>,
    /// Time until those concerned have been told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify_within: Option<Duration>,
    /// Time between two updates to those concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_every: Option<Duration>,
    /// The roles that are told, as named in `config/contacts.yaml`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Who has which part in the response: the part → a role.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub team: BTreeMap<String, String>,
    /// Who is called, and how, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<String>,
    /// What is said to whom, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub communication: Option<String>,
    /// What is to be done, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// What messages and screens propose to a human, with the evidence. Nothing does it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposes: Option<Proposes>,
    /// What is written afterwards, and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postmortem: Option<PostmortemConfig>,
    /// What it is for, as examples that no metric decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
}

/// What a level proposes to a human.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Proposes {
    /// To assess a rollback to the version before, where the service can be rolled back.
    Rollback,
}

/// What is written after an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostmortemConfig {
    /// How thorough it is.
    pub kind: PostmortemKind,
    /// Time after the incident is resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Duration>,
}

/// How thorough a postmortem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PostmortemKind {
    /// The whole template.
    Full,
    /// One page.
    Brief,
    /// None, unless a pattern emerges.
    None,
}

/// When incidents of one service and symptom are a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecurrenceConfig {
    /// How many of them.
    #[schemars(range(min = 2, max = 1000))]
    pub incidents: u32,
    /// Within which stretch of time.
    pub within: Duration,
    /// Time until the review has to be done.
    pub review_within: Duration,
}

impl Default for RecurrenceConfig {
    fn default() -> Self {
        Self {
            incidents: 3,
            within: Duration::minutes(30 * 24 * 60),
            review_within: Duration::minutes(14 * 24 * 60),
        }
    }
}

impl RecurrenceConfig {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// A metric that rules may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricConfig {
    /// Its unit.
    pub unit: Unit,
    /// The lowest and the highest value that can be true, in its unit; a value outside is undecided. Without it the
    /// unit's own range holds (a ratio is 0 to 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// Whether it is reported only by those who measure it, or only when it happens: a rule that hangs on nothing
    /// but its absence is reported as such and does not make the result uncertain.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// The age from which a sample of it decides nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// What it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A rule: a condition and the level that it stands for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Its name, unique in the scheme.
    pub id: String,
    /// The level of what it matches.
    pub level: String,
    /// The condition.
    pub when: Expression,
    /// How long the condition has to hold; without it the newest sample decides.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Persistence>,
    /// How long it goes on matching once it matched: `{for: 30m}`, or `{until: CONDITION}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<KeepConfig>,
    /// What it means that it cannot be decided: `unknown`, `crit`, or `{hold: 1h}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_no_data: Option<OnNoData>,
    /// Its own warm-up, before the service's and the scheme's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<WarmUp>,
    /// What is broken: incidents are one for each service and symptom. Without it the rule's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symptom: Option<String>,
    /// The runbook to follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// What to do first, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_action: Option<String>,
    /// What it says, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether a match contains the service at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub contain: bool,
    /// Its own deadline of the postmortem, before the level's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postmortem: Option<PostmortemConfig>,
    /// Time until the root cause is analysed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rca: Option<Duration>,
}

impl RuleConfig {
    /// What is broken when it matches.
    pub fn symptom(&self) -> &str {
        self.symptom.as_deref().unwrap_or(&self.id)
    }
}
