//! The plan: pure data that a screen can show and an operation can pin.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::candidates::Skipped;
use super::evaluate::WouldHelp;
use super::evidence::Tier;
use super::guards::{Guard, GuardState};
use super::serving::Proof;
use super::subject::Part;
use super::targets::{Change, Fence, Observed};
use super::versions::{Dated, Version};
use crate::base::{Digest, Untrusted};

/// A version as a plan shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VersionView {
    /// The folder's name; `live` for what serves.
    pub name: Untrusted,
    /// The version its metadata names.
    pub label: Option<Untrusted>,
    /// Its digest; absent where an artifact is missing.
    pub digest: Option<Digest>,
    /// When it dates from.
    pub dated: Option<Dated>,
    /// What is wrong with it.
    pub defect: Option<Untrusted>,
}

impl VersionView {
    /// What people call it.
    pub fn shown(&self) -> String {
        self.label.as_ref().unwrap_or(&self.name).to_string()
    }

    /// The first digits of its digest, for people.
    pub fn short(&self) -> &str {
        self.digest.as_ref().map_or("no digest", |digest| digest.short())
    }
}

impl From<&Version> for VersionView {
    fn from(version: &Version) -> Self {
        Self {
            name: version.name.as_str().into(),
            label: version.label.as_deref().map(Untrusted::from),
            digest: version.digest.clone(),
            dated: version.dated,
            defect: version.defect.as_deref().map(Untrusted::from),
        }
    }
}

/// A value that differs between two JSON documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueChange {
    /// Where: a JSON pointer.
    pub place: Untrusted,
    /// What stands there.
    pub from: Option<Untrusted>,
    /// What will.
    pub to: Option<Untrusted>,
}

/// What becomes of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TargetPlan {
    /// What is switched, as `files models/production/rila_6y20b`.
    pub name: String,
    /// Its kind: `files`, `settings`, `registry`, `git`, `sql`, `kubernetes`, `command`.
    pub kind: String,
    /// Which part of its phase it belongs to; absent where no phase is rolled back.
    pub part: Option<Part>,
    /// What keeps two writers of it apart.
    pub fence: Fence,
    /// What is in place; absent where that cannot be seen.
    pub observed: Option<Observed>,
    /// What changes, place by place, and how sure that is.
    pub changes: Vec<Change>,
    /// How the switch is done, and what can be seen meanwhile.
    pub manner: Option<String>,
    /// What stays of what is there now, and how it is taken back without irctl.
    #[serde(default)]
    pub kept: Option<String>,
    /// What the consumers do while they could see a mix of two versions; absent where they cannot.
    #[serde(default)]
    pub meanwhile: Option<String>,
    /// How long its switch took the last times, in milliseconds; absent before the first.
    pub predicted_ms: Option<u64>,
}

/// How a service is contained while it is rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Contained {
    /// Its consumers are stopped.
    Yes {
        /// Since when (UTC).
        since: DateTime<Utc>,
        /// What a proof of that said.
        proof: Option<String>,
    },
    /// A dry run: its consumers would be stopped first.
    Would,
    /// Nothing says how.
    NotConfigured,
    /// It was tried and failed.
    Failed {
        /// Why.
        why: String,
    },
}

