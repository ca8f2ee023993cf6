//! Putting a whole folder in place: two names swapped in one step, or a symbolic link replaced.

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use super::backup_path;
use super::file::{digest_at, show};
use crate::base::{Digest, Error, ErrorCode, Result, fault, file};
use crate::operation::{Observation, StepContext};
use crate::rollback::config::SwitchMode;
use crate::rollback::stage;
use crate::rollback::targets::{Change, Fidelity, Staging, Switch, SwitchSpec};

/// A whole folder that is put in place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FolderSwitch {
    /// The folder that serves, or the symbolic link to it.
    pub live: PathBuf,
    /// The staged folder.
    pub stage: PathBuf,
    /// The files that make a version.
    pub artifacts: Vec<String>,
    /// The version that stands there; absent where a file of it is missing.
    pub before: Option<Digest>,
    /// The version that comes there.
    pub after: Digest,
    /// Where the displaced folder goes.
    pub backup: PathBuf,
}

impl FolderSwitch {
    /// The version in a folder; none where a file of it is missing.
    fn version(&self, folder: &Path) -> Result<Option<Digest>> {
        let mut parts = Vec::new();
        for name in &self.artifacts {
            match digest_at(&folder.join(name))? {
                Some(digest) => parts.push((name.as_str(), digest)),
                None => return Ok(None),
            }
        }
        Ok(Some(Digest::of_parts(parts.iter().map(|(name, digest)| (*name, digest)))))
    }

    /// Swaps the live folder with the one at `other`, if what stands there is `expected`.
    fn swap(&self, other: &Path, expected: Option<&Digest>) -> Result<()> {
        let exchange = || {
            renameat_with(CWD, other, CWD, &self.live, RenameFlags::EXCHANGE).map_err(|error| {
                Error::io(
                    format!("cannot swap {} and {}", other.display(), self.live.display()),
                    std::io::Error::from(error),
                )
                .hint("this file system cannot swap folders; use `mode: per-file`")
            })
        };
        fault::point("exchange:before-rename");
        exchange()?;
        fault::point("exchange:after-rename");
        file::sync_directory(file::parent(&self.live))?;
        fault::point("exchange:after-fsync");
        let displaced = self.version(other)?;
        if displaced.as_ref() == expected {
            return Ok(());
        }
        exchange()?;
        file::sync_directory(file::parent(&self.live))?;
        Err(Error::new(
            ErrorCode::Drifted,
            format!(
                "somebody wrote to {} while it was switched: expected {}, found {}; it was left as they wrote it",
                self.live.display(),
                show(expected),
                show(displaced.as_ref())
            ),
        )
        .hint("find out who writes there, then make a new plan"))
    }
}

impl Switch for FolderSwitch {
    fn id(&self) -> String {
        "exchange".to_owned()
    }

    fn describe(&self) -> String {
        "put the whole folder in place".to_owned()
    }

    fn observe(&self) -> Result<Observation> {
        let found = self.version(&self.live)?;
        let parked = self.backup.symlink_metadata().is_ok();
        Ok(if found.as_ref() == Some(&self.after) && parked {
            Observation::After
        } else if found == self.before || found.as_ref() == Some(&self.after) {
            Observation::Before(found)
        } else {
            Observation::Other {
                before: show(self.before.as_ref()),
                after: self.after.short().to_owned(),
                found: show(found.as_ref()),
            }
        })
    }

    fn act(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        if self.version(&self.live)?.as_ref() != Some(&self.after) {
            if self.version(&self.stage)?.as_ref() != Some(&self.after) {
                return Err(Error::new(
                    ErrorCode::Drifted,
                    format!("the staged {} is not what was staged", self.stage.display()),
                ));
            }
            self.swap(&self.stage, self.before.as_ref())?;
        }
        // What was displaced now stands where the new one was staged; it gets a name that people know.
        fault::point("exchange:before-keep");
        fs_err::rename(&self.stage, &self.backup)?;
        fault::point("exchange:after-keep");
        file::sync_directory(file::parent(&self.backup))?;
        Ok(Some(format!("{} → {}", show(self.before.as_ref()), self.after.short())))
    }

    fn undo(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        let found = self.version(&self.live)?;
        let parked = [&self.backup, &self.stage].into_iter().find(|path| path.symlink_metadata().is_ok());
        match parked {
            Some(parked) if found.as_ref() == Some(&self.after) => {
                self.swap(parked, Some(&self.after))?;
                // The new one stands where the old one was kept; it is a copy, and taken away with the staging.
                if *parked == self.backup {
                    fs_err::rename(&self.backup, &self.stage)?;
                    file::sync_directory(file::parent(&self.backup))?;
                }
                Ok(None)
            }
            _ if found == self.before => {
                // A crash between swapping back and renaming leaves the new one under the backup's name.
                if self.backup.symlink_metadata().is_ok() && !self.stage.exists() {
                    fs_err::rename(&self.backup, &self.stage)?;
                    file::sync_directory(file::parent(&self.backup))?;
                }
                Ok(Some("it was so already".to_owned()))
            }
            _ => Err(Error::new(
                ErrorCode::Drifted,
                format!(
                    "{} is neither what was there ({}) nor what was put there ({}) but {}",
                    self.live.display(),
                    show(self.before.as_ref()),
                    self.after.short(),
                    show(found.as_ref())
                ),
            )),
        }
    }

    fn changes(&self) -> Vec<Change> {
        vec![Change {
            place: self.live.display().to_string().into(),
            from: Some(show(self.before.as_ref()).into()),
            to: Some(self.after.short().into()),
            fidelity: Fidelity::Proven,
        }]
    }

    fn reverse(&self, staging: &Staging<'_>) -> Result<SwitchSpec> {
        let found = self.version(&self.live)?;
        if found.as_ref() != Some(&self.after) {
            return Err(Error::new(
                ErrorCode::Drifted,
                format!(
                    "{} is not what was put there ({}) but {}",
                    self.live.display(),
                    self.after.short(),
                    show(found.as_ref())
                ),
            ));
        }
        let kept = self.version(&self.backup)?;
        let Some(after) = kept.filter(|kept| Some(kept) == self.before.as_ref()) else {
            return Err(Error::new(
                ErrorCode::Drifted,
                format!("{} is not the whole version that was kept there", self.backup.display()),
            )
            .hint("what stood there before cannot be put back from it; take a version by name"));
        };
        let stage = stage::folder(&self.live, SwitchMode::Exchange, staging.operation);
        stage::copy_tree(&self.backup, &stage)?;
        Ok(SwitchSpec::Folder(Self {
            live: self.live.clone(),
            stage,
            artifacts: self.artifacts.clone(),
            before: Some(self.after.clone()),
            after,
            backup: backup_path(file::parent(&self.backup), staging.operation)?,
        }))
    }

    fn tidy(&self) -> Result<()> {
        match fs_err::remove_dir_all(&self.stage) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}
