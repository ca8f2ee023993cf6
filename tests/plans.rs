//! Named phases, environments, saved plans, redo, quarantine, and services that share what they switch.

mod support;

use support::Workspace;
use support::rollback::{SERVICE, artifacts, bad_model};

/// A system of two phases: the second builds on the first.
const PHASED: &str = r#"service: options
kind: service
scheme: phases
rollback:
  environment: production
  environments:
    production: {where: live}
    staging: {where: trial}
  phases:
    "1":
      title: data client
      after: ["2"]
      immediate:
        - settings: {file: "config/{values.where}/feed.yml", set: {feed.source: backup}}
      recovery:
        - settings: {file: config/client.json, set: {version: v1}}
    "2":
      title: analysis engine
      immediate:
        - settings: {file: config/engine.yml, set: {algorithm: v1.0, mode: production}}
"#;

fn phased() -> Workspace {
    let workspace = bad_model(SERVICE);
    workspace.write("config/services/options.yaml", PHASED);
    workspace.write("config/live/feed.yml", "feed:\n  source: primary # the paid one\n");
    workspace.write("config/trial/feed.yml", "feed: {source: primary}\n");
    workspace.write("config/client.json", "{\"version\": \"v2\"}\n");
    workspace.write("config/engine.yml", "algorithm: v3.0\nmode: testing\n");
    workspace
}

#[test]
fn a_phase_is_one_operation_with_its_parts_in_order() {
    let workspace = phased();
    workspace.irctl(&["config", "check"]).expect(0);
    let go = ["rollback", "--service", "options", "--phase", "1"];
    let plan = workspace.irctl(&[&go[..], &["--dry-run"]].concat()).expect(0).stdout;
    assert!(plan.contains("phase 1 in production"), "{plan}");
    assert!(plan.contains("immediate: config/live/feed.yml"), "{plan}");
    assert!(plan.contains("recovery: config/client.json"), "{plan}");
    assert!(plan.contains("order REFUSES: what builds on this phase is not rolled back yet: 2"), "{plan}");
    workspace.irctl(&["rollback", "--service", "options", "--phase", "2", "--yes"]).expect(0);
    let plan = workspace.irctl(&[&go[..], &["--dry-run"]].concat()).expect(0).stdout;
    assert!(plan.contains("order passes"), "{plan}");
    workspace.irctl(&[&go[..], &["--only", "immediate", "--yes"]].concat()).expect(0);
    assert_eq!(workspace.read("config/live/feed.yml"), "feed:\n  source: backup # the paid one\n");
    assert!(workspace.read("config/client.json").contains("v2"));
    workspace.irctl(&[&go[..], &["--yes"]].concat()).expect(0);
    assert!(workspace.read("config/client.json").contains("v1"));
    // Once more there is nothing to go to.
    let again = workspace.irctl(&[&go[..], &["--yes"]].concat()).expect(12);
    assert!(again.stderr.contains("same as what serves"), "{}", again.stderr);
    for _ in 0..3 {
        workspace.irctl(&["rollback", "undo", "--service", "options", "--yes"]).expect(0);
    }
    assert_eq!(workspace.read("config/live/feed.yml"), "feed:\n  source: primary # the paid one\n");
    assert_eq!(workspace.read("config/engine.yml"), "algorithm: v3.0\nmode: testing\n");
    assert_eq!(workspace.read("config/client.json"), "{\"version\": \"v2\"}\n");
    workspace.irctl(&["rollback", "undo", "--service", "options", "--yes"]).expect(65);
}

#[test]
fn an_environment_brings_its_values() {
    let workspace = phased();
    let go = ["rollback", "--service", "options", "--phase", "1", "--env", "staging", "--yes"];
    workspace.irctl(&go).expect(0);
    assert_eq!(workspace.read("config/trial/feed.yml"), "feed: {source: backup}\n");
    assert!(workspace.read("config/live/feed.yml").contains("primary"));
    let run =
        workspace.irctl(&["rollback", "--service", "options", "--phase", "1", "--env", "moon", "--yes"]);
    assert!(run.expect(65).stderr.contains("production, staging"));
    let run = workspace.irctl(&["rollback", "--service", "options", "--phase", "9", "--yes"]).expect(65);
    assert!(run.stderr.contains("phases: 1, 2"), "{}", run.stderr);
    let run = workspace.irctl(&["rollback", "--service", "options", "--to", "prev", "--yes"]);
    assert!(run.expect(78).stderr.contains("--phase NAME"));
}

