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

/// Whether a metric comes in buckets is known of every kind of probe, also of one that compares another's.
#[test]
fn buckets_come_from_what_sums_up_and_from_what_compares_that() {
    let workspace = Workspace::healthy();
    workspace.write("config/irctl.yaml", "workspace: shop\nstate: ../state\ncadence: 15m\n");
    workspace.write(
        "config/severity/shop.yaml",
        "scheme: shop\nlevels: {SEV1: {name: Critical, verdict: CRIT}}\nmetrics:\n  worse: {unit: change}\n  \
         port_error_rate: {unit: ratio}\n  forecast_join_rate: {unit: ratio}\n  gained: {unit: change}\nrules:\n  \
         - {id: weeks, level: SEV1, when: worse > 50%, for: 2 buckets}\n  \
         - {id: join, level: SEV1, when: forecast_join_rate < 50%, for: 2 buckets}\n  \
         - {id: port, level: SEV1, when: port_error_rate > 50%, for: 2 buckets}\n  \
         - {id: moments, level: SEV1, when: gained > 50%, for: 2 buckets}\n",
    );
    let service = workspace.read("config/services/rila_6y20b.yaml");
    let service = service.split("rollback:").next().unwrap().replace("scheme: rila", "scheme: shop");
    workspace.write(
        "config/services/rila_6y20b.yaml",
        format!(
            "{service}  port: {{tcp: {{host: 127.0.0.1, port: 1}}}}\n  \
             weeks: {{baseline: {{of: mape_weekly, unit: change, against: {{value: 0.1}}, emits: {{worse: change}}}}}}\n  \
             moments: {{baseline: {{of: port_error_rate, unit: ratio, against: {{value: 0.1}}, emits: {{gained: change}}}}}}\n"
        ),
    );
    for suite in ["rila-accuracy", "rila-economics", "rila-quiet", "rila-smoke"] {
        std::fs::remove_file(workspace.path(format!("config/verify/{suite}.yaml"))).unwrap();
    }
    let report = workspace.irctl(&["check", "--test", "--output", "json"]).json();
    let schemes = report["schemes"].as_array().unwrap_or_else(|| panic!("{report:#}"));
    let scheme = schemes.iter().find(|scheme| scheme["scheme"] == "shop").unwrap();
    let never = |rule: &str| {
        let trials = scheme["trials"].as_array().unwrap();
        trials.iter().find(|trial| trial["rule"] == rule).unwrap()["never"].clone()
    };
    assert_eq!(never("weeks"), serde_json::Value::Null);
    for (rule, metric) in [("port", "port_error_rate"), ("join", "forecast_join_rate"), ("moments", "gained")]
    {
        let why = never(rule);
        assert!(why.as_str().unwrap().contains(&format!("no probe sums {metric} up over buckets")), "{why}");
    }
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
