//! Rolling back without a human, and every reason for which it is not done.

use super::support::Workspace;
use super::support::http::Server;
use super::{desk, incident, night, round, verified};

const POLICY: &str = "  release: after-postmortem
  guards: {cooldown: 15m}
  auto:
    triggers:
      - {reason: winrate_delta, when: winrate_delta < -5%}
      - {reason: onnx_parity_fail, when: onnx_parity_failures > 0}
";

const WORSE: &[(&str, f64)] = &[("winrate_delta", -0.12)];

/// A night on which the win rate fell, and the versions before were verified once.
fn worse(more: &str) -> Workspace {
    let workspace = night(&format!("{POLICY}{more}"));
    verified(&workspace);
    desk(&workspace, WORSE);
    workspace
}

#[test]
fn a_trigger_rolls_back_switches_the_mode_and_is_counted_by_its_reason() {
    let workspace = worse("");
    let service = round(&workspace, 0);
    let rollback = &service["rollback"];
    assert_eq!((rollback["reason"].as_str(), rollback["exit"].as_u64()), (Some("winrate_delta"), Some(0)));
    assert!(
        workspace.read("config/rollout.yml").contains("mode: disabled"),
        "the rollout stays disabled until the postmortem"
    );
    let metrics = workspace.irctl(&["report", "metrics", "--output", "json"]).expect(0).json();
    assert_eq!(metrics["rollbacks_by_reason"], serde_json::json!({"winrate_delta": 1}));
    let timeline = workspace.irctl(&["incident", "timeline", &incident(&workspace)]).expect(0).stdout;
    assert!(timeline.contains("MODE_SWITCH config/rollout.yml rollout.mode: "), "{timeline}");
    assert!(timeline.contains("Rollback triggered by winrate_delta"), "{timeline}");
    assert!(timeline.contains("the next not before 2026-11-20 03:22 UTC"), "{timeline}");
    // What came back is bad as well; automation waits for the cooldown, and then has nothing proven to go to.
    desk(&workspace, &[("parity", 3.0)]);
    workspace.set_clock("2026-11-20T03:10:00Z");
    let again = round(&workspace, 12);
    let said = again["rollback"]["summary"].as_str().unwrap();
    assert!(said.contains("cooldown: the last rollback was 3 min ago"), "{said}");
    assert_eq!(again["rollback"]["reason"], "onnx_parity_fail");
}

#[test]
fn series_of_one_metric_have_reasons_of_their_own() {
    let server = Server::start(|request, _| {
        let at = request.field("time").unwrap();
        let one = |feature: &str, value: &str| {
            format!(r#"{{"metric":{{"feature":"{feature}"}},"value":[{at},"{value}"]}}"#)
        };
        let all = match request.field("query").unwrap().as_str() {
            "psi" => [one("spread", "0.31"), one("depth", "0.9"), one("imbalance", "0.02")].join(","),
            _ => one("spread", "0.01"),
        };
        (200, format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{all}]}}}}"#))
    });
    let workspace = night(
        "  auto:
    triggers:
      - {reason: psi_feature, when: psi_feature > 0.25, by: feature}
      - {reason: ks_feature, when: ks_feature > 20%, by: feature}
",
    );
    let text = workspace.read("config/services/scalper.yaml");
    let probe = |metric: &str, query: &str, unit: &str| {
        format!(
            "probes:\n  {query}: {{prometheus: {{url: '{}', query: {query}, metric: {metric}, unit: {unit}, labels: [feature]}}}}\n",
            server.url()
        )
    };
    let text = text.replacen("probes:\n", &probe("psi_feature", "psi", "number"), 1);
    let text = text.replacen("probes:\n", &probe("ks_feature", "ks", "ratio"), 1);
    workspace.write("config/services/scalper.yaml", text);
    workspace.irctl(&["config", "check"]).expect(0);
    verified(&workspace);
    let service = round(&workspace, 0);
    assert_eq!(service["rollback"]["reason"], "psi_feature_depth", "the worst one speaks first");
    let shown =
        workspace.irctl(&["incident", "timeline", &incident(&workspace), "--output", "json"]).expect(0);
    assert!(shown.stdout.contains("psi_feature_depth"), "{}", shown.stdout);
}

