//! `for` is computed anew in every round, from what is stored and what the sources say now: rounds that are missed, run
//! twice or fail, data that comes late and data that is corrected change nothing that they should not.

use super::*;
use chrono::{DateTime, TimeDelta, Utc};
use irctl::base::{Digest, Unit};
use irctl::severity::{Evidence, Outcome, Scheme, SchemeConfig, classify};
use irctl::store::{Bucket, Measurement, Sample};
use std::collections::BTreeMap;

fn night() -> DateTime<Utc> {
    "2026-11-20T03:00:00Z".parse().unwrap()
}

fn compiled(rule: &str) -> Scheme {
    let config: SchemeConfig = serde_yaml::from_str(&super::scheme(rule)).unwrap();
    Scheme::compile(&config).unwrap()
}

/// What was true so many minutes before the night.
fn sample(minutes_ago: i64, value: Option<f64>) -> Sample {
    let measurement = value.map_or_else(|| Measurement::Undecided("timed out".into()), Measurement::Value);
    let event_time = night() - TimeDelta::minutes(minutes_ago);
    Sample {
        service: "shop".into(),
        probe: "errors".into(),
        metric: "error_rate".into(),
        labels: BTreeMap::new(),
        measurement,
        unit: Unit::Ratio,
        event_time,
        recorded_at: event_time,
        bucket: None,
        version: Some(Digest::of(b"served")),
        input: None,
        rows: 1,
    }
}

fn week(weeks_ago: i64, value: f64) -> Sample {
    let end = night() - TimeDelta::weeks(weeks_ago);
    let bucket = Some(Bucket { start: end - TimeDelta::weeks(1), end });
    Sample { bucket, event_time: end, ..sample(0, Some(value)) }
}

fn judge(rule: &str, stored: &[Sample], now: &[Sample]) -> (Outcome, String) {
    let evidence = Evidence::with_history(stored, now, Some(&Digest::of(b"served")), night());
    let found = classify(&compiled(rule), &evidence);
    (found.rules[0].outcome, found.rules[0].reason.clone())
}

#[test]
fn a_round_that_could_not_measure_is_as_one_that_was_missed() {
    let stored = [sample(30, Some(0.2)), sample(20, None), sample(10, Some(0.2))];
    let (outcome, reason) = judge(", for: 30m", &stored, &[sample(0, Some(0.2))]);
    assert_eq!(outcome, Outcome::Matched, "{reason}");
    // But it proves nothing: what is too short without it is not known.
    let (outcome, reason) =
        judge(", for: 30m", &[sample(30, None), sample(10, Some(0.2))], &[sample(0, Some(0.2))]);
    assert_eq!(
        (outcome, reason.contains("timed out at 2026-11-20 02:30 UTC")),
        (Outcome::Undecided, true),
        "{reason}"
    );
    let (outcome, _) = judge(", for: 30m", &[sample(30, Some(0.2))], &[sample(0, None)]);
    assert_eq!(outcome, Outcome::Undecided, "the newest has to be known");
}

#[test]
fn what_an_earlier_round_could_not_measure_does_not_outlive_what_a_later_one_could() {
    // The source says what was true ten minutes ago; the round five minutes ago failed.
    let stored = [sample(40, Some(0.2)), sample(5, None)];
    let (outcome, reason) = judge(", for: 30m", &stored, &[sample(10, Some(0.2))]);
    assert_eq!(outcome, Outcome::Matched, "{reason}");
}