#[test]
fn a_saved_plan_is_what_runs_or_nothing_runs() {
    let workspace = bad_model(SERVICE);
    let good = artifacts(&workspace, "models/production/rila_6y20b/backup_2026-10-26");
    let saved = workspace.irctl(&["rollback", "--to", "prev", "--plan-out", "plan.json"]).expect(0);
    assert!(saved.stdout.contains("irctl rollback --plan plan.json"), "{}", saved.stdout);
    assert_ne!(artifacts(&workspace, support::rollback::LIVE), good, "saving changes nothing");
    // Something else is deployed meanwhile: the plan does not fit any more.
    let metadata = format!("{}/metadata.json", support::rollback::LIVE);
    let theirs = workspace.read(&metadata);
    workspace.write(&metadata, theirs.replace("2026.11.02", "2026.11.19"));
    let run = workspace.irctl(&["rollback", "--plan", "plan.json", "--yes"]).expect(12);
    assert!(run.stderr.contains("the saved plan does not fit any more"), "{}", run.stderr);
    assert!(workspace.read(&metadata).contains("2026.11.19"), "nothing of theirs is lost");
    workspace.write(&metadata, theirs);
    workspace.irctl(&["release", "--reason", "test"]).expect(0);
    workspace.irctl(&["rollback", "--plan", "plan.json", "--yes"]).expect(0);
    assert_eq!(artifacts(&workspace, support::rollback::LIVE), good);
    for rubbish in ["", "{}", "{\"format\": 9}", "[1"] {
        workspace.write("rubbish.json", rubbish);
        workspace.irctl(&["rollback", "--plan", "rubbish.json", "--yes"]).expect(65);
    }
}

#[test]
fn redo_does_again_what_undo_took_back() {
    let workspace = bad_model(SERVICE);
    let live = support::rollback::LIVE;
    let bad = artifacts(&workspace, live);
    workspace.irctl(&["rollback", "redo", "--yes"]).expect(65);
    workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(0);
    let good = artifacts(&workspace, live);
    workspace.irctl(&["rollback", "undo", "--yes"]).expect(0);
    assert_eq!(artifacts(&workspace, live), bad);
    workspace.irctl(&["rollback", "redo", "--yes"]).expect(0);
    assert_eq!(artifacts(&workspace, live), good);
    // What somebody else deployed since is not undone: all three are named.
    let model = format!("{live}/model.json");
    workspace.write(&model, "theirs");
    let run = workspace.irctl(&["rollback", "undo", "--yes"]).expect(11);
    assert!(run.stderr.contains("neither what was there") && run.stderr.contains("nor what was put there"));
    assert_eq!(workspace.read(&model), "theirs");
}

#[test]
fn a_version_in_quarantine_is_no_candidate_until_it_is_over() {
    let workspace = bad_model(SERVICE);
    let put = ["rollback", "quarantine", "backup_2026-10-26", "--for", "2h", "--reason", "leaked data"];
    let said = workspace.irctl(&put).expect(0).stdout;
    assert!(said.contains("in quarantine until 2026-11-20 05:07"), "{said}");
    let plan = workspace.irctl(&["rollback", "--to", "prev", "--dry-run"]).expect(0).stdout;
    assert!(plan.contains("quarantined until 2026-11-20 05:07 UTC: leaked data"), "{plan}");
    assert!(plan.contains("in backup_2026-09-28"), "{plan}");
    workspace.set_clock("2026-11-20T05:08:00Z");
    let plan = workspace.irctl(&["rollback", "--to", "prev", "--dry-run"]).expect(0).stdout;
    assert!(plan.contains("in backup_2026-10-26"), "{plan}");
    workspace.irctl(&["rollback", "quarantine", "backup_2026-10-26", "--lift"]).expect(12);
    workspace.irctl(&["rollback", "quarantine", "nonsense", "--reason", "x"]).expect(65);
}

