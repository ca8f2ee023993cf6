//! The rounds of the past, each judged by both sets of rules on what was known then.

use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

use super::Reason;
use crate::base::{Digest, Result};
use crate::incident::Incident;
use crate::severity::{Classification, Evidence, Outcome, Scheme, classify};
use crate::store::{Sample, SampleFilter, Store};

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
        let filter =
            |as_of| SampleFilter { service: Some(service.to_owned()), as_of, ..SampleFilter::default() };
        let known = store.view(|session| session.samples(&filter(None)))?;
        let mut instants: BTreeSet<DateTime<Utc>> = known.iter().map(|sample| sample.recorded_at).collect();
        // What was corrected since was recorded at a round of its own, which opened or changed an incident.
        for incident in incidents {
            instants.insert(incident.opened_at);
            instants.extend(incident.levels.iter().map(|step| step.moment.at));
        }
        instants.retain(|at| self.from.is_none_or(|from| *at >= from) && self.to.is_none_or(|to| *at <= to));
        let mut rounds = Vec::new();
        for at in instants {
            let samples = store.view(|session| session.samples(&filter(Some(at))))?;
            if samples.is_empty() {
                continue;
            }
            let served = served(&samples, incidents, at);
            let evidence = Evidence::from_samples(&samples, served.as_ref(), at);
            rounds.push(Judged {
                at,
                other: said(self.other, &classify(self.other, &evidence)),
                present: self
                    .present
                    .map(|scheme| said(scheme, &classify(scheme, &evidence)))
                    .unwrap_or_default(),
            });
        }
        self.services.push(ServicePast { service: service.to_owned(), rounds });
        Ok(())
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
