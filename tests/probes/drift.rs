//! What the `drift` probe measures.

use irctl::probe::Outcome;
use irctl::store::Measurement;
use proptest::prelude::*;
use std::fmt::Write as _;

use crate::{Workspace, expected, fact, labelled, near, statistics, version};

const NUMBERS: [&str; 7] = ["same", "shifted", "spread", "tied", "zeros", "holes", "far"];

/// The files of the fixtures, and a probe on all of their columns.
fn fixtures() -> Outcome {
    let workspace = Workspace::new();
    workspace
        .write("r.csv", statistics("drift_reference.csv"))
        .write("c.csv", statistics("drift_current.csv"));
    workspace.measure(
        "{drift: {reference: {file: r.csv}, current: {file: c.csv}, columns: ['*'], categories: [route]}}",
    )
}

#[test]
fn numbers_are_those_of_scipy() {
    let outcome = fixtures();
    for name in NUMBERS {
        let found = |metric: &str| labelled(&outcome, metric, ("feature", name)).unwrap();
        let wanted = |figure: &str| expected(&format!("/drift/{name}/{figure}"));
        for figure in ["psi", "psi_expected", "ks", "reference_rows", "current_rows"] {
            near(found(&format!("p_{figure}")), wanted(figure), &format!("{name} {figure}"));
        }
        // A thousand million from zero a mean has seven digits after the point left.
        let shift = (found("p_shift"), wanted("shift"));
        let allowed = if name == "far" { 1e-6 } else { 1e-12 };
        assert!((shift.0 - shift.1).abs() <= allowed, "{name}: {shift:?}");
        near(wanted("psi_as_entropies"), wanted("psi"), "two ways of the same");
        // The exact chance down to where subtraction leaves nothing.
        let p = (found("p_ks_p"), wanted("ks_p"));
        assert!((p.0 - p.1).abs() <= 1e-9 + 1e-6 * p.1, "{name}: {p:?}");
    }
    let route = |metric: &str| labelled(&outcome, metric, ("feature", "route")).unwrap();
    near(route("p_psi"), expected("/drift/route/psi"), "route");
    near(route("p_psi_expected"), expected("/drift/route/psi_expected"), "route");
    near(route("p_unseen"), expected("/drift/route/unseen"), "route");
    assert_eq!(outcome.problems, []);
    assert_eq!(outcome.samples[0].version, Some(version("served")));
    assert!(fact(&outcome, "feature").contains("route: PSI"), "{}", fact(&outcome, "feature"));
    assert!(fact(&outcome, "feature").contains("not in the reference: delta"));
}

#[test]
fn what_one_rule_needs_can_be_measured_alone_under_its_name() {
    let workspace = Workspace::new();
    workspace
        .write("r.csv", statistics("drift_reference.csv"))
        .write("c.csv", statistics("drift_current.csv"));
    let outcome = workspace.measure(
        "{drift: {reference: {file: r.csv}, current: {file: c.csv}, columns: [shifted], \
         shift: {metric: feature_shift}}}",
    );
    let metrics: Vec<&str> = outcome.samples.iter().map(|sample| sample.metric.as_str()).collect();
    assert_eq!(metrics, ["feature_shift", "feature_shift_expected", "p_reference_rows", "p_current_rows"]);
    near(
        labelled(&outcome, "feature_shift", ("feature", "shifted")).unwrap(),
        expected("/drift/shifted/shift"),
        "shift",
    );
}

/// A column of numbers in each file, and what is said of it.
fn of(reference: &str, current: &str, metric: &str) -> Result<f64, String> {
    let workspace = Workspace::new();
    let lines = |text: &str| text.split_whitespace().fold("x\n".to_owned(), |all, line| all + line + "\n");
    workspace.write("r.csv", lines(reference)).write("c.csv", lines(current));
    let outcome = workspace
        .measure("{drift: {reference: {file: r.csv}, current: {file: c.csv}, columns: [x], minimum: 5}}");
    labelled(&outcome, metric, ("feature", "x"))
}

