//! From evidence to a level: every rule's outcome, and what they come to together.

use super::catalog::Table;
use super::classification::{Classification, LookedAt, Outcome, RuleResult, UnknownMetric};
use super::condition::{Absent, Condition};
use super::frame::{Frame, Reading};
use super::ruling::{self, Ruling};
use super::scheme::Rule;
use super::{Circumstances, Evidence, Scheme, Truth, similar, wording};
use crate::base::{Untrusted, Verdict};
use std::collections::BTreeMap;

/// Classifies evidence: the highest level that a rule matches wins.
pub fn classify(scheme: &Scheme, evidence: &Evidence) -> Classification {
    classify_in(scheme, evidence, &Circumstances::default())
}

/// [`classify`] with what is known besides the evidence.
pub fn classify_in(scheme: &Scheme, evidence: &Evidence, around: &Circumstances) -> Classification {
    let mut tally = Tally::default();
    let mut rules = Vec::with_capacity(scheme.rules.len());
    for rule in &scheme.rules {
        let ruling = ruling::rule(scheme, rule, evidence, around);
        tally.add(rule, ruling.finding.outcome);
        rules.push(result(rule, ruling));
    }
    let summary = tally.finish(scheme);
    let named = |outcome| {
        rules.iter().filter(|rule| rule.outcome == outcome).map(|rule| rule.rule.clone()).collect::<Vec<_>>()
    };
    Classification {
        alert_name: evidence.alert_name.clone(),
        scheme: scheme.name().to_owned(),
        level: summary.level.and_then(|rank| scheme.levels().get(rank).cloned()),
        at_least: summary.at_least,
        verdict: summary.verdict,
        undecided: named(Outcome::Undecided),
        warming: named(Outcome::Warming),
        blocked: named(Outcome::Blocked),
        unknown_metrics: if evidence.from_alert { unknown_metrics(scheme, evidence) } else { Vec::new() },
        rules,
    }
}

/// What judging a condition found.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) outcome: Outcome,
    pub(crate) reason: String,
    pub(crate) distance: Option<f64>,
    pub(crate) values: BTreeMap<String, f64>,
    pub(crate) looked_at: Option<LookedAt>,
}

fn result(rule: &Rule, ruling: Ruling) -> RuleResult {
    let Ruling { finding, kept, held, blocked_by, holds_though_blocked } = ruling;
    // What to do stands only where there is something to do.
    let matched = finding.outcome == Outcome::Matched;
    RuleResult {
        rule: rule.config.id.clone(),
        level: rule.config.level.clone(),
        outcome: finding.outcome,
        symptom: rule.config.symptom().to_owned(),
        reason: finding.reason,
        distance: finding.distance,
        values: finding.values,
        runbook: rule.config.runbook.clone().filter(|_| matched),
        first_action: rule.config.first_action.clone().filter(|_| matched),
        contain: rule.config.contain && matched,
        looked_at: finding.looked_at,
        kept,
        held,
        blocked_by,
        holds_though_blocked,
    }
}

/// The outcome of a condition for one frame of readings.
#[inline]
pub(crate) fn outcome(condition: &Condition, frame: &Frame, table: &Table) -> Outcome {
    match condition.evaluate(frame, table, Absent::Undecided) {
        Truth::True => Outcome::Matched,
        Truth::False => Outcome::Missed,
        Truth::Undecided => undecided(condition, frame, table),
    }
}

/// Whether an undecided condition is warming, or hangs on nothing but what need not be reported.
fn undecided(condition: &Condition, frame: &Frame, table: &Table) -> Outcome {
    if condition.evaluate(frame, table, Absent::NotHappened) == Truth::False {
        return Outcome::Unreported;
    }
    let (mut warming, mut missing) = (false, false);
    for slot in condition.slots() {
        match frame.reading(slot) {
            Reading::Warming => warming = true,
            Reading::Value(_) => {}
            Reading::Absent if table.get(slot).is_some_and(|slot| slot.optional) => {}
            Reading::Absent | Reading::Undecided(_) => missing = true,
        }
    }
    if warming && !missing { Outcome::Warming } else { Outcome::Undecided }
}

