//! `irctl report rollback-tracking`: from events, and nothing invented.

use super::{desk, incident, night, round, verified};

#[test]
fn a_rollback_is_tracked_from_its_trigger_to_what_prevents_it() {
    let workspace = night(
        "  release: manual\n  auto: {triggers: [{reason: onnx_parity_fail, when: onnx_parity_failures > 0}]}\n",
    );
    assert_eq!(
        workspace.irctl(&["report", "rollback-tracking"]).expect(0).stdout,
        "No rollback is recorded.\n"
    );
    verified(&workspace);
    desk(&workspace, &[("parity", 2.0)]);
    assert_eq!(round(&workspace, 0)["rollback"]["exit"], 0);
    let tracked =
        || workspace.irctl(&["report", "rollback-tracking", "--output", "json"]).expect(0).json()[0].clone();
    let first = tracked();
    assert_eq!(first["trigger"], "onnx_parity_fail");
    assert!(first["rollback_id"].as_str().unwrap().starts_with("OP-"));
    assert!(first["completion_time"].is_string() && first["duration_minutes"].is_number());
    for unknown in ["phase", "data_loss", "service_impact_minutes", "root_cause", "prevention_measures"] {
        assert!(first[unknown].is_null(), "{unknown}: {first}");
    }
    workspace.set_clock("2026-11-20T03:22:00Z");
    desk(&workspace, &[]);
    workspace.irctl(&["release"]).expect(0);
    let id = incident(&workspace);
    workspace
        .irctl(&[
            "incident",
            "note",
            &id,
            "--kind",
            "root-cause",
            "the features were exported in another order",
        ])
        .expect(0);
    workspace
        .irctl(&["incident", "note", &id, "--kind", "prevention", "the exporter compares the order"])
        .expect(0);
    let last = tracked();
    assert_eq!(last["service_impact_minutes"], 15.0);
    assert_eq!(last["root_cause"], "the features were exported in another order");
    assert_eq!(last["prevention_measures"], serde_json::json!(["the exporter compares the order"]));
    let text = workspace.irctl(&["report", "rollback-tracking"]).expect(0).stdout;
    insta::assert_snapshot!(text);
    workspace.irctl(&["report", "rollback-tracking", "--write", "tracking.json"]).expect(0);
    assert!(workspace.read("tracking.json").contains("\"service_impact_minutes\": 15.0"));
}