#[test]
fn late_and_corrected_data_count_as_what_they_are() {
    let stored = [sample(30, Some(0.2)), sample(20, Some(0.2)), sample(10, Some(0.2))];
    let late = [sample(15, Some(0.01)), sample(0, Some(0.2))];
    assert_eq!(judge(", for: 30m", &stored, &late).0, Outcome::Missed, "it held not all the time");
    let corrected = Sample { recorded_at: night(), ..sample(20, Some(0.01)) };
    assert_eq!(judge(", for: 30m", &stored, &[corrected.clone(), sample(0, Some(0.2))]).0, Outcome::Missed);
    // Also where the clock went back in between, and where the probe has another name now.
    let ahead: Vec<Sample> = stored
        .iter()
        .cloned()
        .map(|one| Sample { recorded_at: night() + TimeDelta::hours(1), ..one })
        .collect();
    assert_eq!(judge(", for: 30m", &ahead, &[corrected.clone(), sample(0, Some(0.2))]).0, Outcome::Missed);
    let renamed = Sample { probe: "rates".into(), ..corrected };
    assert_eq!(judge(", for: 30m", &stored, &[renamed, sample(0, Some(0.2))]).0, Outcome::Missed);
}

#[test]
fn rounds_that_run_twice_count_once() {
    let stored = [sample(30, Some(0.2)), sample(10, Some(0.2)), sample(10, Some(0.2)), sample(0, Some(0.2))];
    let (outcome, reason) = judge(", for: 30m", &stored, &[sample(0, Some(0.2))]);
    assert_eq!((outcome, reason.contains("for 30 min")), (Outcome::Matched, true), "{reason}");
}

#[test]
fn a_source_that_forgets_is_filled_up_from_what_was_stored() {
    let rule = ", for: 2 buckets";
    assert_eq!(judge(rule, &[], &[week(0, 0.2)]).0, Outcome::Missed, "one week is not two");
    let (outcome, reason) = judge(rule, &[week(1, 0.2)], &[week(0, 0.2)]);
    assert_eq!(outcome, Outcome::Matched, "{reason}");
    assert_eq!(judge(rule, &[week(1, 0.01)], &[week(0, 0.2)]).0, Outcome::Missed);
    assert_eq!(judge(rule, &[week(2, 0.2)], &[week(0, 0.2)]).0, Outcome::Undecided, "a gap");
    // What the source covers it knows better: a week that it took back is gone.
    let (outcome, reason) = judge(rule, &[week(0, 0.2), week(1, 0.2)], &[week(1, 0.2), week(2, 0.01)]);
    assert_eq!(outcome, Outcome::Missed, "{reason}");
    // And stored weeks alone decide nothing while it cannot be read.
    assert_eq!(judge(rule, &[week(0, 0.2), week(1, 0.2)], &[sample(0, None)]).0, Outcome::Undecided);
}

#[test]
fn without_a_for_only_what_is_measured_now_counts() {
    let (outcome, reason) = judge("", &[sample(5, Some(0.2))], &[]);
    assert_eq!(outcome, Outcome::Undecided, "{reason}");
    let other =
        |value| Sample { labels: BTreeMap::from([("route".into(), "a".into())]), ..sample(5, Some(value)) };
    assert_eq!(
        judge("", &[other(0.2)], &[sample(0, Some(0.01))]).0,
        Outcome::Missed,
        "a series that is gone"
    );
}

#[test]
fn what_was_too_old_at_the_time_shows_nothing_of_it() {
    let rules = "scheme: s\nlevels: {P0: {name: A, verdict: CRIT}}\n\
        metrics: {error_rate: {unit: ratio}, load: {unit: number, max_age: 5m}}\n\
        rules: [{id: both, level: P0, when: error_rate > 5% and load > 1, for: 20m}]\n";
    let scheme = Scheme::compile(&serde_yaml::from_str::<SchemeConfig>(rules).unwrap()).unwrap();
    let load =
        |minutes_ago| Sample { metric: "load".into(), unit: Unit::Number, ..sample(minutes_ago, Some(2.0)) };
    let samples = [sample(20, Some(0.2)), sample(10, Some(0.2)), sample(0, Some(0.2)), load(20), load(0)];
    let evidence = Evidence::from_samples(&samples, Some(&Digest::of(b"served")), night());
    let found = classify(&scheme, &evidence);
    assert_eq!(
        found.rules[0].outcome,
        Outcome::Matched,
        "ten minutes ago counts as missed: {}",
        found.rules[0].reason
    );
}

