//! Entries of the manifest as versions: their files, their digests, their defects.

use rustix::fs::{FileType, Stat};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::FileExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::config::RegistryConfig;
use super::manifest::{self, Entry};
use crate::base::{Digest, Error, ErrorCode, Result, file, path};
use crate::rollback::digests::{DigestCache, Identity};
use crate::rollback::folder::{Base, Folder, Looked, NoFile};
use crate::rollback::versions::{self, Artifact, Version};

/// Keys of an entry that hold the digest of its model.
const DIGESTS: [&str; 3] = ["digest", "sha256", "model_sha256"];

/// Where a registry stands, and what was read of it so far.
pub struct Registry<'a> {
    /// What is configured.
    pub config: &'a RegistryConfig,
    /// Its folder.
    pub root: PathBuf,
    /// Where that really is, no link in its path.
    pub real: PathBuf,
    base: Base,
    entries: OnceLock<Vec<Entry>>,
    /// Folders below, and whether each is one, no link in its path from here.
    ways: Mutex<HashMap<PathBuf, Way>>,
}

/// What stands at the path of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Folders, all the way.
    Straight,
    /// Nothing.
    Nowhere,
    /// A link, or something else that must be looked at closely.
    Crooked,
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

/// What was seen where the path of an entry leads: a folder, or a file with this name.
struct Seen {
    identity: Identity,
    file: Option<String>,
}

/// What stands at a path of the manifest.
struct Sight {
    place: PathBuf,
    stat: Stat,
}

impl<'a> Registry<'a> {
    /// Opens a registry.
    ///
    /// # Errors
    /// There is no such folder.
    pub fn open(config: &'a RegistryConfig, root: PathBuf) -> Result<Self> {
        let nowhere = |error| Error::io(root.display().to_string(), error);
        let real = root.canonicalize().map_err(nowhere)?;
        let base = Base::open(&real)?.ok_or_else(|| nowhere(std::io::ErrorKind::NotFound.into()))?;
        Ok(Self { config, root, real, base, entries: OnceLock::new(), ways: Mutex::default() })
    }

    /// The manifest.
    pub fn manifest(&self) -> Result<PathBuf> {
        path::inside(&self.root, &self.config.manifest)
    }

    /// The link or folder that is switched.
    pub fn slot(&self) -> Result<PathBuf> {
        Ok(self.root.join(path::single_name(self.config.slot())?))
    }

    /// The entries, newest first, as they stood when they were first asked for.
    pub fn entries(&self) -> Result<&[Entry]> {
        if let Some(known) = self.entries.get() {
            return Ok(known);
        }
        let all = manifest::read(&self.manifest()?, self.config.entries.as_deref())?;
        Ok(self.entries.get_or_init(|| all))
    }

    /// Where the model of an entry is, or why it cannot be used.
    pub fn home(&self, entry: &Entry) -> Read<Home> {
        Ok(self.find_home(entry)?.map(|(home, _)| home))
    }

