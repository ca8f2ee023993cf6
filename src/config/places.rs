//! Where things may stand: state outside the workspace, everything else inside it.

use std::path::{Component, Path, PathBuf};

use super::Workspace;
use super::diagnostic::code;
use super::finding::Finding;
use super::kind::Kind;

/// State inside the workspace would be committed, copied and switched together with what it has to outlive.
pub fn state(workspace: &Workspace) -> Vec<Finding> {
    let Some(written) = &workspace.settings.state else { return Vec::new() };
    if !lies_in(&workspace.root, &workspace.root.join(written)) {
        return Vec::new();
    }
    let message = format!("the state directory lies inside the workspace {}", workspace.root.display());
    let help = "state must outlive what is rolled back: name a folder outside, as /var/lib/irctl/NAME, or leave it out";
    vec![
        Finding::error(Kind::Irctl, "", "/state", code::STATE_INSIDE_WORKSPACE, message)
            .help(Some(help.to_owned())),
    ]
}

/// Whether a place that may not exist yet lies in a folder.
fn lies_in(root: &Path, place: &Path) -> bool {
    let mut plain = PathBuf::new();
    for component in place.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    let real_root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let existing = place.ancestors().find_map(|path| path.canonicalize().ok());
    plain.starts_with(root) || existing.is_some_and(|real| real.starts_with(&real_root))
}

/// Keys whose texts name a file or folder of the workspace.
const NAMES: [&str; 9] =
    ["file", "path", "predictions", "actuals", "live", "directory", "rotated", "report", "authorities"];

/// Probes that look at the machine: their paths may lie anywhere.
const ANYWHERE: [&str; 2] = ["process", "host"];

/// Paths of the `log` probe that may be absolute; what is relative stays inside the workspace.
const LOGS: [&str; 2] = ["file", "rotated"];

/// Paths that would be refused the moment somebody needs them.
pub fn paths(workspace: &Workspace) -> Vec<Finding> {
    let mut found = Vec::new();
    for service in workspace.services.values() {
        let Ok(value) = serde_json::to_value(service) else { continue };
        let mut report = |at: &str| found.push(outside(Kind::Service, &service.service, at));
        probes(&value, &mut report);
        for part in ["rollback", "serving"] {
            if let Some(value) = value.get(part) {
                walk(value, format!("/{part}"), &mut report);
            }
        }
    }
    for (name, suite) in &workspace.suites {
        let Ok(value) = serde_json::to_value(suite) else { continue };
        probes(&value, &mut |at| found.push(outside(Kind::Verify, name, at)));
    }
    if let Ok(value) = serde_json::to_value(&workspace.notify)
        && let Some(channels) = value.get("channels")
    {
        walk(channels, "/channels".to_owned(), &mut |at| found.push(outside(Kind::Notify, "", at)));
    }
    found
}

/// The paths of all probes of a service or a suite.
fn probes(value: &serde_json::Value, report: &mut dyn FnMut(&str)) {
    for (name, probe) in value.get("probes").and_then(|probes| probes.as_object()).into_iter().flatten() {
        for (kind, value) in probe.as_object().into_iter().flatten() {
            let pointer = format!("/probes/{name}/{kind}");
            match kind.as_str() {
                kind if ANYWHERE.contains(&kind) => {}
                "log" => log(value, &pointer, report),
                _ => walk(value, pointer, report),
            }
        }
    }
}

fn log(value: &serde_json::Value, pointer: &str, report: &mut dyn FnMut(&str)) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let pointer = format!("{pointer}/{key}");
        match value.as_str() {
            Some(text) if LOGS.contains(&key.as_str()) => {
                if Path::new(text).is_relative() && leaves(text) {
                    report(&pointer);
                }
            }
            Some(_) => {}
            None => walk(value, pointer, report),
        }
    }
}

fn walk(value: &serde_json::Value, pointer: String, found: &mut dyn FnMut(&str)) {
    match value {
        serde_json::Value::Object(object) => {
            // What a recipe is handed means what the recipe says; its own check knows which of it are paths.
            for (key, value) in object.iter().filter(|(key, _)| *key != "with") {
                let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                match value.as_str() {
                    Some(text) if NAMES.contains(&key.as_str()) && leaves(text) => found(&pointer),
                    Some(_) => {}
                    None => walk(value, pointer, found),
                }
            }
        }
        serde_json::Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                walk(item, format!("{pointer}/{number}"), found);
            }
        }
        _ => {}
    }
}

fn leaves(path: &str) -> bool {
    let goes = |part| matches!(part, Component::ParentDir | Component::RootDir | Component::Prefix(_));
    Path::new(path).components().any(goes)
}

fn outside(kind: Kind, name: &str, pointer: &str) -> Finding {
    Finding::error(kind, name, pointer, code::OUTSIDE_WORKSPACE, "this path leaves the workspace")
        .help(Some("write it relative to the workspace's root, without `..`".to_owned()))
}
