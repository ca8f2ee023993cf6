//! Keeping what stands there: before-images for the engine, a safety backup for people.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::backup_path;
use crate::base::{Digest, Error, ErrorCode, Result, fault, file, path};
use crate::operation::{Observation, Phase, StepContext};
use crate::rollback::config::SwitchMode;
use crate::rollback::stage;
use crate::rollback::targets::{Change, Fidelity, Staging, Switch, SwitchSpec};
use crate::rollback::versions::Artifact;

/// What stands in the folder that serves, kept before it is switched.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Preserve {
    /// The folder that serves.
    pub live: PathBuf,
    /// The files that make a version.
    pub names: Vec<String>,
    /// What stands there of them.
    pub artifacts: BTreeMap<String, Artifact>,
    /// What will.
    pub after: Vec<Digest>,
    /// Where the safety backup goes.
    pub backup: PathBuf,
    /// Where the before-images go.
    pub images: PathBuf,
    /// The staging folder, which goes away with the operation.
    pub stage: PathBuf,
}

impl Preserve {
    /// Where the backup is made before it gets its name, so that a half-written one never looks like a whole one.
    fn making(&self) -> PathBuf {
        let name =
            self.backup.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        file::parent(&self.backup).join(format!(".irctl-making-{name}"))
    }

    fn clear(folder: &Path) -> Result<()> {
        match fs_err::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Switch for Preserve {
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
        stage::copy(&self.live, &self.images, &self.artifacts, None)?;
        for name in self.artifacts.keys() {
            use std::os::unix::fs::PermissionsExt as _;
            fs_err::set_permissions(self.images.join(name), std::fs::Permissions::from_mode(0o600))?;
        }
        let making = self.making();
        Self::clear(&making)?;
        stage::copy(&self.live, &making, &self.artifacts, Some(&self.live))?;
        fault::point("backup:before-rename");
        fs_err::rename(&making, &self.backup)?;
        fault::point("backup:after-rename");
        file::sync_directory(file::parent(&self.backup))?;
        Ok(None)
    }

    fn undo(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        let making = self.making();
        if self.backup.is_dir() {
            Self::clear(&making)?;
            fault::point("backup:before-unname");
            fs_err::rename(&self.backup, &making).map_err(|error| {
                Error::new(ErrorCode::Io, format!("cannot take {} away: {error}", self.backup.display()))
            })?;
        }
        Self::clear(&making)?;
        file::sync_directory(file::parent(&self.backup))?;
        Ok(None)
    }

    fn changes(&self) -> Vec<Change> {
        let name = self.backup.file_name().map(|name| name.to_string_lossy().into_owned());
        let kept = format!("a copy of what serves ({} files)", self.artifacts.len());
        let place = name.unwrap_or_default().into();
        vec![Change { place, from: None, to: Some(kept.into()), fidelity: Fidelity::Proven }]
    }

    fn reverse(&self, staging: &Staging<'_>) -> Result<SwitchSpec> {
        let mut artifacts = BTreeMap::new();
        for name in &self.names {
            let path = path::inside(&self.live, Path::new(name))?;
            if path.is_file() {
                let (digest, size) = Digest::of_file(&path)?;
                artifacts.insert(name.clone(), Artifact { digest, size });
            }
        }
        Ok(SwitchSpec::Preserve(Self {
            live: self.live.clone(),
            names: self.names.clone(),
            artifacts,
            after: self.artifacts.values().map(|artifact| artifact.digest.clone()).collect(),
            backup: backup_path(file::parent(&self.backup), staging.operation)?,
            images: staging.images.to_path_buf(),
            stage: stage::folder(&self.live, SwitchMode::PerFile, staging.operation),
        }))
    }

    fn tidy(&self) -> Result<()> {
        let known = self.artifacts.values().map(|artifact| artifact.digest.clone());
        let known: Vec<Digest> = known.chain(self.after.iter().cloned()).collect();
        stage::remove(&self.stage, &known, &self.images).map(|_| ())
    }
}
