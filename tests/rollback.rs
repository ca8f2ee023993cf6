//! `irctl rollback`, `contain` and `release`, driven from outside on the fixtures.

mod support;

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use support::rollback::{ARTIFACTS, LIVE, SERVICE, artifacts, bad_model, id_of, unconfigured};

#[test]
fn a_bad_model_goes_back_is_proved_and_released() {
    let workspace = bad_model(SERVICE);
    let (bad, rollout) = (artifacts(&workspace, LIVE), workspace.read("config/rollout.yml"));
    let good = artifacts(&workspace, format!("{LIVE}/backup_2026-10-26"));
    let run = workspace
        .irctl(&["rollback", "--model", "rila_6y20b", "--to", "prev", "--yes", "--output", "json"])
        .expect(0);
    let outcome = run.json();
    assert_eq!(outcome["ending"], "restored");
    assert_eq!(outcome["to"]["name"], "2026.10.26");
    assert_eq!(outcome["proof"], "proven to serve");
    assert_eq!(outcome["contained"], false);
    assert_eq!(outcome["watched_until"], "2026-11-20T03:37:00Z");
    assert_eq!(artifacts(&workspace, LIVE), good);
    assert_eq!(workspace.read("config/rollout.yml"), rollout, "consumers are as they were, byte for byte");
    let backup = format!("{LIVE}/{}", outcome["backup"].as_str().unwrap());
    assert_eq!(artifacts(&workspace, &backup), bad, "what was bad is kept");
    assert!(!workspace.path("models/production/.irctl-claim.rila_6y20b").exists());
    assert_no_leftovers(&workspace.path(LIVE));

    let history: Value =
        serde_json::from_slice(&std::fs::read(workspace.state().join("rollback-history.json")).unwrap())
            .unwrap();
    assert_eq!(history[0]["target_version"], "2026.10.26");
    assert_eq!(history[0]["status"], "success");

    // The bad one is quarantined, so the next `prev` is the one before.
    let again = workspace
        .irctl(&["rollback", "--service", "rila_6y20b", "--to", "prev", "--dry-run", "--output", "json"])
        .expect(0)
        .json();
    assert_eq!(again["to"]["name"], "backup_2026-09-28");

    // Undoing brings the bad one back byte for byte and lifts its quarantine.
    workspace.irctl(&["rollback", "undo", "--yes"]).expect(0);
    assert_eq!(artifacts(&workspace, LIVE), bad);
    let versions: Value = workspace.irctl(&["rollback", "versions", "--output", "json"]).expect(0).json();
    let state = |name: &str| {
        let row = versions.as_array().unwrap().iter().find(|row| row["version"]["name"] == name).unwrap();
        row["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state("live"), "serves: proven to serve");
    assert_eq!(state("backup_2026-10-26"), "candidate");
}

fn assert_no_leftovers(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        assert!(!name.starts_with('.'), "{name} is left behind");
    }
}

#[test]
fn the_plan_and_the_end_read_well() {
    let workspace = bad_model(SERVICE);
    let run = workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(0);
    insta::assert_snapshot!(steady(&run.stdout));
}

/// Times that a machine decides, taken out.
fn steady(text: &str) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut out = String::new();
    for line in text.replace(&host, "HOST").lines() {
        let line = match line.find(" after ") {
            Some(at) => format!("{} after TIME", &line[..at]),
            None => line.to_owned(),
        };
        out.push_str(&line);
        out.push('\n');
    }
    out
}

#[test]
fn a_dry_run_contains_and_changes_nothing() {
    let workspace = bad_model(SERVICE);
    let before = whole(&workspace.root());
    let plan =
        workspace.irctl(&["rollback", "--to", "prev", "--dry-run", "--output", "json"]).expect(0).json();
    assert_eq!(plan["contained"], "would");
    assert_eq!(whole(&workspace.root()), before);
    assert!(!workspace.state().join("operations").exists());
}

fn whole(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(whole(&path));
        } else {
            files.insert(path.display().to_string(), std::fs::read(&path).unwrap());
        }
    }
    files
}

#[test]
fn nobody_to_ask_means_nothing_happens() {
    let workspace = bad_model(SERVICE);
    let run = workspace.irctl(&["rollback", "--to", "prev"]).expect(64);
    assert!(run.stderr.contains("--yes"), "{}", run.stderr);
    assert!(workspace.read("config/rollout.yml").contains("mode: active"));
}