#[test]
fn rounds_and_restarts_change_nothing_through_the_binary() {
    // The same half hour: every five minutes, twice each time; with rounds missed; and with one that fails.
    let judged: Vec<String> = ["all", "twice", "missed", "failing"]
        .into_iter()
        .map(|kind| {
            let workspace = shop(", for: 30m", "");
            for minute in ["03:00", "03:05", "03:10", "03:15", "03:20", "03:25", "03:30"] {
                if kind == "missed" && ["03:05", "03:15"].contains(&minute) {
                    continue;
                }
                at(&workspace, minute, 0.10);
                if kind == "failing" && minute == "03:15" {
                    std::fs::remove_file(workspace.path("now.json")).unwrap();
                }
                let times = if kind == "twice" { 2 } else { 1 };
                (0..times).for_each(|_| drop(workspace.irctl(&["check"])));
            }
            let (outcome, reason) = came_out(&round(&workspace, 2), "shop", "errors");
            assert_eq!(incidents(&workspace).len(), 1, "{kind}");
            format!("{outcome}: {reason}")
        })
        .collect();
    assert!(
        judged[0].starts_with("matched: error_rate 10 %") && judged[0].ends_with("for 30 min"),
        "{judged:?}"
    );
    assert!(judged.iter().all(|one| *one == judged[0]), "{judged:#?}");
}

#[test]
fn a_stretch_that_reaches_far_back_is_read_whole() {
    let workspace = shop(", for: 30m", "");
    for (minute, value) in [("02:01", 0.10), ("02:30", 0.10)] {
        at(&workspace, minute, value);
        workspace.irctl(&["check"]);
    }
    // The newest sample is 29 minutes old, and so on: the stretch ends 88 minutes before this round.
    at(&workspace, "02:59", 0.10);
    workspace.irctl(&["check"]);
    clock(&workspace, "03:28");
    assert_eq!(came_out(&round(&workspace, 2), "shop", "errors").0, "matched");
}

fn of_route(route: &str, sample: Sample) -> Sample {
    Sample { labels: BTreeMap::from([("route".into(), route.into())]), ..sample }
}

#[test]
fn a_probe_that_fails_fails_for_every_series() {
    let good = |minutes_ago| of_route("a", sample(minutes_ago, Some(0.01)));
    let bad = |minutes_ago| of_route("a", sample(minutes_ago, Some(0.2)));
    // It cannot measure at all now, so that it knows no routes.
    let (outcome, reason) = judge(", for: 30m", &[good(10), good(5)], &[sample(0, None)]);
    assert_eq!((outcome, reason.contains("timed out")), (Outcome::Undecided, true), "{reason}");
    let (outcome, reason) = judge(", for: 30m", &[bad(40), bad(10), bad(5)], &[sample(0, None)]);
    assert_eq!(outcome, Outcome::Undecided, "{reason}");
    // As does an earlier round that failed, and that proves nothing.
    let stored = [bad(30), sample(20, None), bad(10)];
    assert_eq!(judge(", for: 30m", &stored, &[bad(0)]).0, Outcome::Matched);
    let (outcome, reason) = judge(", for: 30m", &[sample(30, None), bad(10)], &[bad(0)]);
    assert_eq!(outcome, Outcome::Undecided, "{reason}");
    // Another series of the metric shows nothing of the one that is asked for.
    let chosen = super::scheme(", for: 30m").replace("error_rate > 5%", "'error_rate{route=\"a\"} > 5%'");
    let chosen = Scheme::compile(&serde_yaml::from_str::<SchemeConfig>(&chosen).unwrap()).unwrap();
    for stored in [vec![good(10)], vec![], vec![of_route("b", sample(10, Some(0.01)))]] {
        let evidence =
            Evidence::with_history(&stored, &[sample(0, None)], Some(&Digest::of(b"served")), night());
        let found = &classify(&chosen, &evidence).rules[0];
        assert_eq!(found.outcome, Outcome::Undecided, "{}", found.reason);
    }
}

