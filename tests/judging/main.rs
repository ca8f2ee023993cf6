//! How rules judge over time, through the binary: sustained, kept, held and warming rules, what needs what, maintenance,
//! patterns. And properties of the judgement itself.

#[path = "../support/mod.rs"]
mod support;

mod evidence;
mod failing;
mod keeping;
mod maintenance;
mod needs;
mod patterns;
mod properties;
mod random;
mod starting;

use serde_json::Value;
use support::{Run, Workspace};

/// A scheme with one rule on `error_rate`, and more of it.
pub fn scheme(rule: &str) -> String {
    format!(
        "scheme: shop\n\
         levels:\n  P0: {{name: Critical, verdict: CRIT, update_every: 1h}}\n  P1: {{name: Minor, verdict: WARN}}\n\
         metrics:\n  error_rate: {{unit: ratio}}\n  latency: {{unit: milliseconds, optional: true}}\n\
         rules:\n  - {{id: errors, level: P0, symptom: errors, when: error_rate > 5%{rule}}}\n"
    )
}

/// A service that reads its numbers from `now.json`.
pub const SHOP: &str = "service: shop\nkind: service\nscheme: shop\nprobes:\n  \
    errors: {json: {file: now.json, pointer: /error_rate, metric: error_rate, unit: ratio, time: /at}}\n";

/// A workspace with that scheme and service, and more configuration of the service.
pub fn shop(rule: &str, more: &str) -> Workspace {
    let workspace = Workspace::empty();
    workspace.write("config/irctl.yaml", "workspace: rila\ncadence: 5m\n");
    workspace.write("config/severity/shop.yaml", scheme(rule));
    workspace.write("config/services/shop.yaml", format!("{SHOP}{more}"));
    workspace
}

/// Sets the clock to this minute of the night, and writes what is measured as of then.
pub fn at(workspace: &Workspace, minute: &str, error_rate: f64) {
    clock(workspace, minute);
    measured(workspace, minute, error_rate);
}

/// Sets the clock to this minute of the night.
pub fn clock(workspace: &Workspace, minute: &str) {
    workspace.set_clock(&format!("2026-11-20T{minute}:00Z"));
}

/// Writes a number as of a minute of the night.
pub fn measured(workspace: &Workspace, minute: &str, error_rate: f64) {
    let value = serde_json::json!({"error_rate": error_rate, "at": format!("2026-11-20T{minute}:00Z")});
    workspace.write("now.json", value.to_string());
}

/// A round, with this exit status, as JSON.
#[track_caller]
pub fn round(workspace: &Workspace, status: i32) -> Value {
    let run: Run = workspace.irctl(&["check", "--output", "json"]).expect(status);
    run.json()
}

/// One rule of a service of a round.
#[track_caller]
pub fn rule<'a>(round: &'a Value, service: &str, rule: &str) -> &'a Value {
    let services = round["services"].as_array().unwrap();
    let service = services.iter().find(|one| one["service"] == service).expect("the service is in the round");
    let rules = service["classification"]["rules"].as_array().unwrap();
    rules.iter().find(|one| one["rule"] == rule).expect("the rule is judged")
}

/// How a rule came out, and why.
#[track_caller]
pub fn came_out(round: &Value, service: &str, name: &str) -> (String, String) {
    let rule = rule(round, service, name);
    (rule["outcome"].as_str().unwrap().to_owned(), rule["reason"].as_str().unwrap().to_owned())
}

/// Every incident there is.
pub fn incidents(workspace: &Workspace) -> Vec<Value> {
    let log = workspace.irctl(&["incident", "list", "--all", "--output", "json"]).expect(0).json();
    log.as_array().unwrap().iter().map(|one| one["incident"].clone()).collect()
}

/// Checks the configuration: the exit status is 78, and everything it says.
#[track_caller]
pub fn refused(workspace: &Workspace) -> String {
    workspace.irctl(&["config", "check"]).expect(78).stdout
}
