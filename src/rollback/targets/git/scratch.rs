//! Checkouts of their own, outside the repository, that leave no trace in it.
//!
//! A scratch repository borrows the objects of the real one (`objects/info/alternates`) and has references, an index
//! and files of its own.

use std::path::{Path, PathBuf};

use super::call::Call;
use super::config::ValidateConfig;
use super::repository::Repository;
use crate::base::process::{Ending, Invocation, Output};
use crate::base::{Error, ErrorCode, Result};

/// What files look like is decided by these settings of a repository; a copy must agree.
const SHAPE: &str = r"^(filter\..*|core\.(autocrlf|eol|filemode|symlinks|ignorecase|precomposeunicode))$";

/// How long a validation may take where the configuration does not say.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// A scratch repository.
#[derive(Debug)]
pub struct Copy {
    repository: Repository,
}

impl Copy {
    /// An empty one in a folder that does not exist yet.
    pub fn bare_of_history(original: &Repository, folder: &Path) -> Result<Self> {
        fs_err::create_dir_all(folder)?;
        let text = folder.display().to_string();
        let format = format!("--object-format={}", original.format);
        // Without a template: no hooks, no `info/exclude` of this machine.
        let call =
            Call::new(["init", "--quiet", "--template=", &format, "--initial-branch=irctl-scratch", "--"]);
        let output = call.clone().with(&text).invocation(folder).run()?;
        call.judge(output)?;
        let objects = original.common_dir.join("objects");
        let info = folder.join(".git/objects/info");
        fs_err::create_dir_all(&info)?;
        fs_err::write(info.join("alternates"), format!("{}\n", objects.display()))?;
        let shallow = original.common_dir.join("shallow");
        if shallow.exists() {
            fs_err::copy(shallow, folder.join(".git/shallow"))?;
        }
        let attributes = original.common_dir.join("info/attributes");
        if attributes.exists() {
            fs_err::create_dir_all(folder.join(".git/info"))?;
            fs_err::copy(attributes, folder.join(".git/info/attributes"))?;
        }
        let repository = Repository::open(folder)?;
        same_shape(original, &repository)?;
        Ok(Self { repository })
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.repository.top
    }

    /// Itself as a repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Makes the files those of a commit, and nothing else.
    pub fn check_out(&self, commit: &str) -> Result<()> {
        let repository = &self.repository;
        let call = Call::new(["update-ref", "--no-deref", "HEAD", commit]);
        repository.run(&call)?;
        repository.run(
            &Call::new(["read-tree", "--reset", "-u", commit]).environment("GIT_LFS_SKIP_SMUDGE", "0"),
        )?;
        repository.run(&Call::new(["clean", "--quiet", "-ffdx"])).map(|_| ())
    }
}

fn same_shape(original: &Repository, copy: &Repository) -> Result<()> {
    let call = Call::new(["config", "--local", "-z", "--get-regexp", SHAPE]);
    let settings = original.maybe(&call)?.unwrap_or_default();
    for setting in settings.split('\0').filter(|setting| !setting.is_empty()) {
        let (key, value) = setting.split_once('\n').unwrap_or((setting, "true"));
        copy.run(&Call::new(["config", "--local", "--replace-all", key, value]))?;
    }
    // Large files that live beside git are found where they are.
    let storage = original.common_dir.join("lfs");
    if storage.exists() {
        copy.run(&Call::new(["config", "--local", "lfs.storage"]).with(storage.display().to_string()))?;
    }
    Ok(())
}

/// Runs the configured validation in a checkout.
///
/// # Errors
/// `refused` when it fails or takes too long: the version is broken, and must not be switched to.
pub fn validate(config: &ValidateConfig, checkout: &Path) -> Result<Output> {
    let timeout = config.timeout.map_or(PATIENCE, crate::base::Duration::to_std);
    let output = command(&config.command, checkout, timeout).run()?;
    let hint = "choose another version; `irctl rollback versions` lists them";
    match output.ending {
        Ending::Exit(0) => Ok(output),
        Ending::TimedOut(_) => Err(Error::new(
            ErrorCode::Refused,
            format!("`{}` of `validate:` ended with {}", program(&config.command), output.ending),
        )
        .hint("a longer `timeout:` may be needed")),
        _ => Err(Error::new(
            ErrorCode::Refused,
            format!(
                "the version does not pass `validate:`: `{}` ended with {}: {}",
                program(&config.command),
                output.ending,
                output.last_words().escape_debug()
            ),
        )
        .hint(hint)),
    }
}

fn program(argv: &[String]) -> String {
    argv.join(" ").escape_debug().to_string()
}

/// A program in a checkout. Python must not leave compiled files: with a coarse clock they outlive their source.
pub fn command(argv: &[String], checkout: &Path, timeout: std::time::Duration) -> Invocation {
    let folder = checkout.display().to_string();
    let argv = argv.iter().map(|part| part.replace("{version_dir}", &folder)).collect();
    let mut invocation = Invocation::new(argv)
        .directory(PathBuf::from(checkout))
        .timeout(timeout)
        .environment("PYTHONDONTWRITEBYTECODE", "1");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        invocation = invocation.forget(name);
    }
    invocation
}
