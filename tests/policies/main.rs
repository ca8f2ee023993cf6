//! What rounds do by policy, through the binary: rolling back and refusing to, letting back, proposing, the audit event.

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod automatic;
mod proposal;
mod release;
mod tracking;

use serde_json::Value;
use support::rollback::bad_model;
use support::{Run, Workspace};

/// A trading desk whose model stands where the fixtures have one.
pub const DESK: &str = r#"service: scalper
kind: model
scheme: trading
serving: {json: {file: outputs/production/rila_6y20b/health.json, pointer: /model_sha256, artifact: model.json, wait: 300ms}}
probes:
  winrate: {json: {file: desk.json, pointer: /winrate_delta, metric: winrate_delta, unit: change}}
  parity: {json: {file: desk.json, pointer: /parity, metric: onnx_parity_failures, unit: count}}
  bid: {json: {file: desk.json, pointer: /bid, metric: liquidity_bid}}
  ask: {json: {file: desk.json, pointer: /ask, metric: liquidity_ask}}
  depth: {json: {file: desk.json, pointer: /depth_normal, metric: depth_normal, unit: minutes}}
rollback:
  contain:
    - settings: {file: config/rollout.yml, set: {rollout.mode: disabled}}
  targets:
    - files: {live: models/production/rila_6y20b, versions: "backup_*", artifacts: [model.json, metadata.json, coefficients.json]}
  activate: {command: [sh, scripts/reload.sh]}
"#;

/// The desk as it measures itself on a quiet night, with these values instead.
pub fn desk(workspace: &Workspace, values: &[(&str, f64)]) {
    let mut all =
        serde_json::json!({"winrate_delta": 0.0, "parity": 0, "bid": 100, "ask": 100, "depth_normal": 60});
    for (name, value) in values {
        all[*name] = (*value).into();
    }
    workspace.write("desk.json", all.to_string());
}

/// A workspace with that desk and more configuration of it.
pub fn night(more: &str) -> Workspace {
    let workspace = bad_model("service: x\nkind: model\nscheme: rila\n");
    std::fs::remove_dir_all(workspace.path("config/services")).unwrap();
    workspace.write("config/services/scalper.yaml", format!("{DESK}{more}"));
    desk(&workspace, &[]);
    workspace
}

/// The versions that stand beside the one that serves: name and digest, newest first.
pub fn versions(workspace: &Workspace) -> Vec<(String, irctl::base::Digest)> {
    let rows = workspace.irctl(&["rollback", "versions", "--output", "json"]).expect(0).json();
    let rows = rows.as_array().unwrap().iter().filter(|row| row["state"] != "served");
    rows.map(|row| {
        let version = &row["version"];
        (version["name"].as_str().unwrap().to_owned(), version["digest"].as_str().unwrap().parse().unwrap())
    })
    .collect()
}

/// Makes the earlier versions ones that a suite verified once.
pub fn verified(workspace: &Workspace) {
    let at = irctl::base::clock::parse_instant("2026-11-01T00:00:00Z").unwrap();
    for (_, digest) in versions(workspace) {
        irctl::rollback::evidence::update(&workspace.state(), "scalper", |evidence| {
            evidence.entry(&digest).verified.push(at);
        })
        .unwrap();
    }
}

/// A round, and what it did about the one service.
pub fn round(workspace: &Workspace, status: i32) -> Value {
    let run: Run = workspace.irctl(&["check", "--output", "json"]).expect(status);
    run.json()["services"][0].clone()
}

/// The workspace's incident.
pub fn incident(workspace: &Workspace) -> String {
    let list = workspace.irctl(&["incident", "list", "--all", "--output", "json"]).expect(0).json();
    list[0]["incident"]["id"].as_str().unwrap().to_owned()
}
