//! The leakage gates, each by itself and all together.

use crate::{Folder, at, fact, nothing_decided, only, reason, value};

/// R² of this number.
fn r_squared(number: &str) -> irctl::probe::Outcome {
    let folder = Folder::new();
    folder.write("m.json", format!("{{\"r2\": {number}}}"));
    folder.measure("{leakage: {r_squared: {of: {json: {file: m.json, pointer: /r2}}}}}")
}

#[test]
fn r_squared_warns_and_halts_over_its_limits() {
    for (number, state, report) in [
        ("0.12", 0.0, "PASS; PASS: R²"),
        ("-3", 0.0, "PASS; PASS: R²"),
        ("0.20", 0.0, "PASS; PASS: R²"),
        ("0.21", 1.0, "WARN; WARN: R²"),
        ("0.30", 1.0, "WARN; WARN: R²"),
        ("0.35", 2.0, "HALT; HALT: R²"),
    ] {
        let outcome = r_squared(number);
        assert_eq!(
            (value(&outcome, "p_state"), fact(&outcome, "report").as_str()),
            (state, report),
            "{number}"
        );
        assert_eq!(value(&outcome, "leakage_gate_halt"), f64::from(u8::from(state == 2.0)));
        assert_eq!(value(&outcome, "leakage_suspected"), f64::from(u8::from(state >= 1.0)));
    }
    let outcome = r_squared("0.35");
    assert_eq!(fact(&outcome, "R²"), "HALT: 0.35 (m.json /r2), WARN over 0.2, HALT over 0.3");
    assert_eq!(
        fact(&outcome, "not looked at"),
        "improvement, lag features, boundary, shuffled target, signs"
    );
    assert_eq!(only(&outcome, "leakage_gate_halt").version, Some(crate::version("served")));
}

#[test]
fn what_is_no_r_squared_decides_nothing() {
    for (number, expected) in [
        ("null", "not a number"),
        ("\"NaN\"", "not a number"),
        ("1.5", "cannot be over 1"),
        ("1e999", "m.json"),
        ("NaN", "not JSON"),
    ] {
        let outcome = r_squared(number);
        assert!(reason(&outcome, "p_r_squared").contains(expected), "{number}: {outcome:#?}");
        for metric in ["p_state", "leakage_gate_halt", "leakage_suspected"] {
            assert_eq!(reason(&outcome, metric), "not judged: R²");
        }
        assert_eq!(fact(&outcome, "report"), "UNKNOWN; UNKNOWN: R²");
    }
    nothing_decided(&Folder::new().measure("{leakage: {}}"), "no gate is configured");
    let limits = Folder::new();
    limits.write("m.json", "0.1");
    for (warn, halt) in [("0.3", "0.2"), (".nan", "0.3"), ("0.2", ".inf")] {
        let outcome = limits.measure(&format!(
            "{{leakage: {{r_squared: {{of: {{json: {{file: m.json}}}}, warn: {warn}, halt: {halt}}}}}}}"
        ));
        assert!(reason(&outcome, "p_r_squared").contains("no limits"));
    }
}

#[test]
fn predictions_that_cannot_be_compared_decide_nothing() {
    let folder = Folder::new();
    let gate = |allow: bool| {
        format!(
            "{{leakage: {{r_squared: {{of: {{predictions: {{file: p.csv, actual: a, predicted: p, allow_missing: {allow}}}}}}}}}}}"
        )
    };
    for (content, expected) in [
        ("a,p\n", "0 rows"),
        ("a,p\n1,1\n", "1 rows"),
        ("a,p\n2,1\n2,2\n", "the same in every row"),
        ("a,p\n1,1\n2,\n", "1 of 2 rows"),
        ("a,p\n1,1\n2,inf\n", "1 of 2 rows"),
        ("a,p\n1,1\n2,NaN\n", "1 of 2 rows"),
        ("a,p\n1,1\n2,x\n", "cannot be read as numbers"),
        ("a,q\n1,1\n2,1\n", "there is no column `p`"),
        ("", "there is no column"),
    ] {
        folder.write("p.csv", content);
        let why = reason(&folder.measure(&gate(false)), "p_r_squared");
        assert!(why.contains(expected), "{content}: {why}");
    }
    folder.write("p.csv", "a,p\n1,1\n2,2\n3,\n");
    let outcome = folder.measure(&gate(true));
    assert_eq!(value(&outcome, "p_r_squared"), 1.0);
    assert!(
        fact(&outcome, "R²").contains("2 rows, a against p, 1 rows left out"),
        "{}",
        fact(&outcome, "R²")
    );
    let gone = Folder::new().measure(&gate(false));
    assert_eq!(reason(&gone, "p_r_squared"), "p.csv does not exist");
}

