//! What a round found and did, as data.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::act::{Acted, AutomaticRollback};
use super::measure::Measured;
use super::proposal::{self, Proposal};
use super::readiness::Unready;
use super::release::ReleaseReport;
use super::shard::Shard;
use super::watches::WatchReport;
use crate::base::{Digest, Verdict};
use crate::config::ServiceConfig;
use crate::config::maintenance::Maintenance;
use crate::incident::{self, Observed};
use crate::notify::Summary;
use crate::probe::Outcome;
use crate::severity::{Classification, OnNoData, Outcome as RuleOutcome, Scheme};

/// One round.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Round {
    /// Its identifier: `RUN-20261120-030700-1f3a`.
    pub run: String,
    /// When it began (UTC).
    pub at: DateTime<Utc>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// The part of all services that it looked at; absent where that is all of them, or some by name.
    pub shard: Option<Shard>,
    /// The worst verdict.
    pub verdict: Verdict,
    /// Every service.
    pub services: Vec<ServiceRound>,
    /// What was told.
    pub deliveries: Summary,
    /// Files of the configuration that have errors and were left out.
    pub left_out: Vec<String>,
    /// Services that could not be judged, and why.
    pub problems: Vec<String>,
    /// Who could not be told that the round ran: the heartbeat, the file of metrics.
    pub warnings: Vec<String>,
    /// What is new since the last round, a line for each change.
    pub changes: Vec<Change>,
}

/// Something that changed since the last round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// The service; absent where it is about the round.
    pub service: Option<String>,
    /// In one line.
    pub text: String,
}

/// One service of a round.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ServiceRound {
    /// The service.
    pub service: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// The version that serves, where that is known.
    pub served: Option<Digest>,
    /// Why it is not known, where it is not.
    pub doubt: Option<String>,
    /// Whether a rule is warming of which no earlier round said so.
    pub warming_is_news: bool,
    /// The judgement, rule by rule.
    pub classification: Classification,
    /// What each probe looked at.
    pub probes: Vec<Outcome>,
    /// Probes that were not measured in time, so that what they measure is not known.
    pub overrun: Vec<String>,
    /// The incidents that are open, or were until this round.
    pub incidents: Vec<IncidentRound>,
    /// What happened on its own.
    pub rollback: Option<AutomaticRollback>,
    /// Rollbacks that were being watched.
    pub watches: Vec<WatchReport>,
    /// What a rollback would need and is not there: a drill that passed, a snapshot that is what it was.
    pub unready: Vec<Unready>,
    /// Whether a contained service was let back by its condition, or why not yet; absent where it has none.
    pub release: Option<ReleaseReport>,
    /// The maintenance window that it is in; absent outside of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<Maintenance>,
    /// The services that need it; only of a dataset.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub affects: Vec<String>,
    /// That it was contained for something else that is broken, and with what proof, or why it could not be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contained_for: Vec<ContainedFor>,
}

/// A service that was contained though the incident is that of something it needs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ContainedFor {
    /// The incident.
    pub incident: String,
    /// What proves that it is contained.
    pub proof: Option<String>,
    /// Why it could not be.
    pub problem: Option<String>,
}

/// One incident of a round.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct IncidentRound {
    /// Its identifier.
    pub incident: String,
    /// What is broken.
    pub symptom: String,
    /// Its level.
    pub level: String,
    /// Where it stands.
    pub state: String,
    /// What this round changed: `opened`, `reopened`, `raised`, `lowered`, `resolved`, `unchanged`, `warming` or
    /// `settled`.
    pub change: &'static str,
    /// Its title.
    pub title: crate::base::Untrusted,
    /// The runbook.
    pub runbook: Option<String>,
    /// What to do first.
    pub first_action: Option<crate::base::Untrusted>,
    /// Whether the service is contained, and what proves it.
    pub contained: Option<String>,
    /// Why it could not be contained.
    pub containment_problem: Option<String>,
    /// What its level proposes to a human.
    pub proposal: Option<Proposal>,
}

/// The word for a change.
const fn word(change: &incident::Change) -> &'static str {
    use incident::Change;
    match change {
        Change::Quiet => "quiet",
        Change::Opened => "opened",
        Change::Reopened => "reopened",
        Change::Raised(_) => "raised",
        Change::Lowered(_) => "lowered",
        Change::Resolved => "resolved",
        Change::Unchanged => "unchanged",
        Change::Warming => "warming",
        Change::Settled => "settled",
    }
}

