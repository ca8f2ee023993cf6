//! Killed at every step boundary, starved of disk, raced, hung up on: old, new, or halted and resumable.

mod support;
#[path = "support/sweep.rs"]
mod thoroughness;

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::Workspace;
use support::rollback::{ARTIFACTS, LIVE, SERVICE, artifacts, bad_model, unconfigured};
use thoroughness::{at_least, stride};

type Files = BTreeMap<String, Vec<u8>>;

const KILLED: i32 = 1009;

/// Every how many points there is a kill while not everything is swept.
const QUICK: usize = 3;
const GO: [&str; 5] = ["rollback", "--to", "prev", "--yes", "--quiet"];

/// How many fault points a clean run passes.
fn points(fresh: fn() -> Workspace, go: &[&str]) -> usize {
    let workspace = fresh();
    let log = workspace.path("../faults");
    workspace.irctl_with(&[("IRCTL_TEST_FAULT_LOG", log.to_str().unwrap())], go).expect(0);
    std::fs::read_to_string(log).unwrap().lines().count()
}

/// Kills a fresh run at every point (or every few, see `thoroughness`), `check`s each from outside, and returns how many kills there were.
fn sweep(fresh: fn() -> Workspace, go: &[&str], check: impl Fn(&Workspace, usize) + Sync) -> usize {
    let count = points(fresh, go);
    let (next, kills) = (AtomicUsize::new(1), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(stride(QUICK), Ordering::SeqCst);
                    if at > count {
                        return;
                    }
                    let workspace = fresh();
                    let run = workspace.irctl_with(&[("IRCTL_TEST_FAULT", &at.to_string())], go);
                    assert_eq!(run.status, KILLED, "point {at}: {}{}", run.stdout, run.stderr);
                    kills.fetch_add(1, Ordering::SeqCst);
                    check(&workspace, at);
                }
            });
        }
    });
    kills.into_inner()
}

struct Expected {
    old: Files,
    new: Files,
    rollout: String,
}

fn expected() -> Expected {
    let workspace = bad_model(SERVICE);
    Expected {
        old: artifacts(&workspace, LIVE),
        new: artifacts(&workspace, format!("{LIVE}/backup_2026-10-26")),
        rollout: workspace.read("config/rollout.yml"),
    }
}

fn service() -> Workspace {
    bad_model(SERVICE)
}

/// The operation that is unfinished, if one is.
fn unfinished(workspace: &Workspace) -> Option<String> {
    let status = workspace.irctl(&["rollback", "status", "--output", "json"]).json();
    let mut all = status["unfinished"].as_array().unwrap().iter();
    all.find(|one| one["kind"] == "rollback").map(|one| one["id"].as_str().unwrap().to_owned())
}

/// Each file is whole: as it was or as it becomes. A mix only while consumers are stopped and it can be resumed.
fn is_old_new_or_resumable(workspace: &Workspace, expected: &Expected, at: usize) {
    let live = artifacts(workspace, LIVE);
    assert_eq!(live.len(), ARTIFACTS.len(), "point {at}: a file is gone");
    for (name, bytes) in &live {
        assert!(*bytes == expected.old[name] || *bytes == expected.new[name], "point {at}: {name} is torn");
    }
    let rollout = workspace.read("config/rollout.yml");
    let stopped = rollout.contains("mode: disabled");
    assert!(stopped || rollout == expected.rollout, "point {at}: rollout.yml is torn");
    if live != expected.old && live != expected.new {
        assert!(stopped, "point {at}: a mix while consumers run");
        assert!(unfinished(workspace).is_some(), "point {at}: a mix that nobody can resume");
    }
    let changed = live != expected.old;
    assert!(!changed || stopped || live == expected.new, "point {at}");
}

/// Beside a claim that a process left that died when all was done: the next operation clears that away.
fn nothing_is_left_behind(workspace: &Workspace, at: usize) {
    for folder in [LIVE, "models/production", "config"] {
        for entry in std::fs::read_dir(workspace.path(folder)).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            let left = name.starts_with(".irctl") && !name.starts_with(".irctl-claim");
            assert!(!left, "point {at}: {folder}/{name} is left behind");
        }
    }
}