/// What a rollback will do.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The operation; absent in a dry run.
    pub operation: Option<String>,
    /// The service.
    pub service: String,
    /// The phase that is rolled back; absent where the service is rolled back as a whole.
    #[serde(default)]
    pub phase: Option<String>,
    /// The environment whose values are used.
    #[serde(default)]
    pub environment: Option<String>,
    /// The operation that this one takes back, or does again.
    #[serde(default)]
    pub reverts: Option<String>,
    /// The incident it answers.
    pub incident: Option<String>,
    /// What serves.
    pub served: VersionView,
    /// How it is known what serves.
    pub served_proof: Proof,
    /// What comes back.
    pub to: VersionView,
    /// How good the evidence for it is.
    pub tier: Tier,
    /// Why this one.
    pub why: String,
    /// Why not the others.
    pub skipped: Vec<Skipped>,
    /// Whether it would have helped; absent where no failing rule was named.
    pub would_help: Option<WouldHelp>,
    /// What becomes of each target, in the order in which they are switched.
    pub targets: Vec<TargetPlan>,
    /// How its consumers are stopped.
    pub contained: Contained,
    /// The program that makes it serve.
    pub activate: Option<Vec<String>>,
    /// The suite that must pass afterwards.
    pub verify: Option<String>,
    /// When consumers are let back.
    pub release: String,
    /// What cannot be undone.
    pub cannot_be_undone: Vec<String>,
    /// What could undo this behind our back.
    pub could_undo_this: Vec<String>,
    /// What the guards say.
    pub guards: Vec<Guard>,
    /// What else a human should know before saying yes.
    pub warnings: Vec<String>,
    /// Why it cannot be done as things stand; a plan with one is not carried out.
    pub refusals: Vec<String>,
    /// How long the last rollbacks took, in milliseconds; absent on the first day.
    pub predicted_ms: Option<u64>,
    /// How long it may take, in milliseconds.
    pub budget_ms: u64,
    /// How much of that is kept for undoing, in milliseconds.
    pub undo_budget_ms: u64,
    /// Where what stands there now is kept.
    pub backup: Option<String>,
    /// The host that can resume it.
    pub host: String,
}

impl Plan {
    /// The one part of its phase that it is about, if it is about one only.
    pub fn only(&self) -> Option<Part> {
        let mut parts = self.targets.iter().filter_map(|target| target.part);
        let first = parts.next()?;
        parts.all(|part| part == first).then_some(first)
    }

    /// Why automation may not do this; none if it may.
    pub fn binds_automation(&self) -> Option<String> {
        let guard = self.guards.iter().find(|guard| guard.state != GuardState::Passes);
        guard.map(|guard| format!("{}: {}", guard.name, guard.why))
    }
}

/// What differs between two JSON documents, by pointer; at most `limit` places.
pub fn differences(
    from: Option<&serde_json::Value>,
    to: Option<&serde_json::Value>,
    limit: usize,
) -> Vec<ValueChange> {
    let mut changes = Vec::new();
    compare("", from, to, &mut changes, limit);
    changes
}

fn compare(
    place: &str,
    from: Option<&serde_json::Value>,
    to: Option<&serde_json::Value>,
    changes: &mut Vec<ValueChange>,
    limit: usize,
) {
    use serde_json::Value::Object;
    if from == to || changes.len() >= limit {
        return;
    }
    if let (Some(Object(a)), Some(Object(b))) = (from, to) {
        let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
        for key in keys {
            let escaped = key.replace('~', "~0").replace('/', "~1");
            compare(&format!("{place}/{escaped}"), a.get(key), b.get(key), changes, limit);
        }
        return;
    }
    let show = |value: Option<&serde_json::Value>| {
        value.map(|value| match value {
            serde_json::Value::String(text) => Untrusted::from(text.as_str()),
            other => Untrusted::from(shorten(other.to_string())),
        })
    };
    let place = if place.is_empty() { "/" } else { place };
    changes.push(ValueChange { place: place.into(), from: show(from), to: show(to) });
}

fn shorten(text: String) -> String {
    match text.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_is_compared_value_by_value() {
        let (a, b) = (
            json!({"version": "2", "performance": {"mape": 0.31, "n": 3}, "by": "x"}),
            json!({"version": "1", "performance": {"mape": 0.09, "n": 3}, "new/key": [1]}),
        );
        let changes = differences(Some(&a), Some(&b), 20);
        let places: Vec<_> = changes.iter().map(|change| change.place.raw()).collect();
        assert_eq!(places, ["/by", "/new~1key", "/performance/mape", "/version"]);
        assert_eq!(differences(Some(&a), Some(&b), 2).len(), 2);
        assert!(differences(Some(&a), Some(&a), 20).is_empty());
    }
}
