//! A level that proposes a rollback: the command and the evidence, and nothing done by itself.

use super::{night, round, verified};

#[test]
fn p1_of_protocol_25_proposes_a_rollback_and_does_not_do_it() {
    let workspace = night("  auto: {when: error_rate > 50%}\n  verify: recovered\n");
    workspace.write(
        "config/verify/recovered.yaml",
        "suite: recovered\nservice: scalper\nuse: [error_rate]\nexpect: [{that: error_rate < 5%}]\n",
    );
    let text = workspace.read("config/services/scalper.yaml");
    let (head, rest) = text.split_once("probes:\n").unwrap();
    let (_, rollback) = rest.split_once("rollback:\n").unwrap();
    let probes = "  error_rate: {json: {file: model.json, pointer: /error_rate, unit: ratio}}\n";
    let text = format!("{head}probes:\n{probes}rollback:\n{rollback}")
        .replace("scheme: trading", "scheme: protocol-25");
    workspace.write("config/services/scalper.yaml", text);
    workspace.write("model.json", r#"{"error_rate": 0.2}"#);
    verified(&workspace);
    let service = round(&workspace, 2);
    assert!(service["rollback"].is_null());
    let proposal = &service["incidents"][0]["proposal"];
    assert_eq!(proposal["command"], "irctl rollback --model scalper --to prev");
    assert!(proposal["evidence"][0].as_str().unwrap().contains("error_rate 20 % > 10 %"), "{proposal}");
    let notice = workspace.read("outputs/notices.jsonl");
    assert!(
        notice.contains("Proposed, never done by itself: irctl rollback --model scalper --to prev"),
        "{notice}"
    );
    assert!(notice.contains("Evidence: error_rate 20 % > 10 %"), "{notice}");
    insta::assert_snapshot!("overview", workspace.irctl(&[]).stdout);
    workspace.irctl(&["rollback", "--to", "prev", "--yes"]);
    workspace.set_clock("2026-11-20T03:22:00Z");
    workspace.write("model.json", r#"{"error_rate": 0.01}"#);
    let after = workspace.irctl(&["check", "--output", "json"]).json();
    let open = after["services"][0]["incidents"].as_array().unwrap().iter();
    let proposed = open.filter(|one| one["state"] == "mitigated" && !one["proposal"].is_null()).count();
    assert_eq!(proposed, 0, "what has ended needs no rollback");
}
