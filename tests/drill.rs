//! `irctl drill` through the binary: what it rehearses, what it never touches, and how it ends when it is broken.

mod support;

use serde_json::Value;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use support::outside::{each, fingerprint};
use support::rollback::{LIVE, SERVICE, bad_model};
use support::{Run, Workspace};

const DRILL: [&str; 3] = ["drill", "--output", "json"];
const KILLED: i32 = 1009;

const PHASED: &str = r#"service: options
kind: service
scheme: phases
rollback:
  phases:
    "1":
      immediate: [{settings: {file: config/rollout.yml, set: {rollout.mode: disabled}}}]
      recovery: [{settings: {file: config/feed.json, set: {feed.version: v1}}}]
      immediate_within: 15m
    "2":
      recovery: [{settings: {file: config/feed.json, set: {feed.version: v0}}}]
"#;

fn with(more: &str) -> Workspace {
    bad_model(&format!("{SERVICE}{more}"))
}

fn drill(run: &Run) -> Value {
    run.json()["drills"][0].clone()
}

fn part<'a>(drill: &'a Value, target: &str) -> &'a Value {
    let mut parts = drill["parts"].as_array().unwrap().iter();
    parts.find(|part| part["target"] == target).unwrap_or_else(|| panic!("{target}: {drill:#}"))
}

