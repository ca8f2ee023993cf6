//! Keeping the files that serve: those that some version folder holds anyway stay there, the others are copied.

use std::path::{Path, PathBuf};

use super::super::{Kept, KeptAt};
use crate::base::{Digest, Error, ErrorCode, Result, path};
use crate::rollback::config::FilesConfig;
use crate::rollback::versions::{self, Artifact, EMERGENCY};

/// The artifacts of what serves.
///
/// # Errors
/// Something of it is missing, half-written or no plain file: that is not known to be good.
pub fn artifacts(live: &Path, config: &FilesConfig) -> Result<Vec<Kept>> {
    let here = versions::read(live, "live", config)?;
    if let Some(defect) = here.defect {
        return Err(Error::new(
            ErrorCode::InvalidData,
            format!("{} is no whole version: {defect}", live.display()),
        )
        .hint("only a whole version can be recorded as good"));
    }
    let folders = folders(live, config)?;
    here.artifacts
        .into_iter()
        .map(|(name, artifact)| {
            let at = match find(&folders, &name, &artifact)? {
                Some(path) => KeptAt::InPlace(path),
                None => KeptAt::Live(path::inside(live, Path::new(&name))?),
            };
            Ok(Kept { name, digest: artifact.digest, size: artifact.size, at, left_out: Vec::new() })
        })
        .collect()
}

/// The folders of earlier versions, without links, and without those that hold what was bad.
fn folders(live: &Path, config: &FilesConfig) -> Result<Vec<PathBuf>> {
    let (folder, pattern) = versions::folder(live, config)?;
    let mut found = Vec::new();
    let entries = match fs_err::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error.into()),
    };
    let real = live.canonicalize()?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let skipped = name.starts_with('.') || name.starts_with(EMERGENCY) || !pattern.matches(&name);
        if skipped || !entry.file_type()?.is_dir() {
            continue;
        }
        // Where a link serves, the folder that it leads to is a version's own and stays when the link moves; a folder
        // that serves itself does not stay.
        if entry.path() != *live && (live.is_symlink() || entry.path().canonicalize()? != real) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// A file with these very bytes. Only files of the same length are read.
fn find(folders: &[PathBuf], name: &str, artifact: &Artifact) -> Result<Option<PathBuf>> {
    for folder in folders {
        let Ok(path) = path::inside(folder, Path::new(name)) else { continue };
        let same_length =
            path.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() == artifact.size);
        if same_length && Digest::of_file(&path).is_ok_and(|(digest, _)| digest == artifact.digest) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
