//! `phased.yaml`: SQLite, Prometheus, documents, tests and the health check of a system that is deployed in phases.

use crate::case::{self, PASSING};
use crate::recorded;
use crate::support::Workspace;
use crate::support::prometheus::Prometheus;

const SCHEME: &str = "phases";

fn workspace(case: &str, prometheus: &Prometheus) -> Workspace {
    let workspace = case::workspace(SCHEME);
    case::lay_over(&workspace, SCHEME, case);
    let job = format!("job=\"{case}\"");
    case::copy_service(
        &workspace,
        "phased.yaml",
        &[("http://prometheus.example.org:9090", &prometheus.url()), ("job=\"options\"", &job)],
    );
    let database = rusqlite::Connection::open(workspace.path("outputs/market_data.db")).unwrap();
    database.execute_batch(&workspace.read("market_data.sql")).unwrap();
    workspace
}

#[test]
fn every_rule_of_phases_is_fired_by_a_probe_and_quiet_without_cause() {
    let prometheus = recorded::prometheus(SCHEME);
    case::all(SCHEME, |_, case| {
        let workspace = workspace(case, &prometheus);
        let run = workspace.irctl(&["check", "--output", "json"]);
        let expected = case::expected(SCHEME, case);
        let stopped = workspace.read("config/system.yml").contains("enabled: false");
        let crisis = expected.level.as_deref() == Some("CRITICAL");
        case::objection(&run, &expected)
            .or((stopped != crisis).then(|| format!("trading is stopped: {stopped}")))
    });
    let passing = workspace(PASSING, &prometheus);
    passing.irctl(&["config", "check"]).expect(0);
    passing.irctl(&["check"]).expect(0);
    let tried = passing.irctl(&["check", "--test", "--output", "json"]).expect(0);
    case::thresholds(&tried, SCHEME, "options", &["cascade_failure", "security_breach"]);
    case::every_rule_fires(
        &passing,
        SCHEME,
        &[("security-breach", "security_breach"), ("cascade-failure", "cascade_failure")],
    );
}

/// What is better than the baseline is decided, as is what is more than twice as bad (`failing-latency`).
#[test]
fn a_system_that_is_quicker_than_its_baseline_is_fine() {
    let prometheus = recorded::prometheus(SCHEME);
    let quick = workspace(PASSING, &prometheus);
    quick.write("outputs/metrics/baselines.json", r#"{"latency_p95_ms": 400, "requests_per_second": 0.5}"#);
    let run = quick.irctl(&["check", "--output", "json"]).expect(0);
    assert_eq!(case::objection(&run, &case::expected(SCHEME, PASSING)), None);
}

/// Without its sources nothing is good.
#[test]
fn what_cannot_be_measured_is_not_ok() {
    let prometheus = recorded::prometheus(SCHEME);
    let workspace = workspace(PASSING, &prometheus);
    drop(prometheus);
    for name in ["outputs/market_data.db", "outputs/metrics/accuracy.json", "tests-major.xml"] {
        std::fs::remove_file(workspace.path(name)).unwrap();
    }
    let run = workspace.irctl(&["check", "--output", "json"]).expect(3).json();
    let rules = run["services"][0]["classification"]["rules"].as_array().unwrap();
    let undecided: Vec<&str> = rules
        .iter()
        .filter(|rule| rule["outcome"] == "undecided")
        .map(|rule| rule["rule"].as_str().unwrap())
        .collect();
    for rule in
        ["system-down", "data-integrity", "latency-crisis", "accuracy-crisis", "major-function-broken"]
    {
        assert!(undecided.contains(&rule), "{rule}: {undecided:?}");
    }
}
