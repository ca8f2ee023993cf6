//! What the night also asks: half a configuration, a rollback taken back, updates that were promised, words said once.

mod support;

use serde_json::Value;
use support::Workspace;

const INCIDENT: &str = "INC-20261120-030700";

fn messages(workspace: &Workspace) -> Vec<String> {
    let rows = workspace.irctl(&["notify", "outbox", "--all", "--output", "json"]).expect(0).json();
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| format!("{} {}", row["message"].as_str().unwrap(), row["state"].as_str().unwrap()))
        .collect()
}

#[test]
fn a_broken_file_that_is_not_needed_stops_nothing_that_is_typed_at_night() {
    let workspace = Workspace::variant("mape-two-weeks");
    workspace.irctl(&["check"]).expect(2);
    workspace.write("runbooks/mape-sustained.yaml", "nonsense: [\n");
    workspace.write("config/verify/rila-accuracy.yaml", "nonsense: [\n");
    workspace.write("config/notify.yaml", "nonsense: [\n");
    for (command, status) in [
        (&[][..], 2),
        (&["incident", "list"], 0),
        (&["incident", "show"], 0),
        (&["incident", "ack"], 0),
        (&["incident", "note", "looked at it"], 0),
        (&["incident", "timeline"], 0),
        (&["notify", "outbox"], 0),
        (&["postmortem", "draft"], 0),
        (&["report", "incident-log"], 0),
        (&["audit"], 0),
        (&["rollback", "versions"], 0),
        (&["rollback", "--to", "prev", "--yes"], 0),
        (&["contain", "--reason", "to be sure"], 0),
        (&["release"], 0),
    ] {
        let run = workspace.irctl(command).expect(status);
        assert!(
            run.stderr.contains("config/notify.yaml has errors and was left out"),
            "{command:?} {}",
            run.stderr
        );
    }
    workspace.irctl(&["notify", "flush"]).expect(78);
    workspace.irctl(&["config", "check"]).expect(78);
}

#[test]
fn a_round_with_a_broken_file_judges_what_it_can_and_is_not_ok() {
    let workspace = Workspace::healthy();
    workspace.write("runbooks/mape-sustained.yaml", "nonsense: [\n");
    workspace.irctl(&["check"]).expect(0);
    workspace.write("config/services/other.yaml", "service: other\nkind: nonsense\n");
    let run = workspace.irctl(&["check", "--output", "json"]).expect(3).json();
    assert_eq!(run["services"][0]["verdict"], "OK");
    assert!(run["left_out"][0].as_str().unwrap().contains("config/services/other.yaml"));
    workspace.irctl(&[]).expect(3);
    workspace.irctl(&["check", "--service", "other"]).expect(78);
    // Harm is stopped although another service's scheme cannot be read.
    std::fs::copy(
        workspace.path("config/services/rila_6y20b.yaml"),
        workspace.path("config/services/other.yaml"),
    )
    .unwrap();
    let other = workspace.read("config/services/other.yaml");
    let other = other.replace("service: rila_6y20b", "service: other").replace("scheme: rila", "scheme: own");
    workspace.write("config/services/other.yaml", other);
    workspace.write("config/severity/own.yaml", "scheme: own\nlevels: [\n");
    workspace.lay_over("mape-two-weeks");
    let run = workspace.irctl(&["check", "--output", "json"]).expect(2).json();
    assert_eq!(run["services"][0]["incidents"][0]["level"], "P0");
    assert!(workspace.read("config/rollout.yml").contains("disabled"));
}

#[test]
fn what_is_to_be_told_while_nobody_knows_whom_is_told_later() {
    let workspace = Workspace::variant("mape-two-weeks");
    let good = workspace.read("config/notify.yaml");
    workspace.write("config/notify.yaml", "nonsense: [\n");
    let run = workspace.irctl(&["check"]).expect(2);
    assert!(run.stdout.contains("NOT told yet: 2 waiting"), "{}", run.stdout);
    assert!(messages(&workspace).is_empty());
    workspace.write("config/notify.yaml", good);
    workspace.irctl(&["notify", "flush"]).expect(0);
    assert_eq!(messages(&workspace), ["incident-opened delivered", "contained delivered"]);
}

