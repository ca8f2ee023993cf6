//! Any rules on any night: more bad news never lowers the level, and an error is never better than the worst number.

use chrono::{DateTime, TimeDelta, Utc};
use irctl::base::{Digest, Unit, Verdict};
use irctl::severity::{
    Began, Cause, Circumstances, Classification, Evidence, Scheme, SchemeConfig, classify_in,
};
use irctl::store::{Measurement, Sample};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn now() -> DateTime<Utc> {
    "2026-11-20T03:00:00Z".parse().unwrap()
}

/// One comparison: the more a metric has, the worse.
#[derive(Debug, Clone)]
struct Comparison {
    /// `a`, which has a series for each route; or `b`, which has one.
    metric: &'static str,
    /// The route that is asked for, where only one is.
    route: Option<&'static str>,
    threshold: u32,
}

#[derive(Debug, Clone)]
struct Rule {
    level: usize,
    all: bool,
    parts: Vec<Comparison>,
    more: Vec<String>,
}

impl Rule {
    fn reads(&self, metric: &str) -> bool {
        self.parts.iter().any(|part| part.metric == metric)
    }

    fn yaml(&self, number: usize) -> String {
        let one = |part: &Comparison| {
            let route = part.route.map(|route| format!("{{route=\"{route}\"}}")).unwrap_or_default();
            format!("{}{route} > {}%", part.metric, part.threshold)
        };
        let parts: Vec<_> = self.parts.iter().map(one).collect();
        let when = parts.join(if self.all { " and " } else { " or " });
        let more: String = self.more.iter().map(|more| format!(", {more}")).collect();
        format!("  - {{id: r{number}, level: P{}, when: '{when}'{more}}}\n", self.level)
    }
}

/// A level's worth of everything that a rule may say. `hold` is what lets an error be as good as what was known before it.
fn rules(hold: bool) -> impl Strategy<Value = Vec<Rule>> {
    let part = (
        prop::sample::select(vec![("a", None), ("a", Some("x")), ("a", Some("y")), ("b", None)]),
        prop::sample::select(vec![20_u32, 50, 80]),
    )
        .prop_map(|((metric, route), threshold)| Comparison { metric, route, threshold });
    let optional = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        prop::option::weighted(0.4, prop::sample::select(texts))
    };
    let no_data: &[&str] = if hold {
        &["on_no_data: crit", "on_no_data: {hold: 20m}"]
    } else {
        &["on_no_data: crit", "on_no_data: unknown"]
    };
    let more = (
        optional(&["for: 10m", "for: 20m", "for: 1 bucket"]),
        optional(&["keep: {for: 30m}", "keep: {until: b < 20%}"]),
        optional(no_data),
        optional(&["warm_up: 2 samples", "warm_up: 15m"]),
    )
        .prop_map(|(a, b, c, d)| [a, b, c, d].into_iter().flatten().collect::<Vec<_>>());
    let rule = (0_usize..3, any::<bool>(), prop::collection::vec(part, 1..3), more)
        .prop_map(|(level, all, parts, more)| Rule { level, all, parts, more });
    prop::collection::vec(rule, 1..5)
}

fn scheme(rules: &[Rule]) -> Scheme {
    let rules: String = rules.iter().enumerate().map(|(number, rule)| rule.yaml(number)).collect();
    let text = format!(
        "scheme: s\nlevels: {{P0: {{name: A, verdict: CRIT}}, P1: {{name: B, verdict: WARN}}, P2: {{name: C, verdict: WARN}}}}\n\
         metrics: {{a: {{unit: ratio}}, b: {{unit: ratio}}}}\nrules:\n{rules}"
    );
    let value: serde_json::Value = serde_yaml::from_str(&text).unwrap();
    Scheme::compile(&serde_json::from_value::<SchemeConfig>(value).unwrap()).unwrap()
}

/// What a round measured of `a` by routes and of `b`; where a probe failed, nothing.
#[derive(Debug, Clone)]
struct Round {
    a: Option<[f64; 2]>,
    b: Option<f64>,
}

#[derive(Debug, Clone)]
struct Night {
    /// Every ten minutes, the newest last.
    rounds: Vec<Round>,
    blocked: Option<(bool, bool)>,
    began: Option<i64>,
    open: bool,
}

fn night() -> impl Strategy<Value = Night> {
    let value = || 0.0..=1.0_f64;
    let round =
        (prop::option::weighted(0.8, prop::array::uniform2(value())), prop::option::weighted(0.8, value()))
            .prop_map(|(a, b)| Round { a, b });
    (
        prop::collection::vec(round, 1..6),
        prop::option::weighted(0.2, any::<(bool, bool)>()),
        prop::option::weighted(0.2, 0_i64..40),
        any::<bool>(),
    )
        .prop_map(|(rounds, blocked, began, open)| Night { rounds, blocked, began, open })
}

