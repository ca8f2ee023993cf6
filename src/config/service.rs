//! `config/services/*.yaml`: a service, what is measured of it, and how it is rolled back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::base::Duration;
use crate::incident::PolicyConfig;
use crate::probe::ProbeConfig;
use crate::rollback::{RollbackConfig, ServingConfig};

/// What a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceKind {
    /// A model.
    Model,
    /// Anything else that serves.
    Service,
}

/// One service.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// Its name.
    pub service: String,
    /// What it is.
    pub kind: ServiceKind,
    /// A name for people, as it stands in messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The environment it runs in.
    #[serde(default = "production")]
    pub environment: String,
    /// The severity scheme that judges it.
    pub scheme: String,
    /// How to see which version really serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<ServingConfig>,
    /// What is measured, by probe name.
    #[serde(default)]
    pub probes: BTreeMap<String, ProbeConfig>,
    /// How long a round of `irctl check` waits for a probe, by its name, where that is not the usual time.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub timeouts: BTreeMap<String, Duration>,
    /// When incidents are lowered and resolved.
    #[serde(default)]
    pub incidents: PolicyConfig,
    /// The levels at which `check` contains it; without them, every level whose verdict is CRIT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contain_on: Option<Vec<String>>,
    /// How it is contained and rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackConfig>,
}

fn production() -> String {
    "production".to_owned()
}
