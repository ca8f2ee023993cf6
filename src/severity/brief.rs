//! The result of an alert as one line of text, for long streams.

use super::Scheme;
use super::classification::Outcome;
use super::classify::Tally;
use super::frame::Frame;
use super::json::alert_outcome;
use super::{Truth, wording};
use crate::base::Verdict;
use crate::base::untrusted::{Sink, escape};

/// Memory that is used again for every alert.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    outcomes: Vec<Outcome>,
    line: String,
}

/// Appends `at least P1 CRIT  NAME: reasons of the rules that decided; undecided: …` and returns the verdict.
pub(crate) fn write(
    scheme: &Scheme,
    frame: &Frame,
    alert_name: Option<&str>,
    unknown: &[String],
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Verdict {
    let mut tally = Tally::default();
    scratch.outcomes.clear();
    for rule in &scheme.rules {
        let outcome = alert_outcome(rule, frame, &scheme.table);
        tally.add(rule, outcome);
        scratch.outcomes.push(outcome);
    }
    let summary = tally.finish(scheme);
    let line = &mut scratch.line;
    line.clear();
    let level = summary.level.and_then(|rank| scheme.levels().get(rank));
    line.push_str(match (level, summary.at_least) {
        (Some(_), true) => "at least ",
        (None, true) => "not decided",
        (Some(_), false) => "",
        (None, false) => "no level",
    });
    line.push_str(level.map_or("", String::as_str));
    line.push(' ');
    line.push_str(summary.verdict.as_str());
    if let Some(name) = alert_name {
        line.push_str("  ");
        push_name(line, name);
    }
    let mut joint = ": ";
    let judged = || scheme.rules.iter().zip(&scratch.outcomes);
    for (rule, _) in
        judged().filter(|(rule, found)| **found == Outcome::Matched && Some(rule.rank) == summary.level)
    {
        line.push_str(std::mem::replace(&mut joint, "; "));
        line.push_str(&rule.config.id);
        line.push_str(", ");
        wording::push_reason(line, &rule.condition, frame, &scheme.table, Truth::True);
    }
    // Only what could raise the level is worth a place here.
    let raises = |rank| summary.level.is_none_or(|level| rank < level);
    let mut joint = if joint == ": " { ": undecided " } else { "; undecided " };
    for (rule, _) in judged().filter(|(rule, found)| **found == Outcome::Undecided && raises(rule.rank)) {
        line.push_str(std::mem::replace(&mut joint, ", "));
        line.push_str(&rule.config.id);
    }
    for name in unknown {
        line.push_str("; unknown metric ");
        push_name(line, name);
    }
    out.extend_from_slice(line.as_bytes());
    summary.verdict
}

/// A name from outside, escaped for a terminal.
fn push_name(line: &mut String, name: &str) {
    if name.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        line.push_str(name);
    } else {
        line.push_str(&escape(name, Sink::Terminal));
    }
}
