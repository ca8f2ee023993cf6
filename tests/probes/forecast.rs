//! What the `forecast` probe measures.

use irctl::base::Digest;
use irctl::probe::{Outcome, VersionSource};
use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::{Workspace, at, fact, of, only, reason, samples, value, version};

/// A week of predictions from a Monday: the mean of every day, and who made them.
fn week(out: &mut String, monday: &str, mean: &str, model: &str) {
    let monday: chrono::NaiveDate = monday.parse().unwrap();
    for day in monday.iter_days().take(7) {
        writeln!(out, "{day},{mean},80,120,{model}").unwrap();
    }
}

/// Actuals of 100 from 2026-09-07, a Monday, for some days.
fn actuals(days: usize) -> String {
    let first: chrono::NaiveDate = "2026-09-07".parse().unwrap();
    let rows = first.iter_days().take(days).map(|day| format!("{day},100\n"));
    std::iter::once("date,actual\n".to_owned()).chain(rows).collect()
}

const HEADER: &str = "date,mean,lower,upper,model\n";
const MONDAYS: [&str; 10] = [
    "2026-09-07",
    "2026-09-14",
    "2026-09-21",
    "2026-09-28",
    "2026-10-05",
    "2026-10-12",
    "2026-10-19",
    "2026-10-26",
    "2026-11-02",
    "2026-11-09",
];

fn yaml(more: &str) -> String {
    format!(
        "{{forecast: {{predictions: p.csv, actuals: a.csv, {more} \
         bucket: {{every: 1w, starts: monday, timezone: America/New_York, complete: 7 days}}}}}}"
    )
}

fn near(left: f64, right: f64) {
    assert!((left - right).abs() < 1e-12, "{left} is not {right}");
}

fn values(outcome: &Outcome, metric: &str) -> Vec<Option<f64>> {
    samples(outcome, metric).iter().map(|sample| sample.measurement.value()).collect()
}

/// Ten closed weeks of one version; the means are 110 but for the last week's.
fn ten_weeks(last: &str) -> Workspace {
    let workspace = Workspace::new();
    let mut predictions = HEADER.to_owned();
    for monday in MONDAYS {
        week(&mut predictions, monday, if monday == "2026-11-09" { last } else { "110" }, "v1");
    }
    workspace.write("p.csv", predictions).write("a.csv", actuals(70));
    workspace
}

#[test]
fn figures_of_closed_weeks_by_hand() {
    let outcome = ten_weeks("130").measure(&yaml(""));
    let weekly = samples(&outcome, "mape_weekly");
    assert_eq!(weekly.len(), 10);
    near(weekly[0].measurement.value().unwrap(), 0.1);
    near(weekly[9].measurement.value().unwrap(), 0.3);
    let last = weekly[9];
    assert_eq!(last.bucket.unwrap().start, at("2026-11-09T05:00:00Z"));
    assert_eq!((last.event_time, last.rows), (at("2026-11-16T05:00:00Z"), 7));
    assert_eq!(last.version, Some(version("served")));
    // Nine weeks at 10 % and one at 30 %: 12 %. The week before: 10 %. Bias: 20/1000 … of ten weeks, 12 %.
    let rolling = samples(&outcome, "mape_rolling");
    assert_eq!(rolling.len(), 7, "from the fourth week on");
    near(rolling[6].measurement.value().unwrap(), 0.12);
    let rise = samples(&outcome, "mape_rolling_rise");
    assert_eq!(rise.len(), 6);
    near(rise[5].measurement.value().unwrap(), 0.02);
    near(values(&outcome, "bias")[6].unwrap(), 0.12);
    near(values(&outcome, "wape")[6].unwrap(), 0.12);
    near(values(&outcome, "interval_coverage")[6].unwrap(), 1.0);
    assert_eq!((value(&outcome, "forecast_rows"), value(&outcome, "forecast_join_rate")), (70.0, 1.0));
    assert_eq!(fact(&outcome, "latest"), "week of 2026-11-09: MAPE 30 %");
    assert_eq!(fact(&outcome, "interval coverage"), "100 %: 70 of 70 (95 % sure: 94.8 % to 100 %)");
}

#[test]
fn the_window_is_thirteen_buckets_long() {
    let outcome = ten_weeks("130").measure(&yaml("rolling: 2, rolling_minimum: 2,"));
    near(values(&outcome, "mape_rolling").last().unwrap().unwrap(), 0.2);
}

