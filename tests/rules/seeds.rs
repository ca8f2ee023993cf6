//! The shipped schemes against the procedures: fixtures fire every rule and leave it quiet, and the table in
//! `docs/seed-checks.md` names nothing that does not exist and leaves out nothing that does.

use irctl::base::Unit;
use irctl::severity::{Evidence, Outcome, Scheme, classify, resolve_scheme, shipped};
use irctl::store::{Bucket, Measurement, Sample};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use crate::support::repository;

fn scheme(name: &str) -> Scheme {
    Scheme::compile(&resolve_scheme(name, None).unwrap()).unwrap()
}

fn sample(metric: &str, value: &Value, unit: Unit, weeks_back: Option<i32>) -> Sample {
    let now: chrono::DateTime<chrono::Utc> = "2026-11-20T03:00:00Z".parse().unwrap();
    let end = now - chrono::TimeDelta::weeks(1) * weeks_back.unwrap_or(0);
    let number = value.as_f64().unwrap_or_else(|| f64::from(u8::from(value.as_bool().unwrap())));
    Sample {
        service: "s".into(),
        probe: "p".into(),
        metric: metric.into(),
        labels: BTreeMap::new(),
        measurement: Measurement::Value(number),
        unit,
        event_time: end,
        recorded_at: now,
        bucket: weeks_back.map(|_| Bucket { start: end - chrono::TimeDelta::weeks(1), end }),
        version: None,
        input: None,
        rows: 1,
    }
}

/// The samples of a fixture: values of one moment, or of closed weeks, the newest first.
fn samples(scheme: &Scheme, fixture: &Value) -> Vec<Sample> {
    let of = |values: &Value, week: Option<i32>| -> Vec<Sample> {
        let values = values.as_object().unwrap().iter();
        let known = values.map(|(metric, value)| {
            let config =
                scheme.config().metrics.get(metric).unwrap_or_else(|| panic!("{metric} in {fixture}"));
            sample(metric, value, config.unit, week)
        });
        known.collect()
    };
    match fixture["weeks"].as_array() {
        Some(weeks) => (0..).zip(weeks).flat_map(|(back, values)| of(values, Some(back))).collect(),
        None => of(&fixture["metrics"], None),
    }
}

fn outcomes(scheme: &Scheme, fixture: &Value) -> BTreeMap<String, Outcome> {
    let now = "2026-11-20T03:00:00Z".parse().unwrap();
    let found = classify(scheme, &Evidence::from_samples(&samples(scheme, fixture), None, now));
    found.rules.into_iter().map(|rule| (rule.rule, rule.outcome)).collect()
}