#[test]
fn people_hear_as_often_as_the_level_promises() {
    let workspace = Workspace::variant("mape-two-weeks");
    workspace.irctl(&["check"]).expect(2);
    workspace.set_clock("2026-11-20T03:37:00Z");
    workspace.irctl(&["check"]).expect(2);
    assert_eq!(messages(&workspace).len(), 2, "nothing new within the hour");
    workspace.irctl(&["incident", "ack"]).expect(0);
    workspace.set_clock("2026-11-20T04:07:00Z");
    workspace.irctl(&["check"]).expect(2);
    workspace.irctl(&["check"]).expect(2);
    assert_eq!(messages(&workspace)[2..], ["incident-updated delivered"]);
    let said = workspace.read("outputs/notices.jsonl");
    let last: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert!(last.to_string().contains("still active: contained, on-call is on it"), "{last}");
    workspace.set_clock("2026-11-20T05:07:00Z");
    workspace.irctl(&["check"]).expect(2);
    assert_eq!(messages(&workspace).len(), 4);
    workspace.irctl(&["incident", "resolve", "--reason", "done"]).expect(0);
    workspace.set_clock("2026-11-20T06:30:00Z");
    workspace.irctl(&["check"]);
    assert_eq!(messages(&workspace)[4..], ["incident-resolved delivered"], "over is over");
}

#[test]
fn a_rollback_that_is_taken_back_reopens_the_incident() {
    let workspace = Workspace::variant("mape-two-weeks");
    workspace.irctl(&["check"]).expect(2);
    workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(0);
    let incident = |workspace: &Workspace| {
        let shown = workspace.irctl(&["incident", "show", INCIDENT, "--output", "json"]).expect(0).json();
        shown["incident"].clone()
    };
    assert_eq!(incident(&workspace)["state"], "mitigated");
    workspace.irctl(&["rollback", "undo", "--yes"]).expect(0);
    let reopened = incident(&workspace);
    assert_eq!((&reopened["state"], &reopened["episode"]), (&"active".into(), &2.into()));
    let screen = workspace.irctl(&[]).expect(2);
    assert!(screen.stdout.contains("NOT contained"), "{}", screen.stdout);
    // Taking that back ends the harm again.
    workspace.irctl(&["rollback", "redo", "--yes"]).expect(0);
    assert_eq!(incident(&workspace)["state"], "mitigated");
    let timeline = workspace.irctl(&["incident", "timeline"]).expect(0).stdout;
    assert!(timeline.contains("Rollback from 2026.11.02 to 2026.10.26 started"), "{timeline}");
    assert!(messages(&workspace).iter().any(|one| one == "rollback-started delivered"));
}

#[test]
fn the_two_histories_of_rollbacks_agree() {
    let workspace = Workspace::variant("mape-two-weeks");
    workspace.irctl(&["check"]).expect(2);
    workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(0);
    let mut reported = workspace.irctl(&["report", "rollback-history"]).expect(0).json();
    assert!(reported[0].as_object_mut().unwrap().remove("event").is_some());
    let kept = std::fs::read(workspace.state().join("rollback-history.json")).unwrap();
    let kept: Value = serde_json::from_slice(&kept).unwrap();
    assert_eq!(reported, kept);
    assert_eq!((&kept[0]["status"], &kept[0]["ending"]), (&"success".into(), &"restored".into()));
}

