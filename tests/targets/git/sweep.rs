//! Killed at every instant that matters, on the way there and on the way back: then resumed or taken back.

use irctl::operation::Observation;
use irctl::rollback::targets::git::GitSwitch;
use irctl::rollback::targets::{Switch as _, SwitchSpec};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use super::Place;
use super::refusals::stage;
use super::switching::{act, only};
use crate::thoroughness::stride;

/// Every how many points there is a kill while not everything is swept.
const QUICK: usize = 5;

const PLAN: &str = "IRCTL_TEST_GIT_SWITCH";

/// The process that is killed: acts on a pinned switch as an operation would. Started by the sweeps below.
#[test]
#[ignore = "only a sweep starts it"]
fn victim() {
    let plan = std::env::var(PLAN).expect("a sweep says what to do");
    let (direction, file) = plan.split_once(':').unwrap();
    let spec: SwitchSpec = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let digest = irctl::base::Digest::of(b"plan");
    let mut journal = irctl::operation::Journal::create(&directory.path().join("j"), &digest).unwrap();
    let clock = irctl::base::Clock::from_hidden_value("2026-11-20T03:07:00Z").unwrap();
    let mut context = irctl::operation::StepContext::new("step", &mut journal, &clock);
    match direction {
        "forward" => spec.switch().act(&mut context).unwrap(),
        _ => spec.switch().undo(&mut context).unwrap(),
    };
}

/// A git that the victim had started goes on without it; an operation is not resumed before that has ended either.
fn wait_for_orphans(top: &Path) {
    let works_here = |entry: std::fs::DirEntry| {
        std::fs::read_link(entry.path().join("cwd")).is_ok_and(|folder| folder.starts_with(top))
    };
    while std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).any(works_here) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Runs the victim, killed at its n-th point; whether it was.
fn killed(direction: &str, file: &Path, point: u32) -> bool {
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "git::sweep::victim", "--ignored"])
        .env(PLAN, format!("{direction}:{}", file.display()))
        .env("IRCTL_TEST_FAULT", point.to_string())
        .output()
        .unwrap();
    match (status.status.signal(), status.status.success()) {
        (Some(9), _) => true,
        (None, true) => false,
        _ => panic!("{}", String::from_utf8_lossy(&status.stdout)),
    }
}

fn restore(place: &Place, from: &Path) {
    std::fs::remove_dir_all(&place.top).unwrap();
    let status = std::process::Command::new("cp").arg("-a").arg(from).arg(&place.top).status().unwrap();
    assert!(status.success());
}

fn keep(place: &Place, name: &str) -> std::path::PathBuf {
    let copy = place.directory.path().join(name);
    let status = std::process::Command::new("cp").arg("-a").arg(&place.top).arg(&copy).status().unwrap();
    assert!(status.success());
    copy
}

fn sweep(config: &str) {
    let place = Place::with_history(config);
    place.dirty();
    let before = place.fingerprint();
    let switch: GitSwitch = only(stage(&place, "v1").unwrap());
    let file = place.directory.path().join("switch.json");
    std::fs::write(&file, serde_json::to_vec(&SwitchSpec::Git(switch.clone())).unwrap()).unwrap();
    let at_before = keep(&place, "at-before");
    act(&place, &switch, true).unwrap();
    let after = place.fingerprint();
    let at_after = keep(&place, "at-after");
    let mut kills = 0;
    for (direction, start) in [("forward", &at_before), ("back", &at_after)] {
        for point in (1..).step_by(stride(QUICK)) {
            // Each kill twice: once it goes on, once it goes back.
            restore(&place, start);
            if !killed(direction, &file, point) {
                assert!(point > 8, "{direction}: only {point} points");
                break;
            }
            wait_for_orphans(&place.top);
            let torn = keep(&place, "torn");
            for resume in [true, false] {
                restore(&place, &torn);
                let place_of_it = switch.observe().unwrap();
                assert!(
                    !matches!(place_of_it, Observation::Other { .. }),
                    "{direction}, point {point}: {place_of_it:?}"
                );
                act(&place, &switch, resume).unwrap_or_else(|error| panic!("{direction} {point}: {error:?}"));
                let expected = if resume { &after } else { &before };
                assert_eq!(expected, &place.fingerprint(), "{direction}, point {point}, resumed: {resume}");
                kills += 1;
            }
            std::fs::remove_dir_all(&torn).unwrap();
        }
    }
    eprintln!("{kills} resumed kills of {config}");
}

#[test]
fn reset_survives_a_kill_at_every_point() {
    sweep("{repository: app}");
}

#[test]
fn paths_survive_a_kill_at_every_point() {
    sweep("{repository: app, mode: paths, paths: [tests/baselines, run.sh]}");
}
