//! Switches of mode: everything that containing a service changes, each as an event of its own that other programs
//! count.

use schemars::JsonSchema;
use serde::Serialize;

use super::Surroundings;
use crate::base::Result;
use crate::config::ServiceConfig;
use crate::rollback::contain;
use crate::store::{Actor, EventFilter, NewEvent, Session};

/// The payload of `contain.mode_switched`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ModeSwitch {
    /// The name under which executors know it.
    pub event: &'static str,
    /// What was switched: the file and the key.
    pub what: String,
    /// What it was; absent where the containment does not say.
    pub from: Option<String>,
    /// What it is.
    pub to: Option<String>,
    /// Why: the reason of the rollback, or the rules that matched.
    pub reason: String,
    /// How bad it is.
    pub severity: &'static str,
    /// The operation that switched it.
    pub operation: String,
    /// In one sentence.
    pub summary: String,
}

impl ModeSwitch {
    /// From what a containment said of it: `FILE KEY: was → is`.
    fn read(said: &str, operation: &str, reason: &str) -> Self {
        let parts = said.split_once(": ").and_then(|(what, change)| Some((what, change.split_once(" → ")?)));
        let (what, from, to) = match parts {
            Some((what, (from, to))) => (what, Some(from.to_owned()), Some(to.to_owned())),
            None => (said, None, None),
        };
        Self {
            event: "MODE_SWITCH",
            what: what.to_owned(),
            from,
            to,
            reason: reason.to_owned(),
            severity: "CRIT",
            operation: operation.to_owned(),
            summary: format!("MODE_SWITCH {said} ({reason})"),
        }
    }
}

/// Records the switches of the containment that is in force, once.
pub fn record(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    incident: Option<&str>,
    reason: &str,
) -> Result<()> {
    let Some(containment) = contain::current(&surroundings.workspace.state, &service.service)? else {
        return Ok(());
    };
    let operation = &containment.operation;
    let told = format!("told.mode.{operation}");
    let now = surroundings.clock.now()?;
    surroundings.store.with(|session| {
        if session.value(&told)?.is_some() {
            return Ok(());
        }
        let said = said(session, &service.service, operation)?;
        if said.is_empty() {
            return Ok(());
        }
        for one in &said {
            let payload = ModeSwitch::read(one, operation, reason);
            session.append(NewEvent {
                kind: "contain.mode_switched".to_owned(),
                occurred_at: now,
                recorded_at: now,
                actor: Actor::Automation,
                service: Some(service.service.clone()),
                incident: incident.map(str::to_owned),
                operation: Some(operation.clone()),
                payload: serde_json::to_value(&payload).unwrap_or_default(),
            })?;
        }
        session.set_value(&told, "yes")
    })
}

/// What the containment said that it set.
fn said(session: &mut dyn Session, service: &str, operation: &str) -> Result<Vec<String>> {
    let filter = EventFilter {
        service: Some(service.to_owned()),
        kind_prefix: Some("contain.completed".to_owned()),
        ..EventFilter::default()
    };
    let events = session.events(&filter)?;
    let own = events.iter().rfind(|event| event.operation.as_deref() == Some(operation));
    let what = own.and_then(|event| event.payload.get("what")?.as_array());
    Ok(what.into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_containment_says_is_read() {
        let read = ModeSwitch::read("config/app.yml exchange.mode: real → paper", "OP-1", "winrate_delta");
        assert_eq!(read.what, "config/app.yml exchange.mode");
        assert_eq!((read.from.as_deref(), read.to.as_deref()), (Some("real"), Some("paper")));
        let other = ModeSwitch::read("traffic stopped", "OP-1", "x");
        assert_eq!((other.what.as_str(), other.from), ("traffic stopped", None));
    }
}