#[test]
fn killed_at_every_boundary_and_resumed_it_is_restored() {
    let expected = expected();
    let kills = sweep(service, &GO, |workspace, at| {
        is_old_new_or_resumable(workspace, &expected, at);
        match unfinished(workspace) {
            Some(id) => {
                workspace.irctl(&["rollback", "resume", &id]).expect(0);
            }
            // It had not come as far as a plan, or it had ended.
            None if artifacts(workspace, LIVE) == expected.old => {
                workspace.irctl(&GO).expect(0);
            }
            None => {}
        }
        assert_eq!(artifacts(workspace, LIVE), expected.new, "point {at}");
        assert_eq!(workspace.read("config/rollout.yml"), expected.rollout, "point {at}");
        assert_eq!(unfinished(workspace), None, "point {at}");
        nothing_is_left_behind(workspace, at);
    });
    println!("killed {kills} times and resumed: restored each time");
    assert!(kills > at_least(60, QUICK), "only {kills} boundaries");
}

#[test]
fn killed_at_every_boundary_and_aborted_it_is_as_before() {
    let expected = expected();
    let aborted = AtomicUsize::new(0);
    let kills = sweep(service, &GO, |workspace, at| {
        let Some(id) = unfinished(workspace) else { return };
        workspace.irctl(&["rollback", "abort", &id]).expect(10);
        aborted.fetch_add(1, Ordering::SeqCst);
        assert_eq!(artifacts(workspace, LIVE), expected.old, "point {at}");
        let health = workspace.read("outputs/production/rila_6y20b/health.json");
        let digest = sha256(workspace, &format!("{LIVE}/model.json"));
        assert!(health.contains(&digest), "point {at}: what is on disk does not serve");
        nothing_is_left_behind(workspace, at);
        // Still contained, and lets its consumers back as they were.
        workspace.irctl(&["release"]).expect(0);
        assert_eq!(workspace.read("config/rollout.yml"), expected.rollout, "point {at}");
    });
    println!("killed {kills} times, aborted {aborted:?} times: as before each time");
}

fn sha256(workspace: &Workspace, file: &str) -> String {
    let output = Command::new("sha256sum").arg(workspace.path(file)).output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}

#[test]
fn killed_while_resuming_it_can_be_resumed_again() {
    let expected = expected();
    for at in (1..points(service, &GO)).step_by(9) {
        let workspace = service();
        workspace.irctl_with(&[("IRCTL_TEST_FAULT", &at.to_string())], &GO).expect(KILLED);
        let Some(id) = unfinished(&workspace) else { continue };
        for second in [3, 9, 17, 30] {
            // A kill after the operation's end leaves nothing to resume; the next round tells of it.
            if unfinished(&workspace).is_none() {
                break;
            }
            let run = workspace
                .irctl_with(&[("IRCTL_TEST_FAULT", &second.to_string())], &["rollback", "resume", &id]);
            assert!([0, KILLED].contains(&run.status), "{at}/{second}: {}", run.stderr);
            is_old_new_or_resumable(&workspace, &expected, at);
            if run.status == 0 {
                break;
            }
        }
        if let Some(id) = unfinished(&workspace) {
            workspace.irctl(&["rollback", "resume", &id]).expect(0);
        }
        assert_eq!(artifacts(&workspace, LIVE), expected.new, "point {at}");
    }
}

const UNCONFIGURED: [&str; 6] = ["rollback", "model", "--to", "prev", "--yes", "--quiet"];

#[test]
fn without_configuration_too() {
    let workspace = unconfigured();
    let (old, new) = (artifacts(&workspace, "model"), artifacts(&workspace, "model/backup_2026-10-26"));
    let kills = sweep(unconfigured, &UNCONFIGURED, |workspace, at| {
        let live = artifacts(workspace, "model");
        for (name, bytes) in &live {
            assert!(*bytes == old[name] || *bytes == new[name], "point {at}: {name} is torn");
        }
        let id = unfinished(workspace);
        assert!(live == old || live == new || id.is_some(), "point {at}: a mix that nobody can resume");
        match id {
            Some(id) => drop(workspace.irctl(&["rollback", "resume", &id]).expect(0)),
            None if live == old => drop(workspace.irctl(&UNCONFIGURED).expect(0)),
            None => {}
        }
        assert_eq!(artifacts(workspace, "model"), new, "point {at}");
    });
    println!("killed {kills} times and resumed: restored each time");
}

