//! PagerDuty's webhook, version 3: one event about an incident.

use serde_json::Value;

use super::{AlertState, Format, Incoming, Message, Reading, Refusal, facts, time};
use crate::base::Untrusted;

pub(super) fn read(value: &Value) -> Result<Message, Refusal> {
    let event = value.get("event").unwrap_or(&Value::Null);
    let hint = "a webhook of PagerDuty (version 3) is {\"event\": {\"event_type\": \"incident.triggered\", \"data\": …}}";
    let Some(kind) = facts::text(event, "event_type") else {
        return Err(Refusal::new("`event.event_type` is missing", hint));
    };
    let data = event.get("data").unwrap_or(&Value::Null);
    if kind == "pagey.ping" {
        return Err(Refusal::new(
            "this is PagerDuty's test event; it says nothing about an incident",
            "it arrived: incidents will, too",
        ));
    }
    let about_incident = kind.starts_with("incident.") && facts::text(data, "type") == Some("incident");
    if !about_incident {
        let shown = kind.escape_debug();
        return Err(Refusal::new(
            format!("an event `{shown}` says nothing about the state of an incident"),
            "subscribe to incident.triggered, incident.acknowledged, incident.resolved and their like",
        ));
    }
    let mut incoming = Incoming::new(AlertState::Undecided);
    let occurred = event.get("occurred_at").and_then(time::from_value);
    incoming.started_at = data.get("created_at").and_then(time::from_value).or(occurred);
    state(&mut incoming, kind, facts::text(data, "status"));
    if incoming.state == AlertState::Resolved {
        incoming.ended_at = occurred;
    }
    incoming.name = facts::text(data, "title").map(Untrusted::new);
    incoming.description = description(data);
    let service = data.get("service").unwrap_or(&Value::Null);
    incoming.services = facts::text(service, "summary").map(Untrusted::new).into_iter().collect();
    incoming.readings = details(data);
    Ok(Message::of(Format::PagerDuty, vec![incoming]))
}

/// The state that the incident has, which the event must not contradict.
fn state(incoming: &mut Incoming, kind: &str, status: Option<&str>) {
    let by_status = match status {
        Some("triggered") => Some(AlertState::Firing),
        Some("acknowledged") => Some(AlertState::Acknowledged),
        Some("resolved") => Some(AlertState::Resolved),
        _ => None,
    };
    let by_event = match kind {
        "incident.triggered" | "incident.unacknowledged" | "incident.reopened" => Some(AlertState::Firing),
        "incident.acknowledged" => Some(AlertState::Acknowledged),
        "incident.resolved" => Some(AlertState::Resolved),
        // Escalated, reassigned, delegated, a priority changed: the status says how it stands.
        _ => by_status,
    };
    match (by_event, by_status) {
        (Some(event), Some(status)) if event == status => incoming.state = event,
        (Some(event), None) => incoming.state = event,
        // A webhook that comes late: the incident has moved on, and the one that is worse counts.
        (Some(event), Some(status)) if event != AlertState::Resolved && status != AlertState::Resolved => {
            incoming.state = AlertState::Firing;
        }
        _ => {
            let shown = status.unwrap_or("nothing").escape_debug().to_string();
            incoming.said = Some(format!("the event is {} and the status `{shown}`", kind.escape_debug()));
        }
    }
}

fn description(data: &Value) -> Option<Untrusted> {
    let mut parts = Vec::new();
    if let Some(number) = data.get("number").and_then(Value::as_u64) {
        parts.push(format!("incident {number}"));
    }
    if let Some(urgency) = facts::text(data, "urgency") {
        parts.push(format!("urgency {urgency}"));
    }
    if let Some(priority) = data.get("priority").and_then(|priority| facts::text(priority, "summary")) {
        parts.push(format!("priority {priority}"));
    }
    (!parts.is_empty()).then(|| Untrusted::new(parts.join(", ")))
}

/// The custom details that came with the alert, where the subscription sends them.
fn details(data: &Value) -> Vec<Reading> {
    let details =
        data.pointer("/body/details").or_else(|| data.pointer("/first_trigger_log_entry/channel/details"));
    let entries = details.and_then(Value::as_object).into_iter().flatten();
    let reading = |(metric, value): (&String, &Value)| Reading {
        metric: metric.clone(),
        labels: Default::default(),
        given: facts::given(value),
        certain: false,
    };
    entries.map(reading).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(kind: &str, status: &str) -> Value {
        json!({"event": {"id": "E1", "event_type": kind, "resource_type": "incident",
            "occurred_at": "2026-11-20T02:59:00Z",
            "data": {"id": "Q1", "type": "incident", "number": 7, "status": status, "title": "Errors",
                     "created_at": "2026-11-20T02:50:00Z", "urgency": "high", "priority": {"summary": "P1"},
                     "service": {"summary": "checkout", "type": "service_reference"}}}})
    }

    #[test]
    fn events_and_status_make_the_state() {
        for (kind, status, state) in [
            ("incident.triggered", "triggered", AlertState::Firing),
            ("incident.acknowledged", "acknowledged", AlertState::Acknowledged),
            ("incident.unacknowledged", "triggered", AlertState::Firing),
            ("incident.reopened", "triggered", AlertState::Firing),
            ("incident.resolved", "resolved", AlertState::Resolved),
            ("incident.priority_updated", "acknowledged", AlertState::Acknowledged),
            ("incident.escalated", "triggered", AlertState::Firing),
            ("incident.triggered", "acknowledged", AlertState::Firing),
            ("incident.resolved", "triggered", AlertState::Undecided),
            ("incident.triggered", "resolved", AlertState::Undecided),
            ("incident.priority_updated", "asleep", AlertState::Undecided),
        ] {
            let message = read(&event(kind, status)).unwrap();
            assert_eq!(message.alerts[0].state, state, "{kind} {status}");
            assert_eq!(message.alerts[0].ended_at.is_some(), state == AlertState::Resolved, "{kind}");
        }
    }

    #[test]
    fn what_is_about_no_incident_is_refused() {
        let ping =
            json!({"event": {"event_type": "pagey.ping", "data": {"message": "hello", "type": "ping"}}});
        assert!(read(&ping).unwrap_err().reason.contains("test event"));
        let note = json!({"event": {"event_type": "incident.annotated", "data": {"type": "incident_note"}}});
        assert!(read(&note).unwrap_err().reason.contains("incident.annotated"));
        assert!(read(&json!({"event": 5})).is_err());
    }
}
