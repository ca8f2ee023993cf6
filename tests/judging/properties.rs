//! Whatever the evidence: worse numbers never lower the level, and what is not known is never OK.

use chrono::{DateTime, TimeDelta, Utc};
use irctl::base::{Digest, Unit, Verdict};
use irctl::severity::{
    Began, Cause, Circumstances, Classification, Evidence, Outcome, Scheme, SchemeConfig, classify_in,
};
use irctl::store::{Measurement, Sample};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn now() -> DateTime<Utc> {
    "2026-11-20T03:00:00Z".parse().unwrap()
}

/// Rules of every make: plain, sustained, kept in both ways, held, critical without data, warming.
fn scheme(hold: bool) -> Scheme {
    let on_no_data = if hold { "{hold: 20m}" } else { "unknown" };
    let text = format!(
        "scheme: s\n\
         levels: {{P0: {{name: A, verdict: CRIT}}, P1: {{name: B, verdict: WARN}}, P2: {{name: C, verdict: WARN}}}}\n\
         metrics: {{a: {{unit: ratio}}, b: {{unit: ratio}}}}\n\
         rules:\n\
         - {{id: plain, level: P1, when: a > 50%}}\n\
         - {{id: sustained, level: P0, when: a > 60%, for: 20m}}\n\
         - {{id: kept-for, level: P0, when: a > 80%, keep: {{for: 30m}}}}\n\
         - {{id: kept-until, level: P1, when: b > 80%, keep: {{until: b < 20%}}}}\n\
         - {{id: held, level: P1, when: b > 60% and a > 10%, on_no_data: {on_no_data}}}\n\
         - {{id: no-data, level: P2, when: a > 30% or b > 90%, on_no_data: crit}}\n\
         - {{id: counted, level: P2, when: b > 40%, warm_up: 2 samples}}\n"
    );
    let value: serde_json::Value = serde_yaml::from_str(&text).unwrap();
    Scheme::compile(&serde_json::from_value::<SchemeConfig>(value).unwrap()).unwrap()
}

fn sample(metric: &str, minutes_ago: i64, value: Option<f64>) -> Sample {
    let event_time = now() - TimeDelta::minutes(minutes_ago);
    Sample {
        service: "s".into(),
        probe: metric.into(),
        metric: metric.into(),
        labels: BTreeMap::new(),
        measurement: value.map_or_else(|| Measurement::Undecided("error".into()), Measurement::Value),
        unit: Unit::Ratio,
        event_time,
        recorded_at: event_time,
        bucket: None,
        version: Some(Digest::of(b"served")),
        input: None,
        rows: 1,
    }
}

/// What was measured every ten minutes, the newest last; `None` where it could not be measured.
type Series = Vec<Option<f64>>;

#[derive(Debug, Clone)]
struct Night {
    a: Series,
    b: Series,
    blocked: Option<bool>,
    began: Option<i64>,
    open: bool,
}

fn night() -> impl Strategy<Value = Night> {
    let series = || prop::collection::vec(prop::option::weighted(0.8, 0.0..=1.0_f64), 1..7);
    (
        series(),
        series(),
        prop::option::weighted(0.3, any::<bool>()),
        prop::option::weighted(0.3, 0_i64..60),
        any::<bool>(),
    )
        .prop_map(|(a, b, blocked, began, open)| Night { a, b, blocked, began, open })
}

fn judge(scheme: &Scheme, night: &Night) -> Classification {
    let (mut stored, mut fresh) = (Vec::new(), Vec::new());
    for (metric, series) in [("a", &night.a), ("b", &night.b)] {
        let last = series.len() - 1;
        for (at, value) in series.iter().enumerate() {
            let minutes_ago = 10 * i64::try_from(last - at).unwrap();
            if at == last { &mut fresh } else { &mut stored }.push(sample(metric, minutes_ago, *value));
        }
    }
    let names = || ["kept-for", "kept-until"].map(str::to_owned);
    let around = Circumstances {
        began: night
            .began
            .map(|minutes| Began { at: now() - TimeDelta::minutes(minutes), what: "it began".into() }),
        warm_up: Some("30m".parse().unwrap()),
        blocked: night
            .blocked
            .map(|failed| ("b".to_owned(), Cause { name: "dataset/x".into(), why: "gone".into(), failed }))
            .into_iter()
            .collect(),
        open: if night.open {
            names().into_iter().map(|name| (name.clone(), BTreeSet::from([name]))).collect()
        } else {
            BTreeMap::new()
        },
    };
    let evidence = Evidence::with_history(&stored, &fresh, Some(&Digest::of(b"served")), now());
    classify_in(scheme, &evidence, &around)
}

