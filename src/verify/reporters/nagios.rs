//! One line as monitoring plugins print it: the state, why, and performance data with thresholds
//! (<https://www.monitoring-plugins.org/doc/guidelines.html>).

use std::collections::BTreeMap;

use super::super::config::ExpectationSeverity;
use super::super::report::{Check, Summary, Value};
use crate::base::untrusted::{Sink, escape};
use crate::base::{Unit, Verdict};

/// How many expectations that do not hold are named.
const NAMED: usize = 3;
/// How long each may be, in characters. Nagios keeps 8 KiB of a plugin's output.
const LONG: usize = 300;
/// How long the performance data may be, in bytes.
const MOST_DATA: usize = 5000;

/// One value with its thresholds.
#[derive(Debug, Default, Clone, PartialEq)]
struct Datum {
    value: Option<f64>,
    unit: Option<Unit>,
    warning: Option<String>,
    critical: Option<String>,
}

pub(super) fn render(summary: &Summary) -> String {
    if let Some(why) = &summary.nothing {
        return format!("IRCTL OK - nothing was verified: {}\n", plain(why));
    }
    let state = match summary.verdict {
        Verdict::Ok => "OK",
        Verdict::Warn => "WARNING",
        Verdict::Crit => "CRITICAL",
        Verdict::Unknown | Verdict::Blocked => "UNKNOWN",
    };
    let data = performance(summary);
    let data = if data.is_empty() { String::new() } else { format!(" | {data}") };
    format!("IRCTL {state} - {}{data}\n", plain(&said(summary)))
}

fn said(summary: &Summary) -> String {
    let mut bad: Vec<_> = summary
        .suites
        .iter()
        .flat_map(|report| report.checks.iter().map(move |check| (report, check)))
        .filter(|(_, check)| check.verdict != Verdict::Ok)
        .collect();
    let all: usize = summary.suites.iter().map(|report| report.checks.len()).sum();
    if all == 0 {
        return "no suite was selected, so nothing was verified".to_owned();
    }
    if bad.is_empty() {
        return format!("{all} of {all} expectations hold");
    }
    bad.sort_by_key(|(_, check)| check.verdict != summary.verdict);
    let named: Vec<String> = bad
        .iter()
        .take(NAMED)
        .map(|(report, check)| {
            let text = format!("{}/{} {}: {}", report.suite, check.id, check.verdict, check.reason.raw());
            text.chars().take(LONG).collect()
        })
        .collect();
    let more = bad.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!("{} of {all} expectations hold; {}{more}", all - bad.len(), named.join("; "))
}

/// Text in front of the bar, in which there is no other bar and no line break.
fn plain(text: &str) -> String {
    escape(text, Sink::Terminal).replace('|', "/")
}

fn performance(summary: &Summary) -> String {
    let mut data: BTreeMap<String, Datum> = BTreeMap::new();
    let several = summary.suites.len() > 1;
    for report in &summary.suites {
        for check in &report.checks {
            for value in &check.values {
                let label =
                    if several { format!("{}/{}", report.suite, value.metric) } else { value.metric.clone() };
                let range = range(check, value);
                let mut datum = data.entry(label.clone()).or_default();
                if !fits(datum, check, range.as_ref()) {
                    // A second threshold of the same severity: its value stands a second time.
                    datum = data.entry(format!("{label} {}", check.id)).or_default();
                }
                (datum.value, datum.unit) = (value.value, Some(value.unit));
                let threshold = slot(datum, check);
                *threshold = threshold.take().or(range);
            }
        }
    }
    let mut out = String::new();
    for (label, datum) in &data {
        let shown = shown(label, datum);
        if out.len() + shown.len() < MOST_DATA {
            out.push_str(if out.is_empty() { "" } else { " " });
            out.push_str(&shown);
        }
    }
    out
}

fn slot<'a>(datum: &'a mut Datum, check: &Check) -> &'a mut Option<String> {
    match check.severity {
        ExpectationSeverity::Fail => &mut datum.critical,
        ExpectationSeverity::Warn => &mut datum.warning,
    }
}

fn fits(datum: &mut Datum, check: &Check, range: Option<&String>) -> bool {
    let there = slot(datum, check);
    there.is_none() || range.is_none() || there.as_ref() == range
}

/// The range outside which the expectation does not hold, where it is one comparison of one value.
fn range(check: &Check, value: &Value) -> Option<String> {
    let ([_], Some(distance), Some(number)) = (check.values.as_slice(), check.distance, value.value) else {
        return None;
    };
    let holds = match check.verdict {
        Verdict::Ok => true,
        Verdict::Crit | Verdict::Warn => false,
        Verdict::Unknown | Verdict::Blocked => return None,
    };
    if distance == 0.0 {
        // On the threshold itself nobody can tell which side is the good one.
        return None;
    }
    let threshold = shown_number((number - distance) * measure(value.unit).1);
    // `~:10` is everything up to 10, `10:` everything from 10 on.
    Some(if (distance < 0.0) == holds { format!("~:{threshold}") } else { format!("{threshold}:") })
}

/// The unit of measurement of the guidelines, and how many of them one of ours is.
const fn measure(unit: Unit) -> (&'static str, f64) {
    match unit {
        Unit::Ratio | Unit::Change => ("%", 100.0),
        Unit::Milliseconds => ("ms", 1.0),
        Unit::Seconds => ("s", 1.0),
        Unit::Minutes => ("s", 60.0),
        Unit::Hours => ("s", 3600.0),
        Unit::Days => ("s", 86_400.0),
        Unit::Bytes => ("B", 1.0),
        Unit::Count | Unit::Sigma | Unit::Flag | Unit::Number => ("", 1.0),
    }
}

/// `'label'=value[UOM];[warn];[crit];[min];[max]`.
fn shown(label: &str, datum: &Datum) -> String {
    let label = escape(label, Sink::Terminal).replace(['=', '|'], "_").replace('\'', "''");
    let unit = datum.unit.unwrap_or(Unit::Number);
    let (uom, factor) = measure(unit);
    let value = match datum.value.filter(|value| value.is_finite()) {
        Some(value) => format!("{}{uom}", shown_number(value * factor)),
        None => "U".to_owned(),
    };
    let end = |bound: f64| if bound.is_finite() { shown_number(bound * factor) } else { String::new() };
    let (lowest, highest) = unit.range();
    let parts = [
        value,
        datum.warning.clone().unwrap_or_default(),
        datum.critical.clone().unwrap_or_default(),
        end(lowest),
        end(highest),
    ];
    format!("'{label}'={}", parts.join(";").trim_end_matches(';'))
}

/// A number without an exponent, and without what only doubles have: 31, not 31.000000000000004.
fn shown_number(value: f64) -> String {
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if matches!(text, "-0" | "") { "0".to_owned() } else { text.to_owned() }
}