/// The policy asks only when it is far worse than what opens an incident.
fn later(workspace: &Workspace) {
    let text = workspace.read("config/services/scalper.yaml");
    workspace
        .write("config/services/scalper.yaml", text.replace("winrate_delta < -5%", "winrate_delta < -50%"));
}

/// Each refusal, as the round says it.
#[test]
fn automation_says_why_it_does_not() {
    let mut said = Vec::new();
    let mut refused = |name: &str, workspace: &Workspace, status: i32| {
        let before = super::support::rollback::artifacts(workspace, super::support::rollback::LIVE);
        let rollback = round(workspace, status)["rollback"].clone();
        let after = super::support::rollback::artifacts(workspace, super::support::rollback::LIVE);
        assert_eq!(before, after, "{name}: nothing may be switched");
        let summary = rollback["summary"].as_str().unwrap_or("nothing was asked for");
        said.push(format!("{name}: {summary}"));
    };

    let quiet = worse("");
    desk(&quiet, &[]);
    refused("nothing is wrong", &quiet, 0);

    let unknown = worse("");
    unknown.write(
        "desk.json",
        r#"{"winrate_delta": "NaN", "parity": 0, "bid": 1, "ask": 1, "depth_normal": 1}"#,
    );
    refused("not a number", &unknown, 3);

    let acknowledged = worse("");
    desk(&acknowledged, &[("bid", 0.0)]);
    round(&acknowledged, 2);
    acknowledged.irctl(&["incident", "ack", &incident(&acknowledged)]).expect(0);
    desk(&acknowledged, &[("bid", 0.0), ("winrate_delta", -0.12)]);
    refused("another incident of the service is acknowledged", &acknowledged, 2);

    let taken = worse("");
    later(&taken);
    round(&taken, 2);
    taken.irctl(&["incident", "ack", &incident(&taken)]).expect(0);
    desk(&taken, &[("winrate_delta", -0.6)]);
    refused("acknowledged", &taken, 2);

    let assigned = worse("");
    later(&assigned);
    round(&assigned, 2);
    assigned
        .irctl(&["incident", "assign", &incident(&assigned), "--role", "commander", "--to", "night shift"])
        .expect(0);
    desk(&assigned, &[("winrate_delta", -0.6)]);
    refused("somebody commands it", &assigned, 2);

    let looked = worse("");
    looked.irctl(&["rollback", "--to", "prev", "--dry-run"]).expect(0);
    refused("a plan is being looked at", &looked, 2);
    looked.set_clock("2026-11-20T03:23:00Z");
    round(&looked, 0);

    let began = worse("");
    later(&began);
    round(&began, 2);
    began.irctl(&["release", "--reason", "the desk needs it"]).expect(0);
    desk(&began, &[("winrate_delta", -0.6)]);
    refused("a human let the desk back", &began, 2);

    let unproven = night(POLICY);
    desk(&unproven, WORSE);
    refused("nothing is proven", &unproven, 12);

    let adopted = night(POLICY);
    let at = irctl::base::clock::parse_instant("2026-11-01T00:00:00Z").unwrap();
    for (_, digest) in super::versions(&adopted) {
        irctl::rollback::evidence::update(&adopted.state(), "scalper", |evidence| {
            evidence.entry(&digest).adopted = Some(at);
        })
        .unwrap();
    }
    desk(&adopted, WORSE);
    refused("only adopted, and nothing evaluates", &adopted, 12);

    let evaluated =
        worse("  evaluate: {command: [sh, -c, 'echo {\\\"metrics\\\": {\\\"winrate_delta\\\": -0.2}}']}\n");
    refused("every candidate fails the trigger too", &evaluated, 12);

    let silent = worse("  evaluate: {command: [sh, -c, 'exit 1']}\n");
    refused("candidates cannot be evaluated", &silent, 12);

    let flips = worse("");
    flips.write("flip.sh", "n=$(cat n 2>/dev/null || echo 0); echo $((n+1)) > n\nif [ $n = 0 ]; then v=-0.12; else v=0; fi\necho \"{\\\"metrics\\\": {\\\"winrate_delta\\\": $v}}\"\n");
    flips.write("config/services/scalper.yaml", flips.read("config/services/scalper.yaml").replace(
        "winrate: {json: {file: desk.json, pointer: /winrate_delta, metric: winrate_delta, unit: change}}",
        "winrate: {command: {argv: [sh, flip.sh], format: json, metrics: {winrate_delta: {unit: change}}}}",
    ));
    refused("over when it is measured again", &flips, 2);

    let nobody = worse("");
    let scheme = nobody.read("config/severity/trading.yaml");
    let without: String = scheme
        .lines()
        .filter(|line| !line.contains("id: winrate-delta"))
        .map(|line| format!("{line}\n"))
        .collect();
    nobody.write("config/severity/trading.yaml", without);
    refused("no rule opens an incident", &nobody, 0);
    let deployed = worse("");
    deployed.write("flip.sh", "n=$(cat n 2>/dev/null || echo 0); echo $((n+1)) > n\nif [ $n = 1 ]; then echo >> models/production/rila_6y20b/model.json; fi\necho '{\"metrics\": {\"winrate_delta\": -0.12}}'\n");
    deployed.write("config/services/scalper.yaml", flips.read("config/services/scalper.yaml"));
    let rollback = round(&deployed, 2)["rollback"].clone();
    said.push(format!("somebody deploys meanwhile: {}", rollback["summary"].as_str().unwrap()));

    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_candidate_that_passes_the_trigger_is_taken() {
    let workspace =
        worse("  evaluate: {command: [sh, -c, 'echo {\\\"metrics\\\": {\\\"winrate_delta\\\": 0.01}}']}\n");
    assert_eq!(round(&workspace, 0)["rollback"]["exit"], 0);
}

/// Protocol 25's three conditions, and the night between them and the levels.
#[test]
fn protocol_25s_conditions_hold_whatever_the_level() {
    for (value, asks) in [
        (r#"{"error_rate": 0.51, "availability": 0.9, "accuracy_drop": 0.0}"#, true),
        (r#"{"error_rate": 0.50, "availability": 0.9, "accuracy_drop": 0.0}"#, false),
        (r#"{"error_rate": 0.0, "availability": 0.49, "accuracy_drop": 0.0}"#, true),
        (r#"{"error_rate": 0.0, "availability": 0.9, "accuracy_drop": 0.31}"#, true),
        (r#"{"error_rate": 0.0, "availability": 0.9, "accuracy_drop": 0.30}"#, false),
    ] {
        let workspace =
            night("  auto: {when: \"error_rate > 50% or availability < 50% or accuracy_drop > 30%\"}\n");
        let text = workspace.read("config/services/scalper.yaml");
        let (head, rest) = text.split_once("probes:\n").unwrap();
        let (_, rollback) = rest.split_once("rollback:\n").unwrap();
        let probe =
            |name: &str| format!("  {name}: {{json: {{file: model.json, pointer: /{name}, unit: ratio}}}}\n");
        let probes: String = ["error_rate", "availability", "accuracy_drop"].map(probe).concat();
        let text = format!("{head}probes:\n{probes}rollback:\n{rollback}")
            .replace("scheme: trading", "scheme: protocol-25");
        workspace.write("config/services/scalper.yaml", text);
        workspace.write("model.json", value);
        verified(&workspace);
        let run = workspace.irctl(&["check", "--output", "json"]);
        let rollback = run.json()["services"][0]["rollback"].clone();
        assert_eq!(rollback["exit"].as_u64() == Some(0), asks, "{value}: {rollback}\n{}", run.stderr);
        assert_eq!(rollback.is_null(), !asks, "{value}: {rollback}");
    }
}