    /// The same, with what was seen where its path leads.
    fn find_home(&self, entry: &Entry) -> Read<(Home, Seen)> {
        if let Some(defect) = &entry.defect {
            return Ok(Err(defect.clone()));
        }
        let written = Path::new(entry.path.as_deref().unwrap_or_default());
        let mut found = self.look(written)?;
        let mut path = written;
        // Some registries name paths from the workspace on.
        if let (Ok(None), Ok(rest)) = (&found, written.strip_prefix(&self.config.root)) {
            (found, path) = (self.look(rest)?, rest);
        }
        let sight = match found {
            Err(defect) => return Ok(Err(defect)),
            Ok(sight) => sight,
        };
        if self.root.join(path).starts_with(self.slot()?) {
            return Ok(Err(format!("its path is {} itself, which is switched", self.config.slot())));
        }
        let Some(Sight { place, stat }) = sight else {
            return Ok(Err(format!("its model {} is missing", written.display())));
        };
        let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut seen = Seen { identity: Identity::of_stat(&stat), file: Some(name.clone()) };
        let home = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                seen.file = None;
                Ok(Home::Folder(place))
            }
            FileType::RegularFile
                if self.config.artifacts.contains(&name) && place.parent() != Some(self.root.as_path()) =>
            {
                Ok(Home::Folder(file::parent(&place).to_path_buf()))
            }
            FileType::RegularFile if self.config.artifacts.len() == 1 => Ok(Home::File(place)),
            FileType::RegularFile => Err(format!(
                "{} is one file, and a version is {} files",
                written.display(),
                self.config.artifacts.len()
            )),
            _ => Err(format!("{} is a symbolic link or no plain file", written.display())),
        };
        Ok(home.map(|home| (home, seen)))
    }

    /// What stands at a path below the registry; an error of the inner kind for one that leads out of it.
    fn look(&self, path: &Path) -> Read<Option<Sight>> {
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        let way = if plain { self.way(file::parent(path))? } else { Way::Crooked };
        if way == Way::Nowhere {
            return Ok(Ok(None));
        }
        if way == Way::Straight {
            match self.base.stat(path)? {
                None => return Ok(Ok(None)),
                // A link is followed to see whether it leads out.
                Some(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => {}
                Some(stat) => return Ok(Ok(Some(Sight { place: self.root.join(path), stat }))),
            }
        }
        let place = match path::inside(&self.root, path) {
            Ok(place) => place,
            Err(error) if error.code == ErrorCode::OutsideRoot => return Ok(Err(error.message)),
            Err(error) => return Err(error),
        };
        let stat = self.base.stat(below(&self.root, &place))?;
        Ok(Ok(stat.map(|stat| Sight { place, stat })))
    }

    /// What leads to the files in a folder below, looked at once for all entries in it.
    fn way(&self, folder: &Path) -> Result<Way> {
        if folder == Path::new(".") {
            return Ok(Way::Straight);
        }
        let ways = || self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = ways().get(folder).copied() {
            return Ok(known);
        }
        let way = match self.way(file::parent(folder))? {
            Way::Straight => match self.base.stat(folder)? {
                None => Way::Nowhere,
                Some(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => Way::Straight,
                Some(_) => Way::Crooked,
            },
            other => other,
        };
        ways().insert(folder.to_path_buf(), way);
        Ok(way)
    }

    /// An entry as a version, with its defect.
    pub fn version(&self, entry: &Entry, known: &DigestCache) -> Result<Version> {
        let mut version = Version {
            metadata: Arc::clone(&entry.value).into(),
            dated: entry.dated,
            label: label(&entry.value),
            ..Version::named(&entry.id)
        };
        match self.find_home(entry)? {
            Err(defect) => version.defect = Some(defect),
            Ok((home, seen)) => self.measure(&mut version, &home, &seen, known)?,
        }
        if version.defect.is_none() {
            version.defect = self.contradiction(&entry.value, &version);
        }
        Ok(version)
    }

    /// Looks at the files of an entry, each once; one may have been seen where its path leads.
    fn measure(&self, version: &mut Version, home: &Home, seen: &Seen, known: &DigestCache) -> Result<()> {
        let place = match home {
            Home::Folder(folder) => folder,
            Home::File(file) => file::parent(file),
        };
        let of_folder = Some(seen.identity).filter(|_| seen.file.is_none());
        let folder = Folder::below(place, &self.base, below(&self.root, place).as_os_str()).seen(of_folder);
        if matches!(home, Home::Folder(_)) {
            version.folder = Some(place.to_path_buf());
            let gone = || Some(format!("there is no folder {}", place.display()));
            version.defect = versions::unfinished(&folder, known)?.unwrap_or_else(gone);
        }
        for name in &self.config.artifacts {
            let file = match (home, &seen.file) {
                (Home::File(_), Some(file)) => file,
                _ => name,
            };
            let looked = match &seen.file {
                Some(seen_file) if seen_file == file => Ok(seen.identity),
                _ => folder.look(file)?,
            };
            match artifact(&folder, (name, file), looked, known)? {
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
    fn contradiction(&self, entry: &Value, version: &Version) -> Option<String> {
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
    pub fn versions(&self, known: &DigestCache) -> Result<Vec<Version>> {
        versions::side_by_side(self.entries()?, |entry| self.version(entry, known))
    }

    /// The entry with an id.
    pub fn find(&self, id: &str) -> Result<Entry> {
        self.entries()?.iter().find(|entry| entry.id == id).cloned().ok_or_else(|| {
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

/// The path of what stands in or below a folder, from there.
fn below<'p>(root: &Path, place: &'p Path) -> &'p Path {
    match place.strip_prefix(root) {
        Ok(rest) if !rest.as_os_str().is_empty() => rest,
        Ok(_) => Path::new("."),
        // Whatever is not below is named whole.
        Err(_) => place,
    }
}

/// An artifact by its name and by that of its file.
fn artifact(
    folder: &Folder<'_>,
    (name, file): (&str, &str),
    looked: Looked,
    known: &DigestCache,
) -> Read<Artifact> {
    let found = match looked {
        Ok(found) => found,
        Err(NoFile::Missing) => return Ok(Err(NoFile::Missing.of_artifact(name))),
        Err(NoFile::Unfit(why)) => return Ok(Err(why)),
    };
    let path = folder.path.join(file);
    let (digest, size) = match known.get(&found) {
        Some(digest) => (digest, found.size()),
        None => known.of_file(&path)?,
    };
    if size == 0 {
        return Ok(Err(format!("half-written: {name} is empty")));
    }
    // A model that breaks off in the middle is no JSON; other kinds are judged by `load:`.
    if name.ends_with(".json") && !known.folders().is_whole(&found) {
        let open = fs_err::File::open(&path)?;
        if torn(open.file(), size)? {
            return Ok(Err(format!("half-written: {name} breaks off")));
        }
        if Identity::of(&open.metadata()?) == found {
            known.folders().learn_whole(&found);
        }
    }
    Ok(Ok(Artifact { digest, size }))
}

/// Whether a JSON file lacks its closing bracket.
fn torn(file: &std::fs::File, size: u64) -> Result<bool> {
    let mut part = [0; 64];
    let read = file.read_at(&mut part, 0)?;
    let first = part.iter().take(read).find(|byte| !byte.is_ascii_whitespace()).copied();
    let read = file.read_at(&mut part, size.saturating_sub(64))?;
    let last = part.iter().take(read).rev().find(|byte| !byte.is_ascii_whitespace()).copied();
    Ok(matches!((first, last), (Some(b'{'), last) if last != Some(b'}'))
        || matches!((first, last), (Some(b'['), last) if last != Some(b']')))
}
