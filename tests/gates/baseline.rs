//! A metric against a number, another metric, a stored baseline, the release before.

use chrono::TimeDelta;
use irctl::base::Unit;
use irctl::probe::Outcome;
use irctl::store::{Measurement, Sample};
use std::collections::BTreeMap;

use crate::{Folder, at, fact, only, reason, value, version};

/// A folder in which the probe `now` measures `x` to be this number.
fn folder(number: &str) -> Folder {
    let folder = Folder::new();
    folder.write("now.json", format!("{{\"x\": {number}}}"));
    folder
}

fn compare(folder: &Folder, rest: &str) -> Outcome {
    let now = "now: {json: {file: now.json, pointer: /x, metric: x}}";
    folder.measure_all(&format!("{now}\np: {{baseline: {{of: x, {rest}}}}}")).remove(1)
}

#[test]
fn ratio_and_change_against_a_number() {
    let outcome = compare(&folder("300"), "against: {value: 200}");
    assert_eq!((value(&outcome, "p_ratio"), value(&outcome, "p_change")), (1.5, 0.5));
    assert_eq!(value(&outcome, "p_baseline"), 200.0);
    assert_eq!(fact(&outcome, "compared"), "300 against 200 (as configured)");
    let named = compare(
        &folder("0.72"),
        "unit: number, against: {value: 0.9}, emits: {accuracy_drop: drop, points: loss, less: difference}",
    );
    assert!((value(&named, "accuracy_drop") - 0.2).abs() < 1e-12);
    assert!((value(&named, "points") - 0.18).abs() < 1e-12);
    assert!((value(&named, "less") + 0.18).abs() < 1e-12);
}

#[test]
fn without_a_baseline_or_with_one_of_zero_nothing_is_decided() {
    let zero = compare(&folder("300"), "against: {value: 0}");
    for metric in ["p_ratio", "p_change", "p_baseline"] {
        assert_eq!(reason(&zero, metric), "the baseline is zero");
    }
    assert_eq!(zero.problems.len(), 1, "said once");
    let negative = compare(&folder("300"), "against: {value: -2}");
    assert_eq!(
        (reason(&negative, "p_ratio").as_str(), value(&negative, "p_change")),
        ("the baseline is negative", 151.0)
    );
    let nan = compare(&folder("300"), "against: {value: .nan}");
    assert!(reason(&nan, "p_ratio").contains("the baseline is NaN"));
    let null = compare(&folder("null"), "against: {value: 2}");
    assert!(reason(&null, "p_ratio").contains("`x` is undecided"));
    assert_eq!(value(&null, "p_baseline"), 2.0, "the baseline is known all the same");
    let nobody = folder("1").measure("{baseline: {of: y, against: {value: 2}}}");
    assert_eq!(reason(&nobody, "p_change"), "no other probe measured `y`");
    let unit = compare(&folder("1"), "unit: seconds, against: {value: 2}");
    assert!(reason(&unit, "p_change").contains("`x` is measured as number, not as seconds"));
}