#[test]
fn too_great_an_improvement_is_suspicious_and_a_baseline_of_zero_warns() {
    let improvement = |model: &str, baseline: &str, better: &str| {
        Folder::new().measure(&format!(
            "{{leakage: {{improvement: {{model: {{value: {model}}}, baseline: {{value: {baseline}}}, better: {better}}}}}}}"
        ))
    };
    for (model, baseline, better, expected, state) in [
        ("0.19", "0.20", "lower", 0.05, 0.0),
        ("0.25", "0.20", "lower", -0.25, 0.0),
        ("0.18", "0.20", "lower", 0.1, 0.0),
        ("0.175", "0.20", "lower", 0.125, 1.0),
        ("0.15", "0.20", "lower", 0.25, 2.0),
        ("0.90", "0.80", "higher", 0.125, 1.0),
        ("-1", "-2", "higher", 0.5, 2.0),
    ] {
        let outcome = improvement(model, baseline, better);
        assert!((value(&outcome, "p_improvement") - expected).abs() < 1e-12, "{outcome:#?}");
        assert_eq!(value(&outcome, "p_state"), state, "{model} {baseline}");
    }
    let zero = improvement("0.1", "0", "lower");
    assert_eq!(reason(&zero, "p_improvement"), "the baseline is zero");
    assert_eq!((value(&zero, "p_state"), value(&zero, "leakage_suspected")), (1.0, 1.0));
    assert_eq!(value(&zero, "leakage_gate_halt"), 0.0);
    assert!(reason(&improvement(".nan", "1", "lower"), "p_improvement").contains("not a finite number"));
}

#[test]
fn names_of_the_same_period_halt() {
    let folder = Folder::new();
    folder.write(
        "f.csv",
        "date,own_rate,competitor_mean_rate_lag2,competitor_lag_10,C_tax,C_lag01\n1,1,1,1,1,1\n",
    );
    let gate = "{leakage: {lag_features: {of: {table: f.csv}}}}";
    let outcome = folder.measure(gate);
    assert_eq!((value(&outcome, "p_lag_features"), value(&outcome, "p_state")), (0.0, 0.0));
    assert_eq!(
        fact(&outcome, "lag features"),
        "PASS: none of 6 names in f.csv fits C_lag0, competitor*lag*0, C_t"
    );
    // The header alone says it: a table without rows is looked at, too.
    folder.write("f.csv", "date,C_t,competitor_mean_lag_0\n");
    let outcome = folder.measure(gate);
    assert_eq!((value(&outcome, "p_lag_features"), value(&outcome, "leakage_gate_halt")), (2.0, 1.0));
    assert!(fact(&outcome, "lag features").starts_with("HALT: `C_t`, `competitor_mean_lag_0` of 3 names"));
    for content in ["", " \n"] {
        folder.write("f.csv", content);
        assert!(reason(&folder.measure(gate), "p_lag_features").contains("no columns"));
    }
}

