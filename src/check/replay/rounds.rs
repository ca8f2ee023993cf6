//! The rounds of the past, each judged by both sets of rules on what was known then.

use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

use super::Reason;
use super::tape::Tape;
use crate::base::{Digest, Result};
use crate::incident::Incident;
use crate::severity::{Classification, Evidence, Outcome, Scheme, classify};
use crate::store::{Sample, Store};

/// The past of all services.
pub(super) struct Past<'a> {
    pub(super) other: &'a Scheme,
    /// The scheme as the workspace has it now.
    pub(super) present: Option<&'a Scheme>,
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) to: Option<DateTime<Utc>>,
    pub(super) services: Vec<ServicePast>,
}

/// The past of one service.
pub(super) struct ServicePast {
    pub(super) service: String,
    /// Oldest first.
    pub(super) rounds: Vec<Judged>,
}

/// One round, by symptom.
pub(super) struct Judged {
    pub(super) at: DateTime<Utc>,
    pub(super) other: BTreeMap<String, Said>,
    pub(super) present: BTreeMap<String, Said>,
}

/// What a round says of a symptom.
#[derive(Debug, Clone)]
pub(super) struct Said {
    /// The level that matched.
    pub(super) level: Option<String>,
    pub(super) at_least: bool,
    pub(super) rules: Vec<Reason>,
    /// The rule that speaks for the symptom.
    pub(super) leading: Option<String>,
    /// The rules that were not decided.
    pub(super) undecided: Vec<String>,
}

impl Past<'_> {
    /// Judges every round of a service.
    pub(super) fn judge(&mut self, store: &dyn Store, service: &str, incidents: &[&Incident]) -> Result<()> {
        // What was corrected since was recorded at a round of its own, which opened or changed an incident.
        let mut moments: BTreeSet<DateTime<Utc>> = BTreeSet::new();
        for incident in incidents {
            moments.insert(incident.opened_at);
            moments.extend(incident.levels.iter().map(|step| step.moment.at));
        }
        let mut rounds = Rounds {
            tape: Tape::of([Some(self.other), self.present].into_iter().flatten()),
            past: self,
            incidents,
            moments,
            reached: None,
            judged: Vec::new(),
        };
        store.view(|session| {
            session.each_sample(service, &mut |number, sample| {
                rounds.reach(sample.recorded_at);
                rounds.tape.add(number, sample);
            })
        })?;
        let rounds = rounds.end();
        self.services.push(ServicePast { service: service.to_owned(), rounds });
        Ok(())
    }

    fn holds(&self, at: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at <= to)
    }

    /// The newest instant that anything is known of.
    pub(super) fn newest(&self, incidents: &[Incident]) -> Option<DateTime<Utc>> {
        let rounds = self.services.iter().filter_map(|service| service.rounds.last()).map(|round| round.at);
        let moments = incidents.iter().flat_map(|incident| {
            let done = [
                &incident.acknowledged,
                &incident.responded,
                &incident.notified,
                &incident.mitigated,
                &incident.resolved,
                &incident.closed,
            ];
            done.into_iter().flatten().map(|moment| moment.at).chain([incident.opened_at]).collect::<Vec<_>>()
        });
        rounds.chain(moments).max()
    }

    pub(super) fn of(&self, service: &str) -> Option<&ServicePast> {
        self.services.iter().find(|past| past.service == service)
    }
}

/// The rounds of one service, as its samples come in the order in which they were recorded.
struct Rounds<'a, 'p> {
    past: &'a Past<'p>,
    incidents: &'a [&'a Incident],
    tape: Tape,
    /// The moments at which there was a round though no sample says so, and that are still to come.
    moments: BTreeSet<DateTime<Utc>>,
    /// When what is on the tape was recorded last.
    reached: Option<DateTime<Utc>>,
    judged: Vec<Judged>,
}

impl Rounds<'_, '_> {
    /// What is recorded next was recorded at this instant: everything before it is on the tape.
    fn reach(&mut self, at: DateTime<Utc>) {
        if self.reached.is_some_and(|reached| reached >= at) {
            return;
        }
        if let Some(reached) = self.reached {
            self.moments.insert(reached);
        }
        let later = self.moments.split_off(&at);
        for moment in std::mem::replace(&mut self.moments, later) {
            self.judge(moment);
        }
        self.reached = Some(at);
    }

    fn end(mut self) -> Vec<Judged> {
        self.moments.extend(self.reached);
        for moment in std::mem::take(&mut self.moments) {
            self.judge(moment);
        }
        self.judged
    }

    fn judge(&mut self, at: DateTime<Utc>) {
        let samples = if self.past.holds(at) { self.tape.at(at) } else { Vec::new() };
        if samples.is_empty() {
            return;
        }
        let served = served(&samples, self.incidents, at);
        let evidence = Evidence::from_samples(&samples, served.as_ref(), at);
        let of = |scheme: &Scheme| said(scheme, &classify(scheme, &evidence));
        let judged =
            Judged { at, other: of(self.past.other), present: self.past.present.map(of).unwrap_or_default() };
        self.judged.push(judged);
    }
}

/// The version that served then: what the incident of that time says, else that of the newest sample taken at its own
/// moment. Where neither says, all samples count.
fn served(samples: &[Sample], incidents: &[&Incident], at: DateTime<Utc>) -> Option<Digest> {
    let open = incidents.iter().rev().find(|incident| {
        let over = incident.resolved.as_ref().is_some_and(|moment| moment.at < at);
        incident.opened_at <= at && !over && incident.version.is_some()
    });
    if let Some(version) = open.and_then(|incident| incident.version.clone()) {
        return Some(version);
    }
    let taken =
        samples.iter().filter(|sample| sample.event_time == sample.recorded_at && sample.version.is_some());
    taken.max_by_key(|sample| sample.recorded_at).and_then(|sample| sample.version.clone())
}

fn said(scheme: &Scheme, found: &Classification) -> BTreeMap<String, Said> {
    found
        .by_symptom(scheme)
        .into_iter()
        .map(|summary| {
            let level = summary.level.map(str::to_owned);
            let matched =
                summary.with(Outcome::Matched).filter(|rule| Some(rule.level.as_str()) == summary.level);
            let rules = matched.map(|rule| Reason { rule: rule.rule.clone(), reason: rule.reason.clone() });
            let said = Said {
                rules: rules.collect(),
                at_least: summary.at_least,
                leading: summary.leading().map(|rule| rule.rule.clone()),
                undecided: summary.with(Outcome::Undecided).map(|rule| rule.rule.clone()).collect(),
                level,
            };
            (summary.symptom.to_owned(), said)
        })
        .collect()
}
