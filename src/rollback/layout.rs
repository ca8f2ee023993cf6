//! Layouts that are recognised without any configuration.

use std::path::{Path, PathBuf};

use super::config::{FilesConfig, RollbackConfig, SwitchMode, TargetConfig};
use super::copying::Sharing;
use super::environment::Subject;
use super::targets::git::{GitConfig, GitMode};
use super::targets::registry::RegistryConfig;
use super::versions::EMERGENCY;
use crate::base::{Digest, Error, ErrorCode, Result, file};

/// The largest manifest that is looked into.
const MANIFEST_LIMIT: u64 = 16 * 1024 * 1024;

/// What a folder can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A git work tree.
    Git,
    /// A model registry: `manifest.json`, and `active` or `shadow`.
    Registry,
    /// Releases: `releases/` with a folder for each, and the symbolic link `current`.
    Releases,
    /// Files that serve, with their earlier versions in `backup_*` folders.
    Backups,
}

impl Layout {
    const ALL: [Layout; 4] = [Layout::Git, Layout::Registry, Layout::Releases, Layout::Backups];

    /// Its name, as `--layout` takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Layout::Git => "git",
            Layout::Registry => "registry",
            Layout::Releases => "releases",
            Layout::Backups => "backups",
        }
    }

    fn described(self) -> &'static str {
        match self {
            Layout::Git => "a git work tree",
            Layout::Registry => "a model registry",
            Layout::Releases => "a folder of releases",
            Layout::Backups => "a folder with backup_* folders",
        }
    }

    fn fits(self, folder: &Path) -> Result<bool> {
        let there = |name: &str| folder.join(name).symlink_metadata().is_ok();
        Ok(match self {
            Layout::Git => there(".git"),
            Layout::Registry => {
                folder.join("manifest.json").is_file() && (there("active") || there("shadow"))
            }
            Layout::Releases => folder.join("releases").is_dir() && folder.join("current").is_symlink(),
            Layout::Backups => !backups(folder)?.is_empty(),
        })
    }
}

/// What the command line says of a folder.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// What it is to be taken for; otherwise the only thing that it can be.
    pub layout: Option<Layout>,
    /// How a git work tree is switched; by a reset otherwise.
    pub mode: Option<GitMode>,
    /// The paths of a git work tree that alone are put back.
    pub paths: Vec<String>,
}

/// What a folder is, as a service that can be rolled back.
///
/// # Errors
/// `not-found` for a folder of no known layout; `usage` for one that is several things at once.
pub fn recognise(folder: &Path, wanted: &Wanted) -> Result<Subject> {
    let live = folder.canonicalize().map_err(|error| Error::io(folder.display().to_string(), error))?;
    if !live.is_dir() {
        return Err(unknown(folder, "it is not a folder"));
    }
    let name = live.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let target = match which(&live, wanted)? {
        Layout::Git => TargetConfig::Git(git(&name, wanted)),
        Layout::Registry => TargetConfig::Registry(registry(&live, &name)?),
        Layout::Releases => TargetConfig::Files(releases(&live, &name)?),
        Layout::Backups => TargetConfig::Files(with_backups(&live, &name)?),
    };
    Ok(Subject {
        service: name,
        root: file::parent(&live).to_path_buf(),
        rollback: config(target),
        serving: None,
        suites: serde_json::Value::Null,
        phase: None,
        environment: None,
        immediate: 0,
    })
}

fn unknown(folder: &Path, why: &str) -> Error {
    let top = folder.ancestors().skip(1).find(|above| above.join(".git").exists());
    let hint = match top {
        Some(top) => format!("it lies in the git work tree {}: name that folder", top.display()),
        None => "known are a git work tree, a model registry (manifest.json and active), releases/ with a link current, \
                 and a folder with model.json (and its like) and backup_* folders holding the same files"
            .to_owned(),
    };
    Error::new(ErrorCode::NotFound, format!("{} is no layout that irctl knows: {why}", folder.display()))
        .hint(hint)
}

/// The one thing that a folder is, or is to be taken for.
fn which(live: &Path, wanted: &Wanted) -> Result<Layout> {
    let of_git = wanted.mode.is_some() || !wanted.paths.is_empty();
    if let Some(layout) = wanted.layout.or(of_git.then_some(Layout::Git)) {
        if of_git && layout != Layout::Git {
            return Err(Error::new(ErrorCode::Usage, "--paths and --mode are for a git work tree")
                .hint("take them away, or say `--layout git`"));
        }
        return match layout.fits(live)? {
            true => Ok(layout),
            false => Err(unknown(live, &format!("it is not {}", layout.described()))),
        };
    }
    let mut fitting = Vec::new();
    for layout in Layout::ALL {
        if layout.fits(live)? {
            fitting.push(layout);
        }
    }
    match fitting.as_slice() {
        [only] => Ok(*only),
        [] => Err(unknown(live, "it is no git work tree, and there is no backup_* folder in it")),
        several => {
            let each = |shown: fn(Layout) -> &'static str, between: &str| {
                several.iter().map(|layout| shown(*layout)).collect::<Vec<_>>().join(between)
            };
            let what = each(Layout::described, " and ");
            Err(Error::new(ErrorCode::Usage, format!("{} is several things at once: {what}", live.display()))
                .hint(format!("say which is meant: --layout {}", each(Layout::as_str, " or --layout "))))
        }
    }
}

