//! The switches of all kinds, as an operation pins them.

use serde::{Deserialize, Serialize};

use super::Switch;
use super::command::CommandSwitch;
use super::git::GitSwitch;
use super::kubernetes::KubernetesSwitch;
use super::registry::RegistrySwitch;
use super::sql::SqlSwitch;

/// One switch as the pinned plan holds it. No secret stands in it: only references to secrets.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwitchSpec {
    /// A model registry.
    Registry(RegistrySwitch),
    /// A git work tree.
    Git(GitSwitch),
    /// Rows of a database.
    Sql(SqlSwitch),
    /// Objects of a Kubernetes cluster.
    Kubernetes(KubernetesSwitch),
    /// Programs, or a recipe made of programs.
    Command(CommandSwitch),
}

impl SwitchSpec {
    /// What acts on it.
    pub fn switch(&self) -> &dyn Switch {
        match self {
            SwitchSpec::Registry(switch) => switch,
            SwitchSpec::Git(switch) => switch,
            SwitchSpec::Sql(switch) => switch,
            SwitchSpec::Kubernetes(switch) => switch,
            SwitchSpec::Command(switch) => switch,
        }
    }
}