fn sample(metric: &str, route: Option<&str>, minutes_ago: i64, value: Option<f64>) -> Sample {
    let event_time = now() - TimeDelta::minutes(minutes_ago);
    Sample {
        service: "s".into(),
        probe: metric.into(),
        metric: metric.into(),
        labels: route.map(|route| ("route".to_owned(), route.to_owned())).into_iter().collect(),
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

/// The samples of the rounds before, and those of the newest.
fn samples(night: &Night) -> (Vec<Sample>, Vec<Sample>) {
    let (mut stored, mut fresh) = (Vec::new(), Vec::new());
    let last = night.rounds.len() - 1;
    for (at, round) in night.rounds.iter().enumerate() {
        let ago = 10 * i64::try_from(last - at).unwrap();
        let into = if at == last { &mut fresh } else { &mut stored };
        match round.a {
            Some([x, y]) => {
                into.extend([sample("a", Some("x"), ago, Some(x)), sample("a", Some("y"), ago, Some(y))]);
            }
            None => into.push(sample("a", None, ago, None)),
        }
        into.push(sample("b", None, ago, round.b));
    }
    (stored, fresh)
}

fn judge(scheme: &Scheme, night: &Night, (stored, fresh): &(Vec<Sample>, Vec<Sample>)) -> Classification {
    let cause = |failed| Cause { name: "dataset/x".into(), why: "gone".into(), failed };
    let metric = |of_a| if of_a { "a" } else { "b" }.to_owned();
    let names = || scheme.config().rules.iter().map(|rule| rule.id.clone());
    let around = Circumstances {
        began: night
            .began
            .map(|minutes| Began { at: now() - TimeDelta::minutes(minutes), what: "it began".into() }),
        warm_up: None,
        blocked: night.blocked.map(|(of_a, failed)| (metric(of_a), cause(failed))).into_iter().collect(),
        open: if night.open {
            names().map(|name| (name.clone(), BTreeSet::from([name]))).collect()
        } else {
            BTreeMap::new()
        },
    };
    let evidence = Evidence::with_history(stored, fresh, Some(&Digest::of(b"served")), now());
    classify_in(scheme, &evidence, &around)
}

fn rank(scheme: &Scheme, found: &Classification) -> usize {
    found.level.as_deref().map_or(usize::MAX, |level| scheme.rank(level))
}

/// What may be wrong with what a round measured.
const WRONGS: [&str; 7] = ["error", "whole", "nan", "infinite", "range", "future", "unit"];

/// The newest round with something wrong: with a metric, or with one series of it.
fn spoilt(fresh: &[Sample], metric: &str, route: &str, wrong: &str) -> Vec<Sample> {
    if wrong == "whole" {
        let others = fresh.iter().filter(|sample| sample.metric != metric).cloned();
        return others.chain([sample(metric, None, 0, None)]).collect();
    }
    let own = |sample: &Sample| {
        sample.metric == metric && sample.labels.get("route").is_none_or(|own| own == route)
    };
    let spoil = |mut sample: Sample| {
        match wrong {
            "error" => sample.measurement = Measurement::Undecided("error".into()),
            "nan" => sample.measurement = Measurement::Value(f64::NAN),
            "infinite" => sample.measurement = Measurement::Value(f64::NEG_INFINITY),
            "range" => sample.measurement = Measurement::Value(-0.5),
            "future" => {
                sample.event_time = now() + TimeDelta::hours(1);
                sample.measurement = Measurement::Value(0.0);
            }
            _ => (sample.unit, sample.measurement) = (Unit::Count, Measurement::Value(0.0)),
        }
        sample
    };
    fresh.iter().cloned().map(|sample| if own(&sample) { spoil(sample) } else { sample }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn one_worse_number_never_lowers_the_level(
        night in night(), rules in rules(true), at in any::<prop::sample::Index>(), which in 0..3_usize, by in 0.0..=1.0_f64,
    ) {
        let scheme = scheme(&rules);
        let mut after = night.clone();
        let round = at.index(after.rounds.len());
        let raise = |value: &mut f64| *value += (1.0 - *value) * by;
        match (which, &mut after.rounds[round]) {
            (2, round) => round.b.iter_mut().for_each(raise),
            (route, round) => round.a.iter_mut().for_each(|routes| raise(&mut routes[route])),
        }
        let (before, after) =
            (judge(&scheme, &night, &samples(&night)), judge(&scheme, &after, &samples(&after)));
        prop_assert!(rank(&scheme, &after) <= rank(&scheme, &before), "{rules:#?}\n{before:#?}\n{after:#?}");
    }

    #[test]
    fn an_error_is_never_better_than_the_worst_number(
        night in night(), rules in rules(false), of_a in any::<bool>(), route in prop::sample::select(vec!["x", "y"]),
        wrong in prop::sample::select(WRONGS.to_vec()),
    ) {
        let scheme = scheme(&rules);
        let (stored, fresh) = samples(&night);
        let metric = if of_a { "a" } else { "b" };
        let spoilt = spoilt(&fresh, metric, route, wrong);
        let found = judge(&scheme, &night, &(stored.clone(), spoilt));
        if found.verdict == Verdict::Ok {
            // Whatever it would have been, it is OK.
            let mut worst = night.clone();
            let last = worst.rounds.last_mut().unwrap();
            match (metric, &mut last.a) {
                ("a", Some(routes)) if wrong != "whole" => routes[usize::from(route == "y")] = 1.0,
                ("a", routes) => *routes = Some([1.0, 1.0]),
                _ => last.b = Some(1.0),
            }
            let worst = judge(&scheme, &worst, &samples(&worst));
            let warming = found.warming.len() == found.rules.len();
            prop_assert!(worst.verdict == Verdict::Ok || warming, "{wrong} {metric}\n{rules:#?}\n{found:#?}\n{worst:#?}");
        }
    }

    #[test]
    fn what_hangs_on_something_broken_is_never_ok(night in night(), rules in rules(true)) {
        let scheme = scheme(&rules);
        let found = judge(&scheme, &night, &samples(&night));
        if let Some((of_a, _)) = night.blocked
            && rules.iter().any(|rule| rule.reads(if of_a { "a" } else { "b" }))
        {
            prop_assert_ne!(found.verdict, Verdict::Ok, "{:#?}\n{:#?}", rules, found);
        }
    }
}
