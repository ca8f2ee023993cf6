//! The gates through the whole program: rules that fire, rounds that remember, suites that are blocked.

use serde_json::Value;

use crate::support::Workspace;

/// A workspace with one service and these probes.
fn workspace(scheme: &str, probes: &str) -> Workspace {
    let workspace = Workspace::empty();
    workspace.write("config/irctl.yaml", "workspace: gates\ncadence: 30m\n");
    workspace.write("config/rollout.yml", "rollout:\n  mode: enabled\n");
    let probes: String = probes.lines().map(|line| format!("  {line}\n")).collect();
    workspace.write(
        "config/services/desk.yaml",
        format!(
            "service: desk\nkind: model\nscheme: {scheme}\nprobes:\n{probes}rollback:\n  contain:\n    \
             - settings: {{file: config/rollout.yml, set: {{rollout.mode: disabled}}}}\n  targets:\n    \
             - files: {{live: model, versions: \"backup_*\", artifacts: [model.json]}}\n"
        ),
    );
    workspace.write("model/model.json", "1");
    workspace
}

/// What a round found of the service.
fn round(workspace: &Workspace) -> Value {
    workspace.irctl(&["check", "--output", "json"]).json()["services"][0].clone()
}

/// What became of a rule: `matched`, `missed`, `undecided`.
fn rule(service: &Value, id: &str) -> String {
    let rules = service["classification"]["rules"].as_array().unwrap();
    let rule = rules.iter().find(|rule| rule["rule"] == id).unwrap_or_else(|| panic!("{id}: {rules:#?}"));
    rule["outcome"].as_str().unwrap().to_owned()
}

const LEAKAGE: &str = "leakage:
  leakage:
    r_squared: {of: {json: {file: metrics.json, pointer: /r_squared}}}
    lag_features: {of: {table: features.csv}}";

