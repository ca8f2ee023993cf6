//! What goes with an operation: its surroundings, and what incidents and people learn of its end.

use serde_json::json;
use std::sync::Arc;

use super::{Surroundings, audit, findings, measure, notices, post, scope};
use crate::base::clock::Elapsed;
use crate::base::{Clock, Result};
use crate::config::{ServiceConfig, Workspace};
use crate::incident::event::ByOperation;
use crate::incident::{self, Book, Change, Incident, State};
use crate::notify::Notice;
use crate::operation::{ByService, Ending, StepUpdate, Stop, StoreRecorder};
use crate::rollback::{ContainOutcome, Environment, Plan, RollbackOutcome};
use crate::store::{Actor, Session, Store};

fn told(operation: &str, ending: Ending) -> String {
    format!("told.{operation}.{}", ending.as_str())
}

/// Whether an incident knows already that an operation ended so.
pub fn is_told(session: &mut dyn Session, operation: &str, ending: Ending) -> Result<bool> {
    Ok(session.value(&told(operation, ending))?.is_some())
}

/// Notes that it is known, in the transaction that makes it so.
pub fn tell_no_more(session: &mut dyn Session, outcome: &RollbackOutcome) -> Result<()> {
    session.set_value(&told(&outcome.operation, outcome.ending), "yes")
}

/// Whoever operates on a service. The store may be missing: an operation goes on without it, and what there is to
/// say is kept for later.
#[derive(Clone)]
pub struct Hand<'a> {
    /// The configuration.
    pub workspace: &'a Workspace,
    /// The store, if it could be opened.
    pub store: Option<Arc<dyn Store>>,
    /// The clock.
    pub clock: &'a Clock,
    /// Who.
    pub actor: Actor,
}

impl<'a> Hand<'a> {
    /// irctl itself, in a round.
    pub fn of(surroundings: &Surroundings<'a>) -> Self {
        Self {
            workspace: surroundings.workspace,
            store: Some(Arc::clone(&surroundings.store)),
            clock: surroundings.clock,
            actor: Actor::Automation,
        }
    }

    /// Runs `work` with everything that an operation needs.
    pub fn with_environment<T>(
        &self,
        stop: &Stop,
        progress: &dyn Fn(&StepUpdate),
        work: &mut dyn FnMut(&Environment<'_>) -> Result<T>,
    ) -> Result<T> {
        let recorder = StoreRecorder::new(self.store.clone(), &self.workspace.state);
        let verify = |suite: &str, pinned: &serde_json::Value| scope::run_suite(suite, pinned, self.clock);
        work(&Environment {
            state: &self.workspace.state,
            clock: self.clock,
            recorder: &recorder,
            actor: self.actor.clone(),
            verify: &verify,
            progress,
            stop,
        })
    }

    /// The open incident of a service that a rollback answers: the one named, else the worst.
    pub fn incident(&self, service: &str, named: Option<&str>) -> Result<Option<Incident>> {
        let Some(store) = &self.store else { return Ok(None) };
        store.view(|session| {
            if let Some(name) = named {
                return incident::book::get(session, name).map(Some);
            }
            let open = incident::book::open(session, Some(service))?;
            Ok(open
                .into_iter()
                .min_by_key(|incident| (incident.state == State::Mitigated, incident.level.rank)))
        })
    }

    /// Writes a rollback's end into its incident, and tells people.
    ///
    /// # Errors
    /// The store's. The rollback itself is over; whoever calls says that the rest is still to be told.
    pub fn rolled_back(
        &self,
        service: &ServiceConfig,
        incident: Option<&str>,
        outcome: &RollbackOutcome,
    ) -> Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        let now = self.clock.now()?;
        let Some(id) = incident else {
            let told =
                about_rollback(self, outcome, |template| notices::without_incident(service, template, now));
            return store.with(|session| {
                notices::queue(session, self.workspace, &told, now)?;
                audit::queue(session, self.workspace, service, None, outcome, now)
            });
        };
        let scheme = measure::scheme(self.workspace, &service.scheme)?;
        store.with(|session| {
            if is_told(session, &outcome.operation, outcome.ending)? {
                return Ok(());
            }
            tell_no_more(session, outcome)?;
            let mut book = Book::new(session, self.actor.clone(), now);
            let by = ByOperation {
                operation: Some(outcome.operation.clone()),
                reason: Some(outcome.summary.as_str().into()),
            };
            let mut incident = book.get(id)?;
            let back = matches!(outcome.ending, Ending::Restored | Ending::Unproven);
            if back && serves_what_it_blames(&incident, outcome) {
                if incident.state == State::Mitigated {
                    let timings = findings::timings(&scheme, None, &incident.level.name);
                    let reason = format!("what it blames serves again: {}", outcome.summary);
                    incident = book.reopen(id, reason.into(), timings.from(now))?;
                }
            } else if outcome.ending == Ending::Restored
                && matches!(incident.state, State::Triage | State::Active)
            {
                incident = book.mitigate(id, by.clone())?;
            }
            if !outcome.contained && incident.contained.is_some() {
                incident = book.released(id, by)?;
            }
            let blamed = serves_what_it_blames(&incident, outcome);
            let told = about_rollback(self, outcome, |template| {
                let template =
                    if blamed && template == "rolled-back" { "incident-updated" } else { template };
                notices::about(service, &scheme, &incident, template, now)
            });
            notices::queue(session, self.workspace, &told, now)?;
            audit::queue(session, self.workspace, service, Some(id), outcome, now)
        })
    }

