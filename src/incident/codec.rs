//! Incident events to and from the store's envelope.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::event::IncidentEvent;
use crate::base::{Error, ErrorCode, Result};
use crate::store::{Actor, Event, NewEvent};

/// What the kind of every event of this room begins with.
pub const KIND_PREFIX: &str = "incident.";

impl IncidentEvent {
    /// The kind as it is stored.
    pub fn kind(&self) -> &str {
        match self {
            IncidentEvent::Opened(_) => "incident.opened",
            IncidentEvent::LevelChanged(_) => "incident.level_changed",
            IncidentEvent::Evidence(_) => "incident.evidence",
            IncidentEvent::Acknowledged(_) => "incident.acknowledged",
            IncidentEvent::Assigned(_) => "incident.assigned",
            IncidentEvent::Noted(_) => "incident.noted",
            IncidentEvent::Contained(_) => "incident.contained",
            IncidentEvent::Released(_) => "incident.released",
            IncidentEvent::Mitigated(_) => "incident.mitigated",
            IncidentEvent::Resolved(_) => "incident.resolved",
            IncidentEvent::Closed(_) => "incident.closed",
            IncidentEvent::Reopened(_) => "incident.reopened",
            IncidentEvent::Cancelled(_) => "incident.cancelled",
            IncidentEvent::Merged(_) => "incident.merged",
            IncidentEvent::Superseded(_) => "incident.superseded",
            IncidentEvent::Unknown { kind, .. } => kind,
        }
    }

    /// The payload as it is stored.
    pub fn payload(&self) -> Result<Value> {
        match self {
            IncidentEvent::Opened(payload) => value(payload),
            IncidentEvent::LevelChanged(payload) => value(payload),
            IncidentEvent::Evidence(payload) => value(payload),
            IncidentEvent::Assigned(payload) => value(payload),
            IncidentEvent::Noted(payload) => value(payload),
            IncidentEvent::Contained(payload)
            | IncidentEvent::Released(payload)
            | IncidentEvent::Mitigated(payload) => value(payload),
            IncidentEvent::Acknowledged(payload)
            | IncidentEvent::Resolved(payload)
            | IncidentEvent::Closed(payload)
            | IncidentEvent::Cancelled(payload) => value(payload),
            IncidentEvent::Reopened(payload) => value(payload),
            IncidentEvent::Merged(payload) => value(payload),
            IncidentEvent::Superseded(payload) => value(payload),
            IncidentEvent::Unknown { kind, .. } => Err(Error::new(
                ErrorCode::Bug,
                format!("an event of unknown kind `{kind}` cannot be written"),
            )),
        }
    }

    /// Reads a stored event. What cannot be read becomes [`IncidentEvent::Unknown`], with the reason.
    pub fn decode(event: &Event) -> Self {
        let payload = &event.payload;
        let decoded = match event.kind.as_str() {
            "incident.opened" => read(payload).map(|opened| IncidentEvent::Opened(Box::new(opened))),
            "incident.level_changed" => read(payload).map(IncidentEvent::LevelChanged),
            "incident.evidence" => read(payload).map(IncidentEvent::Evidence),
            "incident.acknowledged" => read(payload).map(IncidentEvent::Acknowledged),
            "incident.assigned" => read(payload).map(IncidentEvent::Assigned),
            "incident.noted" => read(payload).map(IncidentEvent::Noted),
            "incident.contained" => read(payload).map(IncidentEvent::Contained),
            "incident.released" => read(payload).map(IncidentEvent::Released),
            "incident.mitigated" => read(payload).map(IncidentEvent::Mitigated),
            "incident.resolved" => read(payload).map(IncidentEvent::Resolved),
            "incident.closed" => read(payload).map(IncidentEvent::Closed),
            "incident.reopened" => read(payload).map(IncidentEvent::Reopened),
            "incident.cancelled" => read(payload).map(IncidentEvent::Cancelled),
            "incident.merged" => read(payload).map(IncidentEvent::Merged),
            "incident.superseded" => read(payload).map(IncidentEvent::Superseded),
            _ => Err("this irctl does not know the kind; a newer one wrote it".to_owned()),
        };
        decoded.unwrap_or_else(|problem| IncidentEvent::Unknown { kind: event.kind.clone(), problem })
    }

    /// The envelope around it, before the store numbers it.
    pub fn enveloped(
        &self,
        incident: &str,
        service: &str,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Result<NewEvent> {
        Ok(NewEvent {
            kind: self.kind().to_owned(),
            occurred_at: now,
            recorded_at: now,
            actor,
            service: Some(service.to_owned()),
            incident: Some(incident.to_owned()),
            operation: self.operation().map(str::to_owned),
            payload: self.payload()?,
        })
    }

    fn operation(&self) -> Option<&str> {
        match self {
            IncidentEvent::Contained(by) | IncidentEvent::Released(by) | IncidentEvent::Mitigated(by) => {
                by.operation.as_deref()
            }
            _ => None,
        }
    }
}

fn value(payload: &impl Serialize) -> Result<Value> {
    serde_json::to_value(payload)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("an incident event cannot be written: {error}")))
}

fn read<T: DeserializeOwned>(payload: &Value) -> std::result::Result<T, String> {
    serde_json::from_value(payload.clone()).map_err(|error| format!("its payload cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::event::*;
    use crate::incident::fixtures::stored;

    #[test]
    fn every_kind_comes_back_as_it_went() {
        let events = [
            IncidentEvent::Acknowledged(Because::default()),
            IncidentEvent::Noted(Noted {
                text: "the feed stopped".into(),
                kind: NoteKind::RootCause,
                owner: None,
                priority: None,
                due: None,
            }),
            IncidentEvent::Contained(ByOperation { operation: Some("OP-1".into()), reason: None }),
            IncidentEvent::Merged(Merged { into: "INC-2".into() }),
            IncidentEvent::Superseded(Superseded { sequence: 4, correction: "no".into() }),
        ];
        for event in events {
            assert_eq!(IncidentEvent::decode(&stored(1, event.kind(), event.payload().unwrap())), event);
        }
    }

    #[test]
    fn what_cannot_be_read_is_kept_with_the_reason() {
        let future = stored(1, "incident.teleported", serde_json::json!({"to": "Mars"}));
        let IncidentEvent::Unknown { kind, problem } = IncidentEvent::decode(&future) else { panic!() };
        assert_eq!(kind, "incident.teleported");
        assert!(problem.contains("newer"));
        let broken = stored(2, "incident.opened", serde_json::json!({"title": 7}));
        let IncidentEvent::Unknown { problem, .. } = IncidentEvent::decode(&broken) else { panic!() };
        assert!(problem.contains("payload"), "{problem}");
        // A field that a later version added does not stop this one from reading the rest.
        let richer = stored(3, "incident.merged", serde_json::json!({"into": "INC-2", "mood": "calm"}));
        assert_eq!(IncidentEvent::decode(&richer), IncidentEvent::Merged(Merged { into: "INC-2".into() }));
    }
}
