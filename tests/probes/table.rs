//! What the `table` probe measures.

use irctl::probe::VersionSource;
use std::collections::BTreeMap;

use crate::{Workspace, at, fact, of, only, reason, value, version};

#[test]
fn predictions_have_their_range_and_their_lower_bound() {
    let workspace = Workspace::new();
    workspace.write("p.csv", "mean,lower\n0,0\n5000,1\n5000.01,1\n10,-0.1\n-1,-1\ninf,1\n");
    let outcome = workspace.measure(
        "{table: {file: p.csv, range: [{columns: [mean], low: 0, high: 5000}, {columns: [lower], low: 0}, \
         {columns: ['*'], high: 5000, metric: too_high}]}}",
    );
    // The fifth row is wrong in two columns and counted once.
    assert_eq!(value(&outcome, "p_out_of_range"), 4.0);
    assert_eq!(value(&outcome, "too_high"), 2.0);
    assert_eq!(fact(&outcome, "out of range"), "mean: -1 to inf | lower: -1 to -0.1 | mean: 5000.01 to inf");
}

#[test]
fn rates_are_chosen_by_pattern() {
    let workspace = Workspace::new();
    workspace.write("f.csv", "a_rate,b_rate,vix\n0.005,0.045,20\n0.0049,0.046,20\n");
    let outcome =
        workspace.measure("{table: {file: f.csv, range: [{columns: ['*_rate'], low: 0.005, high: 0.045}]}}");
    assert_eq!(value(&outcome, "p_out_of_range"), 1.0);
}

#[test]
fn missing_values_leave_a_good_range_undecided() {
    let workspace = Workspace::new();
    let yaml = "{table: {file: p.csv, range: [{columns: [mean], low: 0}]}}";
    workspace.write("p.csv", "mean\n1\nNaN\n");
    assert_eq!(
        reason(&workspace.measure(yaml), "p_out_of_range"),
        "1 values are missing and could be anything"
    );
    workspace.write("p.csv", "mean\n-1\nNaN\n");
    assert_eq!(value(&workspace.measure(yaml), "p_out_of_range"), 1.0, "bad is bad");
}

#[test]
fn what_is_not_a_number_is_not_in_range() {
    let workspace = Workspace::new();
    workspace.write("p.csv", "mean\n1\n1,5\n".replace("1,5", "\"1,5\""));
    let outcome = workspace.measure("{table: {file: p.csv, range: [{columns: [mean], low: 0}]}}");
    let reason = reason(&outcome, "p_out_of_range");
    assert_eq!(reason, "1 of the values of `mean` cannot be read as numbers: the first is `1,5` in row 2");
}

#[test]
fn unknown_columns_are_undecided_with_a_suggestion() {
    let workspace = Workspace::new();
    workspace.write("p.csv", "date,mean,lower\n2026-11-18,1,1\n");
    let outcome = workspace.measure(
        "{table: {file: p.csv, version_column: modle, nulls: {columns: [meen]}, freshness: {column: dat}, \
         range: [{columns: ['x_*'], low: 0}], coverage: {column: carrier, groups: [a]}}}",
    );
    assert_eq!(reason(&outcome, "p_age"), "there is no column `dat`; did you mean `date`?");
    assert_eq!(reason(&outcome, "p_missing"), "there is no column `carrier`; there are: date, mean, lower");
    for metric in ["p_nulls", "p_out_of_range", "p_rows"] {
        assert!(reason(&outcome, metric).contains("there is no column `modle`"), "{metric}");
    }
    let outcome = workspace.measure("{table: {file: p.csv, nulls: {columns: [meen, date]}}}");
    assert_eq!(reason(&outcome, "p_nulls"), "there is no column `meen`; did you mean `mean`?");
}

#[test]
fn age_is_counted_in_calendar_days_and_never_from_the_future() {
    let workspace = Workspace::new();
    let age = |dates: &str| {
        workspace.write("t.csv", format!("date\n{dates}\n"));
        workspace.measure(
            "{table: {file: t.csv, timezone: America/New_York, freshness: {column: date, metric: tde_age}}}",
        )
    };
    // It is 2026-11-19, 22:00, in New York.
    for (dates, days) in
        [("2026-11-19", 0.0), ("2026-11-12", 7.0), ("2026-11-11", 8.0), ("2026-11-05\n2026-11-04", 14.0)]
    {
        assert_eq!(value(&age(dates), "tde_age"), days, "{dates}");
    }
    assert_eq!(
        reason(&age("2026-11-20\n2026-11-01"), "tde_age"),
        "the newest date is 2026-11-20, after today, 2026-11-19"
    );
    assert_eq!(reason(&age("\"\""), "tde_age"), "`date` has no date in any row");
    assert!(reason(&age("2026-11-18\nsoon"), "tde_age").contains("`soon` in row 2"));
    let outcome = age("2026-11-12");
    assert_eq!(only(&outcome, "p_rows").event_time, at("2026-11-12T05:00:00Z"), "the newest row's day");
    assert_eq!(only(&outcome, "tde_age").event_time, workspace.now, "an age is true when it is measured");
}