const MEASURED: [&str; 3] = ["p_psi", "p_ks", "p_shift"];

fn numbers(from: i32, to: i32) -> String {
    (from..to).fold(String::new(), |mut all, number| {
        let _ = write!(all, "{number} ");
        all
    })
}

#[test]
fn what_is_undefined_is_undecided() {
    let many = numbers(0, 500);
    for (reference, current, why) in [
        (many.as_str(), "1 2 3 4", "500 rows in the reference and 4 now, where 5 of each are needed"),
        ("1", many.as_str(), "1 rows in the reference"),
        (many.as_str(), "1 2 3 4 5 inf", "1 of its values are infinite"),
        ("1 2 3 4 5 -inf", many.as_str(), "1 of its values are infinite"),
        (many.as_str(), "1 2 3 4 x", "cannot be read as numbers: the first is `x` in row 5"),
        (many.as_str(), "", "c.csv has no rows"),
        ("7 7 7 7 7 7 7", "7 7 7 7 7 7 7", "constant"),
    ] {
        for metric in MEASURED {
            let reason = of(reference, current, metric).unwrap_err();
            let zero = metric == "p_shift" && why == "constant" && reason.contains("does not vary");
            assert!(reason.contains(why) || zero, "{metric}, {why}: {reason}");
        }
    }
    let none = "NaN ".repeat(300);
    assert!(of(&many, &none, "p_psi").unwrap() > 3.0, "all missing now is far from all there");
    assert!(of(&many, &none, "p_ks").unwrap_err().contains("and 0 now"));
    assert!(of(&many, &none, "p_shift").unwrap_err().contains("and 0 now"));
    for metric in MEASURED {
        assert!(of(&none, &many, metric).is_err(), "{metric}");
        assert!(of(&none, &none, metric).is_err(), "{metric}");
    }
}

#[test]
fn a_stuck_feed_is_never_fine() {
    let many = numbers(0, 500);
    // At the very mean of the reference, which a shift alone would find quite right.
    let stuck = "249.5 ".repeat(300);
    assert!(of(&many, &stuck, "p_shift").unwrap_err().contains("constant now"));
    assert!(of(&many, &stuck, "p_psi").unwrap() > 1.0);
    assert!((of(&many, &stuck, "p_ks").unwrap() - 0.5).abs() < 1e-12);
    // What was always one number and is another now.
    let zeros = "0 ".repeat(300);
    assert_eq!(of(&zeros, &stuck, "p_ks"), Ok(1.0));
    assert!(of(&zeros, &stuck, "p_psi").unwrap() > 1.0);
    assert!(of(&zeros, &stuck, "p_shift").unwrap_err().contains("does not vary"));
}

#[test]
fn small_samples_do_not_cry_wolf_and_do_not_hide_a_wolf() {
    // The same stretch, once in steps of 1 and once of 1.5: nothing has changed.
    let current: Vec<String> = (0..40).map(|at| (f64::from(at) * 1.5 + 0.2).to_string()).collect();
    let (reference, current) = (numbers(0, 60), current.join(" "));
    let reason = of(&reference, &current, "p_psi").unwrap_err();
    assert!(
        reason.contains("too few rows: where nothing has changed, one sample in twenty reaches"),
        "{reason}"
    );
    assert!(of(&reference, &current, "p_psi_expected").unwrap() > 0.3);
    // All of it is somewhere else.
    let elsewhere = numbers(1000, 1040);
    assert!(of(&reference, &elsewhere, "p_psi").unwrap() > 3.0);
    assert_eq!(of(&reference, &elsewhere, "p_ks"), Ok(1.0));
    assert!(of(&reference, &elsewhere, "p_shift").unwrap() > 10.0);
}