fn rank(scheme: &Scheme, found: &Classification) -> usize {
    found.level.as_deref().map_or(usize::MAX, |level| scheme.rank(level))
}

/// Every number raised by its share of what is left; what could not be measured stays so.
fn worse(series: &Series, by: f64) -> Series {
    series.iter().map(|value| value.map(|value| value + (1.0 - value) * by)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn worse_numbers_never_lower_the_level(night in night(), by in prop::array::uniform2(0.0..=1.0_f64), hold in any::<bool>()) {
        let scheme = scheme(hold);
        let after = Night { a: worse(&night.a, by[0]), b: worse(&night.b, by[1]), ..night.clone() };
        let (before, after) = (judge(&scheme, &night), judge(&scheme, &after));
        prop_assert!(rank(&scheme, &after) <= rank(&scheme, &before), "{before:#?}\n{after:#?}");
    }

    #[test]
    fn an_open_incident_never_lowers_the_level(night in night(), hold in any::<bool>()) {
        let scheme = scheme(hold);
        let (closed, open) = (Night { open: false, ..night.clone() }, Night { open: true, ..night });
        prop_assert!(rank(&scheme, &judge(&scheme, &open)) <= rank(&scheme, &judge(&scheme, &closed)));
    }

    #[test]
    fn what_is_not_known_now_is_never_ok(night in night()) {
        let scheme = scheme(false);
        let found = judge(&scheme, &night);
        let unknown = night.a.last().unwrap().is_none() || night.b.last().unwrap().is_none();
        if unknown && night.began.is_none_or(|minutes| minutes >= 30) {
            prop_assert_ne!(found.verdict, Verdict::Ok, "{:#?}", found);
        }
        if night.blocked.is_some() && night.began.is_none() {
            prop_assert_ne!(found.verdict, Verdict::Ok, "{:#?}", found);
        }
        if night.began.is_some_and(|minutes| minutes < 30) {
            // All of it is left alone but the rule that counts samples, and that reads what may be blocked.
            prop_assert!(found.with(Outcome::Matched).all(|rule| rule.rule == "counted"), "{:#?}", found);
        }
    }

    #[test]
    fn what_is_held_says_so_and_ends(night in night()) {
        let scheme = scheme(true);
        let found = judge(&scheme, &night);
        let held = found.rules.iter().find(|rule| rule.rule == "held").unwrap();
        if let Some(stands) = &held.held {
            prop_assert!(held.reason.starts_with("held: "));
            prop_assert!(stands.until >= now() && stands.decided_at < now());
            prop_assert!(stands.until - stands.decided_at == TimeDelta::minutes(20));
        } else if night.a.last().unwrap().is_none() && night.b.last().unwrap().is_none() {
            prop_assert_ne!(held.outcome, Outcome::Missed, "{}", held.reason);
        }
    }

    #[test]
    fn nothing_matches_by_being_unknown_but_what_says_so(night in night()) {
        // Taking what is known away makes nothing match that did not, apart from `on_no_data: crit`.
        let scheme = scheme(false);
        let mut less = night.clone();
        if let Some(last) = less.a.last_mut() {
            *last = None;
        }
        let (all, less) = (judge(&scheme, &night), judge(&scheme, &less));
        for (before, after) in all.rules.iter().zip(&less.rules) {
            let kept = after.kept.is_some();
            if after.outcome == Outcome::Matched && before.outcome != Outcome::Matched && after.rule != "no-data" {
                prop_assert!(kept, "{before:#?}\n{after:#?}");
            }
        }
    }
}
