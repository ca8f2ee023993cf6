//! Text for people: the checks in aligned columns, and below them what the probes looked at.

use super::super::report::{Check, Examination, Report, SampleView, Summary};
use super::Style;
use crate::base::clock::{Elapsed, format_minute};
use crate::base::untrusted::{Sink, escape};
use crate::base::{Digest, Untrusted, Verdict};

/// The widest word of a verdict.
const VERDICT_WIDTH: usize = 7;
/// The widest that names of checks may push the other columns to the right.
const NAME_WIDTH: usize = 32;

pub(super) fn render(summary: &Summary, style: &Style<'_>) -> String {
    if let Some(why) = &summary.nothing {
        return format!("nothing was verified: {why}\n");
    }
    if summary.suites.is_empty() {
        return format!(
            "{}: no suite was selected, so nothing was verified\n",
            (style.verdict)(Verdict::Unknown)
        );
    }
    let suites: Vec<_> = summary.suites.iter().map(|report| suite(report, style)).collect();
    suites.join("\n")
}

fn suite(report: &Report, style: &Style<'_>) -> String {
    let mut out = heading(report, style);
    let names: Vec<String> = report.checks.iter().map(|check| escape(&check.id, Sink::Terminal)).collect();
    let name_width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(NAME_WIDTH);
    let indent = 2 + VERDICT_WIDTH + 2 + name_width + 2;
    let room = style.width.saturating_sub(indent).max(30);
    for (check, name) in report.checks.iter().zip(&names) {
        let pad = " ".repeat(VERDICT_WIDTH.saturating_sub(check.verdict.as_str().len()));
        out.push_str(&format!("  {}{pad}  {name:<name_width$}", (style.verdict)(check.verdict)));
        // A name that is longer than its column has a line for itself.
        let mut first = name.chars().count() <= name_width;
        for line in body(check) {
            for part in wrap(&line.text, room) {
                let part = if line.faint { (style.faint)(&part) } else { part };
                let lead = if first { "  ".to_owned() } else { format!("\n{}", " ".repeat(indent)) };
                first = false;
                out.push_str(&lead);
                out.push_str(&part);
            }
        }
        out.push('\n');
    }
    for examination in &report.examined {
        for (number, part) in wrap(&facts(examination), style.width.saturating_sub(4)).iter().enumerate() {
            let lead = if number == 0 { "  " } else { "    " };
            out.push_str(&format!("{lead}{}\n", (style.faint)(part)));
        }
    }
    out
}

fn heading(report: &Report, style: &Style<'_>) -> String {
    let named = |text: &Option<String>| text.as_deref().map(|text| escape(text, Sink::Terminal));
    let service = named(&report.service).map(|service| format!(" ({service})")).unwrap_or_default();
    let title = named(&report.title).map(|title| format!(" — {title}")).unwrap_or_default();
    let count = report.checks.len();
    let checks = if count == 1 { "check" } else { "checks" };
    let elapsed = i64::try_from(report.elapsed_ms).unwrap_or(i64::MAX);
    format!(
        "{} {}{service}{title}: {count} {checks} at {} in {}\n",
        (style.verdict)(report.verdict),
        escape(&report.suite, Sink::Terminal),
        format_minute(report.started_at),
        Elapsed(chrono::TimeDelta::milliseconds(elapsed)),
    )
}

struct Line {
    text: String,
    faint: bool,
}

/// Why it came out so; what was expected if it does not hold; what stands behind it.
fn body(check: &Check) -> Vec<Line> {
    let mut lines = vec![Line { text: check.reason.to_string(), faint: false }];
    if check.verdict != Verdict::Ok {
        let mut text = format!("expected: {}", escape(&check.expected, Sink::Terminal));
        if let Some(why) = &check.description {
            text.push_str(&format!(" — {}", escape(why, Sink::Terminal)));
        }
        lines.push(Line { text, faint: false });
    }
    if !check.probes.is_empty() {
        lines.push(Line { text: behind(check), faint: true });
    }
    lines.extend(check.samples.iter().map(|sample| Line { text: sample_line(sample), faint: true }));
    lines
}

/// `03:07:30 good: 3.1 %`.
pub(super) fn sample_line(sample: &SampleView) -> String {
    format!("{} {}: {}", sample.at.format("%H:%M:%S"), sample.verdict.as_str(), sample.reason)
}

/// What a check rests on, in short: `accuracy: 7 rows, newest 2026-11-16T05:00:00Z`.
fn behind(check: &Check) -> String {
    if check.rows == 0 {
        return format!("{}: nothing", escape(&check.probes.join(", "), Sink::Terminal));
    }
    let rows = if check.rows == 1 { "row" } else { "rows" };
    let newest = check.newest.map(|newest| format!(", newest {}", format_minute(newest))).unwrap_or_default();
    format!("{}: {} {rows}{newest}", escape(&check.probes.join(", "), Sink::Terminal), check.rows)
}

/// What the probes behind a check looked at, a line for each.
pub(super) fn looked_at(report: &Report, check: &Check) -> Vec<String> {
    let behind = report.examined.iter().filter(|examination| check.probes.contains(&examination.probe));
    behind.map(facts).collect()
}

fn facts(examination: &Examination) -> String {
    let plain = |text: &str| escape(text, Sink::Terminal);
    let shown = |text: &Untrusted| match text.raw().parse::<Digest>() {
        Ok(digest) => digest.short().to_owned(),
        Err(_) => text.escaped(Sink::Terminal),
    };
    let mut parts: Vec<String> = examination
        .facts
        .iter()
        .map(|fact| format!("{} {}", plain(&fact.label), shown(&fact.value)))
        .collect();
    parts.extend(examination.problems.iter().map(|problem| {
        let metric = problem.metric.as_ref().map(|metric| format!("{}: ", plain(metric))).unwrap_or_default();
        format!("problem: {metric}{}", shown(&problem.reason))
    }));
    if parts.is_empty() {
        parts.push("nothing".to_owned());
    }
    format!("{} looked at: {}", plain(&examination.probe), parts.join(", "))
}

/// Breaks a text at spaces; a word that is too long stays whole.
///
/// CI systems take a line that begins with `::` or `##` for a command: what is quoted here never begins one.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let command = word.starts_with("::") || word.starts_with("##");
        if !line.is_empty() && !command && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_begins_with_what_a_ci_system_obeys() {
        let text = "a b ::error::x ##[y] ".repeat(20);
        for width in 1..40 {
            assert!(wrap(&text, width).iter().all(|line| !line.starts_with("::") && !line.starts_with("##")));
        }
    }
}
