//! `config/irctl.yaml`: what the workspace is called, where its state is, what is loaded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `config/irctl.yaml`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The workspace's name: part of the default state directory and of messages.
    pub workspace: String,
    /// Where state is kept; `$XDG_STATE_HOME/irctl/<workspace>` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<PathBuf>,
}
