//! Versions on disk: their artifacts, digests, names and dates. A version is its digest; names are labels.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::config::{FilesConfig, SwitchMode};
use super::digests::DigestCache;
use super::folder::{Base, Folder, Looked, NoFile};
use super::folders::Said;
use super::metadata::{self, Metadata};
use crate::base::process::carried;
use crate::base::{Digest, Error, ErrorCode, Result, file, path};

/// Folders with this prefix hold what was bad: history, not candidates.
pub const EMERGENCY: &str = "backup_emergency_";

/// One file of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Artifact {
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// Where a version's date comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DateSource {
    /// Its metadata's `deployed_at`.
    DeployedAt,
    /// A date in the folder's name.
    Name,
    /// When its newest artifact was last written.
    ModificationTime,
    /// The registry entry's `created_at`.
    CreatedAt,
    /// Its place in the registry's manifest, between the entries before and after it.
    ManifestOrder,
    /// When it was committed or tagged.
    History,
}

impl std::fmt::Display for DateSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            DateSource::DeployedAt => "deployed_at",
            DateSource::Name => "date in the name",
            DateSource::ModificationTime => "modification time",
            DateSource::CreatedAt => "created_at",
            DateSource::ManifestOrder => "place in the manifest",
            DateSource::History => "date of the commit or tag",
        })
    }
}

/// When a version dates from, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dated {
    /// The instant (UTC).
    pub at: DateTime<Utc>,
    /// How it is known.
    pub source: DateSource,
}

/// A version as it stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Version {
    /// The folder's name, or what else its target calls it; `live` for the one that serves.
    pub name: String,
    /// Its folder; absent where it is none, as a git revision.
    pub folder: Option<PathBuf>,
    /// Its identity; absent where an artifact is missing.
    pub digest: Option<Digest>,
    /// What is there of its artifacts.
    pub artifacts: BTreeMap<String, Artifact>,
    /// The version its metadata names.
    pub label: Option<String>,
    /// Its metadata.
    #[serde(default)]
    pub metadata: Metadata,
    /// When it dates from.
    pub dated: Option<Dated>,
    /// Why it cannot be used.
    pub defect: Option<String>,
}

impl Version {
    /// A version of which nothing but the name is known.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            folder: None,
            digest: None,
            artifacts: BTreeMap::new(),
            label: None,
            metadata: Metadata::default(),
            dated: None,
            defect: None,
        }
    }

    /// Its folder.
    ///
    /// # Errors
    /// A version that is none, as a git revision.
    pub fn folder(&self) -> Result<&Path> {
        self.folder.as_deref().ok_or_else(|| {
            Error::new(ErrorCode::Refused, format!("{} is no folder of files", self.name.escape_debug()))
        })
    }

    /// What people call it: the version of its metadata, else the folder's name.
    pub fn shown(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.name)
    }
}

/// Reads what stands in a folder. Every byte is read: this is what proves.
pub fn read(folder: &Path, name: &str, files: &FilesConfig) -> Result<Version> {
    read_with(folder, name, files, &DigestCache::none())
}

/// [`read`], with what is known of files and folders taken as known.
pub fn read_with(folder: &Path, name: &str, files: &FilesConfig, known: &DigestCache) -> Result<Version> {
    match Base::open(folder)? {
        Some(base) => read_in(&Folder::itself(folder, &base), name, files, known),
        None => Ok(gone(folder, name)),
    }
}

