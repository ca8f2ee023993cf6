//! Whether a human is at it: automation then keeps its hands off.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Surroundings;
use crate::base::clock::format_minute;
use crate::base::{Error, ErrorCode, Result};
use crate::config::ServiceConfig;
use crate::incident::{self, Incident};
use crate::operation;
use crate::store::{Actor, Session};

/// For how long somebody who looked at a plan is taken to be at it.
const LOOKING: TimeDelta = TimeDelta::minutes(15);

/// A plan that a human looked at.
#[derive(Debug, Serialize, Deserialize)]
struct Looked {
    by: Actor,
    at: DateTime<Utc>,
}

fn key(service: &str) -> String {
    format!("hands.{service}")
}

/// Notes that somebody looks at a plan for a service: automation leaves it to them for a quarter of an hour.
pub fn opened_plan(session: &mut dyn Session, service: &str, by: &Actor, at: DateTime<Utc>) -> Result<()> {
    if !matches!(by, Actor::Human(_)) {
        return Ok(());
    }
    let text = serde_json::to_string(&Looked { by: by.clone(), at })
        .map_err(|error| Error::new(ErrorCode::Bug, format!("who looks at a plan: {error}")))?;
    session.set_value(&key(service), &text)
}

/// Who is at a service, in one sentence; nobody, if there is none. Whoever works on one of its incidents is at it.
pub fn on(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    incident: &Incident,
    now: DateTime<Utc>,
) -> Result<Option<String>> {
    let leaves = "automation leaves it to a human";
    let (open, looked) = surroundings.store.view(|session| {
        let open = incident::book::open(session, Some(&service.service))?;
        Ok((open, session.value(&key(&service.service))?))
    })?;
    for one in &open {
        if let Some(moment) = &one.acknowledged {
            return Ok(Some(format!("{} has taken {} up; {leaves}", moment.by, one.id)));
        }
        if let Some((role, person)) = one.roles.iter().next() {
            return Ok(Some(format!("{person} is {role} of {}; {leaves}", one.id)));
        }
    }
    let own = operation::list(&surroundings.workspace.state)?.into_iter().rfind(|one| {
        let human = matches!(one.actor, Actor::Human(_));
        human && one.service == service.service && one.created_at >= incident.episode_at
    });
    if let Some(one) = own {
        let when = format_minute(one.created_at);
        return Ok(Some(format!("{} began {} ({}) at {when}; {leaves}", one.actor, one.id, one.kind)));
    }
    // What cannot be read was written by a newer irctl, whose user is as human as any.
    let looked = looked.map(|text| serde_json::from_str::<Looked>(&text));
    match looked {
        Some(Ok(looked)) if (now - looked.at).abs() < LOOKING => Ok(Some(format!(
            "{} opened a plan for {} at {}; {leaves}",
            looked.by,
            service.service,
            format_minute(looked.at)
        ))),
        Some(Err(_)) => Ok(Some(format!("somebody opened a plan for {}; {leaves}", service.service))),
        _ => Ok(None),
    }
}
