//! Incidents of the past under other rules, and those that would have been.

use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

use super::rounds::{Judged, Past, Said, ServicePast};
use super::{Deadline, Kept, Reason, ReplayedIncident, WouldOpen};
use crate::base::Verdict;
use crate::check::findings;
use crate::incident::deadlines::{Promise, promises};
use crate::incident::event::DetectedBy;
use crate::incident::{Deadlines, Incident};
use crate::severity::Scheme;

/// The worst that a stretch of rounds says of a symptom.
struct Peak<'a> {
    at: DateTime<Utc>,
    level: String,
    said: &'a Said,
}

fn peak<'a>(
    scheme: &Scheme,
    rounds: &[&'a Judged],
    symptom: &str,
    of: fn(&'a Judged) -> &'a BTreeMap<String, Said>,
) -> Option<Peak<'a>> {
    let matched = rounds.iter().filter_map(|round| {
        let said = of(round).get(symptom)?;
        Some(Peak { at: round.at, level: said.level.clone()?, said })
    });
    // The first of the worst: a later one adds nothing.
    matched.min_by_key(|peak| (scheme.rank(&peak.level), peak.at))
}

/// An incident under the other rules, or why that cannot be said.
pub(super) fn replayed(
    past: &Past<'_>,
    incident: &Incident,
    end: DateTime<Utc>,
) -> Result<ReplayedIncident, String> {
    if incident.detected_by == DetectedBy::Human {
        return Err("a person declared it; no rule did".to_owned());
    }
    let over = [&incident.resolved, &incident.closed].into_iter().flatten().map(|moment| moment.at).min();
    let until = over.unwrap_or(end);
    let rounds: Vec<&Judged> = past
        .of(&incident.service)
        .map(|service| {
            service.rounds.iter().filter(|round| round.at >= incident.opened_at && round.at <= until)
        })
        .into_iter()
        .flatten()
        .collect();
    if rounds.is_empty() {
        return Err(format!(
            "no sample of {} is stored from when it was opened: samples were pruned, or never stored",
            incident.service
        ));
    }
    let found = peak(past.other, &rounds, &incident.symptom, |round| &round.other);
    let was = incident.peak.name.clone();
    let would_be = found.as_ref().map(|peak| peak.level.clone());
    let deadlines = deadlines(past.other, incident, found.as_ref(), end);
    let would_tell = would_be.as_deref().map(|level| roles(past.other, level)).unwrap_or_default();
    Ok(ReplayedIncident {
        incident: incident.id.clone(),
        service: incident.service.clone(),
        symptom: incident.symptom.clone(),
        opened_at: incident.opened_at,
        changes: would_be.as_deref() != Some(was.as_str()),
        rules: found.as_ref().map(|peak| peak.said.rules.clone()).unwrap_or_default(),
        reached_at: found.as_ref().map(|peak| peak.at),
        at_least: rounds
            .iter()
            .any(|round| round.other.get(&incident.symptom).is_some_and(|said| said.at_least)),
        deadlines,
        told: past.present.map(|scheme| roles(scheme, &was)).unwrap_or_default(),
        would_tell,
        doubt: doubt(past, incident, &rounds, &was),
        was,
        would_be,
    })
}

/// Where the replay is not to be trusted without a second look.
fn doubt(past: &Past<'_>, incident: &Incident, rounds: &[&Judged], was: &str) -> Option<String> {
    let symptom = incident.symptom.as_str();
    let mut doubts = Vec::new();
    if !past.other.config().rules.iter().any(|rule| rule.symptom() == symptom) {
        doubts.push(format!("the other rules know no symptom `{symptom}`"));
    }
    if let Some(present) = past.present {
        let again = peak(present, rounds, symptom, |round| &round.present).map(|peak| peak.level);
        if again.as_deref() != Some(was) {
            let again = again.unwrap_or_else(|| "no level".to_owned());
            doubts.push(format!(
                "from the samples in the store the present rules give {again}, not the {was} on record: \
                 a person changed it, the rules changed since, or samples are missing"
            ));
        }
    }
    let undecided: BTreeSet<&str> = rounds
        .iter()
        .filter_map(|round| round.other.get(symptom))
        .flat_map(|said| said.undecided.iter().map(String::as_str))
        .collect();
    if !undecided.is_empty() {
        let undecided: Vec<&str> = undecided.into_iter().collect();
        doubts.push(format!("not decided by what is stored: {}", undecided.join(", ")));
    }
    (!doubts.is_empty()).then(|| doubts.join("; "))
}

