//! Putting a whole folder in place: two names swapped in one step, or a symbolic link replaced.

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::Exchange;
use super::switch::{digest_at, show};
use crate::base::{Digest, Error, ErrorCode, Result, fault, file};
use crate::operation::{Observation, Phase, Step, StepContext};
use std::path::Path;

/// See [`super::StepSpec::Exchange`].
pub struct ExchangeFolder<'a> {
    pub spec: &'a Exchange,
}

impl ExchangeFolder<'_> {
    /// The version in a folder; none where a file of it is missing.
    fn version(&self, folder: &Path) -> Result<Option<Digest>> {
        let mut parts = Vec::new();
        for name in &self.spec.artifacts {
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
            renameat_with(CWD, other, CWD, &self.spec.live, RenameFlags::EXCHANGE).map_err(|error| {
                Error::io(
                    format!("cannot swap {} and {}", other.display(), self.spec.live.display()),
                    std::io::Error::from(error),
                )
                .hint("this file system cannot swap folders; use `mode: per-file`")
            })
        };
        fault::point("exchange:before-rename");
        exchange()?;
        fault::point("exchange:after-rename");
        file::sync_directory(file::parent(&self.spec.live))?;
        fault::point("exchange:after-fsync");
        let displaced = self.version(other)?;
        if displaced.as_ref() == expected {
            return Ok(());
        }
        exchange()?;
        file::sync_directory(file::parent(&self.spec.live))?;
        Err(Error::new(
            ErrorCode::Drifted,
            format!(
                "somebody wrote to {} while it was switched: expected {}, found {}; it was left as they wrote it",
                self.spec.live.display(),
                show(expected),
                show(displaced.as_ref())
            ),
        )
        .hint("find out who writes there, then make a new plan"))
    }
}

impl Step for ExchangeFolder<'_> {
    fn id(&self) -> String {
        "exchange".to_owned()
    }

    fn describe(&self) -> String {
        "put the whole folder in place".to_owned()
    }

    fn phase(&self) -> Phase {
        Phase::Switch
    }

    fn observe(&self) -> Result<Observation> {
        let found = self.version(&self.spec.live)?;
        let parked = self.spec.backup.symlink_metadata().is_ok();
        Ok(if found.as_ref() == Some(&self.spec.after) && parked {
            Observation::After
        } else if found == self.spec.before || found.as_ref() == Some(&self.spec.after) {
            Observation::Before(found)
        } else {
            Observation::Other {
                before: show(self.spec.before.as_ref()),
                after: self.spec.after.short().to_owned(),
                found: show(found.as_ref()),
            }
        })
    }

    fn act(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        if self.version(&self.spec.live)?.as_ref() != Some(&self.spec.after) {
            if self.version(&self.spec.stage)?.as_ref() != Some(&self.spec.after) {
                return Err(Error::new(
                    ErrorCode::Drifted,
                    format!("the staged {} is not what was staged", self.spec.stage.display()),
                ));
            }
            self.swap(&self.spec.stage, self.spec.before.as_ref())?;
        }
        // What was displaced now stands where the new one was staged; it gets a name that people know.
        fault::point("exchange:before-keep");
        fs_err::rename(&self.spec.stage, &self.spec.backup)?;
        fault::point("exchange:after-keep");
        file::sync_directory(file::parent(&self.spec.backup))?;
        Ok(Some(format!("{} → {}", show(self.spec.before.as_ref()), self.spec.after.short())))
    }

    fn undo(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        let found = self.version(&self.spec.live)?;
        let parked =
            [&self.spec.backup, &self.spec.stage].into_iter().find(|path| path.symlink_metadata().is_ok());
        match parked {
            Some(parked) if found.as_ref() == Some(&self.spec.after) => {
                self.swap(parked, Some(&self.spec.after))?;
                // The new one stands where the old one was kept; it is a copy, and taken away with the staging.
                if *parked == self.spec.backup {
                    fs_err::rename(&self.spec.backup, &self.spec.stage)?;
                    file::sync_directory(file::parent(&self.spec.backup))?;
                }
                Ok(None)
            }
            _ if found == self.spec.before => {
                // A crash between swapping back and renaming leaves the new one under the backup's name.
                if self.spec.backup.symlink_metadata().is_ok() && !self.spec.stage.exists() {
                    fs_err::rename(&self.spec.backup, &self.spec.stage)?;
                    file::sync_directory(file::parent(&self.spec.backup))?;
                }
                Ok(Some("it was so already".to_owned()))
            }
            _ => Err(Error::new(
                ErrorCode::Drifted,
                format!(
                    "{} is neither what was there ({}) nor what was put there ({}) but {}",
                    self.spec.live.display(),
                    show(self.spec.before.as_ref()),
                    self.spec.after.short(),
                    show(found.as_ref())
                ),
            )),
        }
    }
}
