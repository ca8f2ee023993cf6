//! Patterns, and the digest for the regular review.

use super::*;

/// An incident of this many days before the night, which lasts ten minutes.
fn incident(workspace: &Workspace, day: u32) {
    for (minute, rate) in [(0, 0.10), (5, 0.01), (10, 0.01)] {
        let instant = format!("2026-11-{day:02}T03:{minute:02}:00Z");
        workspace.set_clock(&instant);
        workspace.write("now.json", serde_json::json!({"error_rate": rate, "at": instant}).to_string());
        workspace.irctl(&["check"]);
    }
}

fn recurring() -> Workspace {
    let workspace = shop("", "incidents: {reopen_within: 1h}\n");
    let config = scheme("") + "recurrence: {incidents: 3, within: 10d, review_within: 7d}\n";
    workspace.write("config/severity/shop.yaml", config);
    workspace
        .write("config/notify.yaml", "channels:\n  log: {file: {path: notices.jsonl}}\ndefault: [log]\n");
    workspace
}

fn patterns(workspace: &Workspace) -> Vec<Value> {
    let digest = workspace.irctl(&["report", "digest", "--output", "json"]).expect(0).json();
    digest["patterns"].as_array().unwrap().clone()
}

#[test]
fn the_third_incident_in_ten_days_asks_for_a_review_once() {
    let workspace = recurring();
    incident(&workspace, 10);
    incident(&workspace, 12);
    assert!(patterns(&workspace).is_empty());
    incident(&workspace, 14);
    let found = patterns(&workspace);
    assert_eq!(found.len(), 1, "{found:#?}");
    let pattern = &found[0]["pattern"];
    assert_eq!(pattern["incidents"].as_array().unwrap().len(), 3);
    assert_eq!(pattern["review_by"], "2026-11-21T03:00:00Z");
    // It is an action item of the incident, and people are told once.
    let digest = workspace.irctl(&["report", "digest", "--output", "json"]).expect(0).json();
    let action = &digest["actions"][0];
    assert_eq!(action["incident"], "INC-20261114-030000");
    let text = action["text"].as_str().unwrap();
    assert!(
        text.starts_with("Review: a pattern emerges: 3 incidents of errors at shop within 10d (INC-"),
        "{text}"
    );
    let draft = workspace.irctl(&["postmortem", "draft", "INC-20261114-030000"]).expect(0).stdout;
    assert!(draft.contains("Review: a pattern emerges"), "{draft}");
    let told = workspace.read("notices.jsonl");
    assert_eq!(told.lines().filter(|line| line.contains("a pattern emerges")).count(), 1, "{told}");
    // One more is no new pattern; three more are.
    incident(&workspace, 15);
    incident(&workspace, 16);
    assert_eq!(patterns(&workspace).len(), 1);
    incident(&workspace, 17);
    assert_eq!(patterns(&workspace).len(), 2);
}

#[test]
fn what_is_far_apart_or_was_none_is_no_pattern() {
    let workspace = recurring();
    incident(&workspace, 2);
    incident(&workspace, 12);
    incident(&workspace, 14);
    assert!(patterns(&workspace).is_empty(), "the first is too long ago");
}

#[test]
fn the_digest_counts_by_symptom_and_says_how_it_moved() {
    let workspace = recurring();
    incident(&workspace, 2);
    incident(&workspace, 14);
    incident(&workspace, 16);
    workspace.set_clock("2026-11-18T00:00:00Z");
    let digest = workspace.irctl(&["report", "digest", "--last", "7d", "--output", "json"]).expect(0).json();
    assert_eq!((digest["incidents"].as_u64(), digest["before"].as_u64()), (Some(2), Some(0)));
    let symptom = &digest["symptoms"][0];
    assert_eq!(symptom["symptom"], "errors");
    assert_eq!((symptom["trend"].as_str(), symptom["minutes"].as_i64()), (Some("new"), Some(20)));
    assert_eq!(symptom["services"], serde_json::json!(["shop"]));
    let text = workspace.irctl(&["report", "digest", "--last", "7d"]).expect(0).stdout;
    assert!(text.contains("2 incidents, 0 before that") && text.contains("errors"), "{text}");
    let empty = workspace.irctl(&["report", "digest", "--last", "1h"]).expect(0).stdout;
    assert!(empty.contains("0 incidents"), "{empty}");
}