fn roles(scheme: &Scheme, level: &str) -> Vec<String> {
    scheme.level(level).map(|level| level.roles.clone()).unwrap_or_default()
}

/// The promises of both levels; people are taken to have done what they did when they did it.
fn deadlines(
    scheme: &Scheme,
    incident: &Incident,
    peak: Option<&Peak<'_>>,
    end: DateTime<Utc>,
) -> Vec<Deadline> {
    let mut other = incident.clone();
    other.deadlines = peak.map_or_else(Deadlines::default, |peak| {
        let timings = findings::timings(scheme, peak.said.leading.as_deref(), &peak.level);
        timings.from(peak.at.max(incident.episode_at))
    });
    let kept = |promise: Promise| (promise.kind, Kept { due: promise.due, standing: promise.standing });
    let mut was: BTreeMap<_, _> = promises(incident, end).into_iter().map(kept).collect();
    let mut would_be: BTreeMap<_, _> = promises(&other, end).into_iter().map(kept).collect();
    let kinds: BTreeSet<_> = was.keys().chain(would_be.keys()).copied().collect();
    kinds
        .into_iter()
        .map(|promise| Deadline { promise, was: was.remove(&promise), would_be: would_be.remove(&promise) })
        .collect()
}

/// Runs of rounds in which the other rules match and no incident was open.
pub(super) fn would_open(
    scheme: &Scheme,
    past: &ServicePast,
    incidents: &[&Incident],
    end: DateTime<Utc>,
) -> Vec<WouldOpen> {
    let symptoms: BTreeSet<&str> = scheme.config().rules.iter().map(|rule| rule.symptom()).collect();
    let mut found = Vec::new();
    for symptom in symptoms {
        let mut run: Vec<&Judged> = Vec::new();
        for round in &past.rounds {
            let level = round.other.get(symptom).and_then(|said| said.level.as_deref());
            let matters =
                level.and_then(|level| scheme.level(level)).is_some_and(|level| level.verdict != Verdict::Ok);
            if matters && !covered(incidents, symptom, round.at, end) {
                run.push(round);
            } else {
                found.extend(opened(scheme, &past.service, symptom, &std::mem::take(&mut run)));
            }
        }
        found.extend(opened(scheme, &past.service, symptom, &run));
    }
    found.sort_by(|a, b| a.first.cmp(&b.first).then_with(|| a.symptom.cmp(&b.symptom)));
    found
}

/// Whether an incident of the symptom was open then.
fn covered(incidents: &[&Incident], symptom: &str, at: DateTime<Utc>, end: DateTime<Utc>) -> bool {
    incidents.iter().any(|incident| {
        let over = [&incident.resolved, &incident.closed].into_iter().flatten().map(|moment| moment.at).min();
        incident.symptom == symptom && incident.opened_at <= at && at <= over.unwrap_or(end)
    })
}

fn opened(scheme: &Scheme, service: &str, symptom: &str, run: &[&Judged]) -> Option<WouldOpen> {
    let (first, last) = (run.first()?, run.last()?);
    let peak = peak(scheme, run, symptom, |round| &round.other)?;
    let rules: Vec<Reason> = peak.said.rules.clone();
    Some(WouldOpen {
        service: service.to_owned(),
        symptom: symptom.to_owned(),
        first: first.at,
        last: last.at,
        rules,
        would_tell: roles(scheme, &peak.level),
        level: peak.level,
    })
}