/// Reads a version: of what is not known its names, its artifacts, its metadata; each is looked at once.
fn read_in(folder: &Folder<'_>, name: &str, files: &FilesConfig, known: &DigestCache) -> Result<Version> {
    let Some(half_written) = unfinished(folder, known)? else { return Ok(gone(folder.path, name)) };
    let mut version = Version { folder: Some(folder.path.to_path_buf()), ..Version::named(name) };
    let mut modified = None;
    let mut of_metadata = None;
    for artifact in &files.artifacts {
        let looked = folder.look(artifact)?;
        match read_artifact(folder, artifact, &looked, known)? {
            Ok((found, at)) => {
                modified = modified.max(Some(at));
                version.artifacts.insert(artifact.clone(), found);
            }
            Err(defect) => {
                version.defect.get_or_insert(defect);
            }
        }
        if *artifact == files.metadata {
            of_metadata = Some(looked);
        }
    }
    if version.artifacts.len() == files.artifacts.len() {
        let parts = version.artifacts.iter().map(|(name, artifact)| (name.as_str(), &artifact.digest));
        version.digest = Some(Digest::of_parts(parts));
    }
    let looked = match of_metadata {
        Some(looked) => looked,
        None => folder.look(&files.metadata)?,
    };
    let mut said = Said::default();
    match read_metadata(folder, &files.metadata, &looked, known) {
        Ok(found) => (version.metadata, said) = found,
        Err(error) => {
            version.defect.get_or_insert(format!("unreadable metadata: {}", error.message));
        }
    }
    version.label = said.label;
    version.dated = said
        .deployed_at
        .map(|at| Dated { at, source: DateSource::DeployedAt })
        .or_else(|| date_in(name).map(|at| Dated { at, source: DateSource::Name }))
        .or_else(|| modified.map(|at| Dated { at, source: DateSource::ModificationTime }));
    version.defect = version.defect.or(half_written);
    Ok(version)
}

fn gone(folder: &Path, name: &str) -> Version {
    let defect = Some(format!("there is no folder {}", folder.display()));
    Version { folder: Some(folder.to_path_buf()), defect, ..Version::named(name) }
}

/// What in a folder is half-written, by its names, which are read only where the folder is not known to be whole;
/// `None` where there is no folder.
pub(super) fn unfinished(folder: &Folder<'_>, known: &DigestCache) -> Result<Option<Option<String>>> {
    let folders = known.folders();
    if folders.keeps() {
        let Some(identity) = folder.identity()? else { return Ok(None) };
        // What is no folder any more has an identity of its own, and is found out when its names are read.
        if folders.is_whole(&identity) {
            return Ok(Some(None));
        }
    }
    let Some((identity, names)) = folder.names()? else { return Ok(None) };
    let found = half_written(&names);
    if found.is_none() {
        folders.learn_whole(&identity);
    }
    Ok(Some(found))
}

type Found = std::result::Result<(Artifact, DateTime<Utc>), String>;

fn read_artifact(folder: &Folder<'_>, name: &str, looked: &Looked, known: &DigestCache) -> Result<Found> {
    let identity = match looked {
        Ok(identity) => identity,
        Err(why) => return Ok(Err(why.of_artifact(name))),
    };
    let (digest, size) = match known.get(identity) {
        Some(digest) => (digest, identity.size()),
        None => known.of_file(&folder.path.join(name))?,
    };
    if size == 0 {
        return Ok(Err(format!("half-written: {name} is empty")));
    }
    Ok(Ok((Artifact { digest, size }, DateTime::from_timestamp_nanos(identity.modified()))))
}

/// The metadata of a version and what it says. Where that is known already, the metadata stays unread in its file.
fn read_metadata(
    folder: &Folder<'_>,
    name: &str,
    looked: &Looked,
    known: &DigestCache,
) -> Result<(Metadata, Said)> {
    let folders = known.folders();
    match looked {
        Err(NoFile::Missing) if !name.contains('/') => return Ok(Default::default()),
        Err(_) => {}
        Ok(identity) => {
            if let Some(said) = folders.said(identity) {
                return Ok((Metadata::in_file(folder.path, name), said));
            }
            if let Some(bytes) = folder.bytes(name, identity, metadata::LIMIT) {
                let value = metadata::parse(&bytes, &folder.path.join(name))?;
                let said = Said::of(&value);
                folders.learn_said(identity, &said);
                return Ok((value.into(), said));
            }
        }
    }
    // It is a link, or somebody writes it just now: with patience, and never out of the folder.
    let path = path::inside(folder.path, Path::new(name))?;
    if !path.exists() {
        return Ok(Default::default());
    }
    let value = metadata::parse(&file::read_limited(&path, metadata::LIMIT)?, &path)?;
    let said = Said::of(&value);
    Ok((value.into(), said))
}

