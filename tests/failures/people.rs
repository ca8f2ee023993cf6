//! A terminal that goes away, and a clock that goes back.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::Workspace;
use crate::support::rollback::{LIVE, SERVICE, artifacts, bad_model};
use crate::{GO, bad_and_good};

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// On a terminal of `script`, which is then closed.
#[test]
fn a_terminal_that_goes_away_does_not_stop_it_and_attach_shows_it() {
    let slow = "[sh, -c, \"sh scripts/reload.sh; touch activating; sleep 3\"]";
    let workspace = bad_model(&SERVICE.replace("[sh, scripts/reload.sh]", slow));
    let [_, good] = bad_and_good(&workspace);
    let template = workspace.command(&[]);
    let mut script = Command::new("script");
    let line = format!("{} rollback --to prev --yes", env!("CARGO_BIN_EXE_irctl"));
    script.args(["-qec", &line, "/dev/null"]).current_dir(workspace.root()).env_clear().env("TERM", "xterm");
    for (name, value) in template.get_envs() {
        script.env(name, value.unwrap());
    }
    let mut terminal = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    wait_until("it never activates", || workspace.path("activating").exists());
    // The terminal is gone: what ran on it is hung up.
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    let watched = workspace.irctl(&["rollback", "attach"]).expect(0);
    assert!(watched.stdout.contains("restored"), "{watched:?}");
    assert_eq!(artifacts(&workspace, LIVE), good);
    assert!(!workspace.read("config/rollout.yml").contains("mode: disabled"));
}

const AUTOMATIC: &str = "  auto: {when: \"mape_weekly > 25%\"}\n";

/// The shipped service, with automation that may act.
fn automatic() -> Workspace {
    let workspace = Workspace::variant("mape-two-weeks");
    let service = workspace.read("config/services/rila_6y20b.yaml");
    if !service.contains("auto:") {
        workspace.write(
            "config/services/rila_6y20b.yaml",
            service.replace("  watch:", &format!("{AUTOMATIC}  watch:")),
        );
    }
    workspace
}

/// Automation has rolled the model back, and then somebody deployed the bad one again: it has all reason to act.
fn bad_again() -> Workspace {
    let workspace = automatic();
    let versions = workspace.irctl(&["rollback", "versions", "--output", "json"]).expect(0).json();
    let rows = versions.as_array().unwrap().iter().filter(|row| row["version"]["name"] != "live");
    let at = irctl::base::clock::parse_instant("2026-11-01T00:00:00Z").unwrap();
    // Automation takes only what was proven good.
    for row in rows {
        let digest: irctl::base::Digest = row["version"]["digest"].as_str().unwrap().parse().unwrap();
        irctl::rollback::evidence::update(&workspace.state(), "rila_6y20b", |evidence| {
            evidence.entry(&digest).verified.push(at);
        })
        .unwrap();
    }
    let [bad, _] = bad_and_good(&workspace);
    assert_eq!(round(&workspace)["exit"], 0);
    for (name, bytes) in &bad {
        workspace.write(format!("{LIVE}/{name}"), bytes);
    }
    assert!(workspace.shell("sh scripts/reload.sh").success());
    workspace
}

/// What a round did about rolling the model back.
fn round(workspace: &Workspace) -> serde_json::Value {
    workspace.irctl(&["check", "--output", "json"]).json()["services"][0]["rollback"].clone()
}

#[test]
fn a_clock_that_was_set_back_stops_automation_and_the_true_one_does_not() {
    let workspace = bad_again();
    let [bad, good] = bad_and_good(&workspace);
    workspace.set_clock("2026-11-20T02:00:00Z");
    let held = round(&workspace);
    let why = held["summary"].as_str().unwrap();
    assert!(held["exit"] == 12 && why.contains("clock: the clock went backwards"), "{held}");
    assert_eq!(artifacts(&workspace, LIVE), bad, "automation does not trust the clock");
    // The same, but for the clock: a day later nothing else keeps it from acting.
    let control = bad_again();
    control.set_clock("2026-11-21T03:37:00Z");
    let acted = round(&control);
    assert_eq!(acted["exit"], 0, "{acted}");
    assert_eq!(artifacts(&control, LIVE), good, "automation acts where the clock is true");
}

#[test]
fn a_clock_that_was_set_back_is_seen_by_people() {
    let workspace = automatic();
    workspace.irctl(&["rollback", "--to", "prev", "--yes", "--quiet"]).expect(0);
    workspace.irctl(&["rollback", "undo", "--yes", "--quiet"]).expect(0);
    let [bad, _] = bad_and_good(&workspace);
    workspace.set_clock("2026-11-20T01:00:00Z");
    let plan = workspace.irctl(&["rollback", "--to", "prev", "--dry-run"]).expect(0);
    assert!(
        plan.stdout.contains("clock UNKNOWN") && plan.stdout.contains("the clock went backwards"),
        "{plan:?}"
    );
    // A human has seen it and goes on.
    workspace.irctl(&GO).expect(0);
    assert_ne!(artifacts(&workspace, LIVE), bad);
}
