//! What lies in a directory: which services, in which known layout.

use std::path::Path;

/// A service as it can be read off a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Layout {
    /// Its name: that of its folder.
    pub name: String,
    /// `model`, or `service` where nothing says that it is one.
    pub kind: &'static str,
    /// The severity scheme: one of its own where there is something to judge, else a shipped one.
    pub scheme: String,
    /// The folder that serves, relative to the workspace.
    pub live: Option<String>,
    /// The pattern of earlier versions.
    pub versions: Option<&'static str>,
    /// The files that make a version, the model first.
    pub artifacts: Vec<String>,
    /// A probe for each artifact.
    pub probes: Vec<Probe>,
    /// The newest predictions.
    pub predictions: Option<String>,
    /// What the serving process says of itself.
    pub health: Option<String>,
}

/// A probe that watches a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Probe {
    /// Its name, which is also the beginning of its metrics' names.
    pub name: String,
    /// The file, relative to the workspace.
    pub path: String,
}

impl Layout {
    /// Whether anything of it can be measured.
    pub fn is_measured(&self) -> bool {
        !self.probes.is_empty() || self.predictions.is_some()
    }
}

/// How many services are taken at most; who has more writes the files himself.
const MOST: usize = 20;
/// What is not an artifact although it lies in a version's folder.
const NOT_ARTIFACTS: [&str; 3] = ["readme.md", "rollback-history.json", "deployment_log.txt"];

/// The services found below `root`; one that knows nothing but its name where no layout is known.
pub fn detect(root: &Path, fallback: &str) -> Vec<Layout> {
    for models in ["models/production", "models/registry"] {
        let found: Vec<_> = folders(&root.join(models))
            .into_iter()
            .filter_map(|name| model(root, models, &name))
            .take(MOST)
            .collect();
        if !found.is_empty() {
            return found;
        }
    }
    let outputs: Vec<_> = folders(&root.join("outputs/production"))
        .into_iter()
        .map(|name| {
            with_outputs(root, Layout { scheme: name.clone(), name, kind: "model", ..Layout::default() })
        })
        .filter(Layout::is_measured)
        .take(MOST)
        .collect();
    if outputs.is_empty() {
        return vec![Layout {
            name: fallback.to_owned(),
            kind: "service",
            scheme: "protocol-25".to_owned(),
            ..Layout::default()
        }];
    }
    outputs
}

/// Whether a folder itself is one that serves: a model, and earlier versions in it.
pub fn is_served(folder: &Path) -> bool {
    !artifacts(folder).is_empty() && folders(folder).iter().any(|name| name.starts_with("backup_"))
}

/// A model: a folder with artifacts of its own. Its versions are folders in it.
fn model(root: &Path, models: &str, name: &str) -> Option<Layout> {
    let live = format!("{models}/{name}");
    let artifacts = artifacts(&root.join(&live));
    if artifacts.is_empty() {
        return None;
    }
    let has_backups = folders(&root.join(&live)).iter().any(|folder| folder.starts_with("backup_"));
    let layout = Layout {
        name: name.to_owned(),
        kind: "model",
        scheme: name.to_owned(),
        versions: has_backups.then_some("backup_*"),
        probes: probes(&live, &artifacts),
        live: Some(live),
        artifacts,
        ..Layout::default()
    };
    Some(with_outputs(root, layout))
}

fn with_outputs(root: &Path, layout: Layout) -> Layout {
    let folder = format!("outputs/production/{}", layout.name);
    let file = |name: &str| {
        let path = format!("{folder}/{name}");
        root.join(&path).is_file().then_some(path)
    };
    // Without artifacts there is nothing whose digest the served one could be compared with.
    let health = file("health.json").filter(|_| !layout.artifacts.is_empty());
    let health = health.filter(|path| names_a_digest(&root.join(path)));
    Layout { predictions: file("latest_predictions.csv"), health, ..layout }
}

/// Whether a JSON file says which model serves, in the place where it is looked for.
fn names_a_digest(path: &Path) -> bool {
    let bytes = crate::base::file::read_limited(path, 1024 * 1024).unwrap_or_default();
    let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    value.pointer("/model_sha256").is_some_and(serde_json::Value::is_string)
}

fn probes(live: &str, artifacts: &[String]) -> Vec<Probe> {
    let mut probes: Vec<Probe> = Vec::new();
    for artifact in artifacts {
        let name = artifact.replace(['.', '-'], "_").to_ascii_lowercase();
        if !probes.iter().any(|probe| probe.name == name) {
            probes.push(Probe { name, path: format!("{live}/{artifact}") });
        }
    }
    probes
}

/// The files of a version: `model.*` first, then by name.
fn artifacts(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = entries(folder, false)
        .into_iter()
        .filter(|name| !NOT_ARTIFACTS.contains(&name.to_ascii_lowercase().as_str()))
        .collect();
    names.sort_by_key(|name| (!name.starts_with("model."), name.clone()));
    names.truncate(MOST);
    if names.first().is_some_and(|name| name.starts_with("model.")) { names } else { Vec::new() }
}

fn folders(folder: &Path) -> Vec<String> {
    entries(folder, true)
}

/// Names in a folder that can stand in YAML as they are.
fn entries(folder: &Path, directories: bool) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(std::result::Result::ok)
        .filter(|entry| {
            entry.file_type().is_ok_and(|kind| if directories { kind.is_dir() } else { kind.is_file() })
        })
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_plain(name))
        .collect();
    names.sort();
    names
}

/// Whether a name is a word in YAML, a file name everywhere, and a name for irctl.
pub fn is_plain(name: &str) -> bool {
    let character = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.len() <= 60 && name.chars().all(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(root: &Path, path: &str) {
        let path = root.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, "{}").unwrap();
    }

    #[test]
    fn reads_a_production_layout() {
        let root = tempfile::tempdir().unwrap();
        for path in [
            "models/production/m1/model.json",
            "models/production/m1/metadata.json",
            "models/production/m1/backup_1/model.json",
            "models/production/not a name/model.json",
            "models/production/empty/readme.md",
            "outputs/production/m1/health.json",
        ] {
            touch(root.path(), path);
        }
        let found = detect(root.path(), "x");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].artifacts, ["model.json", "metadata.json"]);
        assert_eq!(found[0].versions, Some("backup_*"));
        assert_eq!(found[0].health, None, "it does not say what serves");
        fs_err::write(root.path().join("outputs/production/m1/health.json"), r#"{"model_sha256": "00"}"#)
            .unwrap();
        let found = detect(root.path(), "x");
        assert_eq!(found[0].health.as_deref(), Some("outputs/production/m1/health.json"));
        assert_eq!(found[0].probes[0].name, "model_json");
    }

    #[test]
    fn knows_a_folder_that_serves() {
        let root = tempfile::tempdir().unwrap();
        touch(root.path(), "model.json");
        assert!(!is_served(root.path()));
        touch(root.path(), "backup_1/model.json");
        assert!(is_served(root.path()));
    }

    #[test]
    fn knows_nothing_of_an_empty_folder() {
        let root = tempfile::tempdir().unwrap();
        let found = detect(root.path(), "x");
        assert_eq!((found.len(), found[0].name.as_str(), found[0].kind), (1, "x", "service"));
    }
}