fn exchanging() -> Workspace {
    let workspace = bad_model(&SERVICE.replace("artifacts:", "mode: exchange, artifacts:"));
    let live = workspace.path(LIVE);
    for entry in std::fs::read_dir(&live).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            std::fs::rename(entry.path(), live.with_file_name(entry.file_name())).unwrap();
        }
    }
    workspace
}

#[test]
fn an_exchange_is_never_a_mix() {
    let expected = expected();
    let kills = sweep(exchanging, &GO, |workspace, at| {
        let live = artifacts(workspace, LIVE);
        assert!(live == expected.old || live == expected.new, "point {at}: a mix");
        match unfinished(workspace) {
            Some(id) if at % 2 == 0 => {
                workspace.irctl(&["rollback", "abort", &id]).expect(10);
                assert_eq!(artifacts(workspace, LIVE), expected.old, "point {at}");
            }
            Some(id) => {
                workspace.irctl(&["rollback", "resume", &id]).expect(0);
                assert_eq!(artifacts(workspace, LIVE), expected.new, "point {at}");
            }
            None => {}
        }
    });
    println!("killed {kills} times while exchanging: never a mix");
}

#[test]
fn a_full_disk_leaves_it_old_new_or_resumable() {
    let expected = expected();
    let mut failed = 0;
    for blocks in (0..40).step_by(2) {
        let workspace = service();
        // A limit on the size of files stands in for a full disk: writing fails in the middle of anything.
        let run = limited(&workspace, blocks);
        is_old_new_or_resumable(&workspace, &expected, blocks);
        if run == 0 {
            break;
        }
        failed += 1;
        match unfinished(&workspace) {
            Some(id) => drop(workspace.irctl(&["rollback", "resume", &id]).expect(0)),
            None => drop(workspace.irctl(&GO).expect(0)),
        }
        assert_eq!(artifacts(&workspace, LIVE), expected.new, "{blocks} blocks");
    }
    assert!(failed > 3, "the limit never bit");
}

fn limited(workspace: &Workspace, blocks: usize) -> i32 {
    let irctl = workspace.command(&GO);
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(irctl.get_program()).args(irctl.get_args());
    command.env_clear().current_dir(workspace.root()).stdin(Stdio::null()).stderr(Stdio::null());
    for (name, value) in irctl.get_envs() {
        command.env(name, value.unwrap());
    }
    command.status().unwrap().code().unwrap()
}

/// A rollback whose activation takes a while, begun in the background.
fn slow(seconds: &str) -> (Workspace, Child) {
    let slow = format!("[sh, -c, \"sh scripts/reload.sh; touch activating; sleep {seconds}\"]");
    let workspace = bad_model(&SERVICE.replace("[sh, scripts/reload.sh]", &slow));
    let child = workspace.command(&GO).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !workspace.path("activating").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never activates");
        std::thread::sleep(Duration::from_millis(10));
    }
    (workspace, child)
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn a_second_responder_is_told_who_and_can_watch() {
    let (workspace, mut child) = slow("2");
    let second = workspace.irctl(&GO).expect(75);
    assert!(second.stderr.contains("on-call") && second.stderr.contains("attach OP-"), "{}", second.stderr);
    let watched = workspace.irctl(&["rollback", "attach"]).expect(0);
    assert!(watched.stdout.contains("restored"), "{}", watched.stdout);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_hangup_does_not_stop_it() {
    let (workspace, mut child) = slow("1");
    drop((child.stdout.take(), child.stderr.take()));
    signal(&child, rustix::process::Signal::HUP);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(artifacts(&workspace, LIVE), expected().new);
}

#[test]
fn ctrl_c_stops_at_a_safe_point_and_the_rest_can_be_resumed() {
    let (workspace, child) = slow("1");
    signal(&child, rustix::process::Signal::INT);
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, rustix::process::Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(11));
    let id = unfinished(&workspace).unwrap();
    workspace.irctl(&["rollback", "resume", &id]).expect(0);
    assert_eq!(workspace.read("config/rollout.yml"), expected().rollout);
}

#[test]
fn resuming_waits_for_a_child_that_still_lives() {
    let (workspace, mut child) = slow("3");
    signal(&child, rustix::process::Signal::KILL);
    child.wait().unwrap();
    let id = unfinished(&workspace).unwrap();
    let busy = workspace.irctl(&["rollback", "resume", &id]).expect(75);
    assert!(busy.stderr.contains("still runs"), "{}", busy.stderr);
    std::thread::sleep(Duration::from_millis(3500));
    workspace.irctl(&["rollback", "resume", &id]).expect(0);
}