/// Nothing is left but what was recorded.
fn scratch_is_gone(workspace: &Workspace) {
    let scratch = workspace.state().join("drills/scratch");
    let left: Vec<_> = fingerprint(&scratch).into_keys().filter(|name| name.as_os_str() != "lock").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn rehearses_every_target_and_touches_nothing() {
    let workspace = with(
        "  load: {command: [sh, -c, 'test -s \"$0\"/model.json && case \"$0\" in */drills/scratch/*) ;; *) exit 9;; esac', \"{version_dir}\"]}\n  evaluate: {command: [sh, scripts/score.sh, \"{version_dir}\"]}\n",
    );
    let before = fingerprint(&workspace.root());
    let run = workspace.irctl(&DRILL).expect(0);
    assert_eq!(fingerprint(&workspace.root()), before, "a drill touches nothing outside");
    scratch_is_gone(&workspace);
    let drill = drill(&run);
    assert_eq!((&drill["verdict"], &drill["fits"]), (&Value::from("OK"), &Value::from(true)));
    assert_eq!(drill["budget_ms"], 120_000);
    for target in
        ["candidate", "files models/production/rila_6y20b", "settings config/rollout.yml", "load", "evaluate"]
    {
        let part = part(&drill, target);
        assert_eq!(part["outcome"], "passed", "{part}");
        assert!(part["took_ms"].is_u64() && part["share"].is_number(), "{part}");
    }
    let activate = part(&drill, "activate");
    assert_eq!((&activate["outcome"], &activate["never"]), (&Value::from("not_run"), &Value::from(true)));
    assert!(activate["took_ms"].is_null());
    let listed = workspace.irctl(&["drill", "list", "--output", "json"]).expect(0).json();
    assert_eq!(listed[0], drill);
    assert_eq!(workspace.irctl(&["audit", "--output", "json"]).expect(0).json()["sound"], true);
    let text = workspace.irctl(&["drill", "--to", "backup_2026-10-26"]).expect(0).stdout;
    for word in ["OF BUDGET", "switch: a copy of files", "not run", "Total", "fits"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn what_goes_wrong_is_critical() {
    let bad = [
        ("  load: {command: [sh, -c, \"echo no such field >&2; exit 4\"]}\n", "load", "no such field"),
        (
            "  evaluate: {command: [echo, \"{\\\"metrics\\\": {\\\"mape_weekly\\\": null}}\"]}\n",
            "evaluate",
            "no number",
        ),
        ("  evaluate: {command: [echo, \"{\\\"metrics\\\": {}}\"]}\n", "evaluate", "no metric"),
        (
            "  evaluate: {command: [echo, \"{\\\"metrics\\\": {\\\"mape_weekly\\\": NaN}}\"]}\n",
            "evaluate",
            "not",
        ),
    ];
    for (more, target, why) in bad {
        let workspace = with(more);
        let drill = drill(&workspace.irctl(&DRILL).expect(2));
        let part = part(&drill, target);
        assert_eq!(part["outcome"], "failed");
        assert!(part["why"].as_str().unwrap().contains(why), "{part}");
        assert_ne!(drill["verdict"], "OK");
    }
    let late = with("  load: {command: [sleep, \"0.3\"]}\n  guards: {budget: 100ms}\n");
    let drill = drill(&late.irctl(&DRILL).expect(2));
    assert_eq!(drill["fits"], false);
    assert!(part(&drill, "load")["share"].as_f64().unwrap() > 2.0);
}

#[test]
fn without_a_version_to_go_to_nothing_passes() {
    let workspace = with("");
    for entry in std::fs::read_dir(workspace.path(LIVE)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        }
    }
    let drill = drill(&workspace.irctl(&DRILL).expect(2));
    assert_eq!(part(&drill, "candidate")["outcome"], "failed");
    assert_eq!(part(&drill, "files models/production/rila_6y20b")["outcome"], "not_run");
    assert!(drill["to"].is_null() && drill["fits"].is_null());
    assert!(!drill["parts"].as_array().unwrap().iter().any(|part| part["outcome"] == "passed"));
}

#[test]
fn an_unreadable_target_is_said_and_the_rest_is_rehearsed() {
    let workspace = with("");
    std::fs::remove_file(workspace.path("config/rollout.yml")).unwrap();
    std::fs::create_dir(workspace.path("config/rollout.yml")).unwrap();
    let drill = drill(&workspace.irctl(&DRILL).expect(2));
    assert_eq!(part(&drill, "settings config/rollout.yml")["outcome"], "failed");
    assert_eq!(part(&drill, "files models/production/rila_6y20b")["outcome"], "passed");
    scratch_is_gone(&workspace);
}

fn phased(more: &str) -> Workspace {
    let workspace = bad_model(SERVICE);
    std::fs::remove_file(workspace.path("config/services/rila_6y20b.yaml")).unwrap();
    workspace.write("config/services/options.yaml", format!("{PHASED}{more}"));
    workspace.write("config/feed.json", "{\"feed\": {\"version\": \"v2\"}}\n");
    workspace
}

#[test]
fn phases_are_rehearsed_each_with_its_own_budgets() {
    let workspace = phased("");
    let all = workspace.irctl(&DRILL).expect(0).json();
    let phases: Vec<_> =
        all["drills"].as_array().unwrap().iter().map(|drill| drill["phase"].clone()).collect();
    assert_eq!(phases, ["1", "2"]);
    let first = &all["drills"][0];
    assert_eq!(
        (&first["immediate"]["budget_ms"], &first["immediate"]["fits"]),
        (&Value::from(900_000), &Value::from(true))
    );
    assert_eq!(part(first, "settings config/rollout.yml")["part"], "immediate");
    assert_eq!(part(first, "settings config/feed.json")["part"], "recovery");
    let only = workspace
        .irctl(&["drill", "--service", "options", "--phase", "2", "--output", "json"])
        .expect(0)
        .json();
    assert_eq!(only["drills"].as_array().unwrap().len(), 1);
    workspace.irctl(&["drill", "--phase", "9"]).expect(65);
}

#[test]
fn what_cannot_be_rehearsed_never_counts_as_passed() {
    let workspace = phased("  load: {command: [\"true\"]}\n");
    let run = workspace.irctl(&["drill", "--phase", "2", "--output", "json"]).expect(3);
    let drill = drill(&run);
    assert_eq!(part(&drill, "load")["outcome"], "not_run");
    assert!(part(&drill, "load")["why"].as_str().unwrap().contains("no folder"));
    assert_eq!((&drill["verdict"], &drill["fits"]), (&Value::from("UNKNOWN"), &Value::Null));
}

#[test]
fn all_goes_on_where_one_service_is_broken() {
    let workspace = with("");
    workspace.write(
        "config/services/options.yaml",
        PHASED.replace("recovery:", "verify: nowhere\n      recovery:"),
    );
    workspace.write("config/feed.json", "{\"feed\": {\"version\": \"v2\"}}\n");
    let all = workspace.irctl(&["drill", "--all", "--output", "json"]).expect(3).json();
    let drills = all["drills"].as_array().unwrap();
    assert!(
        drills.iter().any(|drill| drill["service"] == "rila_6y20b" && drill["verdict"] == "OK"),
        "{all:#}"
    );
    assert!(!all["problems"].as_array().unwrap().is_empty(), "{all:#}");
}

#[test]
fn killed_at_every_point_nothing_outside_changes_and_the_next_one_sweeps() {
    let log = with("  load: {command: [\"true\"]}\n");
    let place = log.path("../faults");
    log.irctl_with(&[("IRCTL_TEST_FAULT_LOG", place.to_str().unwrap())], &DRILL).expect(0);
    let points = std::fs::read_to_string(place).unwrap().lines().count();
    assert!(points > 10, "{points}");
    each(points, |at| {
        let workspace = with("  load: {command: [\"true\"]}\n");
        let before = fingerprint(&workspace.root());
        let run = workspace.irctl_with(&[("IRCTL_TEST_FAULT", &at.to_string())], &DRILL);
        assert_eq!(run.status, KILLED, "point {at}");
        assert_eq!(fingerprint(&workspace.root()), before, "point {at}");
        for drill in
            workspace.irctl(&["drill", "list", "--output", "json"]).expect(0).json().as_array().unwrap()
        {
            assert_eq!(drill["verdict"], "OK", "point {at}: what is recorded is whole");
        }
        workspace.irctl(&DRILL).expect(0);
        scratch_is_gone(&workspace);
        let status = workspace.irctl(&["rollback", "status", "--output", "json"]).expect(0).json();
        assert!(status["unfinished"].as_array().unwrap().is_empty());
    });
}

fn slow() -> (Workspace, Child) {
    let workspace = with(
        "  load: {command: [sh, -c, \"touch ../loading; sleep 1.5\"]}\n  evaluate: {command: [sh, scripts/score.sh, \"{version_dir}\"]}\n",
    );
    let child = workspace.command(&DRILL).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while !workspace.path("../loading").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never came to loading");
        std::thread::sleep(Duration::from_millis(10));
    }
    (workspace, child)
}

#[test]
fn interrupted_it_takes_its_copies_away_and_passes_nothing() {
    let (workspace, child) = slow();
    let before = fingerprint(&workspace.root());
    let interrupt =
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["drills"][0]["verdict"], "UNKNOWN");
    assert_eq!(part(&printed["drills"][0], "evaluate")["outcome"], "not_run");
    scratch_is_gone(&workspace);
    assert_eq!(fingerprint(&workspace.root()), before);
}