/// A file that only an unfinished copy leaves.
pub(crate) fn half_written(names: &[String]) -> Option<String> {
    let unfinished =
        |name: &&String| [".tmp", ".part", ".partial", ".incomplete"].iter().any(|end| name.ends_with(end));
    names.iter().find(unfinished).map(|name| format!("half-written: it holds {}", name.escape_debug()))
}

/// A date in a name, as in `backup_2026-09-28` or `v2026-09-28_14-30-00`.
fn date_in(name: &str) -> Option<DateTime<Utc>> {
    name.char_indices().find_map(|(at, _)| {
        let rest = name.get(at..)?;
        let whole =
            rest.get(..19).and_then(|text| NaiveDateTime::parse_from_str(text, "%Y-%m-%d_%H-%M-%S").ok());
        let day = || {
            let text =
                rest.get(..10).filter(|text| text.bytes().next().is_some_and(|b| b.is_ascii_digit()))?;
            NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0)
        };
        whole.or_else(day).map(|naive| naive.and_utc())
    })
}

/// Where the folders of versions stand, and the pattern of their names.
pub fn folder(live: &Path, files: &FilesConfig) -> Result<(PathBuf, glob::Pattern)> {
    let pattern = Path::new(&files.versions);
    let base = match files.mode {
        SwitchMode::PerFile => live.to_path_buf(),
        SwitchMode::Exchange => file::parent(live).to_path_buf(),
    };
    let folder = match pattern.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => path::inside(&base, parent)?,
        _ => base,
    };
    let name = pattern.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let pattern = glob::Pattern::new(&name).map_err(|error| {
        Error::new(
            ErrorCode::InvalidConfiguration,
            format!("`versions: {}` is not a pattern: {error}", files.versions.escape_debug()),
        )
    })?;
    Ok((folder, pattern))
}

/// Every folder that the pattern names, as a version, emergency backups included; newest first. Every byte is read.
pub fn list(live: &Path, files: &FilesConfig) -> Result<Vec<Version>> {
    list_with(live, files, &DigestCache::none())
}

/// [`list`], with what is known of files and folders taken as known. Whoever opened the cache keeps it with
/// [`DigestCache::save`].
pub fn list_with(live: &Path, files: &FilesConfig, known: &DigestCache) -> Result<Vec<Version>> {
    let (folder, pattern) = folder(live, files)?;
    let mut versions = Vec::new();
    let mut folders = Vec::new();
    let Some(base) = Base::open(&folder)? else { return Ok(versions) };
    let live_name = live.file_name().map(|name| name.to_string_lossy().into_owned());
    for entry in fs_err::read_dir(&folder)? {
        let entry = entry?;
        let own_name = entry.file_name();
        let name = own_name.to_string_lossy();
        let own = files.mode == SwitchMode::Exchange && live_name.as_deref() == Some(&*name);
        if name.starts_with('.') || own || !pattern.matches(&name) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            folders.push((entry.path(), own_name));
        } else if kind.is_symlink() {
            versions.push(link(&entry.path(), &name));
        }
    }
    versions.extend(side_by_side(&folders, |(path, own_name)| {
        read_in(&Folder::below(path, &base, own_name), &own_name.to_string_lossy(), files, known)
    })?);
    versions.sort_by(|a, b| {
        let key = |version: &Version| version.dated.map(|dated| dated.at);
        key(b).cmp(&key(a)).then_with(|| b.name.cmp(&a.name))
    });
    Ok(versions)
}

