//! R², shuffles and percentiles are those of scikit-learn and NumPy: `linear/generate.py` wrote the tables and numbers.

use serde_json::Value;

use crate::{Folder, fact, value};

fn folder() -> (Folder, Value) {
    let folder = Folder::new();
    let own = crate::support::repository().join("tests/gates/linear");
    crate::support::copy_tree(&own, &folder.path("linear"));
    let expected = std::fs::read_to_string(own.join("expected.json")).unwrap();
    (folder, serde_json::from_str(&expected).unwrap())
}

#[track_caller]
fn near(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!(
        (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
        "{what}: {found}, expected {expected}"
    );
}

#[test]
fn fits_and_shuffles_are_those_of_scikit_learn() {
    let (folder, expected) = folder();
    for case in expected["linear"].as_array().unwrap() {
        let file = case["file"].as_str().unwrap();
        let model = format!("{{linear: {{file: linear/{file}, target: sales, features: ['*']}}}}");
        let outcome = folder.measure(&format!(
            "{{leakage: {{r_squared: {{of: {model}}}, shuffled: {{of: {model}, shuffles: {}, seed: {}}}}}}}",
            case["shuffles"], case["seed"]
        ));
        near(value(&outcome, "p_r_squared"), &case["r_squared"], file);
        near(value(&outcome, "p_shuffled_r_squared"), &case["shuffled"], file);
        assert!(fact(&outcome, "shuffled target").contains(&format!("seed {}", case["seed"])));
    }
    assert!(expected["linear"].as_array().unwrap().len() >= 5);
}

#[test]
fn r_squared_of_predictions_is_that_of_scikit_learn() {
    let (folder, expected) = folder();
    for case in expected["predictions"].as_array().unwrap() {
        let file = case["file"].as_str().unwrap();
        let of = format!("{{predictions: {{file: linear/{file}, actual: actual, predicted: predicted}}}}");
        let outcome = folder.measure(&format!("{{leakage: {{r_squared: {{of: {of}}}}}}}"));
        near(value(&outcome, "p_r_squared"), &case["r_squared"], file);
    }
}

#[test]
fn percentiles_are_those_of_numpy() {
    let (folder, expected) = folder();
    let values: Vec<String> =
        expected["percentiles"]["values"].as_array().unwrap().iter().map(ToString::to_string).collect();
    folder.write("values.csv", format!("x\n{}\n", values.join("\n")));
    folder.write("now.json", "1");
    for (statistic, expected) in expected["percentiles"]["expected"].as_object().unwrap() {
        let outcomes = folder.measure_all(&format!(
            "now: {{json: {{file: now.json, pointer: ''}}}}\n\
             p: {{baseline: {{of: now, against: {{table: {{file: values.csv, column: x, statistic: {statistic}}}}}}}}}"
        ));
        near(value(&outcomes[1], "p_baseline"), expected, statistic);
    }
}