#[test]
fn an_open_week_is_not_judged() {
    let mut workspace = ten_weeks("130");
    workspace.now = at("2026-11-16T04:59:59Z");
    assert_eq!(samples(&workspace.measure(&yaml("")), "mape_weekly").len(), 9, "Sunday night in New York");
    workspace.now = at("2026-11-16T05:00:00Z");
    assert_eq!(samples(&workspace.measure(&yaml("")), "mape_weekly").len(), 10);
    workspace.write("a.csv", actuals(69));
    let outcome = workspace.measure(&yaml(""));
    assert_eq!(samples(&outcome, "mape_weekly").len(), 9, "an actual is still to come");
    assert_eq!(fact(&outcome, "not closed"), "week of 2026-11-09: 6 of 7 days");
}

#[test]
fn a_prediction_that_is_no_number_leaves_its_week_undecided() {
    for bad in ["NaN", "", "inf"] {
        let outcome = ten_weeks(bad).measure(&yaml(""));
        let weekly = values(&outcome, "mape_weekly");
        assert_eq!((weekly.len(), weekly[9], weekly[8].is_some()), (10, None, true), "{bad:?}");
        assert_eq!(values(&outcome, "bias")[6], None);
        assert!(outcome.problems.iter().any(|problem| problem.metric.as_deref() == Some("mape_weekly")));
    }
}

#[test]
fn evidence_of_a_former_version_stays_its_own() {
    let mut workspace = Workspace::new();
    let (good, bad) = (version("served"), version("bad"));
    workspace.versions.names =
        BTreeMap::from([("g".to_owned(), good.clone()), ("b".to_owned(), bad.clone())]);
    let mut predictions = HEADER.to_owned();
    for monday in &MONDAYS[..8] {
        week(&mut predictions, monday, "110", "g");
    }
    week(&mut predictions, MONDAYS[8], "140", "b");
    // The last week is mixed: three days of the bad version, four of the good one.
    let mut mixed = String::new();
    week(&mut mixed, MONDAYS[9], "140", "b");
    for (at, line) in mixed.lines().enumerate() {
        let line = if at < 3 { line.to_owned() } else { line.replace(",140,", ",110,").replace(",b", ",g") };
        writeln!(predictions, "{line}").unwrap();
    }
    workspace.write("p.csv", predictions).write("a.csv", actuals(70));
    let outcome = workspace.measure(&yaml("version_column: model,"));
    assert_eq!(outcome.version_source, Some(VersionSource::Column));
    let of_good = of(&outcome, "mape_weekly", &good);
    assert_eq!(of_good.len(), 8);
    assert_eq!(of_good[7].bucket.unwrap().start, at("2026-10-26T04:00:00Z"));
    let of_bad = of(&outcome, "mape_weekly", &bad);
    assert_eq!(of_bad.len(), 1);
    near(of_bad[0].measurement.value().unwrap(), 0.4);
    assert_eq!(of(&outcome, "mape_rolling", &bad).len(), 0, "one week of its own is not enough");
    for sample in of(&outcome, "mape_rolling", &good) {
        near(sample.measurement.value().unwrap(), 0.1);
    }
    assert_eq!(fact(&outcome, "not closed"), "week of 2026-11-09: 4 of 7 days");
}

#[test]
fn without_a_column_versions_come_from_their_deployment() {
    let mut workspace = ten_weeks("130");
    let (old, new) = (version("old"), version("served"));
    workspace.versions.deployments =
        vec![(at("2026-09-07T04:00:00Z"), old.clone()), (at("2026-11-09T05:00:00Z"), new.clone())];
    let outcome = workspace.measure(&yaml(""));
    assert_eq!(outcome.version_source, Some(VersionSource::Deployments));
    assert_eq!(of(&outcome, "mape_weekly", &old).len(), 9);
    assert_eq!(of(&outcome, "mape_weekly", &new).len(), 1);
    // Deployed in the middle of Monday: Monday was the old one's, and the week is nobody's.
    workspace.versions.deployments[1].0 = at("2026-11-09T15:00:00Z");
    let outcome = workspace.measure(&yaml(""));
    assert_eq!(of(&outcome, "mape_weekly", &new).len(), 0);
}

#[test]
fn strangers_are_reported_and_not_judged() {
    let mut workspace = ten_weeks("130");
    workspace.versions.names = BTreeMap::from([("other".to_owned(), version("served"))]);
    let outcome = workspace.measure(&yaml("version_column: model,"));
    assert_eq!(samples(&outcome, "mape_weekly").len(), 0);
    assert_eq!(outcome.problems[0].reason.raw(), "70 predictions are of versions that are not known: v1");
    assert_eq!(value(&outcome, "forecast_rows"), 70.0);
}

