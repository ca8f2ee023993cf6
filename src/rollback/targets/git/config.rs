//! What users write under `git:`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use super::area::Area;
use crate::base::{Duration, Error, ErrorCode, Result};

/// A git work tree: a branch, single paths, or a tag.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitConfig {
    /// The work tree (or the bare repository), relative to the workspace; the workspace itself otherwise.
    #[serde(default = "here")]
    pub repository: PathBuf,
    /// How it is switched.
    #[serde(default)]
    pub mode: GitMode,
    /// The branch; the one that is checked out otherwise. One that is checked out nowhere, or in a bare repository, is
    /// moved without touching files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// For `mode: paths`: the files and folders that are put back, relative to the top of the work tree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Files and folders that stay as they are whatever the version says: a switch that containment has set, data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// The revision to go to, as `v{version}` or a fixed one such as `HEAD~1` or `tags/phase2-rollback`; the plan's
    /// version otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// A pattern for the tags that are versions, as `pre-phase*-stable`; without it, the last 50 commits of the branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<String>,
    /// Proves that a version can be used, in a checkout of its own, before anything is switched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate: Option<ValidateConfig>,
}

/// How a git work tree is switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GitMode {
    /// The branch is set to the revision; what it was stays on a backup branch.
    #[default]
    Reset,
    /// New commits take back what came after the revision; the branch's history only grows.
    Revert,
    /// Only some paths are put back, in the work tree and the index; the branch stays where it is.
    Paths,
}

/// A program that proves that a version can be used: an import, a syntax check.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidateConfig {
    /// The program and its arguments, run in the checkout; no shell looks at them. `{version_dir}` is the checkout.
    pub command: Vec<String>,
    /// How long it may run; 1m otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

fn here() -> PathBuf {
    PathBuf::from(".")
}

impl GitConfig {
    /// Whether its parts fit together.
    ///
    /// # Errors
    /// `invalid-configuration` and `outside-root`, as [`GitConfig::area`] says; a `versions:` that is no pattern.
    pub fn check(&self) -> Result<()> {
        if let Some(pattern) = &self.versions {
            super::versions::pattern(pattern)?;
        }
        self.area().map(|_| ())
    }

    /// What is switched: everything, or the configured paths; never what is kept.
    ///
    /// # Errors
    /// `mode: paths` without paths, paths with another mode, and paths that leave the work tree.
    pub(super) fn area(&self) -> Result<Area> {
        let wrong = |why: &str, hint: &str| {
            Error::new(ErrorCode::InvalidConfiguration, format!("git target: {why}")).hint(hint)
        };
        match (self.mode, self.paths.is_empty()) {
            (GitMode::Paths, true) => {
                return Err(wrong("`mode: paths` has no `paths`", "paths: [tests/baselines/]"));
            }
            (GitMode::Reset | GitMode::Revert, false) => {
                return Err(wrong(
                    "`paths` belong to `mode: paths`",
                    "write `mode: paths`, or take them away",
                ));
            }
            _ => {}
        }
        if self.mode == GitMode::Paths && self.branch.is_some() {
            let hint = "take `branch` away; the paths are put back in what is checked out";
            return Err(wrong("`mode: paths` moves no branch", hint));
        }
        Area::new(&self.paths, &self.keep)
    }

    /// Whether the revision does not depend on the plan.
    pub(super) fn is_fixed(&self) -> bool {
        self.to.as_deref().is_some_and(|to| !to.contains('{'))
    }
}
