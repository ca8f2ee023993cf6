//! What stands in the place that is switched: nothing, a symbolic link, or a folder.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::entries::{Registry, identity};
use crate::base::{Digest, Error, ErrorCode, Result};
use crate::rollback::digests::DigestCache;
use crate::rollback::versions::Artifact;

/// What stands there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing.
    Absent,
    /// A symbolic link with this target, as it is written.
    Link(PathBuf),
    /// A folder: the digest over everything in it.
    Folder(Digest),
}

impl State {
    /// What stands at a path.
    pub fn of(path: &Path) -> Result<Self> {
        let metadata = match fs_err::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(State::Absent),
            Err(error) => return Err(error.into()),
        };
        if metadata.is_symlink() {
            return Ok(State::Link(fs_err::read_link(path)?));
        }
        if !metadata.is_dir() {
            let why = format!("{} is neither a symbolic link nor a folder", path.display());
            return Err(Error::new(ErrorCode::InvalidData, why)
                .hint("a registry's active model is a link to an entry, or a folder with model.json"));
        }
        Ok(State::Folder(tree(&contents(path)?)))
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            State::Absent => f.write_str("nothing"),
            State::Link(to) => write!(f, "a link to {}", to.display().to_string().escape_debug()),
            State::Folder(digest) => write!(f, "a folder ({})", digest.short()),
        }
    }
}

/// Everything in a folder, by its path: files by their bytes, links by their targets, folders by being there.
pub fn contents(folder: &Path) -> Result<BTreeMap<String, Digest>> {
    let mut found = BTreeMap::new();
    collect(folder, "", &mut found)?;
    Ok(found)
}

/// The digest over the contents of a folder.
pub fn tree(contents: &BTreeMap<String, Digest>) -> Digest {
    Digest::of_parts(contents.iter().map(|(name, digest)| (name.as_str(), digest)))
}

fn collect(folder: &Path, above: &str, found: &mut BTreeMap<String, Digest>) -> Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{above}{}", entry.file_name().to_string_lossy());
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_symlink() {
            let target = fs_err::read_link(&path)?;
            found.insert(name, Digest::of(&[b"link ", target.as_os_str().as_encoded_bytes()].concat()));
        } else if kind.is_dir() {
            found.insert(format!("{name}/"), Digest::of(b"folder"));
            collect(&path, &format!("{name}/"), found)?;
        } else if kind.is_file() {
            found.insert(name, Digest::of_file(&path)?.0);
        } else {
            let why = format!("{} is a device, a pipe or a socket", path.display());
            return Err(Error::new(ErrorCode::InvalidData, why).hint("a model is made of plain files"));
        }
    }
    Ok(())
}

/// The model that is seen through the slot.
#[derive(Debug, Clone)]
pub struct Occupant {
    /// What stands there.
    pub state: State,
    /// What is seen of its artifacts.
    pub artifacts: BTreeMap<String, Artifact>,
    /// Its digest; absent where an artifact is missing.
    pub digest: Option<Digest>,
    /// What is wrong with it.
    pub defect: Option<String>,
}

impl Registry<'_> {
    /// What stands in the slot, and the model that is seen through it.
    pub fn occupant(&self) -> Result<Occupant> {
        self.occupant_with(&DigestCache::none())
    }

    /// [`Registry::occupant`], with the digests of files that are known taken as known.
    pub fn occupant_with(&self, digests: &DigestCache) -> Result<Occupant> {
        let slot = self.slot()?;
        let mut occupant =
            Occupant { state: State::of(&slot)?, artifacts: BTreeMap::new(), digest: None, defect: None };
        if occupant.state == State::Absent {
            occupant.defect = Some(format!("there is no {}", self.config.slot()));
            return Ok(occupant);
        }
        let root = &self.real;
        for name in &self.config.artifacts {
            // The slot may be a link and so may what is in it: what counts is where they lead.
            let seen = slot.join(name).canonicalize();
            match seen {
                Ok(path) if path.starts_with(root) && path.is_file() => {
                    let (digest, size) = digests.of_file(&path)?;
                    occupant.artifacts.insert(name.clone(), Artifact { digest, size });
                }
                Ok(_) => occupant.defect = Some(format!("{name} leads out of the registry")),
                Err(_) => occupant.defect = Some(format!("missing artifact {name}")),
            }
        }
        if occupant.artifacts.len() == self.config.artifacts.len() {
            occupant.digest = Some(identity(&occupant.artifacts));
        }
        Ok(occupant)
    }

    /// The id that the slot itself names: by where its link leads, else by its id file.
    pub fn named_in_slot(&self) -> Result<Option<String>> {
        let slot = self.slot()?;
        let mut homes = vec![slot.canonicalize().ok()];
        homes.extend(self.config.artifacts.iter().map(|name| slot.join(name).canonicalize().ok()));
        let root = &self.real;
        let id = fs_err::read_to_string(slot.join(&self.config.id_file)).ok();
        let id = id.as_deref().map(str::trim);
        let entries = self.entries()?;
        let leads_to = |path: &Option<String>| {
            let path = Path::new(path.as_deref()?);
            let relative = path.strip_prefix(&self.config.root).unwrap_or(path);
            let places = [root.join(path), root.join(relative)];
            let own = places.iter().any(|place| {
                homes
                    .iter()
                    .flatten()
                    .any(|home| home == place || place.parent() == Some(home.as_path()) && home != root)
            });
            own.then_some(())
        };
        let by_link = entries.iter().find(|entry| entry.defect.is_none() && leads_to(&entry.path).is_some());
        let by_file = || entries.iter().find(|entry| Some(entry.id.as_str()) == id);
        Ok(by_link.or_else(by_file).map(|entry| entry.id.clone()))
    }
}
