//! The shipped schemes, as the procedures that they come from say; and what holds for every scheme.

use irctl::base::{Digest, Duration, Unit, Verdict};
use irctl::severity::{
    Alert, AlertClassifier, Classification, Evidence, Given, Outcome, Scheme, SchemeConfig, classify,
    resolve_scheme,
};
use irctl::store::{Bucket, Measurement, Sample};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};

fn scheme(name: &str) -> Scheme {
    Scheme::compile(&resolve_scheme(name, None).unwrap()).unwrap()
}

fn alert(metrics: &[(&str, f64)]) -> Alert {
    let metrics = metrics.iter().map(|(name, value)| ((*name).to_owned(), Given::Number(*value))).collect();
    Alert { metrics, ..Alert::default() }
}

/// An alert in which all four metrics of the protocol are good, but for these.
fn otherwise_good(metrics: &[(&str, f64)]) -> Alert {
    let mut all = alert(&[
        ("availability", 1.0),
        ("error_rate", 0.0),
        ("accuracy_drop", 0.0),
        ("latency_increase_pct", 0.0),
    ]);
    all.metrics.extend(alert(metrics).metrics);
    all
}

fn judged(scheme: &Scheme, alert: &Alert) -> Classification {
    classify(scheme, &Evidence::from_alert(alert))
}

fn outcome(classification: &Classification, rule: &str) -> Outcome {
    classification.rules.iter().find(|found| found.rule == rule).unwrap_or_else(|| panic!("{rule}")).outcome
}

fn reason<'a>(classification: &'a Classification, rule: &str) -> &'a str {
    &classification.rules.iter().find(|found| found.rule == rule).unwrap().reason
}

/// The least number above, and the greatest below.
fn around(value: f64) -> (f64, f64) {
    (f64::from_bits(value.to_bits() - 1), f64::from_bits(value.to_bits() + 1))
}

#[test]
fn every_threshold_of_protocol_25_is_strict() {
    let scheme = scheme("protocol-25");
    for (metric, threshold, over, at) in [
        ("error_rate", 0.5, "P0", "P1"),
        ("error_rate", 0.1, "P1", "P2"),
        ("error_rate", 0.05, "P2", "P3"),
        ("error_rate", 0.02, "P3", "P4"),
        ("accuracy_drop", 0.2, "P1", "P2"),
        ("accuracy_drop", 0.1, "P2", "P3"),
        ("accuracy_drop", 0.05, "P3", "P4"),
        ("latency_increase_pct", 2.0, "P1", "P2"),
        ("latency_increase_pct", 0.5, "P2", "P3"),
        ("latency_increase_pct", 0.2, "P3", "P4"),
    ] {
        let (below, above) = around(threshold);
        for (value, level) in [(below, at), (threshold, at), (above, over)] {
            let found = judged(&scheme, &otherwise_good(&[(metric, value)]));
            assert_eq!(found.level.as_deref(), Some(level), "{metric} = {value}");
            assert!(!found.at_least, "{metric} = {value}");
            assert_eq!(found.undecided, Vec::<String>::new());
        }
    }
    let (below, above) = around(0.5);
    for (value, level) in [(below, "P0"), (0.5, "P4"), (above, "P4")] {
        let found = judged(&scheme, &otherwise_good(&[("availability", value)]));
        assert_eq!(found.level.as_deref(), Some(level), "availability = {value}");
    }
}

#[test]
fn what_no_metric_tells_is_a_flag() {
    let scheme = scheme("protocol-25");
    for flag in ["security_breach", "data_corruption", "data_loss", "crash_loop", "cascade_failure"] {
        let mut raised = Alert::default();
        raised.metrics.insert(flag.to_owned(), Given::Flag(true));
        let found = judged(&scheme, &raised);
        assert_eq!((found.level.as_deref(), found.verdict), (Some("P0"), Verdict::Crit), "{flag}");
        assert!(!found.at_least, "nothing is above P0");
        raised.metrics.insert(flag.to_owned(), Given::Flag(false));
        assert_eq!(judged(&scheme, &raised).level.as_deref(), Some("P4"), "{flag}");
    }
}

