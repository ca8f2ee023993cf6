//! The hash chain: each event's canonical text holds the hash of the one before it.
//!
//! The text is stored as it was hashed, so that checking it never depends on how numbers are read and written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

use super::event::{ENVELOPE_VERSION, Event, NewEvent};
use crate::base::{Digest, Error, ErrorCode, Result};

/// An event as it lies in the store: its number, the text that was hashed, and the hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Its place in the order of all events.
    pub sequence: u64,
    /// The canonical text: JSON with sorted keys and without blanks.
    pub body: String,
    /// The SHA-256 digest of `body`.
    pub hash: Digest,
}

/// What is hashed of an event: everything but its hash and its place in this one store.
#[derive(Serialize, Deserialize)]
struct Body {
    envelope: u32,
    writer: String,
    writer_sequence: u64,
    previous: Option<Digest>,
    #[serde(flatten)]
    event: NewEvent,
}

/// Numbers and hashes a new event as the next of its writer's chain.
pub fn seal(
    event: NewEvent,
    writer: &str,
    previous: Option<(u64, Digest)>,
    sequence: u64,
) -> Result<(Sealed, Event)> {
    let (count, previous) = previous.map_or((0, None), |(count, hash)| (count, Some(hash)));
    let body = Body {
        envelope: ENVELOPE_VERSION,
        writer: writer.to_owned(),
        writer_sequence: count + 1,
        previous,
        event,
    };
    let value = serde_json::to_value(&body).map_err(|error| {
        Error::new(ErrorCode::Bug, format!("an event cannot be written as JSON: {error}"))
    })?;
    let body = canonical(&value);
    let sealed = Sealed { sequence, hash: Digest::of(body.as_bytes()), body };
    let event = open(&sealed)?;
    Ok((sealed, event))
}

/// Reads a sealed event. Its hash is not checked here; [`audit`] does that.
pub fn open(sealed: &Sealed) -> Result<Event> {
    let broken = |error: serde_json::Error| {
        Error::new(ErrorCode::ChainBroken, format!("event {} cannot be read: {error}", sealed.sequence))
            .hint("`irctl audit` shows what else is damaged; restore the state directory from a backup")
    };
    let body: Body = serde_json::from_str(&sealed.body).map_err(broken)?;
    if body.envelope > ENVELOPE_VERSION {
        return Err(Error::new(
            ErrorCode::StoreTooNew,
            format!("event {} was written by a newer irctl (envelope {})", sealed.sequence, body.envelope),
        )
        .hint("update irctl on this machine"));
    }
    let Body { envelope, writer, writer_sequence, previous, event } = body;
    Ok(Event {
        envelope,
        sequence: sealed.sequence,
        writer,
        writer_sequence,
        previous,
        hash: sealed.hash.clone(),
        kind: event.kind,
        occurred_at: event.occurred_at,
        recorded_at: event.recorded_at,
        actor: event.actor,
        service: event.service,
        incident: event.incident,
        operation: event.operation,
        payload: event.payload,
    })
}