impl Round {
    pub(super) fn new(
        at: DateTime<Utc>,
        services: Vec<ServiceRound>,
        deliveries: Summary,
        left_out: Vec<String>,
        problems: Vec<String>,
    ) -> Self {
        // What was not looked at may be as bad as it likes.
        let unseen = left_out.iter().chain(&problems).map(|_| Verdict::Unknown);
        let verdict = Verdict::worst_of(services.iter().map(|service| service.verdict).chain(unseen));
        Self {
            run: String::new(),
            at,
            elapsed_ms: 0,
            shard: None,
            verdict,
            services,
            deliveries,
            left_out,
            problems,
            warnings: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// The exit status: of what was rolled back, else of the verdict.
    pub fn exit(&self) -> u8 {
        let operated = self.services.iter().filter_map(|service| service.rollback.as_ref()?.exit);
        operated.max().unwrap_or(self.verdict.exit())
    }
}

impl ServiceRound {
    pub(super) fn new(
        service: &ServiceConfig,
        scheme: &Scheme,
        measured: Measured,
        observed: Vec<Observed>,
        acted: Acted,
        warming_is_news: bool,
        unready: Vec<Unready>,
    ) -> Self {
        let own = |id: &str| observed.iter().filter_map(|one| one.incident.as_ref()).any(|one| one.id == id);
        let foreign = acted.contained.iter().filter(|(id, _)| !own(id));
        let contained_for = foreign
            .map(|(id, now)| ContainedFor {
                incident: id.clone(),
                proof: now.proof.clone(),
                problem: now.problem.clone(),
            })
            .collect();
        let incidents =
            observed.iter().filter_map(|one| incident_round(service, scheme, one, &acted)).collect();
        // Nothing is broken by it, and no incident is opened; but it is not well either.
        let prepared = if unready.is_empty() { Verdict::Ok } else { Verdict::Warn };
        let verdict = verdict(&measured, &acted).worst(prepared);
        Self {
            service: service.service.clone(),
            verdict,
            served: measured.versions.served.clone(),
            doubt: measured.doubt,
            warming_is_news,
            classification: measured.classification,
            probes: measured.outcomes,
            overrun: measured.overrun,
            incidents,
            rollback: acted.rollback,
            watches: acted.watches,
            unready,
            release: acted.release,
            maintenance: None,
            affects: measured.dependents,
            contained_for,
        }
    }
}

impl ServiceRound {
    /// Leaves out what only programs read: the samples, what was looked at, and the rules that did not match and can never
    /// have been held.
    pub(super) fn shorten(&mut self, scheme: &Scheme) {
        for probe in &mut self.probes {
            probe.samples = Vec::new();
            probe.examined = Vec::new();
        }
        self.probes.shrink_to_fit();
        let rules = &mut self.classification.rules;
        let can_be_held =
            |id: &str| matches!(scheme.rule(id).and_then(|rule| rule.on_no_data), Some(OnNoData::Hold(_)));
        rules.retain(|rule| rule.outcome != RuleOutcome::Missed || can_be_held(&rule.rule));
        rules.shrink_to_fit();
    }
}

/// The judgement, unless what harms could not be stopped: that is critical whatever else is good.
fn verdict(measured: &Measured, acted: &Acted) -> Verdict {
    let failed = acted.contained.values().any(|contained| contained.problem.is_some())
        || acted.watches.iter().any(|watch| watch.failed);
    if failed {
        return Verdict::Crit;
    }
    // Good numbers of nobody knows which version are no evidence of health.
    let known = if measured.doubt.is_some() { Verdict::Unknown } else { Verdict::Ok };
    measured.classification.verdict.worst(known)
}

fn incident_round(
    service: &ServiceConfig,
    scheme: &Scheme,
    observed: &Observed,
    acted: &Acted,
) -> Option<IncidentRound> {
    let incident = observed.incident.as_ref()?;
    let contained = acted.contained.get(&incident.id);
    let again = acted.watches.iter().any(|watch| watch.contained);
    let since = incident.contained.as_ref().map(|moment| format!("since {}", moment.at.format("%H:%M UTC")));
    Some(IncidentRound {
        incident: incident.id.clone(),
        symptom: incident.symptom.clone(),
        level: incident.level.name.clone(),
        state: incident.state.as_str().to_owned(),
        change: word(&observed.change),
        title: incident.title.clone(),
        runbook: incident.runbook.clone(),
        first_action: incident.first_action.clone(),
        contained: contained
            .and_then(|contained| contained.proof.clone())
            .or(since)
            .or_else(|| again.then(|| "again, since its rollback was not confirmed".to_owned())),
        containment_problem: contained.and_then(|contained| contained.problem.clone()),
        proposal: proposal::of(service, scheme.level(&incident.level.name), incident),
    })
}