#[test]
fn an_optional_metric_whose_probe_fails_is_not_as_if_nobody_reported_it() {
    let text = super::scheme("").replace("error_rate > 5%", "'error_rate{route=\"a\"} > 5%'");
    let text = text.replace("error_rate: {unit: ratio}", "error_rate: {unit: ratio, optional: true}");
    let scheme = Scheme::compile(&serde_yaml::from_str::<SchemeConfig>(&text).unwrap()).unwrap();
    for (fresh, expected) in [
        (vec![], Outcome::Unreported),
        (vec![of_route("b", sample(0, Some(0.01)))], Outcome::Unreported),
        (vec![sample(0, None)], Outcome::Undecided),
    ] {
        let evidence = Evidence::with_history(&[], &fresh, Some(&Digest::of(b"served")), night());
        let found = &classify(&scheme, &evidence).rules[0];
        assert_eq!(found.outcome, expected, "{}", found.reason);
    }
}

#[test]
fn a_total_beside_its_parts_is_judged_too() {
    let parts = || vec![of_route("a", sample(0, Some(0.01))), of_route("b", sample(0, Some(0.01)))];
    for rule in ["", ", for: 10m"] {
        let stored: Vec<Sample> = parts()
            .into_iter()
            .chain([sample(0, Some(0.2))])
            .map(|one| {
                let event_time = one.event_time - TimeDelta::minutes(10);
                Sample { event_time, recorded_at: event_time, ..one }
            })
            .collect();
        let with = |total| parts().into_iter().chain([sample(0, total)]).collect::<Vec<_>>();
        assert_eq!(judge(rule, &stored, &with(Some(0.2))).0, Outcome::Matched, "{rule}");
        assert_eq!(judge(rule, &stored, &with(Some(0.01))).0, Outcome::Missed, "{rule}");
        assert_eq!(judge(rule, &stored, &with(None)).0, Outcome::Undecided, "{rule}");
    }
}

#[test]
fn a_series_that_nobody_measures_any_more_is_not_good_for_ever() {
    let chosen = super::scheme(", for: 30m").replace("error_rate > 5%", "'error_rate{route=\"a\"} > 5%'");
    let chosen = Scheme::compile(&serde_yaml::from_str::<SchemeConfig>(&chosen).unwrap()).unwrap();
    let any = compiled(", for: 30m");
    let of = |scheme: &Scheme, minutes_ago| {
        let stored = [of_route("a", sample(minutes_ago, Some(0.01)))];
        let fresh = [of_route("b", sample(0, Some(0.01)))];
        let evidence = Evidence::with_history(&stored, &fresh, Some(&Digest::of(b"served")), night());
        classify(scheme, &evidence).rules[0].clone()
    };
    let judge = |minutes_ago| of(&chosen, minutes_ago);
    assert_eq!(judge(20).outcome, Outcome::Missed);
    let found = judge(31);
    assert_eq!(found.outcome, Outcome::Undecided, "{}", found.reason);
    assert!(found.reason.contains("nothing measures it now"), "{}", found.reason);
    // Who asks for no series in particular is told of those that there are.
    assert_eq!(of(&any, 31).outcome, Outcome::Missed);
}

#[test]
fn a_probe_that_is_broken_from_the_start_does_not_warm_up_for_ever() {
    let (outcome, reason) = judge(", warm_up: 10 samples", &[], &[sample(0, None)]);
    assert_eq!((outcome, reason.contains("1 of 10 samples")), (Outcome::Undecided, true), "{reason}");
    let (outcome, _) = judge(", warm_up: 10 samples", &[sample(10, None)], &[sample(0, Some(0.2))]);
    assert_eq!(outcome, Outcome::Warming);
}