#[test]
fn stored_baselines_are_numbers_in_documents_and_tables() {
    let folder = folder("240");
    folder.write("base.json", r#"{"metrics": {"p95": 200, "none": null}}"#);
    let json = |pointer: &str| {
        compare(&folder, &format!("against: {{json: {{file: base.json, pointer: {pointer}}}}}"))
    };
    assert_eq!(value(&json("/metrics/p95"), "p_ratio"), 1.2);
    assert!(reason(&json("/metrics/none"), "p_ratio").contains("is not a number"));
    assert!(reason(&json("/metrics/p99"), "p_ratio").contains("has nothing at /metrics/p99"));
    folder.write("base.csv", "name,v\nlatency,100\nlatency,300\nerrors,5\nhole,\n");
    let table =
        |rest: &str| compare(&folder, &format!("against: {{table: {{file: base.csv, column: v, {rest}}}}}"));
    assert_eq!(value(&table("only: {name: latency}, statistic: mean"), "p_baseline"), 200.0);
    assert_eq!(value(&table("only: {name: errors}"), "p_baseline"), 5.0);
    assert_eq!(value(&table("statistic: latest"), "p_baseline"), 5.0);
    for (rest, expected) in [
        ("only: {name: latency}", "2 rows where one is expected"),
        ("only: {name: other}", "0 rows where one is expected"),
        ("only: {name: other}, statistic: p95", "there is no number in v"),
        ("only: {name: hole}", "there is no number in v"),
        ("only: {label: x}", "there is no column `label`"),
    ] {
        assert!(reason(&table(rest), "p_ratio").contains(expected), "{rest}: {:#?}", table(rest));
    }
    let gone = compare(&folder, "against: {table: {file: gone.csv, column: v}}");
    assert!(reason(&gone, "p_ratio").starts_with("gone.csv: "));
}

#[test]
fn another_metric_may_be_the_baseline() {
    let folder = Folder::new();
    folder.write("cost.json", r#"{"spent": 450, "budget": 200}"#);
    let outcome = folder
        .measure_all(
            "spent: {json: {file: cost.json, pointer: /spent}}\n\
             budget: {json: {file: cost.json, pointer: /budget}}\n\
             a: {baseline: {of: spent, against: {metric: budget}, emits: {budget_used: ratio}}}",
        )
        .remove(0);
    assert_eq!((value(&outcome, "budget_used"), only(&outcome, "budget_used").unit), (2.25, Unit::Change));
}

/// A sample of `x` that was taken earlier.
fn earlier(time: &str, of: &str, measured: Option<f64>) -> Sample {
    let when = at(time);
    Sample {
        service: "s".to_owned(),
        probe: "now".to_owned(),
        metric: "x".to_owned(),
        labels: BTreeMap::new(),
        measurement: measured.map_or_else(|| Measurement::Undecided("none".into()), Measurement::Value),
        unit: Unit::Number,
        event_time: when,
        recorded_at: when,
        bucket: None,
        version: Some(version(of)),
        input: None,
        rows: 1,
    }
}

#[test]
fn the_release_before_is_what_was_measured_while_it_served() {
    let mut folder = folder("160");
    let against = "against: {previous_release: {statistic: p95}}, emits: {p95: baseline, more: ratio}";
    folder.versions.deployments = vec![
        (at("2026-11-01T00:00:00Z"), version("older")),
        (at("2026-11-05T00:00:00Z"), version("before")),
        (at("2026-11-15T00:00:00Z"), version("served")),
    ];
    assert_eq!(reason(&compare(&folder, against), "more"), "what was measured earlier is not at hand here");
    let mut samples = Vec::new();
    for hour in 0..21 {
        let time = at("2026-11-06T00:00:00Z") + TimeDelta::hours(hour);
        samples.push(earlier(&time.to_rfc3339(), "before", Some(80.0 + hour as f64)));
    }
    samples.push(earlier("2026-11-07T00:00:00Z", "before", None));
    samples.push(earlier("2026-11-02T00:00:00Z", "older", Some(1e6)));
    samples.push(earlier("2026-11-16T00:00:00Z", "served", Some(1e6)));
    // The same version in a stretch before that is another release's time.
    samples.push(earlier("2026-11-03T00:00:00Z", "before", Some(1e6)));
    folder.versions.earlier = Some(samples.clone());
    let outcome = compare(&folder, against);
    assert_eq!(value(&outcome, "p95"), 99.0);
    assert!((value(&outcome, "more") - 160.0 / 99.0).abs() < 1e-12);
    let said = fact(&outcome, "compared");
    assert!(said.starts_with("160 against 99 (p95 of 21 values, 1 more undecided of "), "{said}");
    assert!(said.contains("(served 2026-11-05T00:00:00Z to 2026-11-15T00:00:00Z)"), "{said}");
    folder.versions.earlier = Some(samples.split_off(2));
    let few = compare(&folder, against);
    assert!(reason(&few, "more").starts_with("19 values were measured of the previous release"), "{few:#?}");
    let enough = "against: {previous_release: {statistic: p95, minimum: 19}}";
    assert!(value(&compare(&folder, enough), "p_ratio") > 1.0);
    folder.versions.deployments.truncate(2);
    assert!(reason(&compare(&folder, against), "more").contains("when the version that serves was deployed"));
    folder.versions.served = None;
    assert!(reason(&compare(&folder, against), "more").contains("which version serves"));
}
