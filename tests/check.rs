//! `irctl check` through the binary: every variant of the fixtures, repeated rounds, containment, policies.

mod support;

use std::collections::BTreeSet;
use support::{Workspace, repository};

fn variants() -> Vec<String> {
    let folder = repository().join("fixtures/rila_6y20b/variants");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn matched(service: &serde_json::Value) -> Vec<String> {
    let rules = service["classification"]["rules"].as_array().unwrap();
    let matched = rules.iter().filter(|rule| rule["outcome"] == "matched");
    matched.map(|rule| rule["rule"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_variant_has_its_level_its_rules_and_its_runbook() {
    let names = variants();
    assert!(names.len() >= 13, "{names:?}");
    let mut wrong = Vec::new();
    for name in names {
        let file = repository().join("fixtures/rila_6y20b/variants").join(&name).join("expected.json");
        let expected: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let workspace = Workspace::variant(&name);
        let run = workspace.irctl(&["check", "--output", "json"]);
        let round = run.json();
        let service = &round["services"][0];
        let runbook = service["incidents"].as_array().unwrap().iter();
        let runbook = runbook
            .filter(|incident| incident["level"] == expected["level"])
            .find_map(|i| i["runbook"].as_str());
        let expected_rules: Vec<String> = serde_json::from_value(expected["rules"].clone()).unwrap();
        let found = (
            service["classification"]["level"].clone(),
            matched(service).into_iter().collect::<BTreeSet<_>>(),
            runbook.map(str::to_owned),
            run.status,
            service["verdict"].clone(),
        );
        let wanted = (
            expected["level"].clone(),
            expected_rules.into_iter().collect::<BTreeSet<_>>(),
            expected["runbook"].as_str().map(str::to_owned),
            i32::try_from(expected["exit"].as_i64().unwrap()).unwrap(),
            expected["verdict"].clone(),
        );
        if found != wanted {
            wrong.push(format!("{name}:\n  found  {found:?}\n  wanted {wanted:?}\n{}", run.stderr));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn repeated_rounds_open_nothing_twice_and_say_nothing_twice() {
    let workspace = Workspace::variant("mape-two-weeks");
    workspace.irctl(&["check"]).expect(2);
    let events = workspace.irctl(&["report", "incident-log"]).expect(0).json();
    let told = workspace.read("outputs/notices.jsonl").lines().count();
    for minute in ["03:22", "03:37", "03:52"] {
        workspace.set_clock(&format!("2026-11-20T{minute}:00Z"));
        workspace.irctl(&["check"]).expect(2);
    }
    let again = workspace.irctl(&["report", "incident-log"]).expect(0).json();
    assert_eq!(events.as_array().unwrap().len(), 1);
    assert_eq!(again.as_array().unwrap().len(), 1, "one incident for one symptom");
    assert_eq!(workspace.read("outputs/notices.jsonl").lines().count(), told, "nobody is told twice");
}

#[test]
fn a_quiet_healthy_round_prints_nothing() {
    let workspace = Workspace::healthy();
    let run = workspace.irctl(&["check", "--quiet"]).expect(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
}

#[test]
fn a_second_round_at_the_same_time_is_busy_and_does_nothing() {
    let workspace = Workspace::healthy();
    workspace.irctl(&["check"]).expect(0);
    let lock = std::fs::OpenOptions::new().write(true).open(workspace.state().join("check.lock")).unwrap();
    lock.lock().unwrap();
    let run = workspace.irctl(&["check"]).expect(75);
    assert!(run.stderr.contains("error[busy]"), "{}", run.stderr);
    drop(lock);
    workspace.irctl(&["check"]).expect(0);
}

#[test]
fn a_critical_incident_is_contained_and_stays_contained() {
    let workspace = Workspace::variant("sign-flip");
    let before = workspace.read("config/rollout.yml");
    workspace.irctl(&["check"]).expect(2);
    let contained = workspace.read("config/rollout.yml");
    assert_eq!(
        contained,
        before.replacen("  mode: active ", "  mode: disabled ", 1),
        "byte for byte otherwise"
    );
    workspace.write("config/rollout.yml", &before);
    workspace.set_clock("2026-11-20T03:37:00Z");
    workspace.irctl(&["check"]).expect(2);
    assert_eq!(workspace.read("config/rollout.yml"), contained, "asserted again");
    workspace.irctl(&["release", "--model", "rila_6y20b", "--reason", "false alarm"]).expect(0);
    assert_eq!(workspace.read("config/rollout.yml"), before, "what was, not a constant");
    workspace.set_clock("2026-11-20T04:07:00Z");
    workspace.irctl(&["check"]).expect(2);
    assert_eq!(
        workspace.read("config/rollout.yml"),
        before,
        "a human's release is not taken back by the same evidence"
    );
}

#[test]
fn what_cannot_be_contained_is_said_loudly() {
    let workspace = Workspace::variant("sign-flip");
    workspace.write("config/rollout.yml", "rollout: {}\n");
    let run = workspace.irctl(&["check"]).expect(2);
    assert!(run.stdout.contains("NOT CONTAINED"), "{}", run.stdout);
}

#[test]
fn a_good_version_is_not_blamed_for_the_bad_ones_numbers() {
    let workspace = Workspace::variant("mape-two-weeks");
    workspace.irctl(&["check"]).expect(2);
    workspace.set_clock("2026-11-20T03:12:00Z");
    workspace.irctl(&["rollback", "--model", "rila_6y20b", "--to", "prev", "--yes"]).expect(0);
    workspace.set_clock("2026-11-20T03:45:00Z");
    let round = workspace.irctl(&["check", "--output", "json"]).expect(0).json();
    let service = &round["services"][0];
    assert_eq!(service["verdict"], "OK");
    assert!(matched(service).is_empty());
    assert!(!service["classification"]["warming"].as_array().unwrap().is_empty());
    assert_eq!(service["watches"][0]["failed"], false);
}

#[test]
fn unreadable_inputs_are_unknown_or_worse_never_ok() {
    let inputs = [
        "outputs/production/rila_6y20b/latest_predictions.csv",
        "data/processed/tde_actuals.csv",
        "data/processed/tde_sales_latest.parquet",
        "data/processed/wink_rates_latest.parquet",
        "models/production/rila_6y20b/coefficients.json",
    ];
    let contents: [(&str, Option<&[u8]>); 4] = [
        ("missing", None),
        ("empty", Some(b"")),
        ("rubbish", Some(b"\x00\xff\x13PAR1")),
        ("header", Some(b"date,mean\n")),
    ];
    for input in inputs {
        for (name, content) in contents {
            let workspace = Workspace::healthy();
            match content {
                None => std::fs::remove_file(workspace.path(input)).unwrap(),
                Some(bytes) => workspace.write(input, bytes),
            }
            let run = workspace.irctl(&["check"]);
            assert!(matches!(run.status, 2 | 3), "{input} {name}: {}\n{}", run.status, run.stdout);
        }
    }
}

#[test]
fn without_configuration_there_is_one_clear_next_step() {
    let workspace = Workspace::empty();
    let run = workspace.irctl(&["check"]).expect(78);
    assert!(run.stderr.contains("irctl init"), "{}", run.stderr);
    assert!(run.stderr.lines().count() <= 3, "{}", run.stderr);
}

#[test]
fn verbose_says_what_is_measured_and_nothing_else_changes() {
    let workspace = Workspace::healthy();
    let quiet = workspace.irctl(&["check"]).expect(0);
    let verbose = workspace.irctl(&["check", "-v"]).expect(0);
    assert!(quiet.stderr.is_empty(), "{}", quiet.stderr);
    assert!(verbose.stderr.contains("measured service=rila_6y20b"), "{}", verbose.stderr);
    assert_eq!(quiet.stdout, verbose.stdout);
}

#[test]
fn a_service_that_does_not_say_what_it_serves_is_unknown() {
    for health in ["", "{}", "not json", "{\"model_sha256\": \"0000\"}"] {
        let workspace = Workspace::healthy();
        workspace.write("outputs/production/rila_6y20b/health.json", health);
        let run = workspace.irctl(&["check"]).expect(3);
        assert!(run.stdout.contains("served version unknown"), "{health}: {}", run.stdout);
    }
}