#[test]
fn groups_are_missing_or_sparse_in_the_window() {
    let workspace = Workspace::new();
    let mut rows =
        "date,carrier\n2026-10-20,Athene\n2026-11-21,Jackson\n2026-11-01,Rival\n2026-11-01,\n".to_owned();
    for _ in 0..5 {
        rows += "2026-10-21,Lincoln\n";
    }
    for _ in 0..4 {
        rows += "2026-11-20,Symetra\n";
    }
    workspace.write("w.csv", rows);
    let yaml = |within: &str| {
        format!(
            "{{table: {{file: w.csv, coverage: {{column: carrier, groups: [Athene, Jackson, Lincoln, Symetra], \
             {within} sparse_below: 5, metric: carriers_missing}}}}}}"
        )
    };
    let outcome = workspace.measure(&yaml("date: date, within: 30 days,"));
    assert_eq!((value(&outcome, "carriers_missing"), value(&outcome, "p_sparse")), (2.0, 1.0));
    assert_eq!(fact(&outcome, "groups"), "Athene missing, Jackson missing, Lincoln 5, Symetra 4 (sparse)");
    assert_eq!(
        fact(&outcome, "also"),
        "1 rows are of groups that are not expected | 1 rows are dated after today and do not count | \
         1 rows have no group, or no date"
    );
    let outcome = workspace.measure(&yaml(""));
    assert_eq!((value(&outcome, "carriers_missing"), value(&outcome, "p_sparse")), (0.0, 3.0));
    let outcome = workspace.measure(&yaml("within: 30 days,"));
    assert!(reason(&outcome, "carriers_missing").contains("`within` needs `date`"));
}

#[test]
fn a_bad_version_is_not_held_against_the_one_that_serves() {
    let mut workspace = Workspace::new();
    let (served, bad) = (version("served"), version("bad"));
    workspace.versions.names =
        BTreeMap::from([("good1".to_owned(), served.clone()), ("bad1".to_owned(), bad.clone())]);
    workspace.write("p.csv", "mean,model\n1,good1\n,bad1\n9000,bad1\n2,good1\n,lost\n");
    let outcome = workspace.measure(
        "{table: {file: p.csv, version_column: model, nulls: {columns: [mean]}, \
         range: [{columns: [mean], high: 5000, allow_missing: true}]}}",
    );
    let counts = |metric: &str, version| of(&outcome, metric, version)[0].measurement.value();
    assert_eq!((counts("p_nulls", &served), counts("p_nulls", &bad)), (Some(0.0), Some(1.0)));
    assert_eq!((counts("p_out_of_range", &served), counts("p_out_of_range", &bad)), (Some(0.0), Some(1.0)));
    assert_eq!((counts("p_rows", &served), counts("p_rows", &bad)), (Some(2.0), Some(2.0)));
    assert_eq!(outcome.version_source, Some(VersionSource::Column));
    assert_eq!(outcome.problems[0].reason.raw(), "1 rows come from versions that are not known: lost");
}

#[test]
fn without_versions_everything_is_the_served_ones() {
    let mut workspace = Workspace::new();
    workspace.write("p.csv", "mean,model\n1,good1\n,bad1\n");
    let outcome = workspace.measure("{table: {file: p.csv, nulls: {}}}");
    assert_eq!(of(&outcome, "p_nulls", &version("served"))[0].measurement.value(), Some(1.0));
    assert_eq!(outcome.version_source, Some(VersionSource::Adopted));
    workspace.versions.served = None;
    let outcome = workspace.measure("{table: {file: p.csv, version_column: model, nulls: {}}}");
    assert_eq!(value(&outcome, "p_nulls"), 1.0);
    assert_eq!(outcome.version_source, Some(VersionSource::Adopted));
}

#[test]
fn too_few_rows_decide_nothing_but_their_number() {
    let workspace = Workspace::new();
    workspace.write("p.csv", "mean\n1\n2\n");
    let outcome = workspace.measure("{table: {file: p.csv, rows: {minimum: 3}, nulls: {}}}");
    assert_eq!(value(&outcome, "p_rows"), 2.0);
    assert_eq!(reason(&outcome, "p_nulls"), "2 rows, fewer than the 3 that are needed");
}

#[test]
fn probes_of_one_file_say_the_same_as_each_alone() {
    let workspace = Workspace::new();
    workspace.write("t.csv", "date,x,y\n2026-11-17,1,\n2026-11-18,,3\n");
    let a = "{table: {file: t.csv, nulls: {columns: [x]}, freshness: {column: date}}}";
    let b = "{table: {file: t.csv, nulls: {}, range: [{columns: [y], low: 4, allow_missing: true}]}}";
    let both = workspace.measure_all(&format!("p: {a}\nq: {b}\n"));
    assert_eq!(both[0], workspace.measure(a));
    assert_eq!((value(&both[1], "q_nulls"), value(&both[1], "q_out_of_range")), (2.0, 1.0));
}
