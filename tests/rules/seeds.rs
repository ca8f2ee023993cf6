//! The shipped schemes against the procedures: fixtures fire every rule and leave it quiet, and the table in
//! `docs/seed-checks.md` names nothing that does not exist and leaves out nothing that does.

use irctl::base::Unit;
use irctl::probe::{ProbeConfig, metrics_of};
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

/// A service that is shipped, by its file's name: a template to copy, or one that is loaded.
fn shipped_service(file: &str) -> Result<(String, BTreeMap<String, ProbeConfig>), String> {
    let places =
        ["config/services/templates", "config/services"].map(|folder| repository().join(folder).join(file));
    let place =
        places.iter().find(|place| place.is_file()).ok_or_else(|| format!("there is no service {file}"))?;
    let text = std::fs::read_to_string(place).map_err(|error| error.to_string())?;
    let service: Value = serde_saphyr::from_str(&text).map_err(|error| format!("{file}: {error}"))?;
    let probes =
        serde_json::from_value(service["probes"].clone()).map_err(|error| format!("{file}: {error}"))?;
    Ok((service["scheme"].as_str().unwrap_or_default().to_owned(), probes))
}

/// Probes that a cell names as `` `FILE.yaml` `NAME`: `kind` → `metric`, … ``, and what is wrong with each; also the metrics
/// that they are said to measure.
fn named_probes<'a>(cell: &'a str, scheme: &Scheme) -> (BTreeSet<&'a str>, Vec<String>) {
    let (mut claimed, mut wrong) = (BTreeSet::new(), Vec::new());
    let words = quoted(cell);
    let starts: Vec<usize> =
        words.iter().enumerate().filter(|(_, word)| word.ends_with(".yaml")).map(|(at, _)| at).collect();
    for (number, start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(words.len());
        let [file, name, kind, metrics @ ..] = &words[*start..end] else {
            wrong.push(format!("{cell}: not `FILE.yaml` `NAME`: `kind` → `metric`"));
            continue;
        };
        claimed.extend(metrics.iter().copied());
        match shipped_service(file) {
            Err(why) => wrong.push(why),
            Ok((judged_by, _)) if judged_by != scheme.config().scheme => {
                wrong.push(format!("{file} is judged by {judged_by}, not by {}", scheme.config().scheme));
            }
            Ok((_, probes)) => match probes.get(*name) {
                None => wrong.push(format!("{file} has no probe {name}")),
                Some(probe) => wrong.extend(misdescribed(file, name, probe, kind, metrics)),
            },
        }
    }
    (claimed, wrong)
}

/// A probe of another kind, or one that does not emit a metric that it is said to.
fn misdescribed(file: &str, name: &str, probe: &ProbeConfig, kind: &str, metrics: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    let value = serde_json::to_value(probe).unwrap();
    let own = value.as_object().unwrap().keys().next().unwrap();
    if *own != kind.replace('-', "_") {
        wrong.push(format!("{file} {name} is of the kind {own}, not {kind}"));
    }
    let emitted: BTreeSet<String> = metrics_of(name, probe).into_iter().map(|(metric, _)| metric).collect();
    let missing = metrics.iter().filter(|metric| !emitted.contains(**metric));
    wrong.extend(missing.map(|metric| format!("{file} {name} does not measure {metric}: {emitted:?}")));
    wrong
}

/// The schemes whose tables name a shipped probe for every metric, or say that an alert tells it.
const NAMED: [&str; 5] = ["rila", "protocol-25", "phases", "trading", "acis"];

#[test]
fn a_probe_that_is_named_is_shipped_and_measures_what_is_said_of_it() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for row in rows() {
        let [sentence, probe, rule, _] = row.as_slice() else { panic!("{row:?}") };
        for name in quoted(rule) {
            let (scheme_name, id) = name.split_once('/').unwrap();
            let scheme = scheme(scheme_name);
            let (claimed, faults) = named_probes(probe, &scheme);
            seen += claimed.len();
            wrong.extend(faults.into_iter().map(|fault| format!("{sentence}: {fault}")));
            let Some(config) = scheme.rule(id).filter(|_| NAMED.contains(&scheme_name)) else { continue };
            for metric in config.when.metrics() {
                if !claimed.contains(metric)
                    && !probe.starts_with("an alert")
                    && !probe.contains("or an alert")
                {
                    wrong.push(format!("{name}: nothing that is shipped measures {metric}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 40, "the tables name {seen} metrics");
}

#[test]
fn a_probe_that_is_named_wrongly_is_found() {
    let rila = scheme("rila");
    let says = |cell: &str| named_probes(cell, &rila).1.join("; ");
    assert_eq!(says("`rila-production.yaml` `signs`: `coefficients` → `sign_violations`"), "");
    for (cell, why) in [
        ("`none.yaml` `signs`: `coefficients` → `sign_violations`", "there is no service none.yaml"),
        ("`rila-production.yaml` `sings`: `coefficients` → `sign_violations`", "has no probe sings"),
        (
            "`rila-production.yaml` `signs`: `table` → `sign_violations`",
            "is of the kind coefficients, not table",
        ),
        ("`rila-production.yaml` `signs`: `coefficients` → `bias`", "does not measure bias"),
        ("`protocol-25.yaml` `errors`: `prometheus` → `error_rate`", "is judged by protocol-25, not by rila"),
        ("`rila-production.yaml` `signs`", "not `FILE.yaml` `NAME`"),
    ] {
        assert!(says(cell).contains(why), "{cell}: {}", says(cell));
    }
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
            let path = repository().join(file);
            let there = match test {
                None => path.exists(),
                Some(test) => std::fs::read_to_string(&path)
                    .is_ok_and(|text| text.contains(&format!("#[test]\nfn {test}()"))),
            };
            if !there {
                wrong.push(format!("{place}: there is no such file or test"));
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
