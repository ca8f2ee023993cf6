//! Entries of the manifest as versions: their files, their digests, their defects.

use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt as _;
use std::path::{Component, Path, PathBuf};

use super::config::RegistryConfig;
use super::manifest::{self, Entry};
use crate::base::{Digest, Error, ErrorCode, Result, path};
use crate::rollback::digests::{DigestCache, Identity};
use crate::rollback::versions::{self, Artifact, Version};

/// Keys of an entry that hold the digest of its model.
const DIGESTS: [&str; 3] = ["digest", "sha256", "model_sha256"];

/// Where a registry stands.
pub struct Registry<'a> {
    /// What is configured.
    pub config: &'a RegistryConfig,
    /// Its folder.
    pub root: PathBuf,
    /// Where that really is, no link in its path.
    pub real: PathBuf,
}

/// Where the files of an entry are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// A folder of its own.
    Folder(PathBuf),
    /// One file, which is the model whatever its name.
    File(PathBuf),
}

type Read<T> = Result<std::result::Result<T, String>>;

impl Registry<'_> {
    /// The manifest.
    pub fn manifest(&self) -> Result<PathBuf> {
        path::inside(&self.root, &self.config.manifest)
    }

    /// The link or folder that is switched.
    pub fn slot(&self) -> Result<PathBuf> {
        Ok(self.root.join(path::single_name(self.config.slot())?))
    }

    /// The entries, newest first.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        manifest::read(&self.manifest()?, self.config.entries.as_deref())
    }

    /// Where the model of an entry is, or why it cannot be used.
    pub fn home(&self, entry: &Entry) -> Read<Home> {
        if let Some(defect) = &entry.defect {
            return Ok(Err(defect.clone()));
        }
        let written = PathBuf::from(entry.path.as_deref().unwrap_or_default());
        let joined = self.root.join(&written);
        let plain = written.components().all(|part| matches!(part, Component::Normal(_)));
        // What is there and inside is seen in one look; why something else is not allowed takes a second one.
        let inside = plain && joined.canonicalize().is_ok_and(|real| real.starts_with(&self.real));
        let mut place = match if inside { Ok(joined) } else { path::inside(&self.root, &written) } {
            Ok(place) => place,
            Err(error) if error.code == ErrorCode::OutsideRoot => return Ok(Err(error.message)),
            Err(error) => return Err(error),
        };
        // Some registries name paths from the workspace on.
        if place.symlink_metadata().is_err()
            && let Ok(rest) = written.strip_prefix(&self.config.root)
        {
            place = self.root.join(rest);
        }
        if place.starts_with(self.slot()?) {
            return Ok(Err(format!("its path is {} itself, which is switched", self.config.slot())));
        }
        let metadata = match fs_err::symlink_metadata(&place) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Err(format!("its model {} is missing", written.display())));
            }
            Err(error) => return Err(error.into()),
        };
        let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(if metadata.is_dir() {
            Ok(Home::Folder(place))
        } else if !metadata.is_file() {
            Err(format!("{} is a symbolic link or no plain file", written.display()))
        } else if self.config.artifacts.contains(&name) && place.parent() != Some(self.root.as_path()) {
            Ok(Home::Folder(crate::base::file::parent(&place).to_path_buf()))
        } else if self.config.artifacts.len() == 1 {
            Ok(Home::File(place))
        } else {
            Err(format!(
                "{} is one file, and a version is {} files",
                written.display(),
                self.config.artifacts.len()
            ))
        })
    }

    /// An entry as a version, with its defect.
    pub fn version(&self, entry: &Entry, digests: &DigestCache) -> Result<Version> {
        let mut version = Version {
            metadata: Some(entry.value.clone()),
            dated: entry.dated,
            label: label(&entry.value),
            ..Version::named(&entry.id)
        };
        match self.home(entry)? {
            Err(defect) => version.defect = Some(defect),
            Ok(home) => self.measure(&mut version, &home, digests)?,
        }
        if version.defect.is_none() {
            version.defect = self.contradiction(&version);
        }
        Ok(version)
    }

    fn measure(&self, version: &mut Version, home: &Home, digests: &DigestCache) -> Result<()> {
        if let Home::Folder(folder) = home {
            version.folder = Some(folder.clone());
            let mut names = Vec::new();
            for entry in fs_err::read_dir(folder)? {
                names.push(entry?.file_name().to_string_lossy().into_owned());
            }
            version.defect = versions::half_written(&names);
        }
        for name in &self.config.artifacts {
            match artifact(home, name, digests)? {
                Ok(found) => {
                    version.artifacts.insert(name.clone(), found);
                }
                Err(defect) => version.defect = Some(defect),
            }
        }
        if version.artifacts.len() == self.config.artifacts.len() {
            version.digest = Some(identity(&version.artifacts));
        }
        Ok(())
    }

    /// A digest in the entry that is not that of its model.
    fn contradiction(&self, version: &Version) -> Option<String> {
        let entry = version.metadata.as_ref()?;
        let first = self.config.artifacts.first().and_then(|name| version.artifacts.get(name));
        for key in DIGESTS {
            let Some(written) = entry.get(key).filter(|written| !written.is_null()) else { continue };
            let Some(written) = written.as_str().and_then(|text| text.parse::<Digest>().ok()) else {
                return Some(format!("its `{key}` is no SHA-256 digest"));
            };
            let fits = first.is_some_and(|first| first.digest == written);
            if !fits && version.digest.as_ref() != Some(&written) {
                return Some(format!("its model is not what its `{key}` says ({})", written.short()));
            }
        }
        None
    }

    /// Every entry as a version, newest first.
    pub fn versions(&self, digests: &DigestCache) -> Result<Vec<Version>> {
        versions::side_by_side(&self.entries()?, |entry| self.version(entry, digests))
    }

    /// The entry with an id.
    pub fn find(&self, id: &str) -> Result<Entry> {
        self.entries()?.into_iter().find(|entry| entry.id == id).ok_or_else(|| {
            Error::new(ErrorCode::NotFound, format!("the manifest has no entry `{}`", id.escape_debug()))
                .hint("`irctl rollback versions` shows every entry")
        })
    }
}

