//! `config/services/*.yaml`: a service, what is measured of it, and how it is rolled back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::maintenance::MaintenanceConfig;
use crate::base::Duration;
use crate::incident::PolicyConfig;
use crate::probe::ProbeConfig;
use crate::rollback::{RollbackConfig, ServingConfig};
use crate::severity::WarmUp;

/// What a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceKind {
    /// A model.
    Model,
    /// Anything else that serves.
    Service,
    /// Data that services read: it is measured once, and has the one incident of all who need it.
    Dataset,
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
    /// What a probe needs to be worth anything, by probe: other probes of this service, and `dataset/NAME`. While one of
    /// them is broken, the probe's rules are blocked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub needs: BTreeMap<String, Vec<String>>,
    /// How long it is left alone after a restart or a change of version, before the scheme's own: its rules are warming.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<WarmUp>,
    /// The metric that says how long it has been running, where a probe measures it: a restart begins the warm-up anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime: Option<String>,
    /// When it is worked on: it is measured, recorded and contained as ever, and nobody is called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub maintenance: Vec<MaintenanceConfig>,
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
