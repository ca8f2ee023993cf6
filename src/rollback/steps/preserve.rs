//! Keeping what stands there: before-images for the engine, a safety backup for people.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::{Error, ErrorCode, Result, fault, file};
use crate::operation::{Observation, Phase, Step, StepContext};
use crate::rollback::stage;
use crate::rollback::versions::Artifact;

/// See [`super::StepSpec::Preserve`].
pub struct Preserve<'a> {
    pub live: &'a Path,
    pub artifacts: &'a BTreeMap<String, Artifact>,
    pub backup: &'a Path,
    pub images: &'a Path,
}

impl Preserve<'_> {
    /// Where the backup is made before it gets its name, so that a half-written one never looks like a whole one.
    fn making(&self) -> PathBuf {
        let name =
            self.backup.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        file::parent(self.backup).join(format!(".irctl-making-{name}"))
    }

    fn clear(folder: &Path) -> Result<()> {
        match fs_err::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Step for Preserve<'_> {
    fn id(&self) -> String {
        "backup".to_owned()
    }

    fn describe(&self) -> String {
        let name =
            self.backup.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        format!("keep what serves as {name}")
    }

    fn phase(&self) -> Phase {
        Phase::Prepare
    }

    fn observe(&self) -> Result<Observation> {
        // It gets its name last, when everything in it and every before-image is on disk.
        Ok(if self.backup.is_dir() { Observation::After } else { Observation::Before(None) })
    }

    fn act(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        stage::copy(self.live, self.images, self.artifacts, None)?;
        for name in self.artifacts.keys() {
            use std::os::unix::fs::PermissionsExt as _;
            fs_err::set_permissions(self.images.join(name), std::fs::Permissions::from_mode(0o600))?;
        }
        let making = self.making();
        Self::clear(&making)?;
        stage::copy(self.live, &making, self.artifacts, Some(self.live))?;
        fault::point("backup:before-rename");
        fs_err::rename(&making, self.backup)?;
        fault::point("backup:after-rename");
        file::sync_directory(file::parent(self.backup))?;
        Ok(None)
    }

    fn undo(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        let making = self.making();
        if self.backup.is_dir() {
            Self::clear(&making)?;
            fault::point("backup:before-unname");
            fs_err::rename(self.backup, &making).map_err(|error| {
                Error::new(ErrorCode::Io, format!("cannot take {} away: {error}", self.backup.display()))
            })?;
        }
        Self::clear(&making)?;
        file::sync_directory(file::parent(self.backup))?;
        Ok(None)
    }
}
