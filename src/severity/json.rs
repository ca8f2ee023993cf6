//! The result of an alert as JSON, written without building it first.
//!
//! Everything that does not depend on the values is prepared when the scheme is compiled. What is written is byte for
//! byte what serialising a [`super::Classification`] gives; a test holds the two together.

use std::collections::HashMap;
use std::io::Write as _;

use super::Scheme;
use super::catalog::{SlotId, Table};
use super::classification::Outcome;
use super::classify::{Tally, explained_by, outcome, unknown_metric};
use super::condition::{Condition, Threshold};
use super::config::SchemeConfig;
use super::frame::{Frame, Reading};
use super::scheme::Rule;
use super::{stretch, wording};
use crate::base::Verdict;

/// The constant parts of a scheme's results.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fragments {
    /// `"scheme":"…","level":`
    scheme: String,
    /// Each level's name as a JSON string, by urgency.
    levels: Vec<String>,
    rules: Vec<RuleFragments>,
}

/// The constant parts of a rule's result.
#[derive(Debug, Clone, Default)]
struct RuleFragments {
    /// From the beginning to the reason's opening quote, by outcome.
    heads: [String; 6],
    /// What a matched rule adds: runbook, first action, containment.
    tail: String,
    /// The name as a JSON string.
    id: String,
    /// The whole result where nothing is known of a rule's only metric, with its outcome.
    absent: Option<(Outcome, String)>,
    /// Each slot's name as a JSON key with its colon.
    keys: Vec<(SlotId, String)>,
    /// Whether the rule is one comparison of a plain metric with a constant, whose words need no escapes.
    plain: bool,
}

/// Memory that is used again for every alert.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    outcomes: Vec<Outcome>,
    reason: String,
    shown: Vec<Shown>,
    /// What is said of each metric that the scheme does not know.
    strangers: HashMap<String, Vec<u8>>,
}

/// A slot's value, written once for all rules that read it.
#[derive(Debug, Default)]
struct Shown {
    text: String,
    json: Vec<u8>,
}

impl Scratch {
    fn show(&mut self, frame: &Frame, table: &Table) {
        self.shown.resize_with(table.slots.len(), Shown::default);
        for ((shown, slot), reading) in self.shown.iter_mut().zip(&table.slots).zip(&frame.readings) {
            if let Reading::Value(value) = *reading {
                shown.text.clear();
                wording::push_value(&mut shown.text, slot.unit, value);
                shown.json.clear();
                push_number(&mut shown.json, value);
            }
        }
    }

