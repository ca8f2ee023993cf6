//! `wait`, `call`, `rollback`, `contain`, `release` and `parallel`: steps made of other things that irctl does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::base::Duration;
use crate::rollback::config::Scalar;
use crate::runbook::StepConfig;
use crate::severity::Expression;

/// Steps that go on side by side, by the name of their arm.
pub type ParallelConfig = BTreeMap<String, Vec<StepConfig>>;

/// A wait: for a length of time, or until something holds.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitConfig {
    /// How long; in place of `until`.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub length: Option<Duration>,
    /// What has to hold, as a condition over the metrics of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Expression>,
    /// How often it is measured; 30s otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Duration>,
    /// After how long the step fails. It belongs to `until`, and has to be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Duration>,
}

/// Another runbook, run as part of this one.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallConfig {
    /// The runbook.
    pub runbook: String,
    /// Its inputs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Scalar>,
}

/// A rollback, with its own plan, guards, verification and undo.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackStep {
    /// The version to go to: `prev`, `last-stable`, a name, a digest.
    #[schemars(length(min = 1))]
    pub to: String,
    /// The service; the runbook's otherwise, else the incident's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The named plan of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Why, as it is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The service whose consumers are stopped, or let back.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceStep {
    /// The service; the runbook's otherwise, else the incident's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Why, as it is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
