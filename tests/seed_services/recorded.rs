//! What Prometheus would have recorded until the night: the fixtures' files in its exposition format, as one series for
//! each fixture, told apart by `job`.

use crate::case::{PASSING, cases, folder};
use crate::support::prometheus::Prometheus;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The instant of the round, in seconds since 1970: 2026-11-20T03:07:00Z.
const NIGHT: i64 = 1_795_144_020;
/// How far back is recorded, and how often.
const REACH: i64 = 3 * 3600;
const STEP: i64 = 60;
/// Since when a gauge has the fixture's value, where that is another than the passing one.
const SINCE: i64 = 600;

/// A value of a series, with its instant where the file gives one.
type Value = (f64, Option<i64>);
/// The values of each series, by its name with its labels.
type Exposition = BTreeMap<String, Vec<Value>>;

/// A server that has recorded the fixtures of a scheme.
pub fn prometheus(scheme: &str) -> Prometheus {
    let mut text = String::new();
    let (before, passing) =
        (read(scheme, PASSING, "metrics-before.prom"), read(scheme, PASSING, "metrics.prom"));
    assert!(!passing.is_empty());
    for case in cases(scheme) {
        let mut now = passing.clone();
        now.extend(read(scheme, &case, "metrics.prom"));
        for (series, values) in &now {
            let earlier = before.get(series).or_else(|| passing.get(series)).unwrap_or(values);
            record(&mut text, &with_job(series, &case), series, earlier, values);
        }
    }
    Prometheus::of_the_past(&(text + "# EOF\n"))
}

/// A file without comments: `name{label="x"} 1`, or with milliseconds since 1970 behind it.
fn read(scheme: &str, case: &str, name: &str) -> Exposition {
    let Ok(text) = std::fs::read_to_string(folder(scheme, case).join(name)) else { return Exposition::new() };
    let mut found = Exposition::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.split(' ');
        let mut next = || words.next();
        let (series, value) = (next().unwrap(), next().unwrap_or_else(|| panic!("{scheme}/{case}: {line}")));
        let at = next().map(|at| at.parse::<i64>().unwrap() / 1000);
        found.entry(series.to_owned()).or_default().push((value.parse().unwrap(), at));
    }
    found
}

fn with_job(series: &str, job: &str) -> String {
    match series.strip_suffix('}') {
        Some(open) => format!("{open},job=\"{job}\"}}"),
        None => format!("{series}{{job=\"{job}\"}}"),
    }
}

/// Counters rise evenly from where they stood; gauges change once.
fn record(text: &mut String, written: &str, series: &str, earlier: &[Value], values: &[Value]) {
    if values[0].1.is_some() {
        for (value, at) in values {
            writeln!(text, "{written} {value} {}", at.unwrap()).unwrap();
        }
        return;
    }
    let (from, to) = (earlier[0].0, values[0].0);
    let name = series.split('{').next().unwrap();
    let counts = ["_total", "_bucket", "_count", "_sum"].iter().any(|ending| name.ends_with(ending));
    let mut at = NIGHT - REACH;
    while at <= NIGHT {
        #[expect(clippy::cast_precision_loss, reason = "a few hours in seconds")]
        let part = (at - NIGHT + REACH) as f64 / REACH as f64;
        let value = match counts {
            true => (from + (to - from) * part).floor(),
            false if at >= NIGHT - SINCE => to,
            false => from,
        };
        writeln!(text, "{written} {value} {at}").unwrap();
        at += STEP;
    }
}
