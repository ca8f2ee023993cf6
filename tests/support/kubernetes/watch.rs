//! Lists and watches: which objects are meant, and what happened to them.

use serde_json::{Value, json};
use std::time::{Duration, Instant};

use super::NAMESPACE;
use super::http::Request;
use super::state::{Kind, Refusal, State, refusal};

/// Whether an object has these labels: `a=b,c!=d,e,!f`.
fn labelled(object: &Value, selector: &str) -> Result<bool, Refusal> {
    let labels = &object["metadata"]["labels"];
    for requirement in selector.split(',').filter(|text| !text.is_empty()) {
        if requirement.contains(['(', ')']) {
            let text = format!("the double does not know the selector {requirement}");
            return Err(refusal(400, "BadRequest", &text, Value::Null));
        }
        let has = |key: &str, value: &str| labels.get(key).and_then(Value::as_str) == Some(value);
        let fits = match (requirement.split_once("!="), requirement.split_once('=')) {
            (Some((key, value)), _) => !has(key, value),
            (None, Some((key, value))) => has(key, value.trim_start_matches('=')),
            (None, None) => match requirement.strip_prefix('!') {
                Some(key) => labels.get(key).is_none(),
                None => labels.get(requirement).is_some(),
            },
        };
        if !fits {
            return Ok(false);
        }
    }
    Ok(true)
}

fn fielded(object: &Value, selector: &str) -> Result<bool, Refusal> {
    for requirement in selector.split(',').filter(|text| !text.is_empty()) {
        let fits = match requirement.split_once('=') {
            Some(("metadata.name", name)) => object["metadata"]["name"] == name.trim_start_matches('='),
            Some(("metadata.namespace", name)) => NAMESPACE == name,
            _ => {
                let text = format!("field label not supported: {requirement}");
                return Err(refusal(400, "BadRequest", &text, Value::Null));
            }
        };
        if !fits {
            return Ok(false);
        }
    }
    Ok(true)
}

fn chosen(request: &Request, object: &Value) -> Result<bool, Refusal> {
    let of = |key: &str| request.query.get(key).map(String::as_str).unwrap_or_default();
    Ok(labelled(object, of("labelSelector"))? && fielded(object, of("fieldSelector"))?)
}

/// The objects of a kind that are asked for, page by page.
pub fn list(state: &State, request: &Request, kind: &Kind) -> Result<Value, Refusal> {
    let mut items = Vec::new();
    for object in state.listed(&[kind.kind]) {
        if chosen(request, &object)? {
            items.push(object);
        }
    }
    let number = |key: &str| request.query.get(key).and_then(|text| text.parse::<usize>().ok());
    let (from, limit) = (number("continue").unwrap_or(0), number("limit").filter(|limit| *limit > 0));
    let total = items.len();
    let mut items: Vec<_> = items.into_iter().skip(from).take(limit.unwrap_or(usize::MAX)).collect();
    for item in &mut items {
        // The items of a list do not repeat what the list is of.
        let map = item.as_object_mut().unwrap();
        map.remove("kind");
        map.remove("apiVersion");
    }
    let end = from + items.len();
    let mut metadata = json!({"resourceVersion": state.version.to_string()});
    if end < total {
        metadata["continue"] = json!(end.to_string());
        metadata["remainingItemCount"] = json!(total - end);
    }
    let name = format!("{}List", kind.kind);
    Ok(json!({"kind": name, "apiVersion": kind.api_version(), "metadata": metadata, "items": items}))
}

/// A watch that goes on.
pub struct Watch {
    kind: &'static Kind,
    from: u64,
    labels: String,
    fields: String,
    bookmarks: bool,
    until: Instant,
    first: Vec<Value>,
    gone: bool,
}

/// Begins a watch.
pub fn watch(state: &State, request: &Request, kind: &'static Kind) -> Result<Watch, Refusal> {
    let of = |key: &str| request.query.get(key).cloned().unwrap_or_default();
    let seconds = of("timeoutSeconds").parse().unwrap_or(300);
    let from = of("resourceVersion");
    let fresh = from.is_empty() || from == "0";
    let mut first = Vec::new();
    if fresh {
        for object in state.listed(&[kind.kind]) {
            if chosen(request, &object)? {
                first.push(json!({"type": "ADDED", "object": object}));
            }
        }
    }
    let from = if fresh {
        state.version
    } else {
        from.parse().map_err(|_| refusal(400, "BadRequest", "Invalid value: resourceVersion", Value::Null))?
    };
    let gone = from < state.forgotten;
    if gone && !state.gone_in_stream {
        return Err(expired(from, state.version));
    }
    Ok(Watch {
        kind,
        from,
        labels: of("labelSelector"),
        fields: of("fieldSelector"),
        bookmarks: of("allowWatchBookmarks") == "true",
        until: Instant::now() + Duration::from_secs(seconds),
        first,
        gone,
    })
}

fn expired(from: u64, now: u64) -> Refusal {
    refusal(410, "Expired", &format!("too old resource version: {from} ({now})"), Value::Null)
}

impl Watch {
    /// What there is to say, and whether it is over.
    pub fn next(&mut self, state: &State) -> (Vec<Value>, bool) {
        if self.gone || self.from < state.forgotten {
            return (vec![json!({"type": "ERROR", "object": expired(self.from, state.version).body})], true);
        }
        let mut events = std::mem::take(&mut self.first);
        for event in &state.events {
            let fits = labelled(&event.object, &self.labels).unwrap_or(false)
                && fielded(&event.object, &self.fields).unwrap_or(false);
            if event.version > self.from && event.kind == self.kind.kind && fits {
                events.push(json!({"type": event.change, "object": event.object}));
            }
        }
        self.from = state.version;
        let over = Instant::now() >= self.until;
        if over && self.bookmarks {
            let metadata = json!({"resourceVersion": self.from.to_string(), "creationTimestamp": null});
            let object =
                json!({"kind": self.kind.kind, "apiVersion": self.kind.api_version(), "metadata": metadata});
            events.push(json!({"type": "BOOKMARK", "object": object}));
        }
        (events, over)
    }
}
