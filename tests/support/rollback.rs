//! Workspaces in which the RILA model is bad and can be rolled back.

use super::{Workspace, copy_tree, repository};
use std::collections::BTreeMap;
use std::path::Path;

/// The files of a version.
pub const ARTIFACTS: [&str; 3] = ["model.json", "metadata.json", "coefficients.json"];

/// The folder that serves.
pub const LIVE: &str = "models/production/rila_6y20b";

/// The service, without what only checks need.
pub const SERVICE: &str = r#"service: rila_6y20b
kind: model
scheme: rila
serving: {json: {file: outputs/production/rila_6y20b/health.json, pointer: /model_sha256, artifact: model.json, wait: 300ms}}
rollback:
  contain:
    - settings: {file: config/rollout.yml, set: {rollout.mode: disabled}}
  targets:
    - files: {live: models/production/rila_6y20b, versions: "backup_*", artifacts: [model.json, metadata.json, coefficients.json]}
  activate: {command: [sh, scripts/reload.sh]}
  watch: 30m
"#;

/// The fixtures with a model that has been bad for two weeks, and this service alone.
pub fn bad_model(service: &str) -> Workspace {
    let workspace = Workspace::variant("mape-two-weeks");
    for folder in ["config/services", "config/verify"] {
        let _ = std::fs::remove_dir_all(workspace.path(folder));
    }
    workspace.write("config/services/rila_6y20b.yaml", service);
    shorten_runbooks(&workspace);
    workspace
}

/// Of the shipped runbooks the heads only: their steps are about the shipped service and its suites.
fn shorten_runbooks(workspace: &Workspace) {
    const KEPT: [&str; 4] = ["runbook: ", "title: ", "symptoms: ", "severity: "];
    for entry in std::fs::read_dir(workspace.path("runbooks")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let kept = text.lines().filter(|line| KEPT.iter().any(|key| line.starts_with(key)));
        let kept: String = kept.map(|line| format!("{line}\n")).collect();
        std::fs::write(&path, format!("{kept}steps: [{{id: look, note: Look at it}}]\n")).unwrap();
    }
}

/// A folder with the same model and no configuration at all.
pub fn unconfigured() -> Workspace {
    let workspace = Workspace::empty();
    let fixtures = repository().join("fixtures/rila_6y20b");
    copy_tree(&fixtures.join("base").join(LIVE), &workspace.path("model"));
    copy_tree(&fixtures.join("variants/mape-two-weeks/overlay").join(LIVE), &workspace.path("model"));
    workspace
}

/// The bytes of a version's files, as far as they are there.
pub fn artifacts(workspace: &Workspace, folder: impl AsRef<Path>) -> BTreeMap<String, Vec<u8>> {
    let folder = workspace.path(folder);
    let read = |name: &&str| Some(((*name).to_owned(), std::fs::read(folder.join(name)).ok()?));
    ARTIFACTS.iter().filter_map(read).collect()
}

/// The operation that an outcome is about.
pub fn id_of(outcome: &serde_json::Value) -> &str {
    outcome["operation"].as_str().unwrap()
}
