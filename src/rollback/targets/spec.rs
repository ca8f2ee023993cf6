//! The switches of all kinds, as an operation pins them.

use serde::{Deserialize, Serialize};

use super::command::{CommandSwitch, CommandTarget};
use super::files::{FileSwitch, FilesTarget, FolderSwitch, LinkSwitch, Preserve};
use super::git::{GitSwitch, GitTarget};
use super::kubernetes::{KubernetesSwitch, KubernetesTarget};
use super::registry::{RegistrySwitch, RegistryTarget};
use super::settings::{SettingsSwitch, SettingsTarget};
use super::sql::{SqlSwitch, SqlTarget};
use super::{Ground, Switch, Target, unresolved};
use crate::rollback::config::TargetConfig;

/// One switch as the pinned plan holds it. No secret stands in it: only references to secrets.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwitchSpec {
    /// What stands in a folder, kept.
    Preserve(Preserve),
    /// One file.
    File(FileSwitch),
    /// A whole folder.
    Folder(FolderSwitch),
    /// A symbolic link.
    Link(LinkSwitch),
    /// Keys of a settings file.
    Settings(SettingsSwitch),
    /// A model registry.
    Registry(RegistrySwitch),
    /// A git work tree.
    Git(GitSwitch),
    /// Rows of a database.
    Sql(Box<SqlSwitch>),
    /// Objects of a Kubernetes cluster.
    Kubernetes(KubernetesSwitch),
    /// Programs, or a recipe made of programs.
    Command(CommandSwitch),
}

impl SwitchSpec {
    /// What acts on it.
    pub fn switch(&self) -> &dyn Switch {
        match self {
            SwitchSpec::Preserve(switch) => switch,
            SwitchSpec::File(switch) => switch,
            SwitchSpec::Folder(switch) => switch,
            SwitchSpec::Link(switch) => switch,
            SwitchSpec::Settings(switch) => switch,
            SwitchSpec::Registry(switch) => switch,
            SwitchSpec::Git(switch) => switch,
            SwitchSpec::Sql(switch) => switch.as_ref(),
            SwitchSpec::Kubernetes(switch) => switch,
            SwitchSpec::Command(switch) => switch,
        }
    }

    /// This containment asserted again by `newer`, in one: what was before the first time stays what is put back. None
    /// where each has a mark or before-images of its own, by which alone it can be put back.
    pub fn reasserted(&self, newer: &Self) -> Option<Self> {
        match (self, newer) {
            (SwitchSpec::Settings(first), SwitchSpec::Settings(newer)) => {
                Some(SwitchSpec::Settings(first.reasserted(newer)))
            }
            (SwitchSpec::Sql(first), SwitchSpec::Sql(newer)) => {
                Some(SwitchSpec::Sql(Box::new(first.reasserted(newer))))
            }
            // An object that was deleted and made anew: what the old one was before is nobody's any more.
            (SwitchSpec::Kubernetes(first), SwitchSpec::Kubernetes(again)) if first.uid != again.uid => {
                Some(newer.clone())
            }
            _ => None,
        }
    }

    /// The name under which what served before is kept for people, if this switch keeps it.
    pub fn kept_as(&self) -> Option<String> {
        let path = match self {
            SwitchSpec::Preserve(switch) => &switch.backup,
            SwitchSpec::Folder(switch) => &switch.backup,
            _ => return None,
        };
        path.file_name().map(|name| name.to_string_lossy().into_owned())
    }
}

/// The target of a configuration.
pub fn build<'a>(config: &'a TargetConfig, ground: &'a Ground) -> Box<dyn Target + 'a> {
    match config {
        TargetConfig::Files(config) => Box::new(FilesTarget { config, ground }),
        TargetConfig::Settings(config) => Box::new(SettingsTarget { config, ground }),
        TargetConfig::Registry(config) => Box::new(RegistryTarget { config, ground }),
        TargetConfig::Git(config) => Box::new(GitTarget { config, ground }),
        TargetConfig::Sql(config) => Box::new(SqlTarget { config, ground }),
        TargetConfig::Kubernetes(config) => Box::new(KubernetesTarget { config, ground }),
        TargetConfig::Command(config) => Box::new(CommandTarget { config, ground }),
        TargetConfig::Recipe(config) => Box::new(unresolved::UnresolvedRecipe { config, ground }),
    }
}
