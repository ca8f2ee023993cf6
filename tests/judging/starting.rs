//! Warm-up: after a restart, after a change of version, by time and by number of samples.

use super::*;
use support::rollback::bad_model;

const UPTIME: &str =
    "  uptime: {json: {file: up.json, pointer: /up, metric: up_for, unit: seconds, time: /at}}\n";

fn up(workspace: &Workspace, minute: &str, seconds: u32) {
    let value = serde_json::json!({"up": seconds, "at": format!("2026-11-20T{minute}:00Z")});
    workspace.write("up.json", value.to_string());
}

#[test]
fn a_restart_is_left_alone_for_a_while_and_is_never_ok() {
    let workspace = shop("", &format!("{UPTIME}warm_up: 15m\nuptime: up_for\n"));
    at(&workspace, "03:00", 0.50);
    up(&workspace, "03:00", 60);
    let found = round(&workspace, 3);
    let (outcome, reason) = came_out(&found, "shop", "errors");
    assert_eq!(outcome, "warming");
    assert!(
        reason.contains("warming up for 15m: it was restarted 1 min ago, until 2026-11-20 03:14 UTC"),
        "{reason}"
    );
    assert!(incidents(&workspace).is_empty());
    // Said once.
    assert_eq!(found["services"][0]["warming_is_news"], true);
    at(&workspace, "03:05", 0.50);
    up(&workspace, "03:05", 360);
    assert_eq!(round(&workspace, 3)["services"][0]["warming_is_news"], false);
    at(&workspace, "03:14", 0.50);
    up(&workspace, "03:14", 900);
    assert_eq!(came_out(&round(&workspace, 2), "shop", "errors").0, "matched");
    // Another restart is left alone again, and that is said again; the incident waits.
    at(&workspace, "03:20", 0.0);
    up(&workspace, "03:20", 5);
    let found = round(&workspace, 3);
    assert_eq!(came_out(&found, "shop", "errors").0, "warming");
    assert_eq!(found["services"][0]["warming_is_news"], true);
    assert_eq!(incidents(&workspace)[0]["state"], "triage");
}

#[test]
fn an_uptime_that_cannot_be_read_hides_nothing() {
    let workspace = shop("", &format!("{UPTIME}warm_up: 15m\nuptime: up_for\n"));
    at(&workspace, "03:00", 0.50);
    assert_eq!(came_out(&round(&workspace, 2), "shop", "errors").0, "matched");
}

#[test]
fn other_good_evidence_counts_while_one_rule_warms_up() {
    let workspace = shop(", warm_up: 3 samples", "");
    let rules = "  - {id: slow, level: P1, symptom: latency, when: error_rate > 90%}\n";
    workspace.write("config/severity/shop.yaml", scheme(", warm_up: 3 samples") + rules);
    for (minute, outcome, status) in
        [("03:00", "warming", 0), ("03:05", "warming", 0), ("03:10", "matched", 2), ("03:15", "matched", 2)]
    {
        at(&workspace, minute, 0.10);
        // A round that runs twice counts its sample once.
        round(&workspace, status);
        let found = round(&workspace, status);
        let (found, reason) = came_out(&found, "shop", "errors");
        assert_eq!(found, outcome, "{minute}: {reason}");
    }
}

#[test]
fn a_new_version_warms_up_and_the_old_ones_match_is_not_kept() {
    let service = "service: rila_6y20b\nkind: model\nscheme: shop\nwarm_up: 15m\n\
        serving: {json: {file: outputs/production/rila_6y20b/health.json, pointer: /model_sha256, artifact: model.json}}\n\
        probes:\n  errors: {json: {file: now.json, pointer: /error_rate, metric: error_rate, unit: ratio, time: /at}}\n\
        rollback:\n  targets:\n    - files: {live: models/production/rila_6y20b, versions: \"backup_*\", \
        artifacts: [model.json, metadata.json, coefficients.json]}\n  activate: {command: [sh, scripts/reload.sh]}\n";
    let workspace = bad_model(service);
    workspace.write("config/severity/shop.yaml", scheme(", keep: {for: 2h}"));
    at(&workspace, "03:07", 0.10);
    let first = round(&workspace, 2);
    assert_eq!(came_out(&first, "rila_6y20b", "errors").0, "matched", "a version that was always there");
    clock(&workspace, "03:12");
    workspace.irctl(&["rollback", "--model", "rila_6y20b", "--to", "prev", "--yes"]).expect(0);
    at(&workspace, "03:15", 0.10);
    let found = round(&workspace, 3);
    let (outcome, reason) = came_out(&found, "rila_6y20b", "errors");
    assert_eq!(outcome, "warming", "{reason}");
    assert!(reason.contains("began to serve"), "{reason}");
    at(&workspace, "03:40", 0.01);
    let (outcome, reason) = came_out(&round(&workspace, 0), "rila_6y20b", "errors");
    assert_eq!(outcome, "missed", "nothing of the version before is kept: {reason}");
}
