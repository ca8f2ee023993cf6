//! `irctl verify` from outside: exit statuses, selection, report files, untrusted configuration.

mod support;

use support::Workspace;

const SERVICE: &str = "\
service: desk
kind: service
scheme: small
probes:
  health: {json: {file: health.json, pointer: /status, equals: ok}}
  load: {json: {file: health.json, pointer: /load, unit: ratio}}
";

const SCHEME: &str = "\
scheme: small
levels: {P0: {name: Critical, verdict: CRIT, acknowledge: 15m}}
metrics: {load: {unit: ratio}}
rules: [{id: overloaded, level: P0, when: load > 99%}]
";

const SMOKE: &str = "\
suite: smoke
title: The desk answers
service: desk
use: [health, load]
probes:
  model: {file: {path: model.json}}
expect:
  - {id: serves, that: health, description: It says that it serves}
  - {that: model_exists and model_size > 0 bytes}
  - {id: load, that: load < 80%, severity: warn}
";

const SCORE: &str = "\
suite: score
service: desk
probes:
  score:
    command:
      argv: [./score.sh, '$(touch hit)']
      timeout: 10s
      format: json
      metrics: {mape: {unit: ratio}}
expect:
  - {id: accurate, that: mape < 25%}
";

fn workspace(status: &str, load: &str) -> Workspace {
    let workspace = Workspace::empty();
    workspace.write("config/irctl.yaml", "workspace: desk\n");
    workspace.write("config/severity/small.yaml", SCHEME);
    workspace.write("config/services/desk.yaml", SERVICE);
    workspace.write("config/verify/smoke.yaml", SMOKE);
    workspace.write("health.json", format!("{{\"status\": \"{status}\", \"load\": {load}}}"));
    workspace.write("model.json", "{}");
    workspace
}