/// The truth whose parts explain an outcome.
pub(crate) const fn explained_by(outcome: Outcome) -> Truth {
    match outcome {
        Outcome::Matched => Truth::True,
        Outcome::Missed => Truth::False,
        Outcome::Undecided | Outcome::Warming | Outcome::Unreported | Outcome::Blocked => Truth::Undecided,
    }
}

/// The finding for one frame.
pub(crate) fn finding(condition: &Condition, frame: &Frame, table: &Table) -> Finding {
    let outcome = outcome(condition, frame, table);
    let truth = explained_by(outcome);
    let mut reason = String::new();
    wording::push_reason(&mut reason, condition, frame, table, truth);
    let values = condition.slots().into_iter().filter_map(|slot| {
        let value = frame.value(slot)?;
        table.get(slot).map(|slot| (slot.key.clone(), value))
    });
    Finding {
        outcome,
        reason,
        distance: wording::distance(condition, frame, table, truth),
        values: values.collect(),
        looked_at: None,
    }
}

/// The rules' outcomes so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    matched: Option<usize>,
    undecided: Option<usize>,
    unknown: bool,
    blocked: bool,
    decided: bool,
}

/// What the rules come to together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The level's place in the order of urgency.
    pub(crate) level: Option<usize>,
    pub(crate) at_least: bool,
    pub(crate) verdict: Verdict,
}

impl Tally {
    #[inline]
    pub(crate) fn add(&mut self, rule: &Rule, outcome: Outcome) {
        let least = |found: Option<usize>| Some(found.map_or(rule.rank, |found| found.min(rule.rank)));
        match outcome {
            Outcome::Matched => self.matched = least(self.matched),
            Outcome::Missed => self.decided = true,
            Outcome::Undecided => {
                self.undecided = least(self.undecided);
                self.unknown |= rule.verdict != Verdict::Ok;
            }
            // What is blocked could be as bad as what is undecided; the incident is that of its cause.
            Outcome::Blocked => {
                self.undecided = least(self.undecided);
                self.blocked |= rule.verdict != Verdict::Ok;
            }
            Outcome::Warming | Outcome::Unreported => {}
        }
    }

    pub(crate) fn finish(self, scheme: &Scheme) -> Summary {
        let default = scheme.config().default_level.as_deref().map(|level| scheme.rank(level));
        let level = self.matched.or(default);
        let at_least = self.undecided.is_some_and(|rank| level.is_none_or(|level| rank < level));
        let own = level
            .and_then(|rank| scheme.levels().get(rank))
            .and_then(|level| scheme.level(level))
            .map_or(Verdict::Ok, |level| level.verdict);
        let verdict = match self.matched {
            Some(_) if own == Verdict::Ok && at_least && self.unknown => Verdict::Unknown,
            Some(_) if own == Verdict::Ok && at_least && self.blocked => Verdict::Blocked,
            Some(_) => own,
            // No evidence is not health: something has to have been looked at, and nothing left open.
            None if self.unknown => Verdict::Unknown,
            None if self.blocked => own.worst(Verdict::Blocked),
            None if !self.decided => Verdict::Unknown,
            None => own,
        };
        Summary { level, at_least, verdict }
    }
}

fn unknown_metrics(scheme: &Scheme, evidence: &Evidence) -> Vec<UnknownMetric> {
    let known = |name: &str| scheme.table.find(name).is_some() || scheme.config().metrics.contains_key(name);
    evidence.metrics().filter(|name| !known(name)).map(|name| unknown_metric(scheme, name)).collect()
}

/// A metric that the scheme does not know, with what may have been meant.
pub(crate) fn unknown_metric(scheme: &Scheme, name: &str) -> UnknownMetric {
    let similar = similar(name, scheme.config().metrics.keys().map(String::as_str));
    UnknownMetric { metric: Untrusted::new(name), did_you_mean: similar.map(str::to_owned) }
}