#[test]
fn containing_twice_keeps_what_was_before_the_first_time() {
    let workspace = bad_model(SERVICE);
    let rollout = workspace.read("config/rollout.yml");
    let contain =
        || workspace.irctl(&["contain", "--model", "rila_6y20b", "--output", "json"]).expect(0).json();
    assert_eq!(contain()["already"], false);
    assert_eq!(contain()["already"], true);
    assert!(workspace.read("config/rollout.yml").contains("mode: disabled   # active | shadow"));
    // Somebody switches the consumers on again: containing asserts it again.
    workspace.write("config/rollout.yml", rollout.replace("mode: active ", "mode: shadow "));
    assert_eq!(contain()["already"], false);
    workspace.irctl(&["release", "--model", "rila_6y20b"]).expect(0);
    assert_eq!(workspace.read("config/rollout.yml"), rollout, "what was before, not what was in between");
    let run = workspace.irctl(&["release", "--model", "rila_6y20b"]).expect(0);
    assert!(run.stdout.contains("is not contained"));
}

#[test]
fn clients_that_were_off_stay_off_and_other_changes_survive() {
    let workspace = bad_model(SERVICE);
    let off = workspace.read("config/rollout.yml").replace("mode: active ", "mode: disabled ");
    workspace.write("config/rollout.yml", &off);
    workspace.irctl(&["contain", "--model", "rila_6y20b"]).expect(0);
    workspace.irctl(&["release", "--model", "rila_6y20b"]).expect(0);
    assert_eq!(workspace.read("config/rollout.yml"), off);

    let on = off.replace("mode: disabled ", "mode: shadow ");
    workspace.write("config/rollout.yml", &on);
    workspace.irctl(&["contain", "--model", "rila_6y20b"]).expect(0);
    let changed =
        workspace.read("config/rollout.yml").replace("max_rate_change_bp: 25", "max_rate_change_bp: 30");
    workspace.write("config/rollout.yml", changed);
    workspace.irctl(&["release", "--model", "rila_6y20b"]).expect(0);
    assert_eq!(
        workspace.read("config/rollout.yml"),
        on.replace("max_rate_change_bp: 25", "max_rate_change_bp: 30")
    );
}

#[test]
fn what_does_not_serve_is_not_proven_stays_contained_and_can_be_tried_again() {
    let workspace = bad_model(&SERVICE.replace("[sh, scripts/reload.sh]", "[\"true\"]"));
    let run = workspace.irctl(&["rollback", "--to", "prev", "--yes", "--output", "json"]).expect(14);
    let outcome = run.json();
    assert_eq!((outcome["ending"].as_str(), outcome["contained"].as_bool()), (Some("unproven"), Some(true)));
    assert!(workspace.read("config/rollout.yml").contains("mode: disabled"));
    // Never back to the known bad.
    assert_eq!(artifacts(&workspace, LIVE), artifacts(&workspace, format!("{LIVE}/backup_2026-10-26")));
    let release = workspace.irctl(&["release"]).expect(12);
    assert!(release.stderr.contains("--reason"), "{}", release.stderr);
    // The service takes it up after all; trying again proves it and lets the consumers back.
    let status = workspace.shell("sh scripts/reload.sh");
    assert!(status.success());
    let id = id_of(&outcome).to_owned();
    let outcome = workspace.irctl(&["rollback", "resume", "--output", "json"]).expect(0).json();
    assert_eq!((outcome["contained"].as_bool(), id_of(&outcome)), (Some(false), id.as_str()));
    assert!(workspace.read("config/rollout.yml").contains("mode: active"));
    workspace.irctl(&["rollback", "resume"]).expect(65);
}

#[test]
fn a_failing_activation_is_unproven_too() {
    let workspace = bad_model(&SERVICE.replace("[sh, scripts/reload.sh]", "[sh, -c, \"echo no; exit 3\"]"));
    let run = workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(14);
    assert!(run.stdout.contains("exit status 3"), "{}", run.stdout);
}

#[test]
fn what_does_not_load_is_refused_before_anything_is_switched() {
    let workspace = bad_model(&format!("{SERVICE}  load: {{command: [\"false\", \"{{version_dir}}\"]}}\n"));
    let bad = artifacts(&workspace, LIVE);
    let run = workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(12);
    assert!(run.stderr.contains("does not load"), "{}", run.stderr);
    assert!(run.stderr.contains("stay stopped"), "{}", run.stderr);
    assert_eq!(artifacts(&workspace, LIVE), bad);
    assert_no_leftovers(&workspace.path(LIVE));
}