fn git(name: &str, wanted: &Wanted) -> GitConfig {
    let mode = if wanted.paths.is_empty() { wanted.mode.unwrap_or_default() } else { GitMode::Paths };
    GitConfig {
        repository: name.into(),
        mode,
        branch: None,
        paths: wanted.paths.clone(),
        keep: Vec::new(),
        to: None,
        versions: None,
        validate: None,
    }
}

/// A registry as its manifest shows it: a plain list, or a list under a key beside the name of the active entry.
fn registry(live: &Path, name: &str) -> Result<RegistryConfig> {
    let path = live.join("manifest.json");
    let manifest: serde_json::Value = serde_json::from_slice(&file::read_limited(&path, MANIFEST_LIMIT)?)
        .map_err(|error| Error::new(ErrorCode::InvalidData, format!("{}: {error}", path.display())))?;
    let mut config = serde_json::Map::from_iter([("root".to_owned(), name.into())]);
    if let Some(object) = manifest.as_object() {
        let is_entry = |entry: &serde_json::Value| entry.get("id").is_some();
        let lists = object.iter().filter(|(_, value)| {
            value.as_array().is_some_and(|entries| !entries.is_empty() && entries.iter().all(is_entry))
        });
        let lists: Vec<_> = lists.map(|(key, _)| key).collect();
        let [list] = lists.as_slice() else {
            return Err(unknown(live, "its manifest.json has no list of entries, or several"));
        };
        config.insert("entries".to_owned(), format!("/{list}").into());
        if object.get("active").is_some_and(serde_json::Value::is_string) {
            config.insert("pointer".to_owned(), "active".into());
        }
    }
    serde_json::from_value(config.into())
        .map_err(|error| Error::new(ErrorCode::Bug, format!("a registry: {error}")))
}

/// A release is what its REVISION says; without that, the files at its top.
fn releases(live: &Path, name: &str) -> Result<FilesConfig> {
    let current = live.join("current");
    let artifacts = if current.join("REVISION").is_file() {
        vec!["REVISION".to_owned()]
    } else {
        let others = entries(&live.join("releases"), true)?;
        let elsewhere = |file: &String| {
            others.iter().filter(|other| live.join("releases").join(other).join(file).is_file()).count() > 1
        };
        let mut files = entries(&current, false)?;
        files.retain(elsewhere);
        files.sort();
        files
    };
    if artifacts.is_empty() {
        return Err(unknown(live, "its releases have no file in common, and no REVISION"));
    }
    Ok(FilesConfig {
        share: Sharing::default(),
        live: Path::new(name).join("current"),
        versions: "releases/*".to_owned(),
        artifacts,
        mode: SwitchMode::Exchange,
        metadata: "metadata.json".to_owned(),
    })
}

fn backups(live: &Path) -> Result<Vec<PathBuf>> {
    let named = |name: &String| name.starts_with("backup_") && !name.starts_with(EMERGENCY);
    Ok(entries(live, true)?.into_iter().filter(named).map(|name| live.join(name)).collect())
}

/// Every plain file that stands in the folder and in a backup is part of the version.
fn with_backups(live: &Path, name: &str) -> Result<FilesConfig> {
    let backups = backups(live)?;
    let mut artifacts = entries(live, false)?;
    // What stands in a backup but not in the folder that serves is missing there.
    let model = "model.json".to_owned();
    let holds_model =
        |backup: &PathBuf| backup.join(&model).symlink_metadata().is_ok_and(|there| there.is_file());
    if !artifacts.contains(&model) && backups.iter().any(holds_model) {
        artifacts.push(model);
    }
    artifacts.sort();
    artifacts.retain(|name| backups.iter().any(|backup| backup.join(name).is_file()));
    if artifacts.is_empty() {
        return Err(unknown(live, "its backups hold none of its files"));
    }
    Ok(FilesConfig {
        share: Sharing::default(),
        live: name.into(),
        versions: "backup_*".to_owned(),
        artifacts,
        mode: SwitchMode::PerFile,
        metadata: "metadata.json".to_owned(),
    })
}

fn config(target: TargetConfig) -> RollbackConfig {
    RollbackConfig {
        contain: Vec::new(),
        proof: None,
        targets: vec![target],
        phases: Default::default(),
        environments: Default::default(),
        environment: None,
        load: None,
        evaluate: None,
        activate: None,
        verify: None,
        release: Default::default(),
        release_when: None,
        watch: None,
        guards: Default::default(),
        auto: None,
        snapshot: None,
        drill: None,
        history: None,
    }
}

/// A name for the state of a folder without configuration: readable, and no other folder's.
pub fn state_name(subject: &Subject) -> String {
    let path = subject.root.join(&subject.service);
    let digest = Digest::of(path.as_os_str().as_encoded_bytes());
    format!("{}-{}", subject.service, digest.short())
}

fn entries(folder: &Path, folders: bool) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && ((folders && kind.is_dir()) || (!folders && kind.is_file())) {
            names.push(name);
        }
    }
    Ok(names)
}