    fn shown(&self, slot: SlotId) -> Option<&Shown> {
        self.shown.get(usize::from(slot))
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

impl Fragments {
    pub(crate) fn new(config: &SchemeConfig, order: &[String], rules: &[Rule], table: &Table) -> Self {
        Self {
            scheme: format!("\"scheme\":{},\"level\":", quoted(&config.scheme)),
            levels: order.iter().map(|level| quoted(level)).collect(),
            rules: rules.iter().map(|rule| RuleFragments::new(rule, table)).collect(),
        }
    }
}

impl RuleFragments {
    fn new(rule: &Rule, table: &Table) -> Self {
        let config = &rule.config;
        let heads = Outcome::ALL.map(|outcome| {
            format!(
                "{{\"rule\":{},\"level\":{},\"outcome\":\"{}\",\"symptom\":{},\"reason\":\"",
                quoted(&config.id),
                quoted(&config.level),
                outcome.as_str(),
                quoted(config.symptom())
            )
        });
        let mut tail = String::new();
        for (key, value) in [("runbook", &config.runbook), ("first_action", &config.first_action)] {
            if let Some(value) = value {
                tail.push_str(&format!(",\"{key}\":{}", quoted(value)));
            }
        }
        tail.push_str(if config.contain { ",\"contain\":true" } else { "" });
        let mut slots: Vec<_> =
            rule.slots.iter().filter_map(|slot| table.get(*slot).map(|named| (&named.key, *slot))).collect();
        slots.sort();
        let keys = slots.into_iter().map(|(key, slot)| (slot, format!("{}:", quoted(key)))).collect();
        let mut fragments =
            Self { heads, tail, id: quoted(&config.id), absent: None, keys, plain: is_plain(rule) };
        fragments.absent = fragments.when_absent(rule, table);
        fragments
    }

    fn when_absent(&self, rule: &Rule, table: &Table) -> Option<(Outcome, String)> {
        if !matches!(rule.condition, Condition::Compare(_) | Condition::Flag(_)) || rule.slots.len() != 1 {
            return None;
        }
        let mut frame = Frame::default();
        frame.reset(table);
        let outcome = alert_outcome(rule, &frame, table);
        let mut out = Vec::new();
        self.write(rule, outcome, &frame, table, &mut Scratch::default(), &mut out);
        String::from_utf8(out).ok().map(|text| (outcome, text))
    }

    fn write(
        &self,
        rule: &Rule,
        outcome: Outcome,
        frame: &Frame,
        table: &Table,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) {
        let head = Outcome::ALL.iter().position(|other| *other == outcome).and_then(|at| self.heads.get(at));
        out.extend_from_slice(head.map_or("", String::as_str).as_bytes());
        if matches!(outcome, Outcome::Matched | Outcome::Missed) && self.plain {
            self.write_plain(rule, frame, scratch, out);
        } else {
            self.write_general(rule, outcome, frame, table, scratch, out);
        }
        if outcome == Outcome::Matched {
            out.extend_from_slice(self.tail.as_bytes());
        }
        out.push(b'}');
    }

    /// From the reason to the values, for the most common kind of rule.
    fn write_plain(&self, rule: &Rule, frame: &Frame, scratch: &mut Scratch, out: &mut Vec<u8>) {
        let (Condition::Compare(comparison), [(slot, key)]) = (&rule.condition, self.keys.as_slice()) else {
            return;
        };
        let Some((left, right)) = comparison.values(frame) else { return };
        let mut reason = std::mem::take(&mut scratch.reason);
        reason.clear();
        let shown = scratch.shown(*slot);
        wording::push_comparison(
            &mut reason,
            comparison,
            left,
            right,
            shown.map(|shown| shown.text.as_str()),
        );
        out.extend_from_slice(reason.as_bytes());
        out.extend_from_slice(b"\",\"distance\":");
        push_distance(out, left - right);
        out.extend_from_slice(b",\"values\":{");
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(shown.map_or(&[], |shown| shown.json.as_slice()));
        out.push(b'}');
        scratch.reason = reason;
    }

    fn write_general(
        &self,
        rule: &Rule,
        outcome: Outcome,
        frame: &Frame,
        table: &Table,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) {
        let reason = &mut scratch.reason;
        reason.clear();
        // An alert's one value may hold without matching a rule that asks for more; then it explains itself as held.
        let held = alert_holds_once(rule, outcome, frame, table);
        let truth = if held { super::Truth::True } else { explained_by(outcome) };
        wording::push_reason(reason, &rule.condition, frame, table, truth);
        if let (true, Some(persistence)) = (held, rule.config.persistence) {
            stretch::push_once(reason, persistence);
        }
        push_escaped(out, reason);
        out.push(b'"');
        if let Some(distance) = wording::distance(&rule.condition, frame, table, truth) {
            out.extend_from_slice(b",\"distance\":");
            push_distance(out, distance);
        }
        out.extend_from_slice(b",\"values\":{");
        self.write_values(frame, out);
        out.push(b'}');
    }

    fn write_values(&self, frame: &Frame, out: &mut Vec<u8>) {
        let mut first = true;
        for (slot, key) in &self.keys {
            if let Some(value) = frame.value(*slot) {
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                out.extend_from_slice(key.as_bytes());
                push_number(out, value);
            }
        }
    }
}

/// The outcome of a rule for an alert, whose values stand for one moment.
#[inline]
pub(crate) fn alert_outcome(rule: &Rule, frame: &Frame, table: &Table) -> Outcome {
    match outcome(&rule.condition, frame, table) {
        Outcome::Matched if rule.needs_history() => Outcome::Undecided,
        outcome => outcome,
    }
}

fn alert_holds_once(rule: &Rule, found: Outcome, frame: &Frame, table: &Table) -> bool {
    found == Outcome::Undecided
        && rule.needs_history()
        && outcome(&rule.condition, frame, table) == Outcome::Matched
}

/// Writes the result of one alert and returns its verdict.
pub(crate) fn write(
    scheme: &Scheme,
    frame: &Frame,
    alert_name: Option<&str>,
    unknown: &[String],
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Verdict {
    let (fragments, table) = (scheme.fragments(), &scheme.table);
    let mut tally = Tally::default();
    scratch.outcomes.clear();
    for (rule, fragment) in scheme.rules.iter().zip(&fragments.rules) {
        let outcome = match (&fragment.absent, rule.slots.first()) {
            (Some((outcome, _)), Some(slot)) if frame.reading(*slot) == Reading::Absent => *outcome,
            _ => alert_outcome(rule, frame, table),
        };
        tally.add(rule, outcome);
        scratch.outcomes.push(outcome);
    }
    let summary = tally.finish(scheme);
    scratch.show(frame, table);
    out.push(b'{');
    if let Some(name) = alert_name {
        out.extend_from_slice(b"\"alert_name\":\"");
        push_escaped(out, name);
        out.extend_from_slice(b"\",");
    }
    out.extend_from_slice(fragments.scheme.as_bytes());
    let level = summary.level.and_then(|rank| fragments.levels.get(rank));
    out.extend_from_slice(level.map_or("null", String::as_str).as_bytes());
    out.extend_from_slice(if summary.at_least { b",\"at_least\":true" } else { b",\"at_least\":false" });
    out.extend_from_slice(b",\"verdict\":\"");
    out.extend_from_slice(summary.verdict.as_str().as_bytes());
    out.extend_from_slice(b"\",\"rules\":[");
    for (index, (rule, fragment)) in scheme.rules.iter().zip(&fragments.rules).enumerate() {
        let Some(outcome) = scratch.outcomes.get(index).copied() else { continue };
        if index > 0 {
            out.push(b',');
        }
        match (&fragment.absent, rule.slots.first()) {
            (Some((_, text)), Some(slot)) if frame.reading(*slot) == Reading::Absent => {
                out.extend_from_slice(text.as_bytes());
            }
            _ => fragment.write(rule, outcome, frame, table, scratch, out),
        }
    }
    write_names(b"],\"undecided\":[", Outcome::Undecided, fragments, &scratch.outcomes, out);
    write_names(b"],\"warming\":[", Outcome::Warming, fragments, &scratch.outcomes, out);
    out.push(b']');
    write_unknown(scheme, unknown, &mut scratch.strangers, out);
    out.push(b'}');
    summary.verdict
}

fn write_names(head: &[u8], wanted: Outcome, fragments: &Fragments, outcomes: &[Outcome], out: &mut Vec<u8>) {
    out.extend_from_slice(head);
    let mut first = true;
    for (fragment, outcome) in fragments.rules.iter().zip(outcomes) {
        if *outcome == wanted {
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            out.extend_from_slice(fragment.id.as_bytes());
        }
    }
}

/// How many metrics that a scheme does not know are remembered: what comes from outside may have no end of them.
const STRANGERS: usize = 1000;

/// Looking for the name that was meant takes longer than all the rest, and the same names come in alert after alert.
fn write_unknown(
    scheme: &Scheme,
    unknown: &[String],
    strangers: &mut HashMap<String, Vec<u8>>,
    out: &mut Vec<u8>,
) {
    if unknown.is_empty() {
        return;
    }
    let mut names: Vec<&str> = unknown.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    out.extend_from_slice(b",\"unknown_metrics\":[");
    for (index, name) in names.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if let Some(known) = strangers.get(name) {
            out.extend_from_slice(known);
            continue;
        }
        let begun = out.len();
        let _ = serde_json::to_writer(&mut *out, &unknown_metric(scheme, name));
        if strangers.len() < STRANGERS {
            strangers.insert(name.to_owned(), out.get(begun..).unwrap_or_default().to_vec());
        }
    }
    out.push(b']');
}

fn is_plain(rule: &Rule) -> bool {
    let Condition::Compare(comparison) = &rule.condition else { return false };
    let safe = |text: &str| text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    comparison.left.divisor.is_none()
        && comparison.left.factor == 1.0
        && matches!(comparison.right, Threshold::Constant(_))
        && safe(&comparison.left_text)
        && safe(&comparison.right_text)
}

/// A distance: rounded to billionths, so that its digits are at hand without searching the shortest ones.
fn push_distance(out: &mut Vec<u8>, distance: f64) {
    match wording::billionths(distance) {
        Some(0) => out.extend_from_slice(b"0.0"),
        // Smaller ones are written with an exponent.
        Some(whole) if whole >= 1_000_000 => {
            if distance < 0.0 {
                out.push(b'-');
            }
            push_decimal(out, whole);
        }
        _ => push_number(out, wording::rounded(distance)),
    }
}

/// Billionths as a decimal number.
fn push_decimal(out: &mut Vec<u8>, whole: u64) {
    let mut digits = [b'0'; 20];
    let mut rest = whole;
    let mut length = 0;
    // From the last digit; nine stand behind the point, at least one before it.
    for place in digits.iter_mut().rev() {
        if rest == 0 && length > 9 {
            break;
        }
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
        length += 1;
    }
    let (before, after) = digits.split_at(11);
    out.extend_from_slice(before.get(20 - length..).unwrap_or_default());
    out.push(b'.');
    let zeros = after.iter().rev().take_while(|digit| **digit == b'0').count().min(8);
    out.extend_from_slice(after.get(..9 - zeros).unwrap_or_default());
}

/// A number as serde_json writes it. Writing into memory cannot fail.
fn push_number(out: &mut Vec<u8>, value: f64) {
    let _ = serde_json::to_writer(out, &value);
}

/// A text inside its quotes.
fn push_escaped(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        return out.extend_from_slice(text.as_bytes());
    }
    // serde_json's own escapes, without the quotes around them.
    let start = out.len();
    let _ = out.write_all(quoted(text).get(1..).unwrap_or_default().as_bytes());
    if out.len() > start {
        out.pop();
    }
}