fn with_score() -> Workspace {
    let workspace = workspace("ok", "0.5");
    workspace.write("config/verify/score.yaml", SCORE);
    workspace
        .write("score.sh", "#!/bin/sh\ntouch ran\necho '{\"metrics\": {\"mape\": 0.31}, \"rows\": 14}'\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(workspace.path("score.sh"), mode).unwrap();
    workspace
}

#[test]
fn the_exit_status_is_the_worst_verdict() {
    workspace("ok", "0.5").irctl(&["verify"]).expect(0);
    workspace("ok", "0.9").irctl(&["verify"]).expect(0);
    workspace("ok", "0.9").irctl(&["verify", "--fail-on", "warn"]).expect(1);
    workspace("down", "0.9").irctl(&["verify"]).expect(2);
    workspace("ok", "null").irctl(&["verify"]).expect(3);
    workspace("down", "null").irctl(&["verify"]).expect(2);
    workspace("ok", "31").irctl(&["verify"]).expect(3);
}

#[test]
fn nothing_selected_is_never_good() {
    let healthy = workspace("ok", "0.5");
    let run = healthy.irctl(&["verify", "nosuch"]).expect(65);
    assert!(run.stderr.contains("smoke"), "{}", run.stderr);
    let other = SERVICE.replace("service: desk", "service: other");
    healthy.write("config/services/other.yaml", other);
    let run = healthy.irctl(&["verify", "--service", "other", "--report", "junit=out.xml"]).expect(3);
    assert!(run.stdout.contains("UNKNOWN") && run.stderr.contains("smoke"), "{run:?}");
    assert!(healthy.read("out.xml").contains("errors=\"1\""));
    std::fs::remove_file(healthy.path("config/verify/smoke.yaml")).unwrap();
    let run = healthy.irctl(&["verify", "--output", "json"]).expect(3);
    assert_eq!(run.json()["verdict"], "UNKNOWN");
}

#[test]
fn a_suite_that_looks_at_nothing_is_a_configuration_error() {
    let workspace = workspace("ok", "0.5");
    workspace.write("config/verify/empty.yaml", "suite: empty\nservice: desk\nuse: [healht]\nexpect: []\n");
    workspace.write(
        "config/verify/wrong.yaml",
        "suite: wrong\nservice: desk\nuse: [load]\nexpect:\n  - that: lod < 5 days\n",
    );
    let run = workspace.irctl(&["config", "check"]).expect(78);
    let root = workspace.root().display().to_string();
    insta::assert_snapshot!((run.stdout + &run.stderr).replace(&root, "ROOT"));
    workspace.irctl(&["verify"]).expect(78);
}

#[test]
fn reports_go_to_files_and_to_the_terminal() {
    let workspace = workspace("down", "0.9");
    let arguments = [
        "verify",
        "smoke",
        "--report",
        "junit=out/a.xml",
        "--report",
        "json=out/a.json",
        "--report",
        "text=out/a.txt",
    ];
    let run = workspace.irctl(&arguments).expect(2);
    let json: serde_json::Value = serde_json::from_str(&workspace.read("out/a.json")).unwrap();
    assert_eq!(json["suites"][0]["checks"][0]["verdict"], "CRIT");
    assert!(workspace.read("out/a.xml").contains("<failure"));
    let stable = |text: &str| {
        text.lines().filter(|line| !line.contains("started")).map(elapsed).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(stable(&run.stdout), stable(&workspace.read("out/a.txt")));
    insta::assert_snapshot!(stable(&run.stdout).lines().map(modified).collect::<Vec<_>>().join("\n"));
    workspace.write("taken", "");
    let run = workspace.irctl(&["verify", "--report", "junit=taken/a.xml"]).expect(69);
    assert!(run.stdout.contains("CRIT") && run.stderr.contains("taken"), "{run:?}");
    for wrong in ["junit", "junit=", "xml=a", "=a"] {
        workspace.irctl(&["verify", "--report", wrong]).expect(64);
    }
}

/// A heading without how long it took.
fn elapsed(line: &str) -> &str {
    line.rsplit_once(" in ").map_or(line, |(before, _)| before)
}

/// A line without the files' times, which are those of the test.
fn modified(line: &str) -> String {
    let words = line
        .split(' ')
        .map(|word| if word.starts_with("20") && word.contains("Z,") { "TIME," } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn programs_run_only_from_trusted_configuration() {
    let workspace = with_score();
    let run = workspace.irctl(&["verify", "score", "--untrusted", "--output", "json"]).expect(3);
    assert_eq!(run.json()["suites"][0]["verdict"], "BLOCKED");
    assert!(!workspace.path("ran").exists());
    workspace.irctl(&["verify", "smoke", "--untrusted"]).expect(0);
    workspace.irctl(&["verify", "--untrusted"]).expect(3);
    let run = workspace.irctl(&["verify", "score", "--output", "json"]).expect(2);
    let check = run.json()["suites"][0]["checks"][0].clone();
    assert_eq!((check["rows"].as_u64(), check["distance"].as_f64()), (Some(14), Some(0.06)));
    assert!(workspace.path("ran").exists() && !workspace.path("hit").exists());
}

#[test]
fn lists_what_there_is() {
    let workspace = with_score();
    insta::assert_snapshot!(workspace.irctl(&["verify", "--list"]).expect(0).stdout);
    let run = workspace.irctl(&["verify", "--list", "--service", "desk", "--output", "json"]).expect(0);
    assert_eq!(run.json()[1]["suite"], "smoke");
    assert!(!workspace.path("ran").exists());
}

#[test]
fn the_instant_can_be_given() {
    let workspace = workspace("ok", "0.5");
    workspace.write(
        "config/verify/smoke.yaml",
        SMOKE.replace("use: [health, load]", "use: [health, load, fresh]"),
    );
    let fresh = "  fresh: {json: {file: health.json, pointer: /load, unit: ratio, time: /at, max_age: 1h}}\n";
    workspace.write("config/services/desk.yaml", format!("{SERVICE}{fresh}"));
    workspace.write(
        "config/verify/smoke.yaml",
        "suite: smoke\nservice: desk\nuse: [fresh]\nexpect: [{that: fresh < 80%}]\n",
    );
    workspace.write("health.json", "{\"load\": 0.5, \"at\": \"2026-11-20T02:30:00Z\"}");
    workspace.irctl(&["verify"]).expect(0);
    workspace.irctl(&["verify", "--now", "2026-11-20T05:00:00Z"]).expect(3);
    workspace.irctl(&["verify", "--now", "2026-11-20T01:00:00Z"]).expect(3);
}

#[test]
fn the_example_in_the_documentation_is_valid() {
    let text = std::fs::read_to_string(support::repository().join("docs/verify.md")).unwrap();
    let example = text.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let report = irctl::config::check_bytes(irctl::config::Kind::Verify, "example.yaml", example.as_bytes());
    assert_eq!(report.errors(), 0, "{}", irctl::config::render(&report, false));
}