#[test]
fn columns_that_are_not_there_are_undecided_by_name() {
    let workspace = Workspace::new();
    workspace.write("r.csv", "a,b\n1,2\n").write("c.csv", "a,c\n1,2\n");
    let probe = |columns: &str| {
        workspace.measure(&format!(
            "{{drift: {{reference: {{file: r.csv}}, current: {{file: c.csv}}, columns: [{columns}]}}}}"
        ))
    };
    let outcome = probe("'*', meen, 'x_*'");
    for (feature, why) in [
        ("b", "c.csv has no column `b`"),
        ("c", "r.csv: there is no column `c`"),
        ("meen", "no column `meen`"),
        ("x_*", "no column `x_*`"),
    ] {
        let reason = labelled(&outcome, "p_psi", ("feature", feature)).unwrap_err();
        assert!(reason.contains(why), "{feature}: {reason}");
    }
    let all = |outcome: &Outcome| {
        outcome.samples.iter().all(|sample| matches!(sample.measurement, Measurement::Undecided(_)))
    };
    let outcome = workspace.measure("{drift: {reference: {file: r.csv}, current: {file: c.csv}}}");
    assert!(!outcome.samples.is_empty() && all(&outcome));
    let outcome =
        workspace.measure("{drift: {reference: {file: r.csv}, current: {file: no.csv}, columns: [a]}}");
    assert_eq!(labelled(&outcome, "p_ks", ("feature", "a")), Err("no.csv does not exist".to_owned()));
    assert!(all(&outcome));
}

#[test]
fn two_windows_of_one_file_are_compared_and_must_not_overlap() {
    let workspace = Workspace::new();
    let mut rows = "date,x\n".to_owned();
    let last = chrono::NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
    for (ago, date) in (0..600_u32).zip((0..600_u64).map(|ago| last - chrono::Days::new(ago))) {
        let _ = writeln!(rows, "{date},{}", if ago <= 90 { 50 + ago % 90 } else { ago % 90 });
    }
    rows += "2027-01-01,5000\n,6000\n";
    workspace.write("h.csv", rows);
    let probe = |reference: &str, current: &str| {
        workspace.measure(&format!(
            "{{drift: {{reference: {{file: h.csv, {reference}}}, current: {{file: h.csv, {current}}}, columns: [x]}}}}"
        ))
    };
    let outcome = probe("date: date, older_than: 90 days", "date: date, within: 90 days");
    assert!(labelled(&outcome, "p_ks", ("feature", "x")).unwrap() > 0.5);
    assert_eq!(fact(&outcome, "current"), "h.csv (CSV), 91 of 602 rows, 2026-08-22 to 2026-11-20");
    assert!(fact(&outcome, "also").contains("1 rows of h.csv are dated after today and do not count"));
    assert!(fact(&outcome, "also").contains("1 rows of h.csv have no date and do not count"));
    for (reference, current, why) in [
        ("date: date", "date: date, within: 30 days", "some are the same"),
        ("date: date, older_than: 30 days", "within: 30 days", "some are the same"),
        (
            "date: date, until: 2020-01-01",
            "date: date, within: 30 days",
            "none of the 602 rows of h.csv is of these days",
        ),
        ("date: dat, older_than: 30 days", "date: dat, within: 30 days", "did you mean `date`?"),
    ] {
        let reason = labelled(&probe(reference, current), "p_psi", ("feature", "x")).unwrap_err();
        assert!(reason.contains(why), "{reason}");
    }
    workspace.write("r.csv", "x\n1\n");
    let outcome = workspace
        .measure("{drift: {reference: {file: r.csv, within: 3 days}, current: {file: h.csv}, columns: [x]}}");
    assert!(labelled(&outcome, "p_psi", ("feature", "x")).unwrap_err().contains("`date` does not say"));
}

