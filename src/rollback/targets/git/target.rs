//! The target: what is configured, on its ground.

use std::path::{Path, PathBuf};

use super::commit::Commit;
use super::config::{GitConfig, GitMode};
use super::draft::Draft;
use super::repository::Repository;
use super::stage;
use super::{predict, refuse, rehearse, versions};
use crate::base::{Error, ErrorCode, Result, path};
use crate::operation::claim;
use crate::rollback::snapshot::work_tree;
use crate::rollback::targets::{
    Fence, Goal, Ground, Kept, Observed, Prediction, Rehearsed, Staging, SwitchSpec, Target,
};
use crate::rollback::versions::Version;

/// See [`GitConfig`].
pub struct GitTarget<'a> {
    /// What is configured.
    pub config: &'a GitConfig,
    /// Where it stands.
    pub ground: &'a Ground,
}

impl GitTarget<'_> {
    /// The repository.
    pub(super) fn open(&self) -> Result<Repository> {
        let repository = Repository::open(&path::inside(&self.ground.root, &self.config.repository)?)?;
        if repository.bare && self.config.mode == GitMode::Paths {
            return Err(Error::new(
                ErrorCode::Refused,
                format!("{} is a bare repository: it has no files to put back", repository.top.display()),
            )
            .hint("use `mode: reset` or `mode: revert`, which move its branch"));
        }
        Ok(repository)
    }

    /// Does something with what a switch would be, or with why there is no telling what.
    fn drafted<T>(
        &self,
        goal: &Goal<'_>,
        work: impl FnOnce(std::result::Result<&Draft, Prediction>) -> Result<T>,
    ) -> Result<T> {
        let scratch = scratch()?;
        let repository = self.open()?.with_objects(scratch.path());
        // Half a merge has no tree of its own; nothing more can be said than that.
        let unfinished = refuse::unfinished(&repository)?;
        if !unfinished.is_empty() {
            return work(Err(Prediction { refusals: unfinished, ..Prediction::default() }));
        }
        work(Ok(&Draft::new(self, repository, goal, scratch.path())?))
    }

    /// The commit that is gone to.
    pub(super) fn aim(&self, repository: &Repository, goal: &Goal<'_>) -> Result<Commit> {
        let ours = versions::commit_of(goal.version);
        let revision = match (self.config.to.as_deref(), ours) {
            (None | Some("{version}" | "{name}"), Some(commit)) => commit,
            (Some(template), _) => goal.fill(template)?,
            (None, None) => goal.version.name.clone(),
        };
        repository.need_described(&revision)
    }
}

/// A folder for private indices and objects, gone when it is dropped.
pub(super) fn scratch() -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("irctl-git-")
        .tempdir()
        .map_err(|error| Error::io("cannot make a temporary folder", error))
}

impl Target for GitTarget<'_> {
    fn kind(&self) -> &'static str {
        "git"
    }

    fn name(&self) -> String {
        let place = match self.config.repository.components().next() {
            None | Some(std::path::Component::CurDir) => ".".to_owned(),
            Some(_) => self.config.repository.display().to_string(),
        };
        let branch = self.config.branch.as_ref().map(|branch| format!(" branch {branch}"));
        let paths = (!self.config.paths.is_empty()).then(|| format!(": {}", self.config.paths.join(", ")));
        format!("git {place}{}{}", branch.unwrap_or_default(), paths.unwrap_or_default())
    }

    fn fence(&self) -> Fence {
        Fence::Native
    }

    fn claims(&self) -> Result<Vec<PathBuf>> {
        // All work trees of a repository share its branches and its stash, and nobody sees the git directory.
        Ok(vec![claim::beside(&self.open()?.common_dir.join("git"))])
    }

    /// Any revision may be a name, `tags/phase2-rollback` too; git is never given one where it could be an option.
    fn accepts(&self, name: &str) -> Result<()> {
        if !name.is_empty() && name.len() <= 1024 && !name.chars().any(char::is_control) {
            return Ok(());
        }
        Err(Error::new(ErrorCode::OutsideRoot, format!("`{}` is no revision", name.escape_debug()))
            .hint("name a branch, a tag, HEAD~1 or a commit"))
    }

    /// A service may say its version by commit, whole or shortened to seven digits or more.
    fn answers(&self, version: &Version, says: &str, _artifact: Option<&str>) -> bool {
        let named = version.name == says || version.label.as_deref() == Some(says);
        let commit = versions::commit_of(version);
        let short =
            says.len() >= 7 && commit.is_some_and(|commit| commit.starts_with(&says.to_ascii_lowercase()));
        named
            || short
            || says.parse::<crate::base::Digest>().ok().is_some_and(|says| version.digest == Some(says))
    }

    fn leads(&self) -> bool {
        !self.config.is_fixed()
    }

    fn versions(&self) -> Result<Vec<Version>> {
        versions::list(self, &self.open()?)
    }

    fn served(&self) -> Result<Version> {
        versions::served(self, &self.open()?)
    }

    fn find(&self, name: &str) -> Result<Option<Version>> {
        versions::find(self, &self.open()?, name)
    }

    fn observe(&self) -> Result<Observed> {
        versions::observe(self, &self.open()?)
    }

    /// The commit with its tags, beside what was observed; git itself keeps the bytes.
    fn keep(&self, into: &Path) -> Result<Vec<Kept>> {
        let tree = path::inside(&self.ground.root, &self.config.repository)?;
        let commit = work_tree::commit(&tree)?;
        Ok(vec![Kept::json(into, "commit.json", &commit)?, Kept::observed(into, &self.observe()?)?])
    }

    fn work_tree(&self) -> Option<PathBuf> {
        path::inside(&self.ground.root, &self.config.repository).ok()
    }

    fn predict(&self, goal: &Goal<'_>) -> Result<Prediction> {
        self.drafted(goal, |draft| draft.map_or_else(Ok, |draft| predict::predict(self, draft)))
    }

    /// The work tree is looked at once, for both.
    fn look(&self, goal: &Goal<'_>) -> (Result<Observed>, Result<Prediction>) {
        let mut observed = None;
        let predicted = self.drafted(goal, |draft| {
            draft.map_or_else(Ok, |draft| {
                observed = versions::observed_in(draft);
                predict::predict(self, draft)
            })
        });
        (observed.map_or_else(|| self.observe(), Ok), predicted)
    }

    fn stage(&self, goal: &Goal<'_>, staging: &Staging<'_>) -> Result<Vec<SwitchSpec>> {
        stage::stage(self, goal, staging)
    }

    fn rehearse(&self, goal: &Goal<'_>, scratch: &Path) -> Result<Vec<Rehearsed>> {
        rehearse::rehearse(self, goal, scratch)
    }
}
