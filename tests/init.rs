//! `irctl init` writes what `irctl config check` accepts, for each layout it knows, and overwrites nothing.

use std::path::Path;
use std::process::{Command, Output};

fn irctl(directory: &Path, arguments: &[&str]) -> Output {
    let home = directory.join(".home");
    Command::new(env!("CARGO_BIN_EXE_irctl"))
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("HOME", home)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap() + &String::from_utf8(output.stderr.clone()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[track_caller]
fn initialized(root: &Path) {
    let planned = irctl(root, &["init", "--dry-run"]);
    assert!(planned.status.success(), "{}", text(&planned));
    assert!(!root.join("config/irctl.yaml").exists(), "a dry run writes nothing");
    let written = irctl(root, &["init"]);
    assert!(written.status.success(), "{}", text(&written));
    let checked = irctl(root, &["config", "check"]);
    assert!(checked.status.success(), "{}", text(&checked));
    assert!(text(&checked).starts_with("config ok"), "{}", text(&checked));
    let again = irctl(root, &["init"]);
    assert_eq!(again.status.code(), Some(12), "{}", text(&again));
}

#[test]
fn a_production_layout_gets_a_working_configuration() {
    let root = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rila_6y20b/base"), root.path());
    let theirs = std::fs::read(root.path().join("config/rollout.yml")).unwrap();
    initialized(root.path());
    assert_eq!(std::fs::read(root.path().join("config/rollout.yml")).unwrap(), theirs);
    let verified = irctl(root.path(), &["verify", "--now", "2026-11-20T03:00:00Z"]);
    assert!(verified.status.success(), "{}", text(&verified));
    let service = std::fs::read_to_string(root.path().join("config/services/rila_6y20b.yaml")).unwrap();
    insta::assert_snapshot!(service);
}

#[test]
fn other_layouts_get_what_can_be_said_of_them() {
    for paths in [
        &["models/registry/ranker/model.bin", "models/registry/ranker/backup_1/model.bin"][..],
        &["outputs/production/ranker/latest_predictions.csv"],
        &["models/production/a-b.c/model.json", "models/production/other one/model.json"],
        &["README.md"],
        &[],
    ] {
        let root = tempfile::Builder::new().prefix("work").tempdir().unwrap();
        for path in paths {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "date,mean\n2026-11-19,1\n").unwrap();
        }
        initialized(root.path());
    }
}

#[test]
fn what_exists_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("config")).unwrap();
    std::fs::write(root.path().join("config/contacts.yaml"), "roles: {model-owner: {title: Me}}\n").unwrap();
    let written = irctl(root.path(), &["init"]);
    assert!(text(&written).contains("config/contacts.yaml (exists, left alone)"), "{}", text(&written));
    let contacts = std::fs::read_to_string(root.path().join("config/contacts.yaml")).unwrap();
    assert_eq!(contacts, "roles: {model-owner: {title: Me}}\n");
}

#[test]
fn completions_exist_for_every_shell() {
    let root = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = irctl(root.path(), &["completions", shell]);
        assert!(output.status.success() && text(&output).contains("rollback"), "{shell}");
    }
}

#[test]
fn without_configuration_there_is_one_error_with_the_next_step() {
    let root = tempfile::tempdir().unwrap();
    let output = irctl(root.path(), &["config", "check"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output).contains("irctl init"), "{}", text(&output));
    assert_eq!(text(&output).lines().count(), 2, "{}", text(&output));
}

#[test]
fn a_folder_that_serves_is_told_what_works_without_configuration() {
    let root = tempfile::tempdir().unwrap();
    let live =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rila_6y20b/base/models/production/rila_6y20b");
    copy(&live, root.path());
    let written = irctl(root.path(), &["init"]);
    assert!(text(&written).contains("irctl rollback . --to prev"), "{}", text(&written));
    assert!(text(&written).contains("docs/probes.md"), "{}", text(&written));
    // What is not measured is said in one line, not rule by rule.
    let checked = irctl(root.path(), &["check"]);
    assert_eq!(checked.status.code(), Some(3), "{}", text(&checked));
    assert!(text(&checked).contains("nothing is measured"), "{}", text(&checked));
    assert!(!text(&checked).contains("no sample of"), "{}", text(&checked));
    let planned = irctl(root.path(), &["rollback", ".", "--to", "prev", "--dry-run"]);
    assert!(planned.status.success(), "{}", text(&planned));
}
