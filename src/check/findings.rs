//! From a classification to observations: one for each symptom that the scheme knows.

use std::collections::BTreeMap;

use super::measure::Measured;
use crate::base::{Untrusted, Verdict};
use crate::config::ServiceConfig;
use crate::incident::event::DetectedBy;
use crate::incident::{EvidenceInput, Finding, Level, Observation, Reading, RuleReason, Timings};
use crate::severity::{Outcome, PostmortemKind, RuleResult, Scheme, SymptomSummary};

/// What a level promises for one observation.
pub type LevelTimings<'a> = Box<dyn Fn(&str) -> Timings + 'a>;

/// What the round says about each symptom, with what its levels promise.
pub fn observations<'a>(
    service: &'a ServiceConfig,
    scheme: &'a Scheme,
    measured: &'a Measured,
) -> Vec<(Observation, LevelTimings<'a>)> {
    let summaries = measured.classification.by_symptom(scheme);
    summaries
        .iter()
        .filter(|summary| summary.rules.iter().any(|rule| rule.outcome != Outcome::Unreported))
        .map(|summary| {
            let rule = summary.leading().map(|rule| rule.rule.clone());
            let timings: LevelTimings<'a> = Box::new(move |level| timings(scheme, rule.as_deref(), level));
            (observation(service, scheme, measured, summary), timings)
        })
        .collect()
}

/// A level as incidents know it.
pub fn level(scheme: &Scheme, name: &str) -> Level {
    let verdict = scheme.level(name).map_or(Verdict::Crit, |level| level.verdict);
    Level::new(name, u32::try_from(scheme.rank(name)).unwrap_or(u32::MAX), verdict)
}

/// What a level of a scheme promises; `rule` is the one that decided, which may have a postmortem deadline of its own.
pub fn timings(scheme: &Scheme, rule: Option<&str>, name: &str) -> Timings {
    let Some(level) = scheme.level(name) else { return Timings::default() };
    let postmortem = scheme.postmortem(rule, name).filter(|found| found.kind != PostmortemKind::None);
    let own = rule.filter(|rule| scheme.rule(rule).is_some_and(|rule| rule.postmortem.is_some()));
    let because = match own {
        Some(rule) => format!("rule {rule}"),
        None if level.postmortem.is_some() => format!("level {name}"),
        None => format!("scheme {}", scheme.name()),
    };
    let due = postmortem.and_then(|postmortem| postmortem.due);
    Timings {
        acknowledge: level.acknowledge,
        respond: level.respond,
        mitigate: level.mitigate,
        resolve: level.resolve,
        notify_within: level.notify_within,
        update_every: level.update_every,
        postmortem: due,
        postmortem_because: due.map(|_| because),
    }
}

fn observation(
    service: &ServiceConfig,
    scheme: &Scheme,
    measured: &Measured,
    summary: &SymptomSummary<'_>,
) -> Observation {
    let leading = summary.leading();
    let described = leading.and_then(|rule| scheme.rule(&rule.rule)?.description.clone());
    let name = service.title.as_deref().unwrap_or(&service.service);
    let headline = described.as_deref().unwrap_or(summary.symptom).trim_end_matches('.');
    Observation {
        service: service.service.clone(),
        symptom: summary.symptom.to_owned(),
        finding: finding(scheme, measured, summary),
        rules: reasons(summary),
        inputs: inputs(summary),
        version: measured.versions.served.clone(),
        summary: said(summary).into(),
        title: format!("{name}: {headline}").into(),
        // The rules say why; a description is what people add.
        description: Untrusted::default(),
        scheme: scheme.name().to_owned(),
        runbook: leading.and_then(|rule| rule.runbook.clone()),
        first_action: leading.and_then(|rule| rule.first_action.as_deref()).map(Untrusted::from),
        metrics: readings(scheme, summary),
        affected_services: measured.dependents.iter().map(|name| name.as_str().into()).collect(),
        detected_by: DetectedBy::Check,
    }
}

fn finding(scheme: &Scheme, measured: &Measured, summary: &SymptomSummary<'_>) -> Finding {
    // Numbers of nobody knows which version lower no incident, and end none.
    let anybodys = measured.doubt.is_some();
    if let Some(name) = summary.level {
        return Finding::Matched { level: level(scheme, name), at_least: summary.at_least || anybodys };
    }
    if summary.is_good() {
        return if anybodys { Finding::Undecided } else { Finding::Clear };
    }
    // Blocked says nothing about it, neither good nor bad: an open incident waits.
    let warming = summary.with(Outcome::Warming).next().is_some();
    let open = |outcome| summary.with(outcome).next().is_some();
    if warming && !open(Outcome::Undecided) && !open(Outcome::Blocked) {
        Finding::Warming
    } else {
        Finding::Undecided
    }
}

fn reasons(summary: &SymptomSummary<'_>) -> Vec<RuleReason> {
    let matched = summary.with(Outcome::Matched);
    matched.map(|rule| RuleReason { id: rule.rule.clone(), reason: rule.reason.as_str().into() }).collect()
}

/// One line with the values: of the rule that decided, else of the first that says why nothing is decided.
fn said(summary: &SymptomSummary<'_>) -> String {
    let first = |outcome| summary.with(outcome).next();
    let rule = summary
        .leading()
        .or_else(|| first(Outcome::Undecided))
        .or_else(|| first(Outcome::Blocked))
        .or_else(|| first(Outcome::Warming))
        .or_else(|| first(Outcome::Missed));
    rule.map(|rule| rule.reason.clone()).unwrap_or_default()
}

/// What was looked at. A bucketed rule names its newest bucket, since its file changes with every new row.
fn inputs(summary: &SymptomSummary<'_>) -> Vec<EvidenceInput> {
    let mut inputs = BTreeMap::new();
    for rule in &summary.rules {
        for input in rule_inputs(rule) {
            inputs.insert(input.key.clone(), input);
        }
    }
    inputs.into_values().collect()
}

fn rule_inputs(rule: &RuleResult) -> Vec<EvidenceInput> {
    let Some(looked_at) = &rule.looked_at else { return Vec::new() };
    if let Some(bucket) = looked_at.bucket {
        let metric = rule.values.keys().next().map_or(rule.rule.as_str(), String::as_str);
        return vec![EvidenceInput::bucket(metric, bucket.end)];
    }
    looked_at.inputs.iter().map(|digest| EvidenceInput::digest(digest, looked_at.newest)).collect()
}

fn readings(scheme: &Scheme, summary: &SymptomSummary<'_>) -> BTreeMap<String, Reading> {
    let catalog = &scheme.config().metrics;
    let values = summary.with(Outcome::Matched).flat_map(|rule| rule.values.iter());
    values
        .map(|(metric, value)| {
            let unit = catalog.get(metric).map(|metric| metric.unit);
            (metric.clone(), Reading { value: *value, unit })
        })
        .collect()
}
