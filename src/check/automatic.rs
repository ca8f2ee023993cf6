//! Rolling back without a human: only where the policy says so, nobody is at it, and it would help.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

use super::act::AutomaticRollback;
use super::after::Hand;
use super::failing::Failing;
use super::measure::Measured;
use super::triggers::{self, Asked};
use super::{Surroundings, hands, measure, modes, scope};
use crate::base::clock::format_minute;
use crate::base::{Digest, Result};
use crate::config::{ServiceConfig, maintenance};
use crate::incident::{Incident, Observed, State};
use crate::operation::{Stop, Summary};
use crate::rollback::evidence::Tier;
use crate::rollback::{self, Environment, Plan, Request, Selector, Subject};
use crate::severity::Scheme;

const OTHER: &str = "another version serves than the one that was measured";

/// The payload of `rollback.triggered`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Triggered {
    /// The operation that it began.
    pub operation: String,
    /// The reason: `onnx_parity_fail`, `psi_feature_spread`.
    pub reason: String,
    /// The other reasons that there were.
    pub also: Vec<String>,
    /// The counter that a monitoring system would count it under.
    pub counter: String,
    /// The condition, as written.
    pub condition: String,
    /// The labels of the series that decided.
    pub labels: BTreeMap<String, String>,
    /// Why the condition held.
    pub why: String,
    /// The version that served and showed it.
    pub version: Option<Digest>,
    /// Until when the next rollback is held back (UTC).
    pub cooldown_until: Option<DateTime<Utc>>,
    /// In one sentence.
    pub summary: String,
}

/// Rolls back where the service's policy says so, and says why not where it does not.
pub fn run(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    measured: &Measured,
    observed: &[Observed],
) -> Option<AutomaticRollback> {
    let policy = service.rollback.as_ref()?.auto.as_ref()?;
    let now = match surroundings.clock.now() {
        Ok(now) => now,
        Err(error) => return Some(held(None, error.message)),
    };
    let asked = match triggers::asked(policy, scheme, measured, now) {
        Ok(asked) => asked?,
        Err(error) => return Some(held(None, error.message)),
    };
    let case = Case { surroundings, service, scheme, asked: &asked };
    Some(match case.attempt(measured, observed, now) {
        Ok(rollback) => rollback,
        Err(error) => held(Some(&asked), error.message),
    })
}

/// Somebody is at it already.
pub fn yielded(running: &Summary) -> AutomaticRollback {
    let summary = format!("{} by {} is running; automation leaves it alone", running.id, running.actor);
    AutomaticRollback { operation: Some(running.id.clone()), reason: None, summary, exit: None }
}

fn held(asked: Option<&Asked>, why: String) -> AutomaticRollback {
    let by = asked.map(|asked| format!(" ({} asked for it)", asked.reason)).unwrap_or_default();
    let reason = asked.map(|asked| asked.reason.clone());
    AutomaticRollback { operation: None, reason, summary: format!("not begun: {why}{by}"), exit: None }
}

/// A policy that asks for a rollback of a service.
struct Case<'a> {
    surroundings: &'a Surroundings<'a>,
    service: &'a ServiceConfig,
    scheme: &'a Scheme,
    asked: &'a Asked,
}

