//! Everything that follows from how an operation ended: evidence, quarantine, watch, history, events. Each part
//! may be repeated after a crash, and none of them can fail the rollback that is already done.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Instant;

use super::contain;
use super::environment::{Environment, Subject, VersionName};
use super::evaluate::{Evaluation, WouldHelp};
use super::evidence::{self, Quarantine};
use super::history;
use super::leavings;
use super::plan::{Plan, VersionView};
use super::steps::{self, StepSpec};
use super::watch::{self, Watch};
use crate::base::Result;
use crate::base::clock::Elapsed;
use crate::operation::{Conclusion, Directory, Ending, Journal, Progress};

/// How a rollback, or an operation of its kind, ended.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RollbackOutcome {
    /// The operation.
    pub operation: String,
    /// What kind: `rollback`, `undo`, `contain`, `release`.
    pub kind: String,
    /// The service.
    pub service: String,
    /// How it ended.
    pub ending: Ending,
    /// From which version; absent for what switches no version.
    pub from: Option<VersionName>,
    /// To which version.
    pub to: Option<VersionName>,
    /// What shows that it serves.
    pub proof: Option<String>,
    /// How long it took, in milliseconds; a human's thinking is not counted.
    pub duration_ms: u64,
    /// Whether its consumers are stopped now.
    pub contained: bool,
    /// Until when it is watched (UTC).
    pub watched_until: Option<DateTime<Utc>>,
    /// Where what served before is kept.
    pub backup: Option<String>,
    /// In one sentence.
    pub summary: String,
    /// What to type next, with what it does.
    pub next: Vec<NextCommand>,
}

/// A command to type, and what it does.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NextCommand {
    /// The command.
    pub command: String,
    /// What it does.
    pub purpose: String,
}

impl NextCommand {
    /// Whether it takes the operation back.
    pub fn is_undo(&self) -> bool {
        self.command.starts_with("irctl rollback undo ")
    }
}

/// The payload of `rollback.completed`, `rollback.undone`, `rollback.halted` and `rollback.refused`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RollbackEvent {
    /// The operation.
    pub operation: String,
    /// From which version.
    pub from: VersionName,
    /// To which version.
    pub to: VersionName,
    /// When it was planned (UTC).
    pub planned_at: Option<DateTime<Utc>>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How it ended.
    pub outcome: Ending,
    /// What shows that it serves.
    pub proof: Option<String>,
    /// Why not other versions, as `NAME: why`.
    pub skipped: Vec<String>,
    /// The failing metric on what served and on each candidate.
    pub evaluation: Vec<Evaluation>,
    /// The failing metric before and after; absent where no failing rule was named.
    pub rule: Option<RuleChange>,
    /// What went wrong.
    pub error: Option<String>,
    /// Whether consumers are stopped now.
    pub contained: bool,
    /// The phase that was rolled back; absent where the service was rolled back as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// In one sentence.
    pub summary: String,
}

/// The failing metric before and after.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RuleChange {
    /// On what served.
    pub before: String,
    /// On what came back.
    pub after: String,
}

pub(super) struct Concluding<'a> {
    pub environment: &'a Environment<'a>,
    pub subject: &'a Subject,
    pub directory: &'a Directory,
    pub plan: Option<&'a Plan>,
    pub specs: &'a [StepSpec],
    pub progress: &'a Progress,
}

fn name(view: &VersionView) -> VersionName {
    VersionName { name: view.shown(), digest: view.digest.clone() }
}