#[test]
fn the_screen_says_what_is_contained_without_an_incident() {
    let workspace = Workspace::healthy();
    workspace.irctl(&["check"]).expect(0);
    workspace.irctl(&["contain", "--reason", "planned work"]).expect(0);
    let screen = workspace.irctl(&[]).expect(1);
    let said = "rila_6y20b is contained since 2026-11-20 03:07 UTC, by on-call: planned work";
    assert!(screen.stdout.contains(said), "{}", screen.stdout);
    assert!(screen.stdout.contains("Next: irctl release --model rila_6y20b"), "{}", screen.stdout);
    let status = workspace.irctl(&["rollback", "status"]).expect(0);
    assert!(status.stdout.contains("rila_6y20b is contained"), "{}", status.stdout);
    workspace.irctl(&["release"]).expect(0);
    workspace.irctl(&["--now", "2026-11-20T03:10:00Z"]).expect(0);
    workspace.irctl(&["--now", "2026-11-25T03:10:00Z"]).expect(3);
    workspace.irctl(&["--now", "2026-11-20T03:10:00Z", "check"]).expect(64);
}

#[test]
fn what_is_warming_is_said_once() {
    let workspace = Workspace::variant("mape-two-weeks");
    let first = workspace.irctl(&["check"]).expect(2).stdout;
    assert!(first.contains("P0 bias-high warming"), "{first}");
    let second = workspace.irctl(&["check"]).expect(2).stdout;
    assert!(
        second.contains("  still warming: mape-rolling-rising, bias-high, interval-coverage\n"),
        "{second}"
    );
    assert!(!second.contains("no sample of bias"), "{second}");
    workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(0);
    let other = workspace.irctl(&["check", "--quiet"]).stdout;
    let warming = other.lines().filter(|line| line.contains("warming") && line.contains("P0 bias-high"));
    assert_eq!(warming.count(), 1, "another version, said once: {other}");
    assert_eq!(workspace.irctl(&["check", "--quiet"]).stdout, "");
}

#[test]
fn a_person_sends_what_no_round_says() {
    let workspace = Workspace::variant("stale-15-days");
    workspace.irctl(&["check"]).expect(1);
    assert!(workspace.read("outputs/notices.jsonl").contains("Using Previous Week Predictions"));
    workspace.irctl(&["incident", "assign", "--role", "commander", "--to", "Mira"]).expect(0);
    let sent =
        workspace.irctl(&["notify", "send", "rila-previous-week", "--set", "eta=Friday noon"]).expect(0);
    assert!(sent.stdout.contains("delivered"), "{}", sent.stdout);
    let said = workspace.read("outputs/notices.jsonl");
    assert!(
        said.contains("Expected Resolution: Friday noon") && said.contains("Incident Owner: Mira"),
        "{said}"
    );
    workspace.irctl(&["notify", "send", "nonsense"]).expect(65);
    workspace.irctl(&["notify", "send", "rila-previous-week", "--channel", "nowhere"]).expect(65);
}

#[test]
fn what_people_do_to_an_incident_is_told() {
    let workspace = Workspace::healthy();
    workspace.irctl(&["check"]).expect(0);
    workspace.irctl(&["contain", "--reason", "a leak is suspected"]).expect(0);
    assert_eq!(messages(&workspace), ["contained delivered"], "without an incident too");
    let declare = ["incident", "declare", "--service", "rila_6y20b", "--symptom", "leakage", "--level", "P0"];
    let declared =
        workspace.irctl(&[&declare[..], &["--title", "Leakage", "--output", "json"]].concat()).expect(0);
    assert_eq!(declared.json()["incident"]["contained"]["by"]["human"], "on-call", "it is contained already");
    workspace.irctl(&[&declare[..], &["--title", "Leakage"]].concat()).expect(0);
    workspace.irctl(&["incident", "level", "P1", "--reason", "one feature only"]).expect(0);
    workspace.irctl(&["incident", "level", "P0", "--reason", "all of them"]).expect(0);
    workspace.irctl(&["incident", "resolve", "--reason", "fixed"]).expect(0);
    workspace.irctl(&["incident", "reopen", INCIDENT, "--reason", "not fixed"]).expect(0);
    workspace.irctl(&["incident", "cancel", "--reason", "a test"]).expect(0);
    let told: Vec<_> = messages(&workspace).iter().map(|one| one.replace(" delivered", "")).collect();
    assert_eq!(
        told,
        [
            "contained",
            "incident-opened",
            "incident-updated",
            "incident-raised",
            "incident-resolved",
            "incident-opened",
            "incident-updated"
        ]
    );
}

