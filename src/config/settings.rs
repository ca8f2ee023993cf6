//! `config/irctl.yaml`: what the workspace is called, where its state is, what is loaded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use super::kind::Kind;
use super::maintenance::MaintenanceConfig;
use super::rounds::RoundsConfig;
use crate::base::Duration;
use crate::notify::AuditConfig;

/// `config/irctl.yaml`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The workspace's name: part of the default state directory and of messages.
    #[schemars(extend("format" = "name"))]
    pub workspace: String,
    /// Where state is kept, relative to the workspace's root. Otherwise `/var/lib/irctl/WORKSPACE` where that
    /// exists, `$XDG_STATE_HOME/irctl/WORKSPACE` or `~/.local/state/irctl/WORKSPACE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<PathBuf>,
    /// How often cron runs `irctl check`; compared with what the schemes promise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cadence: Option<Duration>,
    /// How rounds of `irctl check` run, and who hears that they do.
    #[serde(default)]
    pub check: RoundsConfig,
    /// Gets an event of every rollback: `event_type`, `incident_id`, `rollback_version`, `timestamp`, `environment`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditConfig>,
    /// When services are worked on: they are measured, recorded and contained as ever, and nobody is called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub maintenance: Vec<MaintenanceConfig>,
    /// Which files are loaded, where they are not in the usual places.
    #[serde(default)]
    pub load: LoadSettings,
}

/// File patterns, relative to `config/`. What is left out has its default; what is named must exist.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadSettings {
    /// Severity schemes; `severity/*.yaml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("items" = {"type": "string", "format": "glob"}))]
    pub severity: Option<Vec<String>>,
    /// Services; `services/*.yaml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("items" = {"type": "string", "format": "glob"}))]
    pub services: Option<Vec<String>>,
    /// Verification suites; `verify/*.yaml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("items" = {"type": "string", "format": "glob"}))]
    pub verify: Option<Vec<String>>,
    /// Channels and routes; `notify.yaml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<String>,
    /// Roles and their contacts; `contacts.yaml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contacts: Option<String>,
    /// Runbooks; `../runbooks/*.yaml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("items" = {"type": "string", "format": "glob"}))]
    pub runbooks: Option<Vec<String>>,
    /// Recipes; `recipes/*.yaml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("items" = {"type": "string", "format": "glob"}))]
    pub recipes: Option<Vec<String>>,
    /// Mappings of other systems' messages; `mappings/*.yaml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("items" = {"type": "string", "format": "glob"}))]
    pub mappings: Option<Vec<String>>,
}

/// The patterns of one kind.
#[derive(Debug, Clone)]
pub struct Patterns {
    /// The key under `load`.
    pub key: &'static str,
    /// The patterns.
    pub patterns: Vec<String>,
    /// Whether they were written down; then they must match something.
    pub named: bool,
}

impl LoadSettings {
    /// The patterns for files of this kind; none for `config/irctl.yaml` itself.
    pub fn patterns(&self, kind: Kind) -> Option<Patterns> {
        let one = |name: &Option<String>| name.clone().map(|name| vec![name]);
        let (key, written, usual) = match kind {
            Kind::Irctl => return None,
            Kind::Severity => ("severity", self.severity.clone(), "severity/*.yaml"),
            Kind::Service => ("services", self.services.clone(), "services/*.yaml"),
            Kind::Verify => ("verify", self.verify.clone(), "verify/*.yaml"),
            Kind::Notify => ("notify", one(&self.notify), "notify.yaml"),
            Kind::Contacts => ("contacts", one(&self.contacts), "contacts.yaml"),
            Kind::Runbook => ("runbooks", self.runbooks.clone(), "../runbooks/*.yaml"),
            Kind::Recipe => ("recipes", self.recipes.clone(), "recipes/*.yaml"),
            Kind::Mapping => ("mappings", self.mappings.clone(), "mappings/*.yaml"),
        };
        let named = written.is_some();
        Some(Patterns { key, patterns: written.unwrap_or_else(|| vec![usual.to_owned()]), named })
    }
}
