//! A classification by symptom: incidents are one for each service and symptom.

use std::collections::BTreeMap;

use super::Scheme;
use super::classification::{Classification, LookedAt, Outcome, RuleResult};
use super::classify::Tally;
use crate::base::Verdict;

/// What the rules of one symptom say together.
#[derive(Debug, Clone, PartialEq)]
pub struct SymptomSummary<'a> {
    /// The symptom.
    pub symptom: &'a str,
    /// The highest level that one of its rules matched.
    pub level: Option<&'a str>,
    /// Whether an undecided rule of it could raise the level.
    pub at_least: bool,
    /// The verdict of its rules alone.
    pub verdict: Verdict,
    /// Its rules, in the scheme's order.
    pub rules: Vec<&'a RuleResult>,
    /// All samples that its rules looked at.
    pub looked_at: LookedAt,
}

impl<'a> SymptomSummary<'a> {
    /// Its rules with this outcome.
    pub fn with(&self, outcome: Outcome) -> impl Iterator<Item = &'a RuleResult> + '_ {
        self.rules.iter().copied().filter(move |rule| rule.outcome == outcome)
    }

    /// The matched rule that speaks for it: the first of the highest level.
    pub fn leading(&self) -> Option<&'a RuleResult> {
        self.with(Outcome::Matched).find(|rule| Some(rule.level.as_str()) == self.level)
    }

    /// Whether evidence says that it is good: something was looked at, nothing matched, nothing is left open, and
    /// nothing only stands as it was decided earlier.
    pub fn is_good(&self) -> bool {
        self.with(Outcome::Missed).next().is_some()
            && self.rules.iter().all(|rule| rule.held.is_none())
            && self.rules.iter().all(|rule| matches!(rule.outcome, Outcome::Missed | Outcome::Unreported))
    }

    /// Whether a matched rule asks for containment.
    pub fn contain(&self) -> bool {
        self.with(Outcome::Matched).any(|rule| rule.contain)
    }
}

impl Classification {
    /// The rules grouped by symptom, in the order of the symptoms' names. `scheme` is the one that classified.
    pub fn by_symptom<'a>(&'a self, scheme: &'a Scheme) -> Vec<SymptomSummary<'a>> {
        let mut groups: BTreeMap<&str, Vec<&RuleResult>> = BTreeMap::new();
        for rule in &self.rules {
            groups.entry(&rule.symptom).or_default().push(rule);
        }
        groups.into_iter().map(|(symptom, rules)| summary(symptom, rules, scheme)).collect()
    }
}

fn summary<'a>(symptom: &'a str, rules: Vec<&'a RuleResult>, scheme: &'a Scheme) -> SymptomSummary<'a> {
    let mut tally = Tally::default();
    let mut looked_at = LookedAt::default();
    let mut matched: Option<usize> = None;
    for result in &rules {
        if let Some(rule) = scheme.rules.iter().find(|rule| rule.config.id == result.rule) {
            tally.add(rule, result.outcome);
            if result.outcome == Outcome::Matched {
                matched = Some(matched.map_or(rule.rank, |rank| rank.min(rule.rank)));
            }
        }
        result.looked_at.iter().for_each(|looked| looked_at.merge(looked));
    }
    let finished = tally.finish(scheme);
    SymptomSummary {
        symptom,
        level: matched.and_then(|rank| scheme.levels().get(rank)).map(String::as_str),
        at_least: finished.at_least,
        verdict: finished.verdict,
        rules,
        looked_at,
    }
}
