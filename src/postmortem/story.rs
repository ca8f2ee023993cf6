//! The night as a reader wants it: what several events say is said once, with the number of each behind it.
//!
//! `irctl incident timeline` shows every event on a line of its own.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::base::Untrusted;
use crate::incident::event::IncidentEvent;
use crate::incident::timeline::lines;
use crate::store::{Actor, Event};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    /// When (UTC).
    pub at: DateTime<Utc>,
    /// Who did it.
    pub by: Actor,
    /// What happened.
    pub text: Untrusted,
    /// The events behind it, in order.
    pub events: Vec<u64>,
}

/// What these events tell, in order: a notice that arrived is not also one that was queued, and what an operation did
/// is not repeated where the incident takes note of it.
pub(super) fn story(events: &[Event]) -> Vec<Told> {
    let mut ordered: Vec<&Event> = events.iter().collect();
    ordered.sort_by_key(|event| event.sequence);
    let mut told: Vec<Told> = lines(events)
        .into_iter()
        .map(|line| Told { at: line.at, by: line.by, text: line.text, events: vec![line.sequence] })
        .collect();
    for (index, event) in ordered.iter().enumerate() {
        let Some(partner) = partner(event, &ordered, index) else { continue };
        let Some(number) = told.get_mut(index).map(|told| std::mem::take(&mut told.events)) else { continue };
        let more = more(event, &ordered, &told);
        if let Some(kept) = told.get_mut(partner) {
            kept.events.extend(number);
            kept.events.sort_unstable();
            if let Some(more) = more {
                kept.text = format!("{}; {more}", kept.text.raw()).into();
            }
        }
    }
    told.retain(|told| !told.events.is_empty());
    told
}

/// What an incident's event says that the operation's own does not.
fn more(event: &Event, all: &[&Event], told: &[Told]) -> Option<String> {
    let (by, word) = match IncidentEvent::decode(event) {
        IncidentEvent::Contained(by) | IncidentEvent::Released(by) => (by, None),
        IncidentEvent::Mitigated(by) => (by, Some("this mitigates the incident")),
        _ => return None,
    };
    let reason = by.reason.as_ref().map(Untrusted::raw).filter(|text| !text.trim().is_empty());
    let own = operation(event);
    let said = |reason: &str| {
        let of_it = all.iter().zip(told).filter(|(other, _)| operation(other) == own);
        of_it.into_iter().any(|(_, told)| told.text.raw().starts_with(reason))
    };
    let reason = reason.filter(|reason| !said(reason));
    let parts: Vec<_> = word.into_iter().chain(reason).collect();
    (!parts.is_empty()).then(|| parts.join(": "))
}

/// The event that says the same as this one, and says more.
fn partner(event: &Event, all: &[&Event], index: usize) -> Option<usize> {
    let same = |other: &&Event, kind: &str, field: &str| {
        let (own, its) = (event.payload.get(field), other.payload.get(field));
        other.kind == kind && own.is_some_and(|own| !own.is_null()) && own == its
    };
    if event.kind == "notice.queued" {
        let settled = ["notice.delivered", "notice.failed", "notice.ambiguous"];
        let mut later = all.iter().enumerate().skip(index + 1).rev();
        let found = later.find(|(_, other)| settled.iter().any(|kind| same(other, kind, "delivery")));
        return found.map(|(at, _)| at);
    }
    let kind = match IncidentEvent::decode(event) {
        IncidentEvent::Contained(_) => "contain.completed",
        IncidentEvent::Released(_) => "release.completed",
        IncidentEvent::Mitigated(_) => "rollback.completed",
        _ => return None,
    };
    let own = operation(event)?;
    let mut earlier = all.iter().enumerate().take(index).rev();
    earlier.find(|(_, other)| other.kind == kind && operation(other) == Some(own)).map(|(at, _)| at)
}

/// The operation that an event belongs to.
fn operation(event: &Event) -> Option<&str> {
    event.operation.as_deref().or_else(|| event.payload.get("operation").and_then(Value::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::fixtures::stored;
    use serde_json::json;

    fn shown(events: &[Event]) -> Vec<String> {
        story(events).into_iter().map(|told| format!("{} {:?}", told.text.raw(), told.events)).collect()
    }

    #[test]
    fn a_notice_that_arrived_is_not_also_one_that_was_queued() {
        let notice = |sequence, kind: &str, delivery: u64, said: &str| {
            stored(sequence, kind, json!({"delivery": delivery, "summary": said}))
        };
        let events = [
            notice(1, "notice.queued", 7, "queued"),
            notice(2, "notice.queued", 8, "waits"),
            notice(3, "notice.failed", 7, "failed"),
            notice(4, "notice.delivered", 7, "delivered"),
        ];
        assert_eq!(shown(&events), ["waits [2]", "failed [3]", "delivered [1, 4]"]);
    }

    #[test]
    fn what_an_operation_did_is_said_once_and_a_reason_of_its_own_is_kept() {
        let events = [
            stored(1, "contain.completed", json!({"operation": "OP-1", "summary": "x is contained"})),
            stored(2, "incident.contained", json!({"operation": "OP-1", "reason": "odd forecasts"})),
            stored(3, "rollback.completed", json!({"operation": "OP-2", "summary": "x is back"})),
            stored(4, "release.completed", json!({"operation": "OP-2", "summary": "x is released"})),
            stored(5, "incident.mitigated", json!({"operation": "OP-2", "reason": "x is back"})),
            stored(6, "incident.released", json!({"operation": "OP-2", "reason": "x is back"})),
            stored(7, "incident.contained", json!({"operation": "OP-3"})),
        ];
        assert_eq!(
            shown(&events),
            [
                "x is contained; odd forecasts [1, 2]",
                "x is back; this mitigates the incident [3, 5]",
                "x is released [4, 6]",
                "Contained by OP-3 [7]"
            ]
        );
    }
}