#[test]
fn two_at_once_have_copies_of_their_own() {
    let (workspace, child) = slow();
    std::fs::remove_file(workspace.path("../loading")).unwrap();
    workspace.irctl(&DRILL).expect(0);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    let listed = workspace.irctl(&["drill", "list", "--output", "json"]).json();
    let ids: std::collections::BTreeSet<_> =
        listed.as_array().unwrap().iter().map(|one| one["id"].to_string()).collect();
    assert_eq!(ids.len(), 2);
    scratch_is_gone(&workspace);
}

#[test]
fn a_full_disk_passes_nothing() {
    let workspace = with("");
    let irctl = workspace.command(&DRILL);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""]);
    command.arg(irctl.get_program()).args(irctl.get_args());
    command.env_clear().current_dir(workspace.root()).stdin(Stdio::null()).stderr(Stdio::null());
    for (name, value) in irctl.get_envs() {
        command.env(name, value.unwrap());
    }
    let before = fingerprint(&workspace.root());
    let status = command.output().unwrap().status.code().unwrap();
    assert!(status == 2 || status == 3 || status >= 60, "{status}");
    assert_eq!(fingerprint(&workspace.root()), before);
    let listed = workspace.irctl(&["drill", "list", "--output", "json"]).expect(0).json();
    assert!(!listed.as_array().unwrap().iter().any(|drill| drill["verdict"] == "OK"), "{listed}");
    workspace.irctl(&DRILL).expect(0);
    scratch_is_gone(&workspace);
}