#[test]
fn an_alert_without_metrics_is_at_least_p4_and_unknown() {
    let found = judged(&scheme("protocol-25"), &Alert::default());
    assert_eq!((found.level.as_deref(), found.at_least), (Some("P4"), true));
    assert_eq!(found.verdict, Verdict::Unknown);
    assert_eq!(found.undecided.len(), 11);
    assert_eq!(outcome(&found, "security-breach"), Outcome::Unreported);
    let good = judged(&scheme("protocol-25"), &otherwise_good(&[]));
    assert_eq!((good.level.as_deref(), good.at_least, good.verdict), (Some("P4"), false, Verdict::Ok));
}

#[test]
fn values_that_cannot_be_true_decide_nothing() {
    let scheme = scheme("protocol-25");
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.1, 1.1, 60.0] {
        let found = judged(&scheme, &otherwise_good(&[("error_rate", value)]));
        assert_eq!(outcome(&found, "error-rate-outage"), Outcome::Undecided, "{value}");
        assert_eq!((found.at_least, found.verdict), (true, Verdict::Unknown), "{value}");
    }
    let mut odd = otherwise_good(&[]);
    for (given, says) in [
        (Given::Text("60%".into()), "error_rate 60 % > 50 %"),
        (Given::Text("lots".into()), "error_rate is the text `lots`, not a value"),
        (Given::Text("5 days".into()), "error_rate: `5 days` is not a ratio"),
        (Given::Flag(true), "error_rate is true, where a ratio is expected"),
        (Given::Unusable("null"), "error_rate is null"),
    ] {
        odd.metrics.insert("error_rate".into(), given);
        let found = judged(&scheme, &odd);
        assert!(reason(&found, "error-rate-outage").starts_with(says), "{says}");
    }
}

/// Every metric of the protocol at telling values: what it came to, in one table.
#[test]
fn protocol_25_matrix() {
    let scheme = scheme("protocol-25");
    let values: [&[Option<f64>]; 4] = [
        &[None, Some(0.3), Some(1.0)],
        &[None, Some(0.0), Some(0.03), Some(0.06), Some(0.2), Some(0.6)],
        &[None, Some(0.0), Some(0.07), Some(0.15), Some(0.25)],
        &[None, Some(0.0), Some(0.3), Some(1.0), Some(3.0)],
    ];
    let names = ["availability", "error_rate", "accuracy_drop", "latency_increase_pct"];
    let mut table = format!("{} level verdict\n", names.join(" "));
    let [availability, errors, accuracy, latency] = values;
    for (a, b, c, d) in availability.iter().flat_map(|a| {
        errors.iter().flat_map(move |b| {
            accuracy.iter().flat_map(move |c| latency.iter().map(move |d| (*a, *b, *c, *d)))
        })
    }) {
        let mut given = Alert::default();
        for (name, value) in names.iter().zip([a, b, c, d]) {
            if let Some(value) = value {
                given.metrics.insert((*name).to_owned(), Given::Number(value));
            }
            let _ = write!(table, "{:>5} ", value.map_or("-".to_owned(), |value| value.to_string()));
        }
        let found = judged(&scheme, &given);
        let level = found.level.as_deref().unwrap_or("none");
        let _ = writeln!(table, "{}{level} {}", if found.at_least { ">=" } else { "" }, found.verdict);
    }
    insta::assert_snapshot!(table);
}

// Samples ---------------------------------------------------------------------------------------------------------

const NOW: &str = "2026-11-20T03:00:00Z";

fn now() -> DateTime<Utc> {
    NOW.parse().unwrap()
}

