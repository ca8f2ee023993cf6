//! What the `calibration` probe measures.

use irctl::probe::{Outcome, VersionSource};
use std::collections::BTreeMap;

use crate::{Workspace, at, expected, fact, near, of, reason, statistics, value, version};

#[test]
fn numbers_are_those_of_scikit_learn() {
    let workspace = Workspace::new();
    workspace.write("c.csv", statistics("calibration.csv"));
    for bins in [5, 10, 20] {
        let outcome = workspace.measure(&format!("{{calibration: {{rows: {{file: c.csv}}, bins: {bins}}}}}"));
        near(value(&outcome, "p_ece"), expected(&format!("/calibration/ece_{bins}")), "ECE");
        let by_chance = expected(&format!("/calibration/ece_{bins}_expected"));
        near(value(&outcome, "p_ece_expected"), by_chance, "ECE by chance");
        near(value(&outcome, "p_brier"), expected("/calibration/brier"), "Brier");
        assert_eq!(value(&outcome, "p_rows"), 2000.0);
        assert!(fact(&outcome, "calibration").contains("2000 rows"));
    }
}

fn probe(workspace: &Workspace, rows: &str) -> Outcome {
    workspace.write("c.csv", rows);
    workspace.measure(
        "{calibration: {rows: {file: c.csv}, minimum: 3, ece_metric: ece_online, brier_metric: brier_online}}",
    )
}

#[test]
fn what_is_undefined_is_undecided() {
    let workspace = Workspace::new();
    let missing = workspace.measure("{calibration: {rows: {file: no.csv}}}");
    assert_eq!(reason(&missing, "p_ece"), "no.csv does not exist");
    for (rows, why) in [
        ("probability,outcome\n", "c.csv has no rows"),
        ("", "there is no column `probability`"),
        ("probability,result\n0.5,1\n", "there is no column `outcome`"),
        ("probability,outcome\n0.5,1\n", "1 rows have a known outcome, fewer than the 3"),
        ("probability,outcome\n0.5,\n0.4,NaN\n0.3,\n", "0 rows have a known outcome"),
        ("probability,outcome\n0.5,1\n0.4,1\n0.3,1\n", "all 3 outcomes are 1"),
        ("probability,outcome\n0.5,0\n0.5,1\n0.5,1\n", "all 3 probabilities are 0.5"),
        ("probability,outcome\n0.5,0\nNaN,1\n0.3,1\n0.2,1\n", "1 rows have an outcome and no probability"),
        ("probability,outcome\n0.5,0\n50,1\n0.3,1\n0.2,1\n", "50 is not a probability"),
        ("probability,outcome\n0.5,0\ninf,1\n0.3,1\n0.2,1\n", "inf is not a probability"),
        ("probability,outcome\n0.5,0\n0.1,2\n0.3,1\n0.2,1\n", "2 is not an outcome"),
        ("probability,outcome\n0.5,yes\n", "`yes` in row 1"),
    ] {
        let outcome = probe(&workspace, rows);
        for metric in ["ece_online", "brier_online", "ece_online_expected"] {
            let reason = reason(&outcome, metric);
            assert!(reason.contains(why), "{metric}: {reason}");
        }
        assert!(!outcome.problems.is_empty());
    }
    let outcome = probe(&workspace, "probability,outcome\n0.5,0\n0.4,1\n0.3,0\n0.9,\n");
    assert_eq!(value(&outcome, "p_rows"), 3.0);
    assert_eq!(fact(&outcome, "also"), "1 rows have no outcome yet");
    let outcome = workspace.measure("{calibration: {rows: {file: c.csv}, bins: 0}}");
    assert!(reason(&outcome, "p_ece").contains("`bins` has to be"));
}

#[test]
fn series_are_told_apart_and_each_counts() {
    let workspace = Workspace::new();
    let mut rows = "segment,probability,outcome\n".to_owned();
    for number in 0..10 {
        let (often, seldom) = (u8::from(number != 0), u8::from(number == 0));
        rows += &format!("new,0.9,{often}\nnew,0.1,{seldom}\nold,0.9,{seldom}\nold,0.1,{often}\n");
    }
    workspace.write("c.csv", rows);
    let outcome = workspace
        .measure("{calibration: {rows: {file: c.csv}, minimum: 10, by: segment, expect: [new, old, lost]}}");
    let of = |segment: &str| {
        let own = |sample: &&irctl::store::Sample| {
            sample.metric == "p_ece" && sample.labels.get("segment").is_some_and(|own| own == segment)
        };
        outcome.samples.iter().find(own).unwrap().measurement.clone()
    };
    assert!(of("new").value().unwrap() < 1e-12 && of("old").value().unwrap() > 0.75);
    assert!(of("lost").value().is_none(), "nobody knows how it is");
    assert!(outcome.problems.iter().any(|problem| problem.reason.raw().starts_with("lost: 0 rows")));
    let lonely = workspace.measure("{calibration: {rows: {file: c.csv}, expect: [new]}}");
    assert!(reason(&lonely, "p_ece").contains("`expect` needs `by`"));
    let nowhere = workspace.measure("{calibration: {rows: {file: c.csv}, by: region}}");
    assert!(reason(&nowhere, "p_ece").contains("no column `region`"));
}

#[test]
fn a_bad_version_is_not_held_against_the_one_that_serves() {
    let mut workspace = Workspace::new();
    let (served, bad) = (version("served"), version("bad"));
    workspace.versions.names =
        BTreeMap::from([("good1".to_owned(), served.clone()), ("bad1".to_owned(), bad.clone())]);
    let mut rows = "model,probability,outcome,date\n".to_owned();
    for number in 0..100 {
        let (high, low) = (number % 10 != 0, number % 10 == 0);
        rows += &format!("good1,0.9,{},2026-11-19\nbad1,0.9,{},2026-11-10\n", u8::from(high), u8::from(low));
        rows += &format!("good1,0.1,{},2026-11-19\nbad1,0.1,{},2026-11-10\n", u8::from(low), u8::from(high));
    }
    rows += "lost,0.1,1,2026-11-19\n";
    workspace.write("c.csv", rows);
    let ece = |outcome: &Outcome, version| of(outcome, "p_ece", version)[0].measurement.value().unwrap();
    let outcome = workspace.measure("{calibration: {rows: {file: c.csv}, version_column: model}}");
    assert_eq!(outcome.version_source, Some(VersionSource::Column));
    assert!(ece(&outcome, &served) < 1e-12 && ece(&outcome, &bad) > 0.75);
    assert!(outcome.problems[0].reason.raw().contains("1 rows come from versions that are not known: lost"));
    // Without a column, by the day of the deployment.
    workspace.versions.deployments =
        vec![(at("2026-11-01T00:00:00Z"), bad.clone()), (at("2026-11-15T00:00:00Z"), served.clone())];
    let outcome = workspace.measure("{calibration: {rows: {file: c.csv, date: date}}}");
    assert_eq!(outcome.version_source, Some(VersionSource::Deployments));
    assert!(ece(&outcome, &served) < 0.02 && ece(&outcome, &bad) > 0.75);
    let outcome = workspace.measure("{calibration: {rows: {file: c.csv}}}");
    assert_eq!(outcome.version_source, Some(VersionSource::Adopted));
    workspace.versions.names.clear();
    let outcome = workspace.measure("{calibration: {rows: {file: c.csv}, version_column: probability}}");
    assert!(reason(&outcome, "p_ece").contains("rows is of a version that is known"));
}
