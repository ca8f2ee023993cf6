//! A round killed anywhere: the next one opens nothing twice, contains, and tells what the killed one did not.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use support::Workspace;

const KILLED: i32 = 1009;

/// How often each message about the incident was queued.
fn queued(workspace: &Workspace, message: &str) -> usize {
    let rows = workspace.irctl(&["notify", "outbox", "--all", "--output", "json"]).json();
    rows.as_array().unwrap().iter().filter(|row| row["message"] == message).count()
}

fn points(workspace: &Workspace, go: &[&str]) -> Vec<String> {
    let log = workspace.path("../faults");
    workspace.irctl_with(&[("IRCTL_TEST_FAULT_LOG", log.to_str().unwrap())], go);
    std::fs::read_to_string(log).unwrap().lines().map(str::to_owned).collect()
}

/// Kills a fresh run at each of these points, looks at each from outside, and returns how many kills there were.
fn sweep(
    points: std::ops::RangeInclusive<usize>,
    fresh: fn() -> Workspace,
    go: &[&str],
    look: impl Fn(&Workspace, usize) + Sync,
) -> usize {
    let (next, kills) = (AtomicUsize::new(*points.start()), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    if at > *points.end() {
                        return;
                    }
                    let workspace = fresh();
                    let run = workspace.irctl_with(&[("IRCTL_TEST_FAULT", &at.to_string())], go);
                    assert_eq!(run.status, KILLED, "point {at}: {}{}", run.stdout, run.stderr);
                    kills.fetch_add(1, Ordering::SeqCst);
                    look(&workspace, at);
                }
            });
        }
    });
    kills.into_inner()
}

fn bad() -> Workspace {
    Workspace::variant("mape-two-weeks")
}

#[test]
fn a_round_killed_anywhere_is_made_good_by_the_next() {
    let all = points(&bad(), &["check"]);
    let kills = sweep(1..=all.len(), bad, &["check"], |workspace, at| {
        let point = &all[at - 1];
        workspace.set_clock("2026-11-20T03:37:00Z");
        workspace.irctl(&["check"]).expect(2);
        let incidents = workspace.irctl(&["incident", "list", "--all", "--output", "json"]).json();
        assert_eq!(incidents.as_array().unwrap().len(), 1, "{point}: {incidents}");
        assert!(incidents[0]["incident"]["contained"].is_object(), "{point}: {incidents}");
        assert!(workspace.read("config/rollout.yml").contains("mode: disabled"), "{point}");
        for message in ["incident-opened", "contained"] {
            assert_eq!(queued(workspace, message), 1, "{point}: {message}");
            let said = workspace.read("outputs/notices.jsonl");
            let name = format!("\"template\":\"{message}\"");
            assert!(said.contains(&name), "{point}: {message} was not said");
        }
        workspace.irctl(&["audit"]).expect(0);
    });
    println!("{kills} kills of a round");
    assert!(kills >= 30, "only {kills} points");
}

fn contained() -> Workspace {
    let workspace = bad();
    workspace.irctl(&["check"]).expect(2);
    workspace.set_clock("2026-11-20T03:12:00Z");
    workspace
}

const BACK: [&str; 5] = ["rollback", "--to", "prev", "--yes", "--quiet"];

#[test]
fn a_rollback_that_died_before_it_said_so_is_known_to_the_next_round() {
    let all = points(&contained(), &BACK);
    // From here on the operation is over; what is left is to write it into the incident and to tell people.
    let over = all.iter().position(|point| point.ends_with("journal:ended")).unwrap() + 1;
    let kills = sweep(over..=all.len(), contained, &BACK, |workspace, at| {
        let point = &all[at - 1];
        workspace.set_clock("2026-11-20T03:45:00Z");
        workspace.irctl(&["check"]).expect(0);
        let rollout = workspace.read("config/rollout.yml");
        assert!(rollout.contains("mode: active"), "{point}: the good version was contained: {rollout}");
        let incident =
            &workspace.irctl(&["incident", "list", "--all", "--output", "json"]).json()[0]["incident"];
        assert_eq!(incident["state"], "mitigated", "{point}");
        assert!(incident["contained"].is_null(), "{point}");
        for message in ["rolled-back", "released"] {
            assert_eq!(queued(workspace, message), 1, "{point}: {message}");
        }
    });
    println!("{kills} kills after a rollback");
    assert!(kills >= 4, "only {kills} points");
}