/// Does the same for each, in order, on as many threads as there are processors when there is much to do.
pub(crate) fn side_by_side<T: Sync, R: Send>(
    all: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    if all.len() < 64 || threads == 1 {
        return all.iter().map(work).collect();
    }
    let work = &work;
    let parts: Vec<Result<Vec<R>>> = std::thread::scope(|scope| {
        let running: Vec<_> = all
            .chunks(all.len().div_ceil(threads))
            .map(|part| scope.spawn(carried(move || part.iter().map(work).collect())))
            .collect();
        let ended = running.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(Error::new(ErrorCode::Bug, "reading versions panicked")))
        });
        ended.collect()
    });
    let mut done = Vec::with_capacity(all.len());
    for part in parts {
        done.extend(part?);
    }
    Ok(done)
}

/// A version that is a symbolic link could lead anywhere and change under our hands.
fn link(path: &Path, name: &str) -> Version {
    Version {
        folder: Some(path.to_path_buf()),
        defect: Some("it is a symbolic link".to_owned()),
        ..Version::named(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock;

    fn files() -> FilesConfig {
        serde_yaml::from_str("{live: live, artifacts: [model.json, metadata.json]}").unwrap()
    }

    fn put(folder: &Path, model: &str, metadata: &str) {
        fs_err::create_dir_all(folder).unwrap();
        fs_err::write(folder.join("model.json"), model).unwrap();
        fs_err::write(folder.join("metadata.json"), metadata).unwrap();
    }

    #[test]
    fn dates_come_from_metadata_then_name_then_the_file() {
        let root = tempfile::tempdir().unwrap();
        let live = root.path().join("live");
        put(&live.join("backup_2026-09-28"), "b", r#"{"deployed_at": "2026-09-30T04:00:00Z"}"#);
        put(&live.join("backup_2026-08-03_10-20-30"), "a", "{}");
        put(&live.join("backup_x"), "c", "{}");
        let sources: BTreeMap<_, _> = list(&live, &files())
            .unwrap()
            .into_iter()
            .map(|version| (version.name, version.dated.unwrap()))
            .collect();
        assert_eq!(sources["backup_2026-09-28"].source, DateSource::DeployedAt);
        assert_eq!(sources["backup_2026-08-03_10-20-30"].source, DateSource::Name);
        assert_eq!(clock::format_instant(sources["backup_2026-08-03_10-20-30"].at), "2026-08-03T10:20:30Z");
        assert_eq!(sources["backup_x"].source, DateSource::ModificationTime);
    }

    #[test]
    fn what_is_wrong_with_a_version_is_said() {
        let root = tempfile::tempdir().unwrap();
        let live = root.path().join("live");
        put(&live.join("backup_missing"), "a", "{}");
        fs_err::remove_file(live.join("backup_missing/model.json")).unwrap();
        put(&live.join("backup_empty"), "", "{}");
        put(&live.join("backup_torn"), "a", "{\"vers");
        put(&live.join("backup_copying"), "a", "{}");
        fs_err::write(live.join("backup_copying/model.json.tmp"), "a").unwrap();
        std::os::unix::fs::symlink("/etc", live.join("backup_link")).unwrap();
        put(&live.join("backup_inner"), "a", "{}");
        fs_err::remove_file(live.join("backup_inner/model.json")).unwrap();
        std::os::unix::fs::symlink(live.join("backup_torn/model.json"), live.join("backup_inner/model.json"))
            .unwrap();
        let defect = |name: &str| {
            let versions = list(&live, &files()).unwrap();
            versions.into_iter().find(|version| version.name == name).unwrap().defect.unwrap()
        };
        assert_eq!(defect("backup_missing"), "missing artifact model.json");
        assert_eq!(defect("backup_empty"), "half-written: model.json is empty");
        assert!(defect("backup_torn").starts_with("unreadable metadata"));
        assert_eq!(defect("backup_copying"), "half-written: it holds model.json.tmp");
        assert_eq!(defect("backup_link"), "it is a symbolic link");
    }
}
