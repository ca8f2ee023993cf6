//! What ended without its incident knowing: the process died, or there was no store. It is written down and told late,
//! and until then a round must not take the incident for unanswered.

use super::after::{self, Hand};
use super::{Surroundings, audit};
use crate::base::Result;
use crate::config::ServiceConfig;
use crate::incident::{self, Incident};
use crate::operation::{self, Ending, Summary};
use crate::rollback::conclude::RollbackEvent;
use crate::rollback::{ContainOutcome, RollbackOutcome, contain};
use crate::store::{Event, EventFilter, Session};

/// The rollback of a service that a process works on now.
pub fn running(surroundings: &Surroundings<'_>, service: &ServiceConfig) -> Result<Option<Summary>> {
    let own = |one: &Summary| is_rollback(&one.kind);
    Ok(surroundings.operations.running(&service.service)?.into_iter().find(own))
}

fn is_rollback(kind: &str) -> bool {
    matches!(kind, "rollback" | "undo" | "redo")
}

/// Writes every end of a rollback or release that is not known yet into its incident, and queues what people have to
/// know of it. Says whether there was any.
pub fn ended(surroundings: &Surroundings<'_>, service: &ServiceConfig) -> Result<bool> {
    operation::drain_spool(&*surroundings.store, &surroundings.workspace.state)?;
    let unknown = surroundings.store.view(|session| rollbacks(session, &service.service))?;
    let mut any = !unknown.is_empty();
    for (event, rollback) in &unknown {
        let hand = Hand { actor: event.actor.clone(), ..Hand::of(surroundings) };
        let outcome = outcome(service, rollback);
        match answered(&hand, service, event)? {
            Some(incident) => hand.rolled_back(service, Some(&incident), &outcome)?,
            None => surroundings.store.with(|session| {
                after::tell_no_more(session, &outcome)?;
                let now = surroundings.clock.now()?;
                audit::queue(session, surroundings.workspace, service, None, &outcome, now)
            })?,
        }
    }
    any |= released(surroundings, service)?;
    Ok(any)
}

/// The last end of each rollback that no incident was told of.
fn rollbacks(session: &mut dyn Session, service: &str) -> Result<Vec<(Event, RollbackEvent)>> {
    let filter = EventFilter {
        service: Some(service.to_owned()),
        kind_prefix: Some("rollback.".to_owned()),
        ..EventFilter::default()
    };
    let mut last: Vec<(Event, RollbackEvent)> = Vec::new();
    for event in session.events(&filter)? {
        let Ok(rollback) = serde_json::from_value::<RollbackEvent>(event.payload.clone()) else { continue };
        last.retain(|(_, earlier)| earlier.operation != rollback.operation);
        last.push((event, rollback));
    }
    let mut unknown = Vec::new();
    for (event, rollback) in last {
        if !after::is_told(session, &rollback.operation, rollback.outcome)? {
            unknown.push((event, rollback));
        }
    }
    Ok(unknown)
}

/// The incident that it answered: the one it names, else the worst that was open when it ended.
fn answered(hand: &Hand<'_>, service: &ServiceConfig, event: &Event) -> Result<Option<String>> {
    if let Some(incident) = &event.incident {
        return Ok(Some(incident.clone()));
    }
    let open = hand.incident(&service.service, None)?;
    Ok(open.filter(|incident| incident.episode_at <= event.occurred_at).map(|incident| incident.id))
}

fn outcome(service: &ServiceConfig, rollback: &RollbackEvent) -> RollbackOutcome {
    RollbackOutcome {
        operation: rollback.operation.clone(),
        kind: "rollback".to_owned(),
        service: service.service.clone(),
        ending: rollback.outcome,
        from: Some(rollback.from.clone()),
        to: Some(rollback.to.clone()),
        proof: rollback.proof.clone(),
        duration_ms: rollback.duration_ms,
        contained: rollback.contained,
        watched_until: None,
        backup: None,
        summary: rollback.summary.clone(),
        next: Vec::new(),
    }
}

/// A release after which an incident still says that the service is contained. Each release is looked at once.
fn released(surroundings: &Surroundings<'_>, service: &ServiceConfig) -> Result<bool> {
    let filter = EventFilter {
        service: Some(service.service.clone()),
        kind_prefix: Some("release.completed".to_owned()),
        ..EventFilter::default()
    };
    let found = surroundings.store.view(|session| {
        let Some(event) = session.events(&filter)?.pop() else { return Ok(None) };
        let seen = session.value(&seen(&event))?.is_some();
        Ok((!seen).then_some(event))
    })?;
    let Some(event) = found else { return Ok(false) };
    if contain::current(&surroundings.workspace.state, &service.service)?.is_some() {
        return Ok(false);
    }
    let incidents =
        surroundings.store.view(|session| incident::book::list(session, Some(&service.service)))?;
    let before = |incident: &Incident| {
        incident.contained.as_ref().is_some_and(|moment| moment.sequence < event.sequence)
    };
    let hand = Hand { actor: event.actor.clone(), ..Hand::of(surroundings) };
    let mut any = false;
    for incident in incidents.iter().filter(|incident| incident.is_open() && before(incident)) {
        hand.contained(service, &released_outcome(incident, &event), Some(incident), None)?;
        any = true;
    }
    surroundings.store.with(|session| session.set_value(&seen(&event), "yes"))?;
    Ok(any)
}

fn seen(event: &Event) -> String {
    format!("told.release.{}", event.sequence)
}

fn released_outcome(incident: &Incident, event: &Event) -> ContainOutcome {
    let summary = event.payload.get("summary").and_then(serde_json::Value::as_str).unwrap_or_default();
    ContainOutcome {
        service: incident.service.clone(),
        ending: Ending::Restored,
        operation: event.operation.clone(),
        contained: false,
        already: false,
        since: None,
        settings: Vec::new(),
        proof: None,
        summary: summary.to_owned(),
    }
}
