//! What the `returns` probe measures.

use irctl::probe::Outcome;
use proptest::prelude::*;
use std::collections::BTreeMap;

use crate::{Workspace, expected, fact, labelled, near, of, reason, samples, statistics, value, version};

const ROUTES: [&str; 2] = ["alpha", "beta"];

#[test]
fn numbers_are_those_of_numpy() {
    let workspace = Workspace::new();
    workspace.write("r.csv", statistics("returns.csv"));
    let outcome = workspace.measure(
        "{returns: {rows: {file: r.csv, date: date}, by: route, risk_free: 0.0001, sharpe_metric: sharpe_ratio, \
         baseline: {value: 0.6}}}",
    );
    for route in ROUTES {
        let found = |metric: &str| labelled(&outcome, metric, ("route", route)).unwrap();
        let wanted = |figure: &str| expected(&format!("/returns/{route}/{figure}"));
        near(found("sharpe_ratio"), wanted("sharpe"), "Sharpe");
        near(found("p_drawdown"), wanted("drawdown"), "drawdown");
        near(found("p_winrate"), wanted("winrate"), "win rate");
        near(found("p_winrate_delta"), wanted("winrate") - 0.6, "delta");
        assert_eq!(found("p_rows"), 250.0);
    }
    assert!(fact(&outcome, "series").contains("beta: Sharpe"), "{}", fact(&outcome, "series"));
    assert_eq!(outcome.problems, []);
}

fn probe(workspace: &Workspace, rows: &str) -> Outcome {
    workspace.write("r.csv", rows);
    workspace.measure("{returns: {rows: {file: r.csv}, minimum: 3, baseline: {value: 0.5}}}")
}

#[test]
fn what_is_undefined_is_undecided() {
    let workspace = Workspace::new();
    let metrics = ["p_sharpe", "p_drawdown", "p_winrate", "p_winrate_delta"];
    for (rows, why) in [
        ("return\n", "r.csv has no rows"),
        ("", "there is no column `return`"),
        ("profit\n1\n", "there is no column `return`"),
        ("return\n0.1\n", "1 returns, fewer than the 3 that are needed"),
        ("return\n0.1\n0.1\n0.1\n", "all 3 returns are 0.1"),
        ("return\n0\n0\n0\n0\n", "all 4 returns are 0"),
        ("return\n0.1\n0.2\nNaN\n0.3\n", "1 returns are missing and could be anything"),
        ("return\n0.1\n0.2\n-inf\n0.3\n", "1 returns are infinite"),
        ("return\n0.1\n0.2\n+5%\n0.3\n", "`+5%` in row 3"),
    ] {
        let outcome = probe(&workspace, rows);
        for metric in metrics {
            let reason = reason(&outcome, metric);
            assert!(reason.contains(why), "{metric}: {reason}");
        }
    }
    let missing = workspace.measure("{returns: {rows: {file: no.csv}}}");
    assert_eq!(reason(&missing, "p_winrate"), "no.csv does not exist");
    workspace.write("r.csv", "return,date\n0.1,2026-11-02\n-0.2,2026-11-03\n0.3,2026-11-01\n");
    let outcome = workspace.measure("{returns: {rows: {file: r.csv, date: date}, minimum: 3}}");
    assert!(reason(&outcome, "p_drawdown").contains("sort the file by date"));
    assert!(value(&outcome, "p_sharpe") > 0.0);
    let outcome = workspace.measure("{returns: {rows: {file: r.csv}, minimum: 3, baseline: {value: 55}}}");
    assert_eq!(reason(&outcome, "p_winrate_delta"), "the baseline 55 is not a win rate");
}

#[test]
fn every_route_stands_for_itself_and_one_that_is_silent_is_undecided() {
    let workspace = Workspace::new();
    let mut rows = "route,return\n".to_owned();
    for number in 0..40 {
        rows += if number % 4 == 0 { "a,-0.01\nb,0.01\n" } else { "a,0.01\nb,-0.01\n" };
    }
    rows += "few,0.1\nfew,0.2\n";
    workspace.write("r.csv", &rows);
    let yaml = "{returns: {rows: {file: r.csv}, by: route, label: path, expect: [a, b, silent]}}";
    let outcome = workspace.measure(yaml);
    let of = |outcome: &Outcome, path: &str| labelled(outcome, "p_winrate", ("path", path));
    assert_eq!((of(&outcome, "a"), of(&outcome, "b")), (Ok(0.75), Ok(0.25)));
    assert!(of(&outcome, "few").unwrap_err().contains("2 returns, fewer than the 30"));
    assert_eq!(of(&outcome, "silent"), Err("`silent` has no row".to_owned()));
    std::fs::remove_file(workspace.root().join("r.csv")).unwrap();
    let outcome = workspace.measure(yaml);
    for path in ["a", "b", "silent"] {
        assert_eq!(of(&outcome, path), Err("r.csv does not exist".to_owned()));
    }
    let outcome = workspace.measure("{returns: {rows: {file: r.csv}, by: route}}");
    assert_eq!(samples(&outcome, "p_winrate")[0].labels["route"], "*");
}