impl Concluding<'_> {
    /// Writes down what follows, and last that the operation ended.
    pub fn conclude(
        &self,
        journal: &mut Journal,
        conclusion: &Conclusion,
        started: Instant,
    ) -> Result<RollbackOutcome> {
        let kind = self.directory.pinned()?.map_or_else(String::new, |(pinned, _)| pinned.kind);
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut outcome = RollbackOutcome {
            operation: self.directory.id.clone(),
            service: self.subject.service.clone(),
            ending: conclusion.ending,
            from: self.plan.map(|plan| name(&plan.served)),
            to: self.plan.map(|plan| name(&plan.to)),
            proof: self.proof(conclusion),
            duration_ms,
            contained: contain::current(self.environment.state, &self.subject.service)
                // A record that cannot be read is a record: nobody has let consumers back.
                .map_or(true, |known| known.is_some()),
            watched_until: None,
            backup: self.plan.and_then(|plan| plan.backup.clone()).filter(|_| self.kept()),
            summary: self.summary(conclusion, &kind, duration_ms),
            next: Vec::new(),
            kind,
        };
        let to_tidy = self.specs.iter().filter_map(|spec| spec.to_tidy(conclusion.ending));
        leavings::tidy(&self.directory.id, to_tidy);
        if let Some(plan) = self.plan {
            self.note_failures(self.follow(plan, conclusion, &mut outcome)?);
        }
        outcome.next = super::follow::next_commands(&outcome);
        steps::end(self.environment, journal, conclusion, &outcome.summary, started)?;
        Ok(outcome)
    }

    /// Everything that a rollback has beyond its steps. What fails is said, and fails nothing.
    fn follow(
        &self,
        plan: &Plan,
        conclusion: &Conclusion,
        outcome: &mut RollbackOutcome,
    ) -> Result<Vec<String>> {
        let mut failures = Vec::new();
        let mut attempt = |what: &str, result: Result<()>| {
            if let Err(error) = result {
                failures.push(format!("{what}: {}", error.message));
            }
        };
        let switched = matches!(conclusion.ending, Ending::Restored | Ending::Unproven);
        if switched {
            let (state, service) = (self.environment.state, &self.subject.service);
            attempt("earlier watches", watch::supersede(state, service, &self.directory.id));
            attempt("evidence", self.evidence(plan, conclusion, &outcome.kind));
        }
        if conclusion.ending == Ending::Restored && !outcome.contained {
            attempt("watch", self.watch(plan, outcome));
        }
        let event = RollbackEvent {
            operation: outcome.operation.clone(),
            from: name(&plan.served),
            to: name(&plan.to),
            planned_at: self.directory.pinned()?.map(|(pinned, _)| pinned.created_at),
            duration_ms: outcome.duration_ms,
            outcome: conclusion.ending,
            proof: outcome.proof.clone(),
            skipped: plan.skipped.iter().map(|one| format!("{}: {}", one.name, one.why)).collect(),
            rule: plan.would_help.as_ref().and_then(|known| rule_change(known, plan)),
            error: conclusion.reason.clone(),
            evaluation: plan.would_help.as_ref().map(evaluations).unwrap_or_default(),
            contained: outcome.contained,
            phase: plan.phase.clone(),
            summary: outcome.summary.clone(),
        };
        if conclusion.ending != Ending::Refused {
            attempt("history", history::append(self.environment, self.subject, plan, &event));
        }
        let kind = match conclusion.ending {
            Ending::Restored | Ending::Unproven => "rollback.completed",
            Ending::Undone => "rollback.undone",
            Ending::Halted | Ending::Unknown => "rollback.halted",
            Ending::Refused => "rollback.refused",
        };
        let (service, incident) = (&self.subject.service, plan.incident.as_deref());
        self.environment.tell(kind, service, Some(&outcome.operation), incident, &event)?;
        let released = self.progress.done.contains("forget");
        if released && conclusion.ending == Ending::Restored {
            let summary = format!("{service} is released: its consumers are as they were");
            let payload = serde_json::json!({"operation": outcome.operation, "summary": summary});
            self.environment.tell(
                "release.completed",
                service,
                Some(&outcome.operation),
                incident,
                &payload,
            )?;
        }
        Ok(failures)
    }

    /// Whether what served was really kept: a rollback that was refused keeps nothing.
    fn kept(&self) -> bool {
        self.specs.iter().any(|spec| match spec {
            StepSpec::Switch { key, spec, .. } => {
                spec.kept_as().is_some() && self.progress.done.contains(&steps::switch_id(key))
            }
            _ => false,
        })
    }

    fn note_failures(&self, failures: Vec<String>) {
        for failure in failures {
            tracing::warn!("{}: {failure}", self.directory.id);
        }
    }

    fn evidence(&self, plan: &Plan, conclusion: &Conclusion, kind: &str) -> Result<()> {
        let now = self.environment.clock.now()?;
        let verified = conclusion.ending == Ending::Restored && self.progress.done.contains("verify");
        evidence::update(self.environment.state, &self.subject.service, |evidence| {
            if let Some(from) = &plan.served.digest
                && matches!(kind, "rollback" | "redo")
            {
                let entry = evidence.entry(from);
                if let Some(incident) = &plan.incident {
                    entry.incidents.entry(incident.clone()).or_insert(now);
                }
                let quarantine = Quarantine {
                    since: now,
                    until: self.subject.rollback.guards.quarantine.map(|length| length.after(now)),
                    reason: format!("rolled back by {}", self.directory.id),
                    operation: Some(self.directory.id.clone()),
                };
                // What a human said stands until a human lifts it.
                entry.put_in(quarantine, now);
            }
            if let Some(to) = &plan.to.digest {
                if kind == "undo" {
                    evidence.entry(to).undone();
                }
                if verified {
                    evidence.entry(to).verified.push(now);
                }
                if conclusion.ending == Ending::Restored {
                    evidence.served(to, now);
                }
            }
        })
    }

    fn watch(&self, plan: &Plan, outcome: &mut RollbackOutcome) -> Result<()> {
        let (Some(length), Some(version)) = (self.subject.rollback.watch, &plan.to.digest) else {
            return Ok(());
        };
        let now = self.environment.clock.now()?;
        let until = length.after(now);
        watch::write(
            self.environment.state,
            &Watch {
                operation: self.directory.id.clone(),
                service: self.subject.service.clone(),
                version: version.clone(),
                name: plan.to.shown(),
                incident: plan.incident.clone(),
                since: now,
                until,
            },
        )?;
        outcome.watched_until = Some(until);
        Ok(())
    }

    fn proof(&self, conclusion: &Conclusion) -> Option<String> {
        if !self.progress.done.contains("prove") || conclusion.ending == Ending::Undone {
            return None;
        }
        let ground = self.subject.ground();
        let version = self.subject.lead(&ground).ok()?.served().ok()?;
        super::serving::proves(self.subject, &version).ok().map(|proof| proof.to_string())
    }

    fn summary(&self, conclusion: &Conclusion, kind: &str, duration_ms: u64) -> String {
        let reason = conclusion.reason.clone().unwrap_or_default();
        let service = &self.subject.service;
        let Some(plan) = self.plan else {
            return if reason.is_empty() { format!("{kind} of {service}: done") } else { reason };
        };
        let (from, to) = (plan.served.shown(), plan.to.shown());
        let took = Elapsed(chrono::TimeDelta::milliseconds(i64::try_from(duration_ms).unwrap_or(i64::MAX)));
        match conclusion.ending {
            Ending::Restored => format!("{service} is back on {to} (was {from}) after {took}"),
            Ending::Unproven => format!("{service} is switched to {to} but not proven: {reason}"),
            Ending::Undone => format!("{service} is on {from} as before: {reason}"),
            Ending::Halted | Ending::Unknown => {
                format!("{service} is half-way from {from} to {to}: {reason}")
            }
            Ending::Refused => format!("{service} stays on {from}: {reason}"),
        }
    }
}

fn evaluations(would_help: &WouldHelp) -> Vec<Evaluation> {
    std::iter::once(&would_help.served).chain(&would_help.candidates).cloned().collect()
}

fn rule_change(would_help: &WouldHelp, plan: &Plan) -> Option<RuleChange> {
    let after = would_help.candidates.iter().find(|one| one.digest == plan.to.digest)?;
    let show = |one: &Evaluation| format!("{} {}", would_help.metric, one.shown);
    Some(RuleChange { before: show(&would_help.served), after: show(after) })
}
