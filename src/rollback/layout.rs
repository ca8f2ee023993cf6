//! Layouts that are recognised without any configuration.

use std::path::{Path, PathBuf};

use super::config::{FilesConfig, RollbackConfig, SwitchMode, TargetConfig};
use super::copying::Sharing;
use super::environment::Subject;
use super::versions::EMERGENCY;
use crate::base::{Digest, Error, ErrorCode, Result, file};

/// A folder that serves, with its earlier versions in `backup_*` folders in it: every plain file that stands in it
/// and in a backup is part of the version.
pub fn recognise(folder: &Path) -> Result<Subject> {
    let live = folder.canonicalize().map_err(|error| Error::io(folder.display().to_string(), error))?;
    let unknown = |why: &str| {
        Error::new(ErrorCode::NotFound, format!("{} is no layout that irctl knows: {why}", folder.display()))
            .hint(
                "a folder with model.json (and its like) and backup_* folders holding the same files is one",
            )
    };
    if !live.is_dir() {
        return Err(unknown("it is not a folder"));
    }
    let backups: Vec<PathBuf> = entries(&live, true)?
        .into_iter()
        .filter(|name| name.starts_with("backup_") && !name.starts_with(EMERGENCY))
        .map(|name| live.join(name))
        .collect();
    if backups.is_empty() {
        return Err(unknown("there is no backup_* folder in it"));
    }
    let mut artifacts = entries(&live, false)?;
    for backup in &backups {
        // What stands in a backup but not in the folder that serves is missing there.
        artifacts.extend(entries(backup, false)?.into_iter().filter(|name| name == "model.json"));
    }
    artifacts.sort();
    artifacts.dedup();
    artifacts.retain(|name| backups.iter().any(|backup| backup.join(name).is_file()));
    if artifacts.is_empty() {
        return Err(unknown("its backups hold none of its files"));
    }
    let name = live.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Subject {
        service: name.clone(),
        root: file::parent(&live).to_path_buf(),
        rollback: config(FilesConfig {
            live: name.into(),
            versions: "backup_*".to_owned(),
            artifacts,
            mode: SwitchMode::PerFile,
            metadata: "metadata.json".to_owned(),
            share: Sharing::default(),
        }),
        serving: None,
        suites: serde_json::Value::Null,
        phase: None,
        environment: None,
        immediate: 0,
    })
}

fn config(files: FilesConfig) -> RollbackConfig {
    RollbackConfig {
        contain: Vec::new(),
        proof: None,
        targets: vec![TargetConfig::Files(files)],
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
