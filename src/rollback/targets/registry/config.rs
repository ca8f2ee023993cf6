//! What users write under `registry:`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use crate::rollback::copying::Sharing;

/// A model registry: a manifest, and an active and a shadow model.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryConfig {
    /// The registry's folder, relative to the workspace.
    pub root: PathBuf,
    /// The manifest in it: a list of `{id, created_at, schema_hash, thresholds, path, notes}`, oldest or newest first.
    /// Further keys are kept; `digest`, `sha256` or `model_sha256` of an entry must fit its model.
    #[serde(default = "manifest")]
    pub manifest: PathBuf,
    /// The JSON pointer to the list, where the manifest is more than a list: `/models`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<String>,
    /// Which model is switched.
    #[serde(default)]
    pub role: Role,
    /// The symbolic link or folder of that model, in the registry's folder; `active` or `shadow` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    /// What is made where nothing stands there yet; what stands there stays what it is.
    #[serde(default)]
    pub form: Form,
    /// The files that make a version; together they are its identity.
    #[serde(default = "model")]
    pub artifacts: Vec<String>,
    /// The file in a folder that holds the id of its entry, where there is one.
    #[serde(default = "id")]
    pub id_file: String,
    /// The dotted key of the manifest that names the entry of this role, where the manifest has one: `active`. Without
    /// it the manifest is history and stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Refuse an entry whose `schema_hash` is another than that of the model in place, or unknown; else it is a warning.
    #[serde(default)]
    pub require_same_schema: bool,
    /// What copies of models may share with their entries.
    #[serde(default)]
    pub share: Sharing,
}

fn manifest() -> PathBuf {
    "manifest.json".into()
}

fn model() -> Vec<String> {
    vec!["model.json".to_owned()]
}

fn id() -> String {
    "id".to_owned()
}

/// Which model of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The one that serves.
    #[default]
    Active,
    /// The one that runs beside it, unseen.
    Shadow,
}

/// What leads to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A symbolic link to the entry's folder.
    #[default]
    Link,
    /// A folder with a copy of the entry.
    Folder,
}

impl RegistryConfig {
    /// The name of what is switched.
    pub fn slot(&self) -> &str {
        match (&self.slot, self.role) {
            (Some(slot), _) => slot,
            (None, Role::Active) => "active",
            (None, Role::Shadow) => "shadow",
        }
    }
}