#[test]
fn two_services_that_share_a_target_do_not_interleave() {
    let shared = "    - settings: {file: config/shared.yml, set: {model: \"{name}\"}}\n    - files:";
    let fresh = || {
        let workspace = bad_model(&SERVICE.replace("    - files:", shared));
        workspace.write("config/shared.yml", "algorithm: v3.0\nmode: testing\nmodel: live\n");
        let options = PHASED.replace("config/engine.yml", "config/shared.yml");
        workspace.write("config/services/options.yaml", options);
        workspace
    };
    let go = ["rollback", "--model", "rila_6y20b", "--to", "prev", "--yes"];
    // The first dies in the middle of its switches and leaves its claims.
    let (log, workspace) = (tempfile::NamedTempFile::new().unwrap(), fresh());
    workspace.irctl_with(&[("IRCTL_TEST_FAULT_LOG", log.path().to_str().unwrap())], &go).expect(0);
    let points = std::fs::read_to_string(log.path()).unwrap();
    let point = points.lines().find(|line| line.ends_with(" switch:2:metadata.json:after-act")).unwrap();
    let number = point.split(' ').next().unwrap();
    let workspace = fresh();
    workspace.irctl_with(&[("IRCTL_TEST_FAULT", number)], &go).expect(1009);
    let other = ["rollback", "--service", "options", "--phase", "2", "--yes"];
    let run = workspace.irctl(&other).expect(11);
    assert!(run.stderr.contains("rila_6y20b is unfinished"), "{}", run.stderr);
    workspace.irctl(&["rollback", "resume"]).expect(0);
    workspace.irctl(&other).expect(0);
    let both = workspace.read("config/shared.yml");
    assert_eq!(both, "algorithm: v1.0\nmode: production\nmodel: backup_2026-10-26\n");
}

#[test]
fn what_cannot_be_contained_does_not_keep_the_rest_from_it() {
    let contain = "    - settings: {file: config/rollout.yml, set: {rollout.mode: disabled}}\n";
    let both = format!(
        "    - settings: {{file: config/gone.yml, set: {{rollout.mode: disabled}}}}\n{contain}    - command: {{name: the \
         desk, observe: [\"false\"], predict: [\"false\"], apply: [\"false\"], undo: [\"false\"]}}\n"
    );
    let workspace = bad_model(&SERVICE.replace(contain, &both));
    let before = workspace.read("config/rollout.yml");
    let run = workspace.irctl(&["contain"]).expect(14);
    assert!(run.stdout.contains("contained only in part"), "{}", run.stdout);
    assert!(run.stdout.contains("gone.yml") && run.stdout.contains("the desk"), "{}", run.stdout);
    assert!(
        workspace.read("config/rollout.yml").contains("disabled"),
        "the harm that can be stopped is stopped"
    );
    // A rollback says so too, and a human may go on.
    let plan = workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(0).stdout;
    assert!(plan.contains("contained  NO: ") && plan.contains("only in part"), "{plan}");
    assert_eq!(workspace.read("config/rollout.yml"), before, "and what was stopped is let back");
}

/// Who cannot say what protects it keeps nobody else from stopping harm, nor from being let back.
#[test]
fn what_leads_nowhere_keeps_nothing_else_from_being_contained_and_released() {
    let contain = "    - settings: {file: config/rollout.yml, set: {rollout.mode: disabled}}\n";
    let lost = "    - settings: {file: config/lost.yml, set: {rollout.mode: disabled}}\n";
    let workspace = bad_model(&SERVICE.replace(contain, &format!("{lost}{contain}")));
    let before = workspace.read("config/rollout.yml");
    std::os::unix::fs::symlink("nowhere.yml", workspace.path("config/lost.yml")).unwrap();
    let run = workspace.irctl(&["contain"]).expect(14);
    assert!(run.stdout.contains("contained only in part"), "{}", run.stdout);
    assert!(run.stdout.contains("NOT settings config/lost.yml"), "the part is named: {}", run.stdout);
    assert!(workspace.read("config/rollout.yml").contains("disabled"), "what can be stopped is stopped");
    workspace.irctl(&["release"]).expect(0);
    assert_eq!(workspace.read("config/rollout.yml"), before);
}