#[test]
fn a_rollback_without_an_incident_is_told() {
    let workspace = Workspace::healthy();
    workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(0);
    assert_eq!(messages(&workspace), ["rolled-back delivered", "released delivered"]);
}

#[test]
fn the_help_of_every_command_has_an_example() {
    let workspace = Workspace::empty();
    let commands = |arguments: &[&str]| -> Vec<String> {
        let help = workspace.irctl(&[arguments, &["--help"]].concat()).expect(0).stdout;
        let list =
            help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap_or_default();
        let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        names.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
    };
    // These say all there is to say in one line.
    let plain = [
        "ack", "assign", "level", "mitigate", "resolve", "close", "cancel", "reopen", "merge", "list", "show",
    ];
    let top = commands(&[]);
    assert!(top.len() >= 14, "{top:?}");
    for command in &top {
        let mut all = vec![vec![command.as_str()]];
        let below = commands(&[command]);
        all.extend(below.iter().map(|sub| vec![command.as_str(), sub.as_str()]));
        let group = |path: &&Vec<&str>| path.len() == 1 && !below.is_empty();
        for path in all.iter().filter(|path| !plain.contains(path.last().unwrap()) && !group(path)) {
            let help = workspace.irctl(&[path, &["--help"][..]].concat()).expect(0).stdout;
            let parent = workspace.irctl(&[path[0], "--help"]).expect(0).stdout;
            let shown = help.contains("irctl ") && (help.contains("Example") || parent.contains("Example"));
            assert!(shown || *path == ["completions"], "{path:?} has no example:\n{help}");
        }
    }
}

#[test]
fn a_rollback_that_replaces_a_watched_one_ends_its_watch() {
    let workspace = Workspace::variant("mape-two-weeks");
    workspace.irctl(&["check"]).expect(2);
    workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(0);
    workspace.irctl(&["rollback", "--to", "backup_2026-09-28", "--yes"]).expect(0);
    workspace.set_clock("2026-11-20T03:20:00Z");
    let run = workspace.irctl(&["check"]);
    assert!(!run.stdout.contains("not confirmed"), "{}", run.stdout);
    assert!(workspace.read("config/rollout.yml").contains("active"), "what serves is good and was let back");
}

#[test]
fn a_rollback_that_is_not_confirmed_reopens_its_incident() {
    let workspace = Workspace::variant("mape-two-weeks");
    workspace.irctl(&["check"]).expect(2);
    workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(0);
    // The suite that is to confirm it fails, and no rule says anything about what is wrong.
    let suite = workspace.read("config/verify/rila-smoke.yaml");
    workspace
        .write("config/verify/rila-smoke.yaml", suite.replace("sign_violations == 0", "sign_violations > 0"));
    workspace.set_clock("2026-11-20T03:45:00Z");
    let run = workspace.irctl(&["check"]).expect(2);
    assert!(run.stdout.contains("contained, again, since its rollback was not confirmed"), "{}", run.stdout);
    let screen = workspace.irctl(&[]).expect(2).stdout;
    assert!(screen.contains("contained since 03:45 UTC"), "{screen}");
    assert!(screen.contains(&format!("({INCIDENT}, active)")), "{screen}");
    assert!(screen.contains("Next: irctl rollback --model rila_6y20b --to prev"), "{screen}");
}

#[test]
fn what_is_not_critical_is_not_to_be_rolled_back() {
    let workspace = Workspace::variant("stale-15-days");
    workspace.irctl(&["check"]).expect(1);
    let shown = workspace.irctl(&["incident", "show"]).expect(0).stdout;
    assert!(!shown.contains("irctl rollback") && !shown.contains("irctl contain"), "{shown}");
    assert!(shown.contains("irctl incident ack"), "{shown}");
}
