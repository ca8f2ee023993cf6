//! The result of classifying: a level, and every rule's outcome with its reason.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Digest, Untrusted, Verdict};
use crate::store::Bucket;

/// How a rule came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Its condition holds, for as long as it has to.
    Matched,
    /// Its condition does not hold, or not yet for as long as it has to.
    Missed,
    /// It hangs on something that is not known.
    Undecided,
    /// All that is known comes from versions that do not serve; the served one has no evidence of its own yet.
    Warming,
    /// It hangs on nothing but optional metrics that nobody reported.
    Unreported,
    /// Something that it needs is broken; that has its own rules, and its own incident.
    Blocked,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 6] = [
        Outcome::Matched,
        Outcome::Missed,
        Outcome::Undecided,
        Outcome::Warming,
        Outcome::Unreported,
        Outcome::Blocked,
    ];

    /// The word as it is printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Matched => "matched",
            Outcome::Missed => "missed",
            Outcome::Undecided => "undecided",
            Outcome::Warming => "warming",
            Outcome::Unreported => "unreported",
            Outcome::Blocked => "blocked",
        }
    }
}

/// One rule's outcome.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RuleResult {
    /// The rule's name.
    pub rule: String,
    /// The level that it stands for.
    pub level: String,
    /// How it came out.
    pub outcome: Outcome,
    /// What is broken when it matches.
    pub symptom: String,
    /// Why it came out so, in words.
    pub reason: String,
    /// Value minus threshold of the comparison that decided, in the metric's unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance: Option<f64>,
    /// The values that it used, by metric, each in its metric's unit.
    pub values: BTreeMap<String, f64>,
    /// The runbook to follow; only where it matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// What to do first; only where it matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_action: Option<String>,
    /// Whether it matched and contains the service at once.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub contain: bool,
    /// The samples that it looked at; absent for an alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<LookedAt>,
    /// Why it goes on matching though its condition does not hold any more; only where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
    /// That it stands as it was last decided, since nothing is known now; only where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// What is broken that it needs; only where it is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<String>,
    /// Whether it is blocked and its condition holds: what harms is stopped all the same.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub holds_though_blocked: bool,
}

/// A match that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Kept {
    /// When its condition last held, in event time (UTC); absent where only its incident tells that it did.
    pub matched_at: Option<DateTime<Utc>>,
    /// Until when it is kept (UTC), where a time says so.
    pub until: Option<DateTime<Utc>>,
    /// Until what holds, where a condition says so.
    pub condition: Option<String>,
}

/// An outcome that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Held {
    /// When it was decided, in event time (UTC).
    pub decided_at: DateTime<Utc>,
    /// Until when it stands (UTC).
    pub until: DateTime<Utc>,
}

/// The samples behind an outcome. New evidence has a newer bucket or another input.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LookedAt {
    /// The newest event time (UTC).
    pub newest: Option<DateTime<Utc>>,
    /// The newest closed bucket.
    pub bucket: Option<Bucket>,
    /// The digests of the inputs.
    pub inputs: BTreeSet<Digest>,
    /// How many samples.
    pub samples: u64,
    /// How many rows or readings stand behind them.
    pub rows: u64,
    /// How many samples of other versions were left aside.
    pub ignored: u64,
}

impl LookedAt {
    /// Takes in what another rule looked at.
    pub fn merge(&mut self, other: &LookedAt) {
        self.newest = self.newest.max(other.newest);
        self.bucket = match (self.bucket, other.bucket) {
            (Some(a), Some(b)) => Some(if b.end > a.end { b } else { a }),
            (a, b) => a.or(b),
        };
        self.inputs.extend(other.inputs.iter().cloned());
        self.samples += other.samples;
        self.rows += other.rows;
        self.ignored += other.ignored;
    }
}

/// A metric that the scheme does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnknownMetric {
    /// Its name as it came.
    pub metric: Untrusted,
    /// The known metric most like it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did_you_mean: Option<String>,
}

/// The level of an alert or a service, and why.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Classification {
    /// The alert's name, where an alert was classified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_name: Option<Untrusted>,
    /// The scheme that judged.
    pub scheme: String,
    /// The highest level that a rule matched, else the scheme's default level.
    pub level: Option<String>,
    /// Whether an undecided rule could raise the level.
    pub at_least: bool,
    /// The verdict: the level's; UNKNOWN where nothing matched and something is undecided.
    pub verdict: Verdict,
    /// Every rule, in the scheme's order.
    pub rules: Vec<RuleResult>,
    /// The names of the undecided rules.
    pub undecided: Vec<String>,
    /// The names of the rules for which the served version has no evidence of its own yet.
    pub warming: Vec<String>,
    /// The names of the rules that are blocked by something that they need.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<String>,
    /// Metrics that came and that the scheme does not know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown_metrics: Vec<UnknownMetric>,
}

impl Classification {
    /// The rules with this outcome, in the scheme's order.
    pub fn with(&self, outcome: Outcome) -> impl Iterator<Item = &RuleResult> {
        self.rules.iter().filter(move |rule| rule.outcome == outcome)
    }

    /// The rules that matched at the level that won, in the scheme's order.
    pub fn deciding(&self) -> impl Iterator<Item = &RuleResult> {
        self.with(Outcome::Matched).filter(|rule| Some(&rule.level) == self.level.as_ref())
    }
}
