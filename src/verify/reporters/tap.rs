//! TAP 14 (<https://testanything.org/tap-version-14-specification.html>), flat: one test for each expectation of each
//! suite. CRIT and UNKNOWN are not ok, BLOCKED is skipped; WARN is not ok only where it fails the run.

use std::collections::BTreeMap;

use super::super::report::{Check, Report, Summary};
use super::{Style, text};
use crate::base::Verdict;
use crate::base::untrusted::{Sink, escape, visible_json};

pub(super) fn render(summary: &Summary, style: &Style<'_>) -> String {
    let checks =
        || summary.suites.iter().flat_map(|report| report.checks.iter().map(move |check| (report, check)));
    if let (None, Some(why)) = (checks().next(), &summary.nothing) {
        return format!("TAP version 14\n1..0 # SKIP {}\n", description(why));
    }
    if checks().next().is_none() {
        let why = quoted("no suite was selected, so nothing was verified");
        return format!(
            "TAP version 14\n1..1\nnot ok 1 - selection\n  ---\n  verdict: UNKNOWN\n  message: {why}\n  ...\n"
        );
    }
    let mut out = format!("TAP version 14\n1..{}\n", checks().count());
    for (number, (report, check)) in checks().enumerate() {
        out.push_str(&test(number + 1, report, check, style));
    }
    out
}

fn test(number: usize, report: &Report, check: &Check, style: &Style<'_>) -> String {
    let ok = match check.verdict {
        Verdict::Ok | Verdict::Blocked => true,
        Verdict::Warn => !style.warn_fails,
        Verdict::Crit | Verdict::Unknown => false,
    };
    let name = description(&format!("{} / {}", report.suite, check.id));
    let skip = match check.verdict {
        Verdict::Blocked => format!(" # SKIP {}", description(check.reason.raw())),
        _ => String::new(),
    };
    let mut out = format!("{}ok {number} - {name}{skip}\n", if ok { "" } else { "not " });
    let mut line = |key: &str, value: &str| out.push_str(&format!("  {key}: {value}\n"));
    line("---\n  verdict", check.verdict.as_str());
    line("message", &quoted(check.reason.raw()));
    line("expected", &quoted(&check.expected));
    if let Some(why) = &check.description {
        line("description", &quoted(why));
    }
    // A metric may be called as any other key is.
    let values: BTreeMap<&str, &str> =
        check.values.iter().map(|value| (value.metric.as_str(), value.text.raw())).collect();
    let values: Vec<_> =
        values.iter().map(|(metric, text)| format!("{}: {}", quoted(metric), quoted(text))).collect();
    line("values", &format!("{{{}}}", values.join(", ")));
    let looked: Vec<_> = text::looked_at(report, check).iter().map(|looked| quoted(looked)).collect();
    line("examined", &format!("[{}]", looked.join(", ")));
    out.push_str("  ...\n");
    out
}

/// A description: `#` would begin a directive, a backslash escapes.
fn description(text: &str) -> String {
    escape(text, Sink::Terminal).replace('\\', "\\\\").replace('#', "\\#")
}

/// A YAML scalar in double quotes, which is what a JSON string is.
fn quoted(text: &str) -> String {
    visible_json(&serde_json::Value::from(text).to_string()).into_owned()
}