/// A rollback that was killed at the first point of this name.
fn killed_at(name: &str) -> Workspace {
    let workspace = service();
    let log = workspace.path("../faults");
    service_log(&log);
    let text = std::fs::read_to_string(&log).unwrap();
    let line = text.lines().find(|line| line.ends_with(name)).unwrap();
    let at = line.split(' ').next().unwrap();
    workspace.irctl_with(&[("IRCTL_TEST_FAULT", at)], &GO).expect(KILLED);
    workspace
}

fn service_log(log: &std::path::Path) {
    let workspace = service();
    workspace.irctl_with(&[("IRCTL_TEST_FAULT_LOG", log.to_str().unwrap())], &GO).expect(0);
}

#[test]
fn a_dead_holder_is_named_with_the_way_out() {
    let workspace = killed_at("switch:metadata.json:after-intent");
    let run = workspace.irctl(&GO).expect(11);
    let id = unfinished(&workspace).unwrap();
    assert!(run.stderr.contains(&format!("irctl rollback resume {id}")), "{}", run.stderr);
    let release = workspace.irctl(&["release"]).expect(12);
    assert!(release.stderr.contains("--reason"), "{}", release.stderr);
}

#[test]
fn a_torn_journal_line_is_tolerated_and_a_changed_one_is_not() {
    let workspace = killed_at("switch:metadata.json:after-act");
    let id = unfinished(&workspace).unwrap();
    let journal = workspace.state().join("operations").join(&id).join("journal.jsonl");
    let whole = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, &whole[..whole.len() - 7]).unwrap();
    workspace.irctl(&["rollback", "resume", &id]).expect(0);
    assert_eq!(artifacts(&workspace, LIVE), expected().new);

    let workspace = killed_at("switch:metadata.json:after-act");
    let id = unfinished(&workspace).unwrap();
    let journal = workspace.state().join("operations").join(&id).join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replacen("backup", "Backup", 1)).unwrap();
    let run = workspace.irctl(&["rollback", "resume", &id]).expect(65);
    assert!(run.stderr.contains("chain-broken"), "{}", run.stderr);
}

#[test]
fn what_a_third_party_writes_is_noticed_and_not_lost() {
    // Before the first switch: nothing is switched.
    let write = "echo theirs > models/production/rila_6y20b/model.json";
    let workspace = bad_model(&format!("{SERVICE}  load: {{command: [sh, -c, \"{write}\"]}}\n"));
    let run = workspace.irctl(&GO).expect(10);
    assert!(run.stdout.contains("somebody writes there"), "{}", run.stdout);
    assert_eq!(workspace.read(format!("{LIVE}/model.json")), "theirs\n");
    assert_eq!(
        workspace.read(format!("{LIVE}/coefficients.json")).as_bytes(),
        expected().old["coefficients.json"]
    );

    // Half-way, after a crash: halted, with what was expected and what was found.
    let workspace = killed_at("switch:metadata.json:after-intent");
    workspace.write(format!("{LIVE}/metadata.json"), "{\"theirs\": 1}");
    let id = unfinished(&workspace).unwrap();
    let run = workspace.irctl(&["rollback", "resume", &id]).expect(11);
    assert!(run.stdout.contains("expected") && run.stdout.contains("found"), "{}", run.stdout);
    assert_eq!(workspace.read(format!("{LIVE}/metadata.json")), "{\"theirs\": 1}");
    // It could not be undone either, so it is being undone from now on; they take it back, and it goes on.
    workspace.write(format!("{LIVE}/metadata.json"), &expected().old["metadata.json"]);
    workspace.irctl(&["rollback", "resume", &id]).expect(10);
    assert_eq!(artifacts(&workspace, LIVE), expected().old);
}

#[test]
fn it_needs_no_store() {
    let workspace = service();
    std::fs::create_dir_all(workspace.state()).unwrap();
    for name in ["irctl.db", "state.db", "store.db", "irctl.sqlite", "events.db"] {
        std::fs::write(workspace.state().join(name), "this is no database").unwrap();
    }
    workspace.irctl(&GO).expect(0);
    let spool = std::fs::read_to_string(workspace.state().join("spool/events.jsonl")).unwrap();
    for kind in ["contain.completed", "rollback.started", "rollback.completed", "release.completed"] {
        assert!(spool.contains(kind), "{kind}: {spool}");
    }
}