#[test]
fn a_gate_at_halt_contains_and_is_p0_at_once() {
    let workspace = workspace("rila", LEAKAGE);
    workspace.irctl(&["config", "check"]).expect(0);
    workspace.write("features.csv", "date,own_rate,competitor_rate_lag2\n");
    workspace.write("metrics.json", r#"{"r_squared": 0.12}"#);
    let quiet = round(&workspace);
    assert_eq!(
        (rule(&quiet, "leakage-halt"), rule(&quiet, "leakage-suspected")),
        ("missed".into(), "missed".into())
    );
    assert!(workspace.read("config/rollout.yml").contains("enabled"));
    workspace.set_clock("2026-11-20T03:37:00Z");
    workspace.write("metrics.json", r#"{"r_squared": 0.25}"#);
    let suspected = round(&workspace);
    assert_eq!(rule(&suspected, "leakage-suspected"), "matched");
    assert_eq!(suspected["classification"]["level"], "P1");
    workspace.set_clock("2026-11-20T04:07:00Z");
    workspace.write("features.csv", "date,own_rate,C_lag0\n");
    let halted = round(&workspace);
    assert_eq!(rule(&halted, "leakage-halt"), "matched");
    assert_eq!(halted["classification"]["level"], "P0");
    assert!(workspace.read("config/rollout.yml").contains("disabled"), "contained at once");
    let said = halted.to_string();
    assert!(said.contains("HALT; HALT: lag features; WARN: R²"), "{said}");
}

#[test]
fn a_gate_that_cannot_be_judged_is_never_ok() {
    let workspace = workspace("rila", LEAKAGE);
    workspace.write("features.csv", "date,own_rate\n");
    let unknown = round(&workspace);
    assert_eq!(rule(&unknown, "leakage-halt"), "undecided");
    assert_eq!(unknown["verdict"], "UNKNOWN", "{unknown:#}");
    assert!(unknown.to_string().contains("UNKNOWN; UNKNOWN: R²; PASS: lag features"));
}

const DESK: &str = "trades:
  json: {file: desk.json, pointer: /trades, metric: trades_per_hour, unit: count}
spike:
  baseline:
    of: trades_per_hour
    unit: count
    against: {previous_release: {statistic: p95, minimum: 3}}
    emits: {trades_per_hour_p95: baseline}
parity:
  parity:
    of: {log: {file: onnx_parity.log, failures: [PARITY FAIL]}}
    metric: onnx_parity_failures";

#[test]
fn rounds_remember_the_release_before_and_the_last_look() {
    let workspace = workspace("trading", DESK);
    workspace.irctl(&["config", "check"]).expect(0);
    workspace.write("onnx_parity.log", "parity ok\n");
    let at = |minute: &str, trades: u32| {
        workspace.set_clock(&format!("2026-11-20T{minute}:00Z"));
        workspace.write("desk.json", format!("{{\"trades\": {trades}}}"));
        round(&workspace)
    };
    for (minute, trades) in [("03:00", 90), ("03:30", 100), ("04:00", 110)] {
        let first = at(minute, trades);
        assert_eq!(rule(&first, "throughput-spike"), "undecided", "there is no release before");
        assert_eq!(rule(&first, "parity-fail"), "missed", "{first:#}");
    }
    // Another version is deployed; the first round that sees it learns when.
    workspace.write("backup_1/model.json", "1");
    workspace.write("model/model.json", "2");
    at("04:30", 120);
    let usual = at("05:00", 163);
    assert_eq!(rule(&usual, "throughput-spike"), "missed", "163 is not over 1.5 × 109\n{usual:#}");
    let spike = at("05:30", 164);
    assert_eq!(rule(&spike, "throughput-spike"), "matched", "{spike:#}");
    assert!(spike.to_string().contains("p95 of 3 values"));
    workspace.write("onnx_parity.log", "parity ok\nPARITY FAIL row 3\nPARITY FAIL row 4\n");
    let failed = at("06:00", 100);
    assert_eq!(rule(&failed, "parity-fail"), "matched");
    assert!(workspace.read("config/rollout.yml").contains("disabled"));
    assert_eq!(rule(&at("06:30", 100), "parity-fail"), "missed", "none since the last look");
}

/// Before automation acts it measures again. That is no new look: the failures are still there.
#[test]
fn a_second_look_in_a_round_sees_the_same_failures() {
    let workspace = workspace("trading", DESK);
    let service = workspace.read("config/services/desk.yaml");
    let policy = "  auto: {when: onnx_parity_failures > 0}\n";
    workspace.write("config/services/desk.yaml", format!("{service}{policy}"));
    workspace.irctl(&["config", "check"]).expect(0);
    workspace.write("backup_1/model.json", "0");
    workspace.write("desk.json", r#"{"trades": 100}"#);
    workspace.write("onnx_parity.log", "parity ok\n");
    workspace.set_clock("2026-11-20T03:00:00Z");
    round(&workspace);
    workspace.write("onnx_parity.log", "parity ok\nPARITY FAIL row 3\n");
    workspace.set_clock("2026-11-20T03:30:00Z");
    let failed = round(&workspace);
    assert_eq!(rule(&failed, "parity-fail"), "matched");
    let said = failed.to_string();
    assert!(said.contains("onnx_parity"), "{said}");
    assert!(!said.contains("measured again"), "{failed:#}");
}

#[test]
fn a_suite_remembers_too_and_measures_what_is_compared() {
    let workspace = workspace("trading", DESK);
    workspace.write(
        "config/verify/spike.yaml",
        "suite: spike\nservice: desk\nuse: [spike, parity]\nexpect:\n  \
         - {that: trades_per_hour <= 1.5 * trades_per_hour_p95}\n  - {that: onnx_parity_failures < 1}\n",
    );
    workspace.irctl(&["config", "check"]).expect(0);
    workspace.write("onnx_parity.log", "PARITY FAIL row 1\n");
    workspace.write("desk.json", r#"{"trades": 100}"#);
    // Without an earlier round nothing is known.
    workspace.irctl(&["verify"]).expect(3);
    for minute in ["03:00", "03:30", "04:00"] {
        workspace.set_clock(&format!("2026-11-20T{minute}:00Z"));
        workspace.irctl(&["check"]);
    }
    workspace.write("backup_1/model.json", "1");
    workspace.write("model/model.json", "2");
    workspace.set_clock("2026-11-20T04:30:00Z");
    workspace.irctl(&["check"]);
    workspace.set_clock("2026-11-20T05:00:00Z");
    workspace.irctl(&["verify"]).expect(0);
    workspace.write("desk.json", r#"{"trades": 151}"#);
    workspace.irctl(&["verify"]).expect(2);
}

#[test]
fn imports_and_tests_feed_the_rules_for_development_and_are_blocked_where_nobody_vouches() {
    let probes = "import:\n  imports: {modules: [json, not_there_at_all]}\n\
                  tests:\n  test_suite: {argv: [sh, run.sh], report: report.xml}";
    let workspace = workspace("rila", probes);
    workspace.write(
        "config/verify/code.yaml",
        "suite: code\nservice: desk\nuse: [import, tests]\nexpect:\n  - {that: not import_failed}\n  - {that: not tests_failed}\n",
    );
    workspace.irctl(&["config", "check"]).expect(0);
    workspace.write(
        "run.sh",
        "echo '<testsuite><testcase name=\"a\"><failure/></testcase></testsuite>' > report.xml; exit 1",
    );
    let found = round(&workspace);
    assert_eq!(
        (rule(&found, "import-failed"), rule(&found, "tests-failed")),
        ("matched".into(), "matched".into())
    );
    assert_eq!(found["classification"]["level"], "P2");
    workspace.irctl(&["verify"]).expect(2);
    std::fs::remove_file(workspace.path("report.xml")).unwrap();
    let blocked = workspace.irctl(&["verify", "--untrusted"]);
    assert!(blocked.status != 0 && blocked.stdout.contains("BLOCKED"), "{}", blocked.stdout);
    assert!(!workspace.path("report.xml").exists(), "nothing ran");
}

#[test]
fn a_comparison_of_what_nobody_measures_is_an_error() {
    for (probe, code) in [
        ("{of: trades_per_hours, against: {value: 2}, unit: count}", "dangling-reference"),
        ("{of: trades_per_hour, against: {metric: budget}, unit: count}", "dangling-reference"),
        ("{of: trades_per_hour, against: {value: 2}, unit: seconds}", "wrong-unit"),
        ("{of: trades_per_hour, against: {previous_release: {statistic: p101}}, unit: count}", "statistic"),
    ] {
        let trades = DESK.lines().take(2).collect::<Vec<_>>().join("\n");
        let workspace = workspace("trading", &format!("{trades}\nother:\n  baseline: {probe}"));
        let run = workspace.irctl(&["config", "check", "--output", "json"]);
        assert_eq!(run.status, 78, "{probe}: {}", run.stdout);
        assert!(run.stdout.contains(code), "{probe}: {}", run.stdout);
    }
}
