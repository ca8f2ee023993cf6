//! What the `coefficients` probe measures.

use crate::{Workspace, fact, reason, samples, value, version};

const MODEL: &str = r#"{"intercept": 1029.6, "own": 61350.0, "competitor_mean": -30420.0, "vix": -9.3}"#;
const SIGNS: &str = "{coefficients: {file: c.json, positive: [own], negative: ['competitor_*']}}";

#[test]
fn signs_are_counted_and_named() {
    let workspace = Workspace::new();
    workspace.write("c.json", MODEL);
    let outcome = workspace.measure(SIGNS);
    assert_eq!(value(&outcome, "sign_violations"), 0.0);
    assert_eq!(outcome.samples[0].version, Some(version("served")));
    assert_eq!(outcome.samples[0].rows, 4);
    workspace.write("c.json", r#"{"coefficients": {"own": -1, "competitor_a": 2, "competitor_b": 0}}"#);
    let outcome = workspace.measure(SIGNS);
    assert_eq!(value(&outcome, "sign_violations"), 2.0);
    assert_eq!(fact(&outcome, "wrong sign"), "competitor_a 2, own -1");
}

#[test]
fn what_cannot_be_read_is_not_good() {
    let workspace = Workspace::new();
    assert!(reason(&workspace.measure(SIGNS), "sign_violations").starts_with("c.json: "));
    for (content, expected) in [
        ("", "c.json: EOF"),
        ("[1]", "is not an object"),
        ("{}", "has no coefficients"),
        (r#"{"own": "1", "competitor_a": -1}"#, "`own` is not a number"),
        (r#"{"own": 1e999, "competitor_a": -1}"#, "c.json: "),
        (r#"{"own": 1}"#, "no coefficient is called `competitor_*`"),
    ] {
        workspace.write("c.json", content);
        let reason = reason(&workspace.measure(SIGNS), "sign_violations");
        assert!(reason.contains(expected), "{content}: {reason}");
    }
}

#[test]
fn drift_is_the_largest_change_from_the_mean() {
    let workspace = Workspace::new();
    workspace.write("c.json", r#"{"own": 3, "vix": -1, "flat": 5, "new": 1}"#);
    workspace.write("h.csv", "date,own,vix,flat\n2026-11-01,1,-4,1\n2026-11-08,3,-4,-1\n");
    let outcome = workspace
        .measure("{coefficients: {file: c.json, positive: [own], history: {file: h.csv, tolerance: 60%}}}");
    let drift = samples(&outcome, "coefficient_drift");
    // vix: (−1 − −4) / 4 = 0.75; own: (3 − 2) / 2 = 0.5; flat has a mean of zero; new has no history.
    assert_eq!((drift[0].measurement.value(), drift[0].labels["feature"].as_str()), (Some(0.75), "vix"));
    assert_eq!((drift[1].measurement.value(), drift[1].labels["feature"].as_str()), (None, "flat"));
    assert_eq!(drift.len(), 2);
    assert_eq!(fact(&outcome, "drift"), "vix +75 %");
}

#[test]
fn without_a_history_there_is_no_drift() {
    let workspace = Workspace::new();
    workspace.write("c.json", r#"{"own": 3}"#);
    let yaml = "{coefficients: {file: c.json, positive: [own], history: {file: h.csv}}}";
    assert_eq!(reason(&workspace.measure(yaml), "coefficient_drift"), "h.csv does not exist");
    workspace.write("h.csv", "date,other\n2026-11-01,1\n");
    assert_eq!(reason(&workspace.measure(yaml), "coefficient_drift"), "no coefficient has a history");
    assert_eq!(value(&workspace.measure(yaml), "sign_violations"), 0.0);
}