fn version(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn sample(metric: &str, unit: Unit, value: f64) -> Sample {
    Sample {
        service: "rila_6y20b".into(),
        probe: "probe".into(),
        metric: metric.into(),
        labels: BTreeMap::new(),
        measurement: Measurement::judged(value, if unit == Unit::Ratio { Unit::Change } else { unit }),
        unit,
        event_time: now(),
        recorded_at: now(),
        bucket: None,
        version: Some(version("good")),
        input: Some(Digest::of(metric.as_bytes())),
        rows: 60,
    }
}

/// A sample of a closed week; 0 is the latest one, which ended four days ago.
fn week(metric: &str, weeks_ago: i64, value: f64, served: &str) -> Sample {
    let end = now() - TimeDelta::days(4) - TimeDelta::weeks(weeks_ago);
    let bucket = Bucket { start: end - TimeDelta::weeks(1), end };
    let version = Some(version(served));
    Sample { bucket: Some(bucket), event_time: end, version, ..sample(metric, Unit::Ratio, value) }
}

/// All that is measured of a healthy model.
fn healthy() -> Vec<Sample> {
    let mut samples = vec![
        sample("predictions_exists", Unit::Flag, 1.0),
        sample("predictions_rows", Unit::Count, 60.0),
        sample("predictions_nulls", Unit::Count, 0.0),
        sample("predictions_out_of_range", Unit::Count, 0.0),
        sample("mape_rolling", Unit::Ratio, 0.11),
        sample("mape_rolling_rise", Unit::Change, -0.01),
        sample("bias", Unit::Change, 0.02),
        sample("interval_coverage", Unit::Ratio, 0.92),
        sample("sign_violations", Unit::Count, 0.0),
        sample("tde_age", Unit::Days, 4.0),
        sample("wink_missing", Unit::Count, 0.0),
    ];
    samples.extend((0..4).map(|weeks_ago| week("mape_weekly", weeks_ago, 0.11, "good")));
    samples
}

fn with(changes: impl IntoIterator<Item = Sample>) -> Vec<Sample> {
    let mut samples = healthy();
    for change in changes {
        samples.retain(|old| old.metric != change.metric || old.bucket != change.bucket);
        samples.push(change);
    }
    samples
}

fn rila(samples: &[Sample]) -> Classification {
    classify(&scheme("rila"), &Evidence::from_samples(samples, Some(&version("good")), now()))
}

#[test]
fn a_healthy_model_is_ok() {
    let found = rila(&healthy());
    assert_eq!((found.level, found.verdict, found.at_least), (None, Verdict::Ok, false));
    assert!(found.undecided.is_empty() && found.warming.is_empty(), "{:?}", found.undecided);
}

#[test]
fn every_example_of_rila_that_a_metric_decides() {
    let count = |metric: &str, value| sample(metric, Unit::Count, value);
    let days = |value| sample("tde_age", Unit::Days, value);
    let ratio = |metric: &str, value| sample(metric, Unit::Ratio, value);
    let weeks = |this, before| [week("mape_weekly", 0, this, "good"), week("mape_weekly", 1, before, "good")];
    let cases: Vec<(Vec<Sample>, Option<&str>, &str)> = vec![
        (vec![sample("predictions_exists", Unit::Flag, 0.0)], Some("P0"), "predictions-fail"),
        (vec![count("predictions_nulls", 1.0)], Some("P0"), "predictions-fail"),
        (vec![count("predictions_rows", 0.0)], Some("P0"), "predictions-fail"),
        (weeks(0.26, 0.27).to_vec(), Some("P0"), "mape-sustained"),
        (weeks(0.25, 0.27).to_vec(), Some("P1"), "mape-week-high"),
        (weeks(0.31, 0.12).to_vec(), Some("P1"), "mape-week-high"),
        (weeks(0.9, 0.12).to_vec(), Some("P1"), "mape-week-high"),
        (weeks(0.20, 0.12).to_vec(), Some("P1"), "mape-week-high"),
        (weeks(0.1999, 0.12).to_vec(), Some("P2"), "mape-week-elevated"),
        (weeks(0.15, 0.12).to_vec(), Some("P2"), "mape-week-elevated"),
        (weeks(0.1499, 0.12).to_vec(), None, ""),
        (weeks(0.12, 0.31).to_vec(), None, ""),
        (
            vec![ratio("mape_rolling", 0.21), sample("mape_rolling_rise", Unit::Change, 0.01)],
            Some("P0"),
            "mape-rolling-rising",
        ),
        (vec![ratio("mape_rolling", 0.21)], None, ""),
        (vec![sample("bias", Unit::Change, 0.151)], Some("P0"), "bias-high"),
        (vec![sample("bias", Unit::Change, -0.151)], Some("P0"), "bias-high"),
        (vec![sample("bias", Unit::Change, -0.15)], None, ""),
        (vec![count("sign_violations", 1.0)], Some("P0"), "signs-flip"),
        (vec![count("predictions_out_of_range", 1.0)], Some("P0"), "predictions-out-of-range"),
        (vec![sample("leakage_gate_halt", Unit::Flag, 1.0)], Some("P0"), "leakage-halt"),
        (vec![days(6.0)], None, ""),
        (vec![days(7.0)], Some("P2"), "tde-warning"),
        (vec![days(8.0)], Some("P1"), "tde-stale"),
        (vec![days(14.0)], Some("P1"), "tde-stale"),
        (vec![days(15.0)], Some("P1"), "tde-unusable"),
        (vec![count("wink_missing", 1.0)], Some("P1"), "wink-carriers-missing"),
        (vec![count("wink_missing", 2.0)], Some("P1"), "wink-carriers-missing"),
        (vec![count("wink_missing", 3.0)], Some("P1"), "wink-refresh-blocked"),
        (vec![ratio("interval_coverage", 0.849)], Some("P1"), "interval-coverage"),
        (vec![ratio("interval_coverage", 0.981)], Some("P1"), "interval-coverage"),
        (vec![ratio("interval_coverage", 0.85)], None, ""),
        (vec![ratio("interval_coverage", 0.98)], None, ""),
        (vec![sample("feature_shift", Unit::Sigma, 1.5)], Some("P2"), "feature-shift"),
        (vec![sample("feature_shift", Unit::Sigma, 3.0)], Some("P2"), "feature-shift"),
        (vec![sample("feature_shift", Unit::Sigma, 1.49)], None, ""),
    ];
    for (changes, level, rule) in cases {
        let what: Vec<_> = changes.iter().map(|s| format!("{} {:?}", s.metric, s.measurement)).collect();
        let found = rila(&with(changes));
        assert_eq!(found.level.as_deref(), level, "{what:?}: {:?}", found.deciding().collect::<Vec<_>>());
        if !rule.is_empty() {
            assert_eq!(outcome(&found, rule), Outcome::Matched, "{what:?}");
        }
        assert!(found.undecided.is_empty(), "{what:?}: {:?}", found.undecided);
    }
    let blocked = rila(&with([count("wink_missing", 2.0)]));
    assert_eq!(outcome(&blocked, "wink-refresh-blocked"), Outcome::Missed);
    let middle = rila(&with([days(14.0)]));
    assert_eq!(outcome(&middle, "tde-unusable"), Outcome::Missed, "exactly 14 days is the middle branch");
}

#[test]
fn reasons_name_values_thresholds_and_weeks() {
    let found = rila(&with([week("mape_weekly", 0, 0.31, "good"), week("mape_weekly", 1, 0.28, "good")]));
    assert_eq!(
        reason(&found, "mape-sustained"),
        "mape_weekly 31 % > 25 % (6 points over) in the weeks of 2026-11-02 and 2026-11-09"
    );
    let found = rila(&healthy());
    assert_eq!(
        reason(&found, "mape-sustained"),
        "mape_weekly 11 %, 14 points below 25 % in the week of 2026-11-09"
    );
    assert_eq!(reason(&found, "tde-stale"), "tde_age 4 days, 3 days below 7 days");
    assert_eq!(
        reason(&found, "bias-high"),
        "bias +2 %, 13 points below +15 %; bias +2 %, 17 points above -15 %"
    );
}

#[test]
fn a_gap_between_buckets_is_undecided_unless_the_newest_is_good() {
    let mut samples = healthy();
    samples.retain(|sample| sample.metric != "mape_weekly");
    let mut bad = samples.clone();
    bad.extend([week("mape_weekly", 0, 0.31, "good"), week("mape_weekly", 2, 0.31, "good")]);
    let found = rila(&bad);
    assert_eq!(outcome(&found, "mape-sustained"), Outcome::Undecided);
    assert!(reason(&found, "mape-sustained").contains("nothing is known between the week of 2026-10-26 and"));
    assert_eq!((found.level.as_deref(), found.at_least), (Some("P1"), true));
    samples.extend([week("mape_weekly", 0, 0.12, "good"), week("mape_weekly", 2, 0.31, "good")]);
    assert_eq!(outcome(&rila(&samples), "mape-sustained"), Outcome::Missed);
}

#[test]
fn yesterdays_numbers_do_not_blame_todays_version() {
    let mut samples = healthy();
    samples.retain(|sample| sample.metric != "mape_weekly");
    samples.extend([week("mape_weekly", 0, 0.31, "bad"), week("mape_weekly", 1, 0.31, "bad")]);
    let found = rila(&samples);
    assert_eq!(outcome(&found, "mape-sustained"), Outcome::Warming);
    assert_eq!((found.level.clone(), found.verdict), (None, Verdict::Ok), "the other evidence is good");
    assert_eq!(found.warming, ["mape-sustained", "mape-week-high", "mape-week-elevated"]);
    let ignored = found.rules.iter().find(|rule| rule.rule == "mape-sustained").unwrap();
    assert_eq!(ignored.looked_at.as_ref().unwrap().ignored, 2);

    // One bad week of its own is not yet two.
    samples.push(week("mape_weekly", 0, 0.31, "good"));
    let found = rila(&samples);
    assert_eq!(outcome(&found, "mape-sustained"), Outcome::Warming);
    assert!(reason(&found, "mape-sustained").contains("1 of 2 buckets of the served version so far"));
    assert_eq!(found.level.as_deref(), Some("P1"));

    // Nothing but other versions' evidence is not health.
    let only: Vec<Sample> =
        healthy().into_iter().map(|sample| Sample { version: Some(version("bad")), ..sample }).collect();
    assert_eq!(rila(&only).verdict, Verdict::Unknown);
    // Without a version, samples are the served one's.
    let adopted: Vec<Sample> =
        healthy().into_iter().map(|sample| Sample { version: None, ..sample }).collect();
    assert_eq!(rila(&adopted).verdict, Verdict::Ok);
}

#[test]
fn missing_stale_and_future_samples_are_unknown() {
    let scheme = scheme("rila");
    let mut samples = healthy();
    samples.retain(|sample| sample.metric != "tde_age");
    let found = rila(&samples);
    assert_eq!((found.verdict, found.at_least), (Verdict::Unknown, true));
    assert_eq!(reason(&found, "tde-stale"), "no sample of tde_age");

    let mut late = sample("tde_age", Unit::Days, 4.0);
    late.event_time = now() + TimeDelta::hours(1);
    let found = rila(&with([late]));
    assert!(reason(&found, "tde-stale").contains("dated in the future (2026-11-20T04:00:00Z)"));

    let mut old = sample("tde_age", Unit::Days, 4.0);
    old.event_time = now() - TimeDelta::days(9);
    let samples = with([old]);
    let evidence = Evidence::from_samples(&samples, Some(&version("good")), now());
    assert_eq!(classify(&scheme, &evidence).verdict, Verdict::Ok);
    let strict = evidence.with_max_age(Duration::minutes(60 * 24 * 8));
    let found = classify(&scheme, &strict);
    assert_eq!(found.verdict, Verdict::Unknown);
    assert!(reason(&found, "tde-stale").contains("9 d old"), "{}", reason(&found, "tde-stale"));

    // Open buckets do not count.
    let mut open = week("mape_weekly", 0, 0.9, "good");
    open.bucket = Some(Bucket { start: now() - TimeDelta::days(4), end: now() + TimeDelta::days(3) });
    open.event_time = now();
    let mut samples = healthy();
    samples.push(open);
    assert_eq!(outcome(&rila(&samples), "mape-sustained"), Outcome::Missed);
}

#[test]
fn samples_convert_their_units_or_decide_nothing() {
    let found = rila(&with([sample("tde_age", Unit::Hours, 192.0)]));
    assert_eq!(outcome(&found, "tde-stale"), Outcome::Matched);
    let found = rila(&with([sample("tde_age", Unit::Bytes, 8.0)]));
    assert_eq!(reason(&found, "tde-stale"), "tde_age was measured as bytes, where days is expected");
    let found = rila(&with([week("mape_weekly", 0, 31.0, "good"), week("mape_weekly", 1, 0.31, "good")]));
    assert_eq!(outcome(&found, "mape-sustained"), Outcome::Undecided, "31 is not 3100 %");
    assert!(reason(&found, "mape-sustained").contains("outside its range, 0 % to 1000 %"));
}

#[test]
fn two_probes_that_disagree_decide_nothing() {
    let mut samples = healthy();
    samples.push(Sample { probe: "other".into(), ..sample("tde_age", Unit::Days, 20.0) });
    assert!(reason(&rila(&samples), "tde-stale").contains("two probes measured different values"));
    // The same probe measuring again corrects itself.
    let mut again = sample("tde_age", Unit::Days, 20.0);
    again.recorded_at = now() + TimeDelta::seconds(1);
    let mut samples = healthy();
    samples.push(again);
    assert_eq!(outcome(&rila(&samples), "tde-stale"), Outcome::Matched);
}

#[test]
fn symptoms_group_rules_for_incidents() {
    let scheme = scheme("rila");
    let found = rila(&with([
        week("mape_weekly", 0, 0.31, "good"),
        week("mape_weekly", 1, 0.28, "good"),
        sample("tde_age", Unit::Days, 8.0),
    ]));
    let symptoms = found.by_symptom(&scheme);
    let accuracy = symptoms.iter().find(|symptom| symptom.symptom == "accuracy").unwrap();
    assert_eq!((accuracy.level, accuracy.verdict, accuracy.contain()), (Some("P0"), Verdict::Crit, true));
    assert_eq!(accuracy.leading().unwrap().rule, "mape-sustained");
    assert_eq!(accuracy.looked_at.bucket.unwrap().end, now() - TimeDelta::days(4));
    let data = symptoms.iter().find(|symptom| symptom.symptom == "tde-data").unwrap();
    assert_eq!((data.level, data.verdict, data.contain()), (Some("P1"), Verdict::Warn, false));
    let range = symptoms.iter().find(|symptom| symptom.symptom == "range").unwrap();
    assert!(range.is_good() && range.level.is_none());
    assert_eq!(range.looked_at.inputs.len(), 1);
    let leakage = symptoms.iter().find(|symptom| symptom.symptom == "leakage").unwrap();
    assert!(!leakage.is_good(), "nothing was looked at");
}

fn small(rules: &str) -> Scheme {
    let yaml = format!(
        "scheme: small\nlevels: {{P0: {{name: A, verdict: CRIT}}, P1: {{name: B, verdict: WARN}}}}\n\
         metrics: {{rate: {{unit: ratio}}, drift: {{unit: change}}}}\nrules: {rules}\n"
    );
    let config: SchemeConfig = serde_yaml::from_str(&yaml).unwrap();
    Scheme::compile(&config).unwrap()
}

fn at(minutes_ago: i64, value: f64) -> Sample {
    Sample { event_time: now() - TimeDelta::minutes(minutes_ago), ..sample("rate", Unit::Ratio, value) }
}

#[test]
fn durations_are_covered_in_event_time() {
    let scheme = small("[{id: high, level: P0, when: rate > 10%, for: 30m}]");
    let judge = |samples: &[Sample]| {
        let found = classify(&scheme, &Evidence::from_samples(samples, Some(&version("good")), now()));
        (found.rules[0].outcome, found.rules[0].reason.clone())
    };
    for (samples, expected, says) in [
        (vec![at(0, 0.2), at(10, 0.2), at(20, 0.2), at(30, 0.2)], Outcome::Matched, "for 30 min"),
        (vec![at(0, 0.2), at(30, 0.2)], Outcome::Matched, "for 30 min"),
        (vec![at(0, 0.05), at(10, 0.2), at(30, 0.2)], Outcome::Missed, "below 10 %"),
        (vec![at(0, 0.2), at(10, 0.05), at(30, 0.2)], Outcome::Missed, "at 2026-11-20 02:50 UTC"),
        (vec![at(0, 0.2), at(10, 0.2)], Outcome::Missed, "for 10 min of 30 min so far"),
        (vec![at(0, 0.2), at(10, 0.2), at(60, 0.2)], Outcome::Undecided, "nothing is known for 50 min"),
        (vec![at(40, 0.2), at(80, 0.2)], Outcome::Undecided, "the newest sample is 40 min old"),
        (vec![], Outcome::Undecided, "no sample of rate"),
        (
            vec![at(0, 0.2), Sample { version: Some(version("bad")), ..at(30, 0.2) }],
            Outcome::Warming,
            "by the served version so far",
        ),
    ] {
        let (outcome, reason) = judge(&samples);
        assert_eq!(outcome, expected, "{reason}");
        assert!(reason.contains(says), "{reason}");
    }
}

#[test]
fn series_are_judged_each_for_itself() {
    let scheme = small(
        "[{id: any, level: P0, when: drift > 50%}, {id: one, level: P1, when: 'drift{feature=\"a\"} > 50%'}, \
         {id: pair, level: P1, when: 'drift{feature=\"b\"} > 2 * drift{feature=\"a\"}'}]",
    );
    let feature = |name: &str, value| Sample {
        labels: BTreeMap::from([("feature".to_owned(), name.to_owned())]),
        ..sample("drift", Unit::Change, value)
    };
    let samples = [feature("a", 0.1), feature("b", 0.6), feature("c", 0.7)];
    let found = classify(&scheme, &Evidence::from_samples(&samples, Some(&version("good")), now()));
    assert_eq!(reason(&found, "any"), "feature=c: drift +70 % > +50 % (20 points over); 1 more matched too");
    assert_eq!(outcome(&found, "one"), Outcome::Missed);
    assert_eq!(
        reason(&found, "pair"),
        "drift{feature=\"b\"} +60 % > 2 * drift{feature=\"a\"} (+20 %) (40 points over)"
    );
}

#[test]
fn problems_of_a_scheme_are_reported_all_at_once_with_their_places() {
    let config: SchemeConfig = serde_yaml::from_str(
        "scheme: broken\nlevels: {HIGH: {name: A, verdict: CRIT}, LOW: {name: B, verdict: WARN}}\n\
         order: [LOW, HIHG]\ndefault_level: NONE\nmetrics: {rate: {unit: ratio, range: [1, 0]}, 'a-b': {unit: count}}\n\
         rules:\n- {id: x, level: HIGH, when: rat > 5%}\n- {id: x, level: high, when: rate > 5 days}\n",
    )
    .unwrap();
    let problems = Scheme::compile(&config).unwrap_err();
    let places: Vec<(&str, usize)> =
        problems.iter().map(|problem| (problem.pointer.as_str(), problem.offset)).collect();
    assert_eq!(
        places,
        [
            ("/metrics/a-b", 0),
            ("/metrics/rate/range", 0),
            ("/order/1", 0),
            ("/order", 0),
            ("/default_level", 0),
            ("/rules/0/when", 0),
            ("/rules/1/id", 0),
            ("/rules/1/level", 0),
            ("/rules/1/when", 7),
        ]
    );
}

// Laws ------------------------------------------------------------------------------------------------------------

fn metrics() -> impl Strategy<Value = BTreeMap<String, serde_json::Value>> {
    let name = prop_oneof![
        Just("availability".to_owned()),
        Just("error_rate".to_owned()),
        Just("accuracy_drop".to_owned()),
        Just("latency_increase_pct".to_owned()),
        Just("mape_weekly".to_owned()),
        Just("bias".to_owned()),
        Just("crash_loop".to_owned()),
        Just("tde_age".to_owned()),
        Just("predictions_exists".to_owned()),
        "[a-z]{1,6}",
    ];
    let value = prop_oneof![
        (-1.5..3.0_f64).prop_map(serde_json::Value::from),
        (0..4_i64).prop_map(serde_json::Value::from),
        prop::sample::select(vec![0.5, 0.1, 0.05, 0.02, 0.2, 2.0]).prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
        prop_oneof![Just("60%".to_owned()), Just("3 days".to_owned()), "\\PC{0,6}"]
            .prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
        Just(serde_json::json!([1])),
    ];
    prop::collection::btree_map(name, value, 0..7)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_fast_way_writes_what_the_slow_way_says(
        name in prop::option::of("\\PC{0,12}"),
        metrics in metrics(),
        scheme_name in prop::sample::select(vec!["protocol-25", "rila", "phases", "trading", "acis"]),
    ) {
        let scheme = scheme(scheme_name);
        let text = serde_json::json!({"alert_name": name, "metrics": metrics, "other": [1, {"a": 2}]}).to_string();
        let alert: Alert = serde_json::from_str(&text).unwrap();
        let slow = serde_json::to_string(&judged(&scheme, &alert)).unwrap();
        let mut fast = Vec::new();
        let verdict = AlertClassifier::new(&scheme).json_line(&text, &mut fast).unwrap();
        prop_assert_eq!(String::from_utf8(fast).unwrap(), slow);
        prop_assert_eq!(verdict, judged(&scheme, &alert).verdict);
    }

    #[test]
    fn more_bad_news_never_lowers_the_level(
        availability in 0.0..=1.0_f64, error_rate in 0.0..=1.0_f64,
        accuracy_drop in -1.0..=1.0_f64, latency in -1.0..=5.0_f64,
        worse in prop::array::uniform4(0.0..=1.0_f64),
        present in prop::array::uniform4(any::<bool>()),
    ) {
        let scheme = scheme("protocol-25");
        let names = ["availability", "error_rate", "accuracy_drop", "latency_increase_pct"];
        let before = [availability, error_rate, accuracy_drop, latency];
        let after = [
            availability * (1.0 - worse[0]),
            error_rate + (1.0 - error_rate) * worse[1],
            accuracy_drop + (1.0 - accuracy_drop) * worse[2],
            latency + 5.0 * worse[3],
        ];
        let level = |values: [f64; 4], all: bool| {
            let given: Vec<(&str, f64)> = names
                .iter()
                .zip(values)
                .zip(present)
                .filter(|(_, present)| all || *present)
                .map(|((name, value), _)| (*name, value))
                .collect();
            scheme.rank(judged(&scheme, &alert(&given)).level.as_deref().unwrap())
        };
        prop_assert!(level(after, false) <= level(before, false), "worse values");
        prop_assert!(level(before, true) <= level(before, false), "more metrics");
    }

    #[test]
    fn more_evidence_only_narrows_at_least(metrics in metrics()) {
        // What is said with less evidence still holds with more: a level that is not "at least" stays.
        let scheme = scheme("protocol-25");
        let given = |metrics: &BTreeMap<String, serde_json::Value>| {
            let text = serde_json::json!({"metrics": metrics}).to_string();
            judged(&scheme, &serde_json::from_str::<Alert>(&text).unwrap())
        };
        let all = given(&metrics);
        for left_out in metrics.keys() {
            let mut fewer = metrics.clone();
            fewer.remove(left_out);
            let less = given(&fewer);
            let flag = scheme.config().metrics.get(left_out).is_some_and(|metric| metric.optional);
            if !less.at_least && !flag {
                prop_assert!(all.level == less.level, "{}", left_out);
            }
        }
    }

    #[test]
    fn no_text_makes_the_classifier_panic(text in "\\PC{0,60}") {
        let scheme = scheme("protocol-25");
        let _ = AlertClassifier::new(&scheme).json_line(&text, &mut Vec::new());
        let _ = serde_json::from_str::<Alert>(&text);
    }
}

#[test]
fn a_more_urgent_level_is_never_milder() {
    let text = |levels: &str| {
        format!(
            "scheme: s\nlevels: {{{levels}}}\nmetrics: {{a: {{unit: ratio}}}}\n\
             rules: [{{id: r, level: high, when: a > 50%}}, {{id: s, level: bad, when: a > 60%}}]\n"
        )
    };
    let compile = |levels: &str| {
        Scheme::compile(&serde_yaml::from_str::<SchemeConfig>(&text(levels)).unwrap()).map(drop)
    };
    compile("bad: {name: A, verdict: CRIT}, high: {name: B, verdict: WARN}").unwrap();
    // In the order of their names, `bad` would win over `high` and hide that it is critical.
    let wrong = compile("bad: {name: A, verdict: WARN}, high: {name: B, verdict: CRIT}").unwrap_err();
    assert_eq!(wrong.len(), 1);
    assert_eq!(wrong[0].message, "`bad` is more urgent than `high`, and only WARN where that is CRIT");
}