    /// Tells people that a rollback begins. Called after the yes and before the switch.
    ///
    /// # Errors
    /// The store's. Nobody waits for it: whoever calls goes on.
    pub fn rollback_started(&self, service: &ServiceConfig, plan: &Plan) -> Result<()> {
        let (Some(store), Some(id)) = (&self.store, plan.incident.as_deref()) else { return Ok(()) };
        let now = self.clock.now()?;
        let scheme = measure::scheme(self.workspace, &service.scheme)?;
        store.with(|session| {
            let incident = incident::book::get(session, id)?;
            let mut notice = notices::about(service, &scheme, &incident, "rollback-started", now);
            notice.occasion = plan.operation.clone().unwrap_or_default();
            notice.context = notices::merged(
                notice.context,
                json!({
                    "version": plan.to.shown(), "previous_version": plan.served.shown(),
                    "operation": plan.operation, "actor": self.actor.to_string(),
                }),
            );
            notices::queue(session, self.workspace, &[notice], now)
        })
    }

    /// Writes into the open incident that a human contained or released the service, and tells people.
    pub fn contained(
        &self,
        service: &ServiceConfig,
        outcome: &ContainOutcome,
        incident: Option<&Incident>,
        reason: Option<&str>,
    ) -> Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        let now = self.clock.now()?;
        let facts = json!({"proof": outcome.proof, "reason": reason, "actor": self.actor.to_string()});
        let Some(incident) = incident else {
            let Some(operation) = &outcome.operation else { return Ok(()) };
            let template = if outcome.contained { "contained" } else { "released" };
            let mut notice = notices::without_incident(service, template, now);
            notice.occasion = operation.clone();
            notice.context = notices::merged(notice.context, facts);
            return store.with(|session| notices::queue(session, self.workspace, &[notice.clone()], now));
        };
        let scheme = measure::scheme(self.workspace, &service.scheme)?;
        store.with(|session| {
            let mut book = Book::new(session, self.actor.clone(), now);
            let by = ByOperation { operation: outcome.operation.clone(), reason: reason.map(Into::into) };
            let (incident, template) = match (outcome.contained, incident.contained.is_some()) {
                (true, false) => {
                    if incident.state == State::Mitigated {
                        // The harm was thought to have ended; it is being stopped once more.
                        let timings = findings::timings(&scheme, None, &incident.level.name);
                        let why = reason.unwrap_or("contained again").into();
                        book.reopen(&incident.id, why, timings.from(now))?;
                    }
                    (book.contained(&incident.id, by)?, "contained")
                }
                (false, true) => (book.released(&incident.id, by)?, "released"),
                _ => return Ok(()),
            };
            let mut notice = notices::about(service, &scheme, &incident, template, now);
            notice.occasion = outcome.operation.clone().unwrap_or_default();
            notice.context = notices::merged(notice.context, facts.clone());
            notices::queue(session, self.workspace, &[notice], now)
        })
    }

    /// Tells people what a person changed about an incident.
    ///
    /// # Errors
    /// The store's, or the configuration's. The change itself is made.
    pub fn changed(&self, incident: &Incident, change: &Change) -> Result<()> {
        let (Some(store), Some(service)) = (&self.store, self.workspace.services.get(&incident.service))
        else {
            return Ok(());
        };
        let now = self.clock.now()?;
        let scheme = measure::scheme(self.workspace, &incident.scheme)?;
        let Some(mut notice) = notices::change(service, &scheme, incident, change, now) else {
            return Ok(());
        };
        notice.scheme = Some(incident.scheme.clone());
        store.with(|session| notices::queue(session, self.workspace, &[notice.clone()], now))
    }

    /// Takes what is queued to the channels.
    pub fn deliver(&self) -> Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        let surroundings = Surroundings {
            workspace: self.workspace,
            store: Arc::clone(store),
            clock: self.clock,
            actor: self.actor.clone(),
            operations: ByService::new(&self.workspace.state),
        };
        post::deliver(&surroundings).map(|_| ())
    }
}

/// Whether the version that serves now is the one that the incident is about: the harm is back, not over.
fn serves_what_it_blames(incident: &Incident, outcome: &RollbackOutcome) -> bool {
    let digest = outcome.to.as_ref().and_then(|to| to.digest.as_ref());
    digest.is_some() && digest == incident.version.as_ref()
}

/// What is told of a rollback's end; `about` makes the notice that a template says.
fn about_rollback(hand: &Hand<'_>, outcome: &RollbackOutcome, about: impl Fn(&str) -> Notice) -> Vec<Notice> {
    let template = match outcome.ending {
        Ending::Restored => "rolled-back",
        Ending::Halted | Ending::Unproven | Ending::Unknown => "rollback-halted",
        Ending::Undone | Ending::Refused => "incident-updated",
    };
    let version = outcome.to.as_ref().map(|to| to.name.clone());
    let took = chrono::TimeDelta::milliseconds(i64::try_from(outcome.duration_ms).unwrap_or(i64::MAX));
    let mut first = about(template);
    first.occasion = outcome.operation.clone();
    first.context = notices::merged(
        first.context,
        json!({
            "version": version, "previous_version": outcome.from.as_ref().map(|from| from.name.clone()),
            "operation": outcome.operation, "proof": outcome.proof, "duration": Elapsed(took).to_string(),
            "actor": hand.actor.to_string(), "summary": outcome.summary,
            "contained": if outcome.contained { "yes" } else { "no" },
            "next": outcome.next.first().map(|next| next.command.clone()),
        }),
    );
    if template == "rollback-halted" {
        first.context = notices::merged(first.context, json!({"reason": outcome.summary}));
    }
    let mut told = vec![first];
    if !outcome.contained {
        let mut released = about("released");
        released.occasion = outcome.operation.clone();
        let watch = outcome.watched_until.map(crate::notify::message::minute);
        released.context = notices::merged(
            released.context,
            json!({"version": version, "watch": watch, "actor": hand.actor.to_string()}),
        );
        told.push(released);
    }
    told
}