#[test]
fn a_rollback_without_a_store_is_told_later() {
    let workspace = contained();
    let store = workspace.state().join("irctl.sqlite");
    let aside = workspace.path("../aside");
    std::fs::create_dir(&aside).unwrap();
    let put_aside = format!("mv {}* {}", store.display(), aside.display());
    assert!(workspace.shell(&put_aside).success());
    std::fs::write(&store, vec![b'x'; 4096]).unwrap();
    let run = workspace.irctl(&BACK).expect(0);
    assert!(run.stderr.contains("damaged"), "{}", run.stderr);
    let put_back =
        format!("rm -f {0}*; mv {1}/* {2}", store.display(), aside.display(), workspace.state().display());
    assert!(workspace.shell(&put_back).success());
    workspace.set_clock("2026-11-20T03:45:00Z");
    workspace.irctl(&["check"]).expect(0);
    assert!(workspace.read("config/rollout.yml").contains("mode: active"));
    assert_eq!(queued(&workspace, "rolled-back"), 1);
    workspace.irctl(&["audit"]).expect(0);
}

#[test]
fn a_release_that_died_before_it_said_so_is_kept() {
    let workspace = contained();
    let all = points(&contained(), &["release", "--reason", "the desk needs rates"]);
    let over = all.iter().rposition(|point| point.ends_with("journal:ended")).unwrap() + 1;
    let at = (over + 1).min(all.len()).to_string();
    workspace.irctl_with(&[("IRCTL_TEST_FAULT", &at)], &["release", "--reason", "the desk needs rates"]);
    workspace.set_clock("2026-11-20T03:45:00Z");
    workspace.irctl(&["check"]).expect(2);
    assert!(workspace.read("config/rollout.yml").contains("mode: active"), "a human let it go");
}

#[test]
fn an_undone_rollback_leaves_no_watch_behind() {
    let workspace = contained();
    workspace.irctl(&BACK).expect(0);
    workspace.irctl(&["rollback", "undo", "--yes", "--reason", "wrong one"]);
    let watches = std::fs::read_dir(workspace.state().join("watches"))
        .map(|folder| folder.flatten().map(|entry| std::fs::read_to_string(entry.path()).unwrap()).collect())
        .unwrap_or_default();
    let watches: Vec<String> = watches;
    assert!(watches.len() <= 1, "{watches:?}");
}

#[test]
fn a_round_leaves_a_running_rollback_alone() {
    let workspace = contained();
    workspace.write("scripts/reload.sh", format!("sleep 3\n{}", workspace.read("scripts/reload.sh")));
    let mut rollback = workspace.command(&BACK).stderr(std::process::Stdio::null()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let round = workspace.irctl(&["check"]);
    assert!(
        round.stdout.contains("is running; automation leaves it alone"),
        "{}{}",
        round.stdout,
        round.stderr
    );
    assert!(rollback.wait().unwrap().success());
    assert!(workspace.read("config/rollout.yml").contains("mode: active"));
}

#[test]
fn a_round_without_a_store_still_contains() {
    for (workspace, mode) in [(bad(), "disabled"), (Workspace::healthy(), "active")] {
        std::fs::create_dir_all(workspace.state()).unwrap();
        workspace.shell(&format!("chmod 700 {}", workspace.state().display()));
        std::fs::write(workspace.state().join("irctl.sqlite"), vec![b'x'; 4096]).unwrap();
        let run = workspace.irctl(&["check"]).expect(69);
        assert!(workspace.read("config/rollout.yml").contains(&format!("mode: {mode}")), "{}", run.stderr);
        assert_eq!(run.stderr.contains("rila_6y20b is contained"), mode == "disabled", "{}", run.stderr);
    }
}

#[test]
fn state_inside_the_workspace_and_paths_outside_it_are_refused() {
    let workspace = bad();
    workspace.write("config/irctl.yaml", "workspace: rila\nstate: ./config/../state\n");
    let run = workspace.irctl(&["config", "check"]).expect(78);
    assert!(run.stdout.contains("state-inside-workspace") || run.stderr.contains("state-inside-workspace"));
    workspace.irctl(&["check"]).expect(78);
    assert!(!workspace.path("state").exists());
    workspace.write("config/irctl.yaml", "workspace: rila\n");
    let notify = workspace.read("config/notify.yaml");
    workspace.write("config/notify.yaml", notify.replace("outputs/notices.jsonl", "../../evil.jsonl"));
    let run = workspace.irctl(&["config", "check"]).expect(78);
    assert!(run.stdout.contains("leaves the workspace") || run.stderr.contains("leaves the workspace"));
}

#[test]
fn a_name_that_can_be_no_version_stops_nobody() {
    let workspace = bad();
    for name in ["..", "/etc", "backup_2026-10-26/../..", ""] {
        workspace.irctl(&["rollback", "--to", name, "--yes"]).expect(77);
    }
    assert!(workspace.read("config/rollout.yml").contains("mode: active"));
}