#[test]
fn names_stand_in_documents_too_and_patterns_are_configurable() {
    let folder = Folder::new();
    let gate = "{leakage: {lag_features: {of: {json: {file: m.json, pointer: /features}}, patterns: ['rival*lead']}}}";
    for (content, expected) in [
        (r#"{"features": ["own", "rival_rate_lead"]}"#, Ok(1.0)),
        (r#"{"features": {"own": 1, "C_lag0": 2}}"#, Ok(0.0)),
        (r#"{"features": []}"#, Err("has no names")),
        (r#"{"features": [1]}"#, Err("neither a list of names nor an object")),
        (r#"{"other": []}"#, Err("has nothing at /features")),
    ] {
        folder.write("m.json", content);
        let outcome = folder.measure(gate);
        match expected {
            Ok(count) => assert_eq!(value(&outcome, "p_lag_features"), count, "{content}"),
            Err(why) => assert!(reason(&outcome, "p_lag_features").contains(why), "{content}"),
        }
    }
}

#[test]
fn training_ends_before_the_test_begins() {
    let folder = Folder::new();
    let gate = "{leakage: {boundary: {train: {table: {file: d.csv, column: date, only: {split: train}}}, \
                test: {table: {file: d.csv, column: date, only: {split: test}}}}}}";
    let overlap = |rows: &str| {
        folder.write("d.csv", format!("date,split\n{rows}"));
        folder.measure(gate)
    };
    let clean = overlap("2026-11-01,train\n2026-11-03,test\n2026-11-02,train\n2026-11-09,test\n");
    assert_eq!((value(&clean, "p_overlap"), value(&clean, "p_state")), (0.0, 0.0));
    assert_eq!(
        fact(&clean, "boundary"),
        "PASS: training 2026-11-01 to 2026-11-02 (d.csv date, split train, 2 rows), \
         test 2026-11-03 to 2026-11-09 (d.csv date, split test, 2 rows)"
    );
    let same_day = overlap("2026-11-03,train\n2026-11-03,test\n");
    assert_eq!((value(&same_day, "p_overlap"), value(&same_day, "leakage_gate_halt")), (1.0, 1.0));
    let reaching = overlap("2026-11-09,train\n2026-11-03,test\n,train\n");
    assert_eq!(value(&reaching, "p_overlap"), 7.0, "what is missing hides no overlap");
    for (rows, expected) in [
        ("", "the training has no dates"),
        ("2026-11-01,train\n", "the test has no dates"),
        ("2026-11-01,train\n,train\n2026-11-03,test\n", "1 rows have no date"),
        ("2026-11-01,train\nsoon,test\n", "cannot be read as dates"),
        ("2027-11-01,train\n2027-11-03,test\n", "lies in the future"),
    ] {
        let why = reason(&overlap(rows), "p_overlap");
        assert!(why.contains(expected), "{rows}: {why}");
    }
}

#[test]
fn the_boundary_may_stand_in_a_document() {
    let mut folder = Folder::new();
    folder.now = at("2026-11-20T03:00:00Z");
    let gate = "{leakage: {boundary: {train: {json: {file: m.json, pointer: /train_end}}, \
                test: {json: {file: m.json, pointer: /test_start}}}}}";
    for (end, start, expected) in [
        ("2026-10-22", "2026-10-23", Some(0.0)),
        ("2026-10-22T09:00:00Z", "2026-10-22", Some(1.0)),
        ("x", "y", None),
    ] {
        folder.write("m.json", format!(r#"{{"train_end": "{end}", "test_start": "{start}"}}"#));
        let outcome = folder.measure(gate);
        assert_eq!(only(&outcome, "p_overlap").measurement.value(), expected);
    }
}

#[test]
fn a_program_shuffles_the_target_and_prints_r_squared() {
    let folder = Folder::new();
    let gate = |script: &str| {
        folder.write("shuffle.py", script);
        folder.measure("{leakage: {shuffled: {of: {command: {argv: [python3, shuffle.py], timeout: 20s}}}}}")
    };
    let low = gate("import sys\nprint('fitting', file=sys.stderr)\nprint(0.02)");
    assert_eq!((value(&low, "p_shuffled_r_squared"), value(&low, "p_state")), (0.02, 0.0));
    assert_eq!(value(&gate("print(0.1)"), "p_state"), 0.0, "at the limit is not over it");
    let high = gate("print(0.11)");
    assert_eq!((value(&high, "p_state"), value(&high, "leakage_gate_halt")), (2.0, 1.0));
    for (script, expected) in [
        ("print('nan')", "did not print one number"),
        ("print('R2: 0.02')", "did not print one number"),
        ("print(0.02); print(0.03)", "did not print one number"),
        ("", "did not print one number"),
        ("print(2.0)", "cannot be over 1"),
        ("print(0.02); raise SystemExit(3)", "exit status 3"),
        ("raise ValueError('no data')", "ValueError: no data"),
    ] {
        let why = reason(&gate(script), "p_shuffled_r_squared");
        assert!(why.contains(expected), "{script}: {why}");
    }
}

#[test]
fn a_linear_model_is_fitted_to_shuffled_targets() {
    let folder = Folder::new();
    let gate =
        "{leakage: {shuffled: {of: {linear: {file: f.csv, target: y, features: ['x*']}}, shuffles: 8}}}";
    let table = |rows: usize, features: usize| {
        let mut text = (0..features).fold("y".to_owned(), |text, at| format!("{text},x{at}")) + "\n";
        for row in 0..rows {
            let cell =
                |at: usize| ((row * 7919 + at * 104_729 + row * row * (at + 3)) % 1009) as f64 / 1009.0;
            text.push_str(&(0..=features).map(|at| cell(at).to_string()).collect::<Vec<_>>().join(","));
            text.push('\n');
        }
        text
    };
    folder.write("f.csv", table(400, 3));
    let outcome = folder.measure(gate);
    assert!(value(&outcome, "p_shuffled_r_squared") < 0.03);
    let said = fact(&outcome, "shuffled target");
    assert!(
        said.contains("400 rows, least squares on 3 features; mean of 8 shuffles with seed 42"),
        "{said}"
    );
    assert!(said.contains("0.0075 is what chance alone gives"), "{said}");
    assert_eq!(folder.measure(gate), outcome, "the same every time");
    // So many features for so few rows that they explain anything.
    folder.write("f.csv", table(30, 12));
    assert_eq!(value(&folder.measure(gate), "p_state"), 2.0);
    for (content, expected) in [
        (table(4, 3), "too few for 3 features"),
        (table(0, 3), "too few"),
        ("y,x0\n1,1\n1,2\n1,3\n1,5\n".to_owned(), "the same in every row"),
        ("y,z\n1,1\n2,2\n".to_owned(), "no feature is called `x*`"),
        ("z,x0\n1,1\n2,2\n".to_owned(), "there is no column `y`"),
        ("y,x0\n1,1\n2,\n3,1\n5,2\n".to_owned(), "missing or infinite"),
    ] {
        folder.write("f.csv", &content);
        let why = reason(&folder.measure(gate), "p_shuffled_r_squared");
        assert!(why.contains(expected), "{content}: {why}");
    }
}

const ALL: &str = "
leakage:
  r_squared: {of: {json: {file: m.json, pointer: /r2}}}
  improvement: {model: {json: {file: m.json, pointer: /mae}}, baseline: {json: {file: m.json, pointer: /naive}}}
  lag_features: {of: {json: {file: c.json}}}
  boundary: {train: {json: {file: m.json, pointer: /train_end}}, test: {json: {file: m.json, pointer: /test_start}}}
  shuffled: {of: {command: {argv: [python3, -c, 'print(0.01)']}}}
  signs: {file: c.json, positive: [own], negative: ['competitor_*']}
";

fn all(folder: &Folder) -> irctl::probe::Outcome {
    folder.measure_all(&format!("p:{}", ALL.replace('\n', "\n  "))).remove(0)
}

fn clean() -> Folder {
    let folder = Folder::new();
    folder.write(
        "m.json",
        r#"{"r2": 0.15, "mae": 95, "naive": 100, "train_end": "2026-10-22", "test_start": "2026-10-23"}"#,
    );
    folder.write("c.json", r#"{"own": 2.0, "competitor_mean_lag2": -1.0}"#);
    folder
}

#[test]
fn all_gates_make_one_report() {
    let folder = clean();
    let outcome = all(&folder);
    assert_eq!(
        fact(&outcome, "report"),
        "PASS; PASS: R², improvement, lag features, boundary, shuffled target, signs"
    );
    assert_eq!(value(&outcome, "p_state"), 0.0);
    folder.write("c.json", r#"{"own": -2.0, "competitor_mean_lag0": 1.0}"#);
    let outcome = all(&folder);
    assert_eq!(
        fact(&outcome, "report"),
        "HALT; HALT: lag features, signs; PASS: R², improvement, boundary, shuffled target"
    );
    assert_eq!((value(&outcome, "p_sign_violations"), value(&outcome, "p_lag_features")), (2.0, 1.0));
    assert_eq!(
        fact(&outcome, "signs"),
        "HALT: competitor_mean_lag0 1, own -2 wrong of 2 coefficients in c.json"
    );
    // New evidence has another digest.
    assert_ne!(only(&outcome, "p_state").input, only(&all(&clean()), "p_state").input);
}

#[test]
fn one_gate_that_cannot_be_judged_keeps_the_whole_from_passing_but_not_from_halting() {
    let mut folder = clean();
    folder.untrusted = true;
    let outcome = all(&folder);
    assert_eq!(
        fact(&outcome, "report"),
        "UNKNOWN; UNKNOWN: shuffled target; PASS: R², improvement, lag features, boundary, signs"
    );
    assert!(reason(&outcome, "p_shuffled_r_squared").contains("untrusted"));
    for metric in ["p_state", "leakage_gate_halt", "leakage_suspected"] {
        assert_eq!(reason(&outcome, metric), "not judged: shuffled target");
    }
    folder.write("c.json", r#"{"own": -2.0, "competitor_mean_lag2": -1.0}"#);
    assert_eq!(value(&all(&folder), "leakage_gate_halt"), 1.0);
    std::fs::remove_file(folder.path("c.json")).unwrap();
    std::fs::remove_file(folder.path("m.json")).unwrap();
    let outcome = all(&folder);
    nothing_decided(&outcome, "");
    assert_eq!(outcome.problems.len(), 6);
}
