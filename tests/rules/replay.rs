//! `irctl classify --replay` through the binary.

use crate::support::{Workspace, repository};

/// The shipped rules with one text replaced, as a file of the workspace.
fn rules(workspace: &Workspace, from: &str, to: &str) {
    let shipped = std::fs::read_to_string(repository().join("config/severity/rila.yaml")).unwrap();
    assert!(shipped.contains(from), "{from}");
    workspace.write("new.yaml", shipped.replace(from, to));
}

fn replay(workspace: &Workspace) -> serde_json::Value {
    workspace.irctl(&["classify", "--replay", "--rules", "new.yaml", "--output", "json"]).expect(0).json()
}

#[test]
fn another_level_has_other_deadlines_and_tells_others() {
    let workspace = Workspace::variant("mape-two-weeks");
    workspace.irctl(&["check"]).expect(2);
    let listed = workspace.irctl(&["incident", "list", "--output", "json"]).expect(0).json();
    let listed: Vec<&serde_json::Value> =
        listed.as_array().unwrap().iter().map(|shown| &shown["incident"]).collect();
    let accuracy = listed.iter().find(|incident| incident["symptom"] == "accuracy").unwrap();
    let id = accuracy["id"].as_str().unwrap().to_owned();
    assert_eq!(accuracy["level"]["name"], "P0");
    // Half an hour: too late for P0, in time for P1.
    workspace.set_clock("2026-11-20T03:30:00Z");
    workspace.irctl(&["incident", "ack", &id]).expect(0);
    workspace
        .irctl(&[
            "incident",
            "declare",
            "--service",
            "rila_6y20b",
            "--symptom",
            "odd",
            "--level",
            "P2",
            "--title",
            "Odd numbers",
        ])
        .expect(0);

    rules(&workspace, "when: mape_weekly > 25%", "when: mape_weekly > 90%");
    let found = replay(&workspace);
    let incidents = found["incidents"].as_array().unwrap();
    let replayed = incidents.iter().find(|incident| incident["incident"] == id.as_str()).unwrap();
    assert_eq!(
        (replayed["was"].as_str(), replayed["would_be"].as_str()),
        (Some("P0"), Some("P1")),
        "{found:#}"
    );
    assert_eq!(replayed["changes"], true);
    assert_eq!(replayed["rules"][0]["rule"], "mape-week-high");
    let acknowledge =
        replayed["deadlines"].as_array().unwrap().iter().find(|one| one["promise"] == "acknowledge");
    let acknowledge = acknowledge.unwrap();
    assert_eq!(
        (&acknowledge["was"]["standing"], &acknowledge["would_be"]["standing"]),
        (&"missed".into(), &"met".into())
    );
    let told = |key: &str| serde_json::to_string(&replayed[key]).unwrap();
    assert!(told("told").contains("model-risk") && !told("would_tell").contains("model-risk"));
    assert!(told("would_tell").contains("data-engineering"));
    assert_eq!(replayed["doubt"], serde_json::Value::Null, "{replayed:#}");
    let not = found["not_replayed"].as_array().unwrap();
    assert!(
        not.iter().any(|one| one["reason"].as_str().unwrap().contains("a person declared it")),
        "{found:#}"
    );
    assert_eq!(replay(&workspace), found, "the same answer every time");
    // Neither the clock nor what happens outside the range changes what is said of the range.
    let range = ["--from", "2026-11-20T00:00:00Z", "--to", "2026-11-20T04:00:00Z"];
    let ranged = |workspace: &Workspace| {
        let mut arguments = vec!["classify", "--replay", "--rules", "new.yaml", "--output", "json"];
        arguments.extend(range);
        workspace.irctl(&arguments).expect(0).json()
    };
    let before = ranged(&workspace);
    workspace.set_clock("2026-11-27T03:00:00Z");
    assert_eq!(ranged(&workspace), before);
    let text = workspace.irctl(&["classify", "--replay", "--rules", "new.yaml"]).expect(0);
    for says in [
        "P0 → P1",
        "acknowledge missed (due 2026-11-20 03:22 UTC) → kept",
        "would tell",
        "cannot be replayed",
    ] {
        assert!(text.stdout.contains(says), "{says}\n{}", text.stdout);
    }
}

#[test]
fn the_same_rules_change_nothing_and_stricter_ones_open_more() {
    let workspace = Workspace::healthy();
    workspace.irctl(&["check"]).expect(0);
    rules(&workspace, "title: RILA emergency", "title: Emergency");
    let same = replay(&workspace);
    assert_eq!((&same["incidents"], &same["would_open"]), (&serde_json::json!([]), &serde_json::json!([])));
    assert!(same["rounds"].as_u64().unwrap() >= 1);
    rules(&workspace, "when: mape_weekly >= 20%", "when: mape_weekly >= 1%");
    let strict = replay(&workspace);
    let opened = &strict["would_open"][0];
    assert_eq!(
        (opened["symptom"].as_str(), opened["level"].as_str()),
        (Some("accuracy"), Some("P1")),
        "{strict:#}"
    );
    assert_eq!(opened["rules"][0]["rule"], "mape-week-high");
}

#[test]
fn a_day_without_incident_under_laxer_rules_and_rules_with_errors() {
    let workspace = Workspace::variant("stale-8-days");
    workspace.irctl(&["check"]).expect(1);
    rules(&workspace, "when: tde_age > 7 days", "when: tde_age > 9 days");
    let found = replay(&workspace);
    let replayed = &found["incidents"][0];
    assert_eq!((replayed["was"].as_str(), replayed["would_be"].as_str()), (Some("P1"), None), "{found:#}");
    assert_eq!(replayed["would_tell"], serde_json::json!([]));
    workspace.write("new.yaml", "scheme: rila\nlevels: {P0: {name: a, verdict: CRIT}}\nmetrics: {}\nrules:\n  - {id: x, level: P0, when: mape > 1%}\n");
    let refused = workspace.irctl(&["classify", "--replay", "--rules", "new.yaml"]).expect(78);
    assert!(refused.stderr.contains("new.yaml:5:"), "{}", refused.stderr);
    assert!(refused.stderr.contains("mape"), "{}", refused.stderr);
}