#[test]
fn a_win_rate_is_compared_with_the_same_route_of_the_baseline() {
    let workspace = Workspace::new();
    let rows = |a: usize, b: usize| {
        (0..40).fold("route,return\n".to_owned(), |all, number| {
            let of = |wins: usize| if number < wins { "0.01" } else { "-0.01" };
            format!("{all}a,{}\nb,{}\n", of(a), of(b))
        })
    };
    workspace.write("now.csv", rows(10, 30) + "new,0.1\n").write("then.csv", rows(20, 20));
    let probe = |now: &str, baseline: &str| {
        workspace.measure(&format!(
            "{{returns: {{rows: {{file: {now}}}, by: route, winrate_delta_metric: winrate_delta, \
             baseline: {{rows: {{file: {baseline}}}}}}}}}"
        ))
    };
    let of = |outcome: &Outcome, route: &str| labelled(outcome, "winrate_delta", ("route", route));
    let outcome = probe("now.csv", "then.csv");
    assert_eq!((of(&outcome, "a"), of(&outcome, "b")), (Ok(-0.25), Ok(0.25)));
    assert!(of(&outcome, "new").unwrap_err().contains("1 returns, fewer"));
    near(
        labelled(&outcome, "winrate_delta_expected", ("route", "a")).unwrap(),
        (std::f64::consts::FRAC_2_PI * 0.375 * 0.625 / 20.0).sqrt(),
        "by chance",
    );
    let outcome = probe("now.csv", "no.csv");
    assert_eq!(of(&outcome, "a"), Err("no.csv does not exist".to_owned()));
    assert_eq!(labelled(&outcome, "p_winrate", ("route", "a")), Ok(0.25), "the win rate needs no baseline");
    assert_eq!(
        of(&probe("now.csv", "now.csv"), "a"),
        Err("some rows of the baseline are the same ones".to_owned())
    );
    workspace.write("then.csv", "route,return\na,0.1\na,-0.1\n");
    assert!(of(&probe("now.csv", "then.csv"), "a").unwrap_err().contains("the baseline: 2 returns, fewer"));
    assert!(of(&probe("now.csv", "then.csv"), "b").unwrap_err().contains("no row of it"));
}

#[test]
fn what_a_bad_version_lost_is_not_held_against_the_one_that_serves() {
    let mut workspace = Workspace::new();
    let (served, bad) = (version("served"), version("bad"));
    workspace.versions.names =
        BTreeMap::from([("good1".to_owned(), served.clone()), ("bad1".to_owned(), bad.clone())]);
    let rows = (0..40).fold("model,return\n".to_owned(), |all, number| {
        format!("{all}bad1,-0.0{}\ngood1,0.0{}\n", number % 5 + 1, number % 5 + 1)
    });
    workspace.write("r.csv", rows);
    let outcome = workspace.measure("{returns: {rows: {file: r.csv}, version_column: model}}");
    let winrate = |version| of(&outcome, "p_winrate", version)[0].measurement.value();
    assert_eq!((winrate(&served), winrate(&bad)), (Some(1.0), Some(0.0)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_rows_matters_to_the_drawdown_alone(mut rows in proptest::collection::vec(-90..90_i32, 30..80)) {
        let workspace = Workspace::new();
        let text = |rows: &[i32]| {
            rows.iter().fold("return\n".to_owned(), |all, value| format!("{all}{}\n", f64::from(*value) / 100.0))
        };
        rows.extend([50, -50]);
        let one = probe(&workspace, &text(&rows));
        rows.reverse();
        let other = probe(&workspace, &text(&rows));
        for metric in ["p_sharpe", "p_winrate", "p_winrate_delta"] {
            near(value(&one, metric), value(&other, metric), metric);
        }
        prop_assert!(value(&one, "p_drawdown") <= 1.0);
    }
}