/// The digest of a version by its artifacts.
pub fn identity(artifacts: &BTreeMap<String, Artifact>) -> Digest {
    Digest::of_parts(artifacts.iter().map(|(name, artifact)| (name.as_str(), &artifact.digest)))
}

/// What notes call the version, else the entry itself.
fn label(entry: &Value) -> Option<String> {
    let noted = entry.get("notes").and_then(|notes| notes.get("version"));
    noted.or_else(|| entry.get("version")).and_then(Value::as_str).map(str::to_owned)
}

/// The file of an entry that takes the name of an artifact.
pub fn source(home: &Home, name: &str) -> Result<PathBuf> {
    match home {
        // One name in the folder cannot lead out of it but by being a link, and a link is no plain file.
        Home::Folder(folder) if !name.contains('/') => Ok(folder.join(name)),
        Home::Folder(folder) => path::inside(folder, Path::new(name)),
        Home::File(file) => Ok(file.clone()),
    }
}

fn artifact(home: &Home, name: &str, digests: &DigestCache) -> Read<Artifact> {
    let path = match source(home, name) {
        Err(error) if error.code == ErrorCode::OutsideRoot => return Ok(Err(error.message)),
        path => path?,
    };
    let metadata = match fs_err::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => return Ok(Err(format!("{name} is not a plain file"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Err(format!("missing artifact {name}")));
        }
        Err(error) => return Err(error.into()),
    };
    let (digest, size) = match digests.get(&Identity::of(&metadata)) {
        Some(digest) => (digest, metadata.len()),
        None => digests.of_file(&path)?,
    };
    if size == 0 {
        return Ok(Err(format!("half-written: {name} is empty")));
    }
    // A model that breaks off in the middle is no JSON; other kinds are judged by `load:`.
    if name.ends_with(".json") && torn(&path, size)? {
        return Ok(Err(format!("half-written: {name} breaks off")));
    }
    Ok(Ok(Artifact { digest, size }))
}

/// Whether a JSON file lacks its closing bracket.
fn torn(path: &Path, size: u64) -> Result<bool> {
    let file = fs_err::File::open(path)?;
    let mut part = [0; 64];
    let read = file.file().read_at(&mut part, 0)?;
    let first = part.iter().take(read).find(|byte| !byte.is_ascii_whitespace()).copied();
    let read = file.file().read_at(&mut part, size.saturating_sub(64))?;
    let last = part.iter().take(read).rev().find(|byte| !byte.is_ascii_whitespace()).copied();
    Ok(matches!((first, last), (Some(b'{'), last) if last != Some(b'}'))
        || matches!((first, last), (Some(b'['), last) if last != Some(b']')))
}