/// JSON with sorted keys and no blanks, whatever order the map type keeps.
pub fn canonical(value: &Value) -> String {
    // Usually the map type keeps its keys sorted, and serde's own writer, which is much faster, writes just that.
    if is_sorted(value)
        && let Ok(text) = serde_json::to_string(value)
    {
        return text;
    }
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

fn is_sorted(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.keys().is_sorted() && map.values().all(is_sorted),
        Value::Array(items) => items.iter().all(is_sorted),
        _ => true,
    }
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().collect();
            out.push('{');
            for (index, (key, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// What an audit of the chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Audit {
    /// How many events were checked.
    pub events: u64,
    /// The newest event of each writer: number and hash, to be kept outside as a witness.
    pub heads: BTreeMap<String, Head>,
    /// What does not fit, in the order of the events.
    pub faults: Vec<Fault>,
}

/// The end of one writer's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Head {
    /// How many events it has.
    pub writer_sequence: u64,
    /// The hash of the newest.
    pub hash: Digest,
}

/// One thing in the chain that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fault {
    /// The event, by its sequence number.
    pub sequence: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// An audit in the making: events are taken in, in the order of their sequence numbers, a batch at a time.
#[derive(Debug, Default)]
pub struct Auditor {
    events: u64,
    last: u64,
    heads: BTreeMap<String, Head>,
    faults: Vec<Fault>,
}

impl Auditor {
    /// Checks the next event.
    pub fn take(&mut self, sealed: &Sealed) {
        self.events += 1;
        let sequence = sealed.sequence;
        if sequence != self.last + 1 {
            self.fault(
                sequence,
                format!("events {} to {} are missing", self.last + 1, sequence.saturating_sub(1)),
            );
        }
        self.last = sequence;
        if Digest::of(sealed.body.as_bytes()) != sealed.hash {
            self.fault(sequence, "its content does not have its hash: it was changed".to_owned());
        }
        match open(sealed) {
            Ok(event) => self.link(&event),
            Err(error) => self.fault(sequence, error.message),
        }
    }

    fn link(&mut self, event: &Event) {
        let head = self.heads.get(&event.writer);
        let expected = head.map_or(1, |head| head.writer_sequence + 1);
        let fits =
            event.previous.as_ref() == head.map(|head| &head.hash) && event.writer_sequence == expected;
        if !fits {
            let reason = format!(
                "it is number {} of writer {} and does not follow number {}",
                event.writer_sequence,
                event.writer,
                expected - 1
            );
            self.fault(event.sequence, reason);
        }
        let head = Head { writer_sequence: event.writer_sequence, hash: event.hash.clone() };
        self.heads.insert(event.writer.clone(), head);
    }

    fn fault(&mut self, sequence: u64, reason: String) {
        self.faults.push(Fault { sequence, reason });
    }

    /// The result.
    pub fn finish(self) -> Audit {
        Audit { events: self.events, heads: self.heads, faults: self.faults }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_instant;
    use crate::store::Actor;

    fn event(kind: &str) -> NewEvent {
        let at = parse_instant("2026-11-20T03:07:00Z").unwrap();
        NewEvent {
            kind: kind.into(),
            occurred_at: at,
            recorded_at: at,
            actor: Actor::Automation,
            service: Some("rila_6y20b".into()),
            incident: None,
            operation: None,
            payload: serde_json::json!({"z": 0.1 + 0.2, "a": [1, null, "x"]}),
        }
    }

    fn chain(length: u64) -> Vec<Sealed> {
        let mut previous = None;
        let mut sealed = Vec::new();
        for sequence in 1..=length {
            let (next, event) = seal(event(&format!("k.{sequence}")), "w", previous, sequence).unwrap();
            previous = Some((event.writer_sequence, event.hash));
            sealed.push(next);
        }
        sealed
    }

    fn audit(events: &[Sealed]) -> Audit {
        let mut auditor = Auditor::default();
        events.iter().for_each(|event| auditor.take(event));
        auditor.finish()
    }

    #[test]
    fn a_whole_chain_is_sound() {
        let audit = audit(&chain(5));
        assert_eq!((audit.events, audit.faults.len()), (5, 0));
        assert_eq!(audit.heads["w"].writer_sequence, 5);
    }

    #[test]
    fn a_changed_event_is_found_even_when_its_hash_is_made_anew() {
        let mut events = chain(5);
        events[2].body = events[2].body.replace("k.3", "k.9");
        assert_eq!(audit(&events).faults.len(), 1);
        events[2].hash = Digest::of(events[2].body.as_bytes());
        assert_eq!(audit(&events).faults[0].sequence, 4, "the next one no longer follows");
    }

    #[test]
    fn a_removed_or_swapped_event_is_found() {
        let mut events = chain(5);
        events.remove(2);
        assert!(!audit(&events).faults.is_empty());
        let mut events = chain(5);
        events.swap(1, 2);
        assert!(!audit(&events).faults.is_empty());
    }

    #[test]
    fn numbers_survive_and_keys_are_sorted() {
        let (sealed, event) = seal(event("k"), "w", None, 1).unwrap();
        assert!(
            sealed.body.contains(r#""payload":{"a":[1,null,"x"],"z":0.30000000000000004}"#),
            "{}",
            sealed.body
        );
        assert_eq!(event.payload["a"][2], "x");
    }
}