#[test]
fn what_does_not_match_and_what_repeats_is_counted() {
    let workspace = ten_weeks("110");
    let mut predictions = std::fs::read_to_string(workspace.root().join("p.csv")).unwrap();
    // The same again, another for the last day, one before all actuals, and one that is still to come.
    predictions +=
        "2026-09-07,110,80,120,v1\n2026-11-15,111,80,120,v1\n2026-09-01,1,1,1,v1\n2026-11-25,1,1,1,v1\n";
    let predictions = predictions.replace("2026-09-10,110,80,120,v1\n", "");
    let actuals = actuals(70).replace("2026-09-09,100", "2026-09-09,0").replace("2026-09-16,100\n", "");
    workspace.write("p.csv", predictions).write("a.csv", actuals);
    let outcome = workspace.measure(&yaml(""));
    assert_eq!(value(&outcome, "forecast_rows"), 68.0);
    // 2026-09-10 has no prediction, 2026-09-16 no actual.
    assert_eq!(value(&outcome, "forecast_unmatched"), 2.0);
    near(value(&outcome, "forecast_join_rate"), 68.0 / 69.0);
    assert_eq!(value(&outcome, "forecast_duplicates"), 2.0);
    assert_eq!(value(&outcome, "forecast_zero_actuals"), 1.0);
    let weekly = samples(&outcome, "mape_weekly");
    assert_eq!(weekly.len(), 8, "two weeks lack a day");
    assert_eq!(weekly[7].measurement.value(), None, "2026-11-15 is predicted twice, differently");
}

#[test]
fn an_error_of_more_than_all_of_it_stands_as_it_is() {
    let outcome = ten_weeks("500").measure(&yaml(""));
    near(values(&outcome, "mape_weekly")[9].unwrap(), 4.0);
    assert_eq!(fact(&outcome, "latest"), "week of 2026-11-09: MAPE 400 %");
    near(values(&outcome, "bias")[6].unwrap(), 0.49);
}

#[test]
fn intervals_alone_may_be_missing() {
    let workspace = ten_weeks("110");
    let predictions =
        std::fs::read_to_string(workspace.root().join("p.csv")).unwrap().replace("lower", "low");
    workspace.write("p.csv", predictions);
    let outcome = workspace.measure(&yaml(""));
    assert!(values(&outcome, "mape_weekly").iter().all(Option::is_some));
    assert!(values(&outcome, "interval_coverage").iter().all(Option::is_none));
    assert!(outcome.problems[0].reason.raw().contains("did you mean `low`?"));
}

#[test]
fn nothing_to_compare_is_undecided() {
    let workspace = ten_weeks("110");
    let all = |outcome: &Outcome| {
        assert_eq!(outcome.samples.len(), 11);
        assert!(outcome.samples.iter().all(|sample| sample.measurement.value().is_none()));
        reason(outcome, "mape_weekly")
    };
    workspace.write("a.csv", "date,actual\n2025-01-01,1\n");
    assert_eq!(all(&workspace.measure(&yaml(""))), "no prediction has an actual on its date");
    workspace.write("a.csv", "date,actul\n2025-01-01,1\n");
    assert_eq!(
        all(&workspace.measure(&yaml(""))),
        "a.csv: there is no column `actual`; did you mean `actul`?"
    );
    workspace.write("a.csv", "");
    assert!(all(&workspace.measure(&yaml(""))).contains("there is no column"));
    std::fs::remove_file(workspace.root().join("a.csv")).unwrap();
    std::fs::remove_file(workspace.root().join("p.csv")).unwrap();
    assert_eq!(all(&workspace.measure(&yaml(""))), "p.csv does not exist; a.csv does not exist");
}

#[test]
fn the_same_rows_are_the_same_evidence() {
    let workspace = ten_weeks("130");
    let inputs = |outcome: &Outcome| -> Vec<Option<Digest>> {
        samples(outcome, "mape_weekly").iter().map(|sample| sample.input.clone()).collect()
    };
    let before = inputs(&workspace.measure(&yaml("")));
    let mut predictions = std::fs::read_to_string(workspace.root().join("p.csv")).unwrap();
    predictions += "2026-11-16,1,1,1,v1\n";
    workspace.write("p.csv", &predictions);
    assert_eq!(
        inputs(&workspace.measure(&yaml(""))),
        before,
        "a new day is no new evidence of a week that is over"
    );
    workspace.write("p.csv", predictions.replacen(",130,", ",131,", 1));
    let after = inputs(&workspace.measure(&yaml("")));
    assert_eq!(after[..9], before[..9]);
    assert_ne!(after[9], before[9]);
}

#[test]
fn one_week_is_enough_for_its_mape() {
    let workspace = Workspace::new();
    let mut predictions = HEADER.to_owned();
    week(&mut predictions, MONDAYS[0], "110", "v1");
    workspace.write("p.csv", predictions).write("a.csv", actuals(70));
    let outcome = workspace.measure(&yaml(""));
    near(only(&outcome, "mape_weekly").measurement.value().unwrap(), 0.1);
    assert_eq!(samples(&outcome, "mape_rolling").len(), 0);
    assert_eq!(fact(&outcome, "rolling"), "not before 4 closed weeks of this version");
}