impl Case<'_> {
    fn attempt(
        &self,
        measured: &Measured,
        observed: &[Observed],
        now: DateTime<Utc>,
    ) -> Result<AutomaticRollback> {
        let held = |why: String| Ok(held(Some(self.asked), why));
        let window = maintenance::active(self.surroundings.workspace, self.service, now);
        if let Some(window) = window.filter(|window| !window.automatic_rollback) {
            let until = format_minute(window.until);
            return held(format!(
                "{} is in maintenance until {until}: {}",
                self.service.service, window.reason
            ));
        }
        if let Some(until) = measured.warming_until.filter(|until| *until > now) {
            return held(format!("{} is warming up until {}", self.service.service, format_minute(until)));
        }
        let Some(incident) = answered(observed) else {
            return held(
                "no incident is open that it would answer; give the scheme a rule for it".to_owned(),
            );
        };
        if let Some(who) = hands::on(self.surroundings, self.service, incident, now)? {
            return held(who);
        }
        if let Some(why) = self.changed_since(measured)? {
            return held(why);
        }
        // Measuring takes its time; what serves is looked at last.
        let subject = scope::subject(self.surroundings.workspace, self.service)?;
        let served = rollback::served(&subject)?.digest;
        if served.is_none() || served != measured.versions.served {
            return held(OTHER.to_owned());
        }
        self.roll_back(&subject, incident, served.as_ref())
    }

    /// Measures once more, now that it is about to act: why it must not, if it must not.
    fn changed_since(&self, measured: &Measured) -> Result<Option<String>> {
        let now = self.surroundings.clock.now()?;
        let again = measure::again(self.surroundings, self.service, self.scheme, now, measured)?;
        if again.versions.served != measured.versions.served {
            return Ok(Some(OTHER.to_owned()));
        }
        let policy = self.service.rollback.as_ref().and_then(|rollback| rollback.auto.as_ref());
        let asked = match policy {
            Some(policy) => triggers::asked(policy, self.scheme, &again, now)?,
            None => None,
        };
        let still = asked.is_some_and(|asked| {
            asked.reason == self.asked.reason || asked.also.contains(&self.asked.reason)
        });
        Ok((!still).then(|| "measured again, it does not ask for it any more".to_owned()))
    }

    fn roll_back(
        &self,
        subject: &Subject,
        incident: &Incident,
        served: Option<&Digest>,
    ) -> Result<AutomaticRollback> {
        let hand = Hand::of(self.surroundings);
        let judged = self.failing(incident);
        let outcome = hand.with_environment(&Stop::default(), &|_| {}, &mut |environment| {
            let fails = |value| judged.as_ref().and_then(|judged| judged.fails(value));
            let request = Request {
                to: Selector::Prev,
                incident: Some(incident.id.clone()),
                reason: Some(format!("{}: {}", self.asked.reason, self.asked.why)),
                attended: false,
                failing: judged.as_ref().map(|judged| judged.rule(&fails)),
                saved: None,
            };
            let prepared = rollback::prepare(environment, subject, &request)?;
            modes::record(self.surroundings, self.service, Some(&incident.id), &self.asked.reason)?;
            if prepared.plan.binds_automation().is_none() {
                if let Err(why) = promises_help(subject, &prepared.plan) {
                    return rollback::refuse(environment, prepared, &why);
                }
                self.tell(environment, subject, &prepared.plan, served)?;
                if let Err(error) = hand.rollback_started(self.service, &prepared.plan) {
                    tracing::warn!("nobody was told that a rollback begins: {error}");
                }
            }
            rollback::execute(environment, prepared)
        })?;
        hand.rolled_back(self.service, Some(&incident.id), &outcome)?;
        Ok(AutomaticRollback {
            operation: Some(outcome.operation.clone()),
            reason: Some(self.asked.reason.clone()),
            summary: format!("{}: {}", self.asked.reason, outcome.summary),
            exit: Some(outcome.ending.exit()),
        })
    }

    /// The rule that candidates are judged by: the trigger's own where one value decides it, else the incident's.
    fn failing(&self, incident: &Incident) -> Option<Failing> {
        let own = Failing::of_condition(&self.asked.reason, &self.asked.expression, self.scheme);
        own.or_else(|| Failing::of(self.scheme, incident))
    }

    /// Records under which reason it begins.
    fn tell(
        &self,
        environment: &Environment<'_>,
        subject: &Subject,
        plan: &Plan,
        served: Option<&Digest>,
    ) -> Result<()> {
        let (asked, now) = (self.asked, environment.clock.now()?);
        let operation = plan.operation.clone().unwrap_or_default();
        let cooldown_until = subject.rollback.guards.cooldown.map(|cooldown| cooldown.after(now));
        let until = cooldown_until.map(|until| format!("; the next not before {}", format_minute(until)));
        let payload = Triggered {
            operation: operation.clone(),
            reason: asked.reason.clone(),
            also: asked.also.clone(),
            counter: format!("rollback_total{{reason=\"{}\"}}", asked.reason),
            condition: asked.expression.source().trim().to_owned(),
            labels: asked.labels.clone(),
            why: asked.why.clone(),
            version: served.cloned(),
            cooldown_until,
            summary: format!(
                "Rollback triggered by {}: {}{}",
                asked.reason,
                asked.why,
                until.unwrap_or_default()
            ),
        };
        let service = &self.service.service;
        environment.tell("rollback.triggered", service, Some(&operation), plan.incident.as_deref(), &payload)
    }
}

/// The worst incident that is open, and whose harm goes on.
fn answered(observed: &[Observed]) -> Option<&Incident> {
    let open = observed.iter().filter_map(|one| one.incident.as_ref());
    let open = open.filter(|incident| matches!(incident.state, State::Triage | State::Active));
    open.min_by_key(|incident| incident.level.rank)
}

/// Whether automation may go to the planned version: where candidates are evaluated it has to pass the failing rule,
/// where they are not it has to be verified, or to have served without an incident.
fn promises_help(subject: &Subject, plan: &Plan) -> std::result::Result<(), String> {
    let to = plan.to.shown();
    if subject.rollback.evaluate.is_none() {
        return match plan.tier {
            Tier::Served | Tier::Verified => Ok(()),
            tier => Err(format!(
                "{to} is only {tier}, and nothing says how candidates are evaluated; a human may take it"
            )),
        };
    }
    let answer = plan.would_help.as_ref().and_then(|would_help| would_help.answer);
    match answer {
        Some(true) => Ok(()),
        Some(false) => Err(format!("{to} fails the rule too")),
        None => Err(format!("it is not known whether {to} passes the failing rule; a human may take it")),
    }
}
