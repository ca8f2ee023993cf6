//! GitHub Actions: the text for the log, then an annotation for each expectation that does not hold, and a summary of
//! the job in Markdown.
//!
//! GitHub shows ten errors and ten warnings of a step and drops the rest without a word
//! (<https://docs.github.com/en/actions/reference/limits>): what is dropped is said in the last one.

use super::super::report::{Check, Report, Summary};
use super::{Style, text};
use crate::base::Verdict;
use crate::base::untrusted::{Sink, commandless, escape};

/// How many annotations of one level GitHub shows of a step.
const MOST: usize = 10;
/// A summary may have a mebibyte; what is larger is refused as a whole.
const MOST_BYTES: usize = 1_000_000;

pub(super) fn render(summary: &Summary, style: &Style<'_>) -> String {
    // Whatever the log quotes, it begins no command; ours follow it.
    let mut out = commandless(&text::render(summary, style)).into_owned();
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    if summary.suites.is_empty() && summary.nothing.is_none() {
        errors.push((
            "irctl verify".to_owned(),
            "UNKNOWN: no suite was selected, so nothing was verified".to_owned(),
        ));
    }
    for (report, check) in checks(summary) {
        let found = (format!("{}: {}", report.suite, check.id), said(check));
        match check.verdict {
            Verdict::Ok => {}
            Verdict::Crit | Verdict::Unknown => errors.push(found),
            Verdict::Warn if style.warn_fails => errors.push(found),
            Verdict::Warn | Verdict::Blocked => warnings.push(found),
        }
    }
    for (level, found) in [("error", errors), ("warning", warnings)] {
        out.push_str(&annotations(level, &found));
    }
    out
}

fn checks(summary: &Summary) -> impl Iterator<Item = (&Report, &Check)> {
    summary.suites.iter().flat_map(|report| report.checks.iter().map(move |check| (report, check)))
}

fn said(check: &Check) -> String {
    format!("{}: {} (expected: {})", check.verdict, check.reason.raw(), check.expected)
}

fn annotations(level: &str, found: &[(String, String)]) -> String {
    let shown = if found.len() > MOST { MOST - 1 } else { found.len() };
    let mut lines: Vec<String> = found
        .iter()
        .take(shown)
        .map(|(title, message)| format!("::{level} title={}::{}\n", property(title), data(message)))
        .collect();
    let more = found.len() - shown;
    if more > 0 {
        lines.push(format!(
            "::{level} title=irctl verify::and {more} more: see the log and the summary of the job\n"
        ));
    }
    lines.concat()
}

/// The text of a command. Line breaks are made visible, so that they need no escape of GitHub's.
fn data(text: &str) -> String {
    commandless(&escape(text, Sink::Terminal)).replace('%', "%25")
}

/// A property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// What goes into the file that `GITHUB_STEP_SUMMARY` names: a table for each suite, the worst rows first, as many as
/// fit.
pub(super) fn step_summary(summary: &Summary) -> String {
    let markdown = |text: &str| escape(text, Sink::Markdown);
    if let Some(why) = &summary.nothing {
        return format!("### irctl verify: nothing to verify\n\n{}\n", markdown(why));
    }
    let mut out = format!("### irctl verify: {}\n\n", summary.verdict);
    if summary.suites.is_empty() {
        out.push_str("No suite was selected, so nothing was verified.\n");
    }
    let mut left_out = 0;
    for report in &summary.suites {
        let held = report.checks.iter().filter(|check| check.verdict == Verdict::Ok).count();
        let head = format!(
            "**{}** {}: {held} of {} expectations hold\n\n| verdict | expectation | why | rests on |\n|---|---|---|---|\n",
            markdown(&report.suite),
            report.verdict,
            report.checks.len()
        );
        let mut rows: Vec<&Check> = report.checks.iter().collect();
        rows.sort_by_key(|check| std::cmp::Reverse(rank(check.verdict)));
        out.push_str(&head);
        for check in rows {
            let row = format!(
                "| {} | {} | {} | {} rows |\n",
                check.verdict,
                markdown(&check.id),
                markdown(check.reason.raw()),
                check.rows
            );
            if out.len() + row.len() > MOST_BYTES {
                left_out += 1;
            } else {
                out.push_str(&row);
            }
        }
        out.push('\n');
    }
    if left_out > 0 {
        out.push_str(&format!("{left_out} more expectations do not fit here; the log has them.\n"));
    }
    out
}

const fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Crit => 4,
        Verdict::Unknown => 3,
        Verdict::Blocked => 2,
        Verdict::Warn => 1,
        Verdict::Ok => 0,
    }
}