fn fixtures(name: &str) -> Vec<Value> {
    let path = repository().join("fixtures/severity").join(format!("{name}.jsonl"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_rule_is_fired_and_left_quiet_by_a_fixture() {
    let mut wrong = Vec::new();
    for (name, _) in shipped() {
        let scheme = scheme(name);
        let mut seen: BTreeMap<(String, bool), usize> = BTreeMap::new();
        for fixture in fixtures(name) {
            let rule = fixture["rule"].as_str().unwrap().to_owned();
            let fires = fixture["fires"].as_bool().unwrap();
            match outcomes(&scheme, &fixture).get(&rule) {
                None => wrong.push(format!("{name}: there is no rule {rule}")),
                Some(Outcome::Matched) if fires => {}
                Some(Outcome::Missed) if !fires => {}
                Some(other) => wrong.push(format!("{name}/{rule}: {other:?} by {fixture}")),
            }
            *seen.entry((rule, fires)).or_default() += 1;
        }
        for rule in &scheme.config().rules {
            for fires in [true, false] {
                if !seen.contains_key(&(rule.id.clone(), fires)) {
                    wrong.push(format!("{name}/{}: no fixture with fires = {fires}", rule.id));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn matched(scheme: &Scheme, metric: &str, value: f64) -> BTreeSet<String> {
    let fixture = serde_json::json!({"metrics": {metric: value}});
    let all = outcomes(scheme, &fixture).into_iter();
    all.filter(|(_, outcome)| *outcome == Outcome::Matched).map(|(rule, _)| rule).collect()
}

#[test]
fn the_decision_tables_of_rila() {
    let rila = scheme("rila");
    let set = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect::<BTreeSet<_>>();
    for (age, rules) in [
        (6.0, set(&[])),
        (7.0, set(&["tde-warning"])),
        (8.0, set(&["tde-stale"])),
        (14.0, set(&["tde-stale"])),
        (15.0, set(&["tde-stale", "tde-unusable"])),
    ] {
        assert_eq!(matched(&rila, "tde_age", age), rules, "{age} days");
    }
    for (carriers, rules) in [
        (0.0, set(&[])),
        (1.0, set(&["wink-carriers-missing"])),
        (2.0, set(&["wink-carriers-missing"])),
        (3.0, set(&["wink-carriers-missing", "wink-refresh-blocked"])),
        (8.0, set(&["wink-carriers-missing", "wink-refresh-blocked"])),
    ] {
        assert_eq!(matched(&rila, "wink_missing", carriers), rules, "{carriers} carriers");
    }
}

#[test]
fn the_matrix_and_the_triggers_of_phases() {
    let phases = scheme("phases");
    for (metric, value, level) in [
        ("performance_degradation", 0.0, None),
        ("performance_degradation", 0.01, Some("LOW")),
        ("performance_degradation", 0.0999, Some("LOW")),
        ("performance_degradation", 0.10, Some("MEDIUM")),
        ("performance_degradation", 0.30, Some("MEDIUM")),
        ("performance_degradation", 0.3001, Some("HIGH")),
        ("latency", 500.0, None),
        ("latency", 500.1, Some("CRITICAL")),
        ("accuracy", 0.5, None),
        ("accuracy", 0.499, Some("CRITICAL")),
        ("budget_used", 2.0, None),
        ("budget_used", 2.001, Some("CRITICAL")),
    ] {
        let fixture = serde_json::json!({"metrics": {metric: value}});
        let now = "2026-11-20T03:00:00Z".parse().unwrap();
        let found = classify(&phases, &Evidence::from_samples(&samples(&phases, &fixture), None, now));
        assert_eq!(found.level.as_deref(), level, "{metric} = {value}");
    }
}

/// The rows of the tables in the document: the cells of each.
fn rows() -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(repository().join("docs/seed-checks.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| the procedure"));
    rows.map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// The texts between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_table_of_the_procedures_names_what_there_is() {
    let (mut wrong, mut named) = (Vec::new(), BTreeSet::new());
    for row in rows() {
        let [sentence, probe, rule, shown] = row.as_slice() else { panic!("{row:?}") };
        for name in quoted(rule) {
            let (scheme_name, id) = name.split_once('/').unwrap_or_else(|| panic!("{name}"));
            let scheme = scheme(scheme_name);
            let Some(config) = scheme.rule(id) else {
                wrong.push(format!("{sentence}: there is no rule {name}"));
                continue;
            };
            named.insert(name.to_owned());
            // The metrics behind the arrows are those that the rule reads.
            let metrics: BTreeSet<&str> = quoted(probe)
                .into_iter()
                .filter(|word| scheme.config().metrics.contains_key(*word))
                .collect();
            let read: BTreeSet<&str> = config.when.metrics().into_iter().collect();
            if metrics != read {
                wrong.push(format!("{name}: the table says {metrics:?}, the rule reads {read:?}"));
            }
            if !quoted(shown).contains(&format!("fixtures/severity/{scheme_name}.jsonl").as_str()) {
                wrong.push(format!("{name}: the fixture is not named"));
            }
        }
        for place in quoted(shown) {
            let (file, test) =
                place.split_once("::").map_or((place, None), |(file, test)| (file, Some(test)));
            match std::fs::read_to_string(repository().join(file)) {
                Err(error) => wrong.push(format!("{place}: {error}")),
                Ok(text) => {
                    if let Some(test) = test
                        && !text.contains(&format!("#[test]\nfn {test}()"))
                    {
                        wrong.push(format!("{place}: there is no such test"));
                    }
                }
            }
        }
    }
    for (name, _) in shipped() {
        for rule in &scheme(name).config().rules {
            let whole = format!("{name}/{}", rule.id);
            if !named.contains(&whole) {
                wrong.push(format!("{whole}: the table leaves it out"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
