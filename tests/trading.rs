//! A model registry from the command line: back, undone, promoted.

mod support;

use std::path::Path;
use support::Workspace;

/// The trading workspace of the fixtures.
fn trading() -> Workspace {
    let workspace = Workspace::empty();
    // Links stay links.
    let fixtures = support::repository().join("fixtures/trading/.");
    let copied = std::process::Command::new("cp").arg("-a").args([&fixtures, &workspace.root()]).status();
    assert!(copied.unwrap().success());
    workspace
}

fn active(workspace: &Workspace) -> String {
    let model: serde_json::Value =
        serde_json::from_str(&workspace.read("models/registry/active/model.json")).unwrap();
    assert_eq!(workspace.read("models/registry/active/id").trim(), model["id"].as_str().unwrap());
    model["id"].as_str().unwrap().to_owned()
}

fn names(workspace: &Workspace) -> Vec<String> {
    let entries = std::fs::read_dir(workspace.path("models/registry")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with(".irctl-claim"));
    names.sort();
    names
}

#[test]
fn the_registry_goes_back_and_is_put_back() {
    let workspace = trading();
    workspace.irctl(&["config", "check"]).expect(0);
    let (app, before) = (workspace.read("config/app.yml"), names(&workspace));
    let manifest = workspace.read("models/registry/manifest.json");
    workspace.irctl(&["rollback", "--service", "scorer", "--to", "prev", "--yes"]).expect(0);
    assert_eq!(active(&workspace), "sc-2026-10-12", "the last whole entry before the active one");
    assert!(workspace.read("outputs/executor.json").contains("\"mode\": \"paper\""), "contained first");
    let contained = workspace.read("config/app.yml");
    assert!(contained.contains("  mode: disabled "), "{contained}");
    assert!(contained.contains("canary_fraction: 0.0 "), "{contained}");
    assert_eq!(workspace.read("models/registry/manifest.json"), manifest, "the manifest is history");
    assert_eq!(names(&workspace), before, "nothing is left beside it");
    workspace.irctl(&["rollback", "undo", "--yes"]).expect(0);
    assert_eq!(active(&workspace), "sc-2026-11-02");
    assert_eq!(names(&workspace), before);
    workspace.irctl(&["release", "--service", "scorer", "--reason", "looked at"]).expect(0);
    assert_eq!(workspace.read("config/app.yml"), app, "byte for byte");
}

#[test]
fn a_candidate_is_promoted_to_shadow_and_from_there_to_active() {
    let workspace = trading();
    let shadow = || std::fs::read_link(workspace.path("models/registry/shadow")).unwrap();
    workspace.irctl(&["rollback", "--service", "scorer_shadow", "--to", "sc-2026-10-12", "--yes"]).expect(0);
    assert_eq!(shadow(), Path::new("sc-2026-10-12"));
    assert_eq!(active(&workspace), "sc-2026-11-02");
    let plan =
        workspace.irctl(&["rollback", "--service", "scorer", "--to", "sc-2026-11-14", "--dry-run"]).expect(0);
    assert!(plan.stdout.contains("schema_hash"), "{}", plan.stdout);
    workspace.irctl(&["rollback", "--service", "scorer", "--to", "sc-2026-11-14", "--yes"]).expect(0);
    assert_eq!(active(&workspace), "sc-2026-11-14");
    assert_eq!(shadow(), Path::new("sc-2026-10-12"));
    workspace.irctl(&["rollback", "--service", "scorer", "--to", "sc-2026-10-27", "--yes"]).expect(12);
    assert_eq!(active(&workspace), "sc-2026-11-14", "one that broke off is refused");
}
