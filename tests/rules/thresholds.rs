//! `irctl check --test` through the binary.

use crate::support::Workspace;

fn rila(report: &serde_json::Value) -> &serde_json::Value {
    report["schemes"].as_array().unwrap().iter().find(|scheme| scheme["scheme"] == "rila").unwrap()
}

#[test]
fn every_threshold_of_the_shipped_workspace_fires() {
    let workspace = Workspace::healthy();
    let made_up = workspace.irctl(&["check", "--test", "--output", "json"]).expect(0).json();
    assert_eq!(made_up["verdict"], "OK", "{made_up:#}");
    let scheme = rila(&made_up);
    assert_eq!(scheme["measured_by"], serde_json::Value::Null);
    let trials = scheme["trials"].as_array().unwrap();
    let sustained = trials.iter().find(|trial| trial["rule"] == "mape-sustained").unwrap();
    assert_eq!(sustained["held"], "2 buckets");
    assert_eq!(sustained["fires"]["shown"], "25.01 %");
    assert_eq!(sustained["quiet"]["shown"], "25 %");
    assert!(sustained["place"].as_str().unwrap().contains("rila.yaml:"), "{sustained:#}");
    let optional: Vec<&str> =
        scheme["by_alert_only"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(optional.contains(&"leakage_gate_halt"), "{optional:?}");
    // After a round there is something to start from.
    workspace.irctl(&["check"]).expect(0);
    let measured = workspace.irctl(&["check", "--test", "--output", "json"]).expect(0).json();
    assert_eq!(rila(&measured)["measured_by"], "rila_6y20b");
    assert!(!rila(&measured)["trials"][0]["measured"].as_array().unwrap().is_empty());
    let again = workspace.irctl(&["check", "--test", "--output", "json"]).expect(0).json();
    assert_eq!(again, measured, "the same answer every time");
}

const BROKEN: &str = r#"scheme: shop
levels: {SEV1: {name: Critical, verdict: CRIT}}
metrics:
  queue: {unit: count}
  ratio: {unit: ratio}
  elsewhere: {unit: count}
rules:
  - {id: good, level: SEV1, when: queue > 100}
  - {id: contradiction, level: SEV1, when: ratio > 30% and ratio < 20%}
  - {id: beyond, level: SEV1, when: ratio > 100%}
  - {id: shadowed, level: SEV1, when: queue > 100 or queue > 500}
  - {id: no-buckets, level: SEV1, when: queue > 100, for: 3 buckets}
  - {id: too-short, level: SEV1, when: queue > 100, for: 5m}
  - {id: unmeasured, level: SEV1, when: elsewhere > 0}
"#;

#[test]
fn a_threshold_that_never_fires_fails_at_its_place() {
    let workspace = Workspace::empty();
    workspace.write("config/irctl.yaml", "workspace: shop\nstate: ../state\ncadence: 15m\n");
    workspace.write("config/severity/shop.yaml", BROKEN);
    workspace.write(
        "config/services/shop.yaml",
        "service: shop\nkind: service\nscheme: shop\nprobes:\n  queue: {json: {file: q.json, pointer: /q, unit: count}}\n  \
         ratio: {json: {file: q.json, pointer: /r, unit: ratio}}\n",
    );
    let run = workspace.irctl(&["check", "--test"]).expect(2);
    for says in [
        "config/severity/shop.yaml:9:44: contradiction `ratio > 30%`: the condition contradicts itself",
        "config/severity/shop.yaml:10:37: beyond `ratio > 100%`: no value from 0 % to 100 % makes it hold",
        "config/severity/shop.yaml:11:54: shadowed `queue > 500`: another part of the condition always decides",
        "no-buckets `queue > 100`: no probe sums queue up over buckets, so `for: 3 buckets` is never met",
        "too-short `queue > 100`: 101 for 5m with rounds every 15m does not fire",
        "unmeasured `elsewhere > 0`: no probe of shop emits `elsewhere`",
        "7 of 9 thresholds never fire",
    ] {
        assert!(run.stdout.contains(says), "{says}\n{}", run.stdout);
    }
    assert!(run.stdout.contains("queue 101 fires, 100 does not"), "{}", run.stdout);
}