#[test]
fn versions_cannot_leave_their_folder() {
    let workspace = bad_model(SERVICE);
    std::os::unix::fs::symlink("/etc", workspace.path(format!("{LIVE}/backup_link"))).unwrap();
    for (to, status) in
        [("../rila_6y20b", 77), ("/etc", 77), ("..", 77), ("backup_link", 12), ("backup_none", 65)]
    {
        workspace.irctl(&["rollback", "--to", to, "--yes"]).expect(status);
    }
}

#[test]
fn a_version_can_be_named_by_folder_label_and_digest() {
    let workspace = bad_model(SERVICE);
    let plan = |to: &str| {
        workspace.irctl(&["rollback", "--to", to, "--dry-run", "--output", "json"]).expect(0).json()
    };
    let by_name = plan("backup_2026-08-03");
    let digest = by_name["to"]["digest"].as_str().unwrap().to_owned();
    for to in ["2026.08.03", &digest, &digest["sha256:".len()..][..10]] {
        assert_eq!(plan(to)["to"]["digest"], digest.as_str(), "{to}");
    }
}

#[test]
fn a_whole_folder_is_exchanged_and_exchanged_back() {
    let workspace = bad_model(&SERVICE.replace("artifacts:", "mode: exchange, artifacts:"));
    let live = workspace.path(LIVE);
    for entry in std::fs::read_dir(&live).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            std::fs::rename(entry.path(), live.with_file_name(entry.file_name())).unwrap();
        }
    }
    std::fs::write(live.join("notes.txt"), "of the bad one").unwrap();
    let bad = whole(&live);
    let good = artifacts(&workspace, "models/production/backup_2026-10-26");
    let run = workspace.irctl(&["rollback", "--to", "prev", "--yes", "--output", "json"]).expect(0);
    assert_eq!(artifacts(&workspace, LIVE), good);
    assert!(!live.join("notes.txt").exists());
    let undone = workspace.irctl(&["rollback", "undo", id_of(&run.json()), "--yes"]).expect(0);
    assert!(undone.stdout.contains("restored"));
    assert_eq!(whole(&live), bad);
    assert!(
        !std::fs::read_dir(live.parent().unwrap())
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().starts_with(".irctl") })
    );
}

#[test]
fn settings_that_belong_to_a_version_go_with_it() {
    let service = SERVICE.replace(
        "    - files:",
        "    - settings: {file: config/model.yml, set: {model.version: \"{version}\"}}\n    - files:",
    );
    let workspace = bad_model(&service);
    let model = "# which one\nmodel:\n  version: 2026.11.02  # by the deploy job\n";
    workspace.write("config/model.yml", model);
    workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(0);
    assert!(workspace.read("config/model.yml").contains("2026.10.26"));
    workspace.irctl(&["rollback", "undo", "--yes"]).expect(0);
    assert_eq!(workspace.read("config/model.yml"), model);
}

#[test]
fn without_configuration_a_folder_is_enough() {
    let workspace = unconfigured();
    let good = artifacts(&workspace, "model/backup_2026-10-26");
    let bad = artifacts(&workspace, "model");
    let run = workspace.irctl(&["rollback", "model", "--to", "prev", "--yes"]).expect(0);
    assert!(run.stdout.contains("on disk, not proven to serve"), "{}", run.stdout);
    assert_eq!(artifacts(&workspace, "model"), good);
    workspace.irctl(&["rollback", "undo", "--yes"]).expect(0);
    assert_eq!(artifacts(&workspace, "model"), bad);
    let history = workspace.irctl(&["rollback", "history", "model", "--output", "json"]).expect(0).json();
    assert_eq!(history.as_array().unwrap().len(), 2);
    let run = workspace.irctl(&["rollback", "..", "--to", "prev", "--yes"]).expect(65);
    assert!(run.stderr.contains("backup_"), "{}", run.stderr);
}

#[test]
fn a_live_folder_that_lost_a_file_can_still_go_back_and_undo_takes_it_away_again() {
    let workspace = unconfigured();
    std::fs::remove_file(workspace.path("model/model.json")).unwrap();
    let damaged = artifacts(&workspace, "model");
    workspace.irctl(&["rollback", "model", "--to", "prev", "--yes"]).expect(0);
    assert_eq!(artifacts(&workspace, "model").len(), ARTIFACTS.len());
    workspace.irctl(&["rollback", "undo", "--yes"]).expect(0);
    assert_eq!(artifacts(&workspace, "model"), damaged);
}