#[test]
fn a_category_that_was_not_there_counts() {
    let workspace = Workspace::new();
    let rows = |a: usize, b: usize, new: usize, none: usize| {
        format!(
            "route,k\n{}{}{}{}",
            "a,1\n".repeat(a),
            "b,1\n".repeat(b),
            "new,1\n".repeat(new),
            ",1\n".repeat(none)
        )
    };
    let probe = |reference: String, current: String| {
        workspace.write("r.csv", reference).write("c.csv", current);
        let outcome = workspace
            .measure("{drift: {reference: {file: r.csv}, current: {file: c.csv}, categories: [route]}}");
        let of = |metric: &str| labelled(&outcome, metric, ("feature", "route"));
        (of("p_psi"), of("p_unseen"))
    };
    let (psi, unseen) = probe(rows(500, 500, 0, 0), rows(250, 250, 0, 0));
    assert!(psi.unwrap() < 1e-6 && unseen == Ok(0.0));
    let (psi, unseen) = probe(rows(500, 500, 0, 0), rows(200, 200, 100, 0));
    assert!(psi.unwrap() > 0.25 && unseen == Ok(100.0));
    let (psi, _) = probe(rows(500, 500, 0, 0), rows(200, 200, 0, 100));
    assert!(psi.unwrap() > 0.25, "rows without a category are a bin of their own");
    let (psi, _) = probe(rows(500, 0, 0, 0), rows(500, 0, 0, 0));
    assert!(psi.unwrap_err().contains("constant, in the reference and now"));
    let (psi, unseen) = probe(rows(500, 500, 0, 0), rows(0, 0, 0, 0));
    assert!(psi.is_err() && unseen.is_err());
}

#[test]
fn the_same_file_twice_is_worth_a_word() {
    let workspace = Workspace::new();
    let rows = format!("x\n{}", numbers(0, 500).replace(' ', "\n"));
    workspace.write("r.csv", &rows).write("c.csv", &rows);
    let outcome =
        workspace.measure("{drift: {reference: {file: r.csv}, current: {file: c.csv}, columns: [x]}}");
    assert_eq!(labelled(&outcome, "p_psi", ("feature", "x")), Ok(0.0));
    assert!(outcome.problems[0].reason.raw().contains("byte for byte"));
}

#[test]
fn many_rows_are_compared_with_a_known_loss_and_in_any_order() {
    let workspace = Workspace::new();
    // More different numbers than are kept apart.
    let value = |at: u64, shift: f64| {
        let part = (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1_u64 << 53) as f64;
        format!("{}\n", 1000.0 + part * 10.0 + shift)
    };
    let column =
        |from: u64, to: u64, shift: f64| (from..to).fold("x\n".to_owned(), |all, at| all + &value(at, shift));
    workspace.write("r.csv", column(0, 100_000, 0.0)).write("c.csv", column(100_000, 200_000, 1.0));
    let yaml = "{drift: {reference: {file: r.csv}, current: {file: c.csv}, columns: [x]}}";
    let outcome = workspace.measure(yaml);
    let of = |outcome: &Outcome, metric: &str| labelled(outcome, metric, ("feature", "x")).unwrap();
    assert!(fact(&outcome, "feature").contains("close values counted together"));
    assert!((of(&outcome, "p_ks") - 0.1).abs() < 0.005, "{}", of(&outcome, "p_ks"));
    assert!((of(&outcome, "p_shift") - 12.0_f64.sqrt() / 10.0).abs() < 0.005);
    let mut lines: Vec<String> = (100_000..200_000).map(|at| value(at, 1.0)).collect();
    lines.reverse();
    workspace.write("c.csv", format!("x\n{}", lines.concat()));
    let other = workspace.measure(yaml);
    for metric in ["p_psi", "p_ks", "p_ks_p", "p_shift"] {
        assert_eq!(of(&outcome, metric), of(&other, metric), "{metric}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn the_farther_it_moves_the_higher_or_undecided(step in 0.0..3.0_f64, more in 0.0..3.0_f64) {
        let column = |shift: f64| {
            (0..400).fold(String::new(), |mut all, at| {
                let _ = write!(all, "{} ", f64::from(at * 7 % 400) / 100.0 + shift);
                all
            })
        };
        let reference = column(0.0);
        for metric in MEASURED {
            let (near, far) = (of(&reference, &column(step), metric), of(&reference, &column(step + more), metric));
            prop_assert!(near.clone().unwrap() <= far.clone().unwrap() + 1e-9, "{}: {:?} {:?}", metric, near, far);
        }
    }
}
