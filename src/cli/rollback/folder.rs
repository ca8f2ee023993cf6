//! A folder that is rolled back without any configuration, and what the command line says of it.

use std::path::PathBuf;

use crate::rollback::layout::{Layout, Wanted};
use crate::rollback::targets::git::GitMode;

/// A folder, and what it is.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct FolderArgs {
    /// A folder that needs no configuration: a git work tree, a model registry, releases/ with a link current, or files
    /// with backup_* folders beside them.
    #[arg(value_name = "DIR", conflicts_with = "service")]
    folder: Option<PathBuf>,
    /// What the folder is to be taken for, where it could be several things.
    #[arg(long, value_name = "LAYOUT", requires = "folder", conflicts_with = "service")]
    layout: Option<LayoutArg>,
}

/// How a git work tree goes back.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct WorkTreeArgs {
    /// For a git work tree without configuration: reset the branch (a backup branch keeps what it was), or revert what
    /// came since in new commits.
    #[arg(long, value_name = "MODE", conflicts_with_all = ["service", "plan", "paths"])]
    mode: Option<ModeArg>,
    /// For a git work tree without configuration: put back only this file or folder, as tests/baselines/; repeat it
    /// for more. Without DIR the current folder is meant.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["service", "plan"])]
    paths: Vec<String>,
}

/// A known layout.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum LayoutArg {
    /// A git work tree.
    Git,
    /// A model registry.
    Registry,
    /// releases/ and a link current.
    Releases,
    /// Files, and backup_* folders.
    Backups,
}

/// How a git work tree goes back.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ModeArg {
    /// Set the branch to the revision.
    Reset,
    /// Take back what came since in new commits.
    Revert,
}

impl FolderArgs {
    /// The folder, and what is said of it.
    pub fn wanted(&self) -> (Option<PathBuf>, Wanted) {
        let layout = self.layout.map(|layout| match layout {
            LayoutArg::Git => Layout::Git,
            LayoutArg::Registry => Layout::Registry,
            LayoutArg::Releases => Layout::Releases,
            LayoutArg::Backups => Layout::Backups,
        });
        (self.folder.clone(), Wanted { layout, ..Wanted::default() })
    }
}

impl WorkTreeArgs {
    /// The folder with what is said of a work tree; the current folder where only that is said.
    pub fn apply(&self, (folder, wanted): (Option<PathBuf>, Wanted)) -> (Option<PathBuf>, Wanted) {
        let mode = self.mode.map(|mode| match mode {
            ModeArg::Reset => GitMode::Reset,
            ModeArg::Revert => GitMode::Revert,
        });
        let said = mode.is_some() || !self.paths.is_empty();
        let folder = folder.or_else(|| said.then(|| PathBuf::from(".")));
        (folder, Wanted { mode, paths: self.paths.clone(), ..wanted })
    }
}
