//! What alerts with labels and annotations say: Alertmanager's and Grafana's.

use serde_json::Value;
use std::collections::BTreeMap;

use super::{AlertState, Incoming, Reading, time};
use crate::base::Untrusted;
use crate::severity::alert::Given;

/// Labels that name the service, the most telling first.
const SERVICE: [&str; 6] = ["service", "service_name", "model", "app", "application", "job"];

/// The text under a key; nothing where it is empty.
pub(super) fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
}

/// The texts of an object, by key.
pub(super) fn texts(value: Option<&Value>) -> BTreeMap<String, String> {
    let entries = value.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// A number written as text is a number; anything else stays what it is.
pub(super) fn given(value: &Value) -> Given {
    match value {
        Value::Number(number) => number.as_f64().map_or(Given::Unusable("too large"), Given::Number),
        Value::Bool(flag) => Given::Flag(*flag),
        Value::String(text) => given_text(text),
        Value::Null => Given::Unusable("null"),
        Value::Array(_) => Given::Unusable("a list"),
        Value::Object(_) => Given::Unusable("an object"),
    }
}

/// The value that a text is.
pub(super) fn given_text(text: &str) -> Given {
    let trimmed = text.trim();
    match (trimmed, trimmed.parse::<f64>()) {
        ("true", _) => Given::Flag(true),
        ("false", _) => Given::Flag(false),
        (_, Ok(number)) => Given::Number(number),
        _ => Given::Text(trimmed.to_owned()),
    }
}

/// An alert with labels and annotations; its state is `firing` unless it says otherwise.
pub(super) fn labelled(alert: &Value) -> Incoming {
    let labels = texts(alert.get("labels"));
    let annotations = texts(alert.get("annotations"));
    let mut incoming = Incoming::new(AlertState::Undecided);
    match text(alert, "status") {
        Some("firing") => incoming.state = AlertState::Firing,
        Some("resolved") => incoming.state = AlertState::Resolved,
        other => {
            let said = other.unwrap_or("nothing").escape_debug().to_string();
            incoming.said = Some(format!("its status is `{said}`, neither firing nor resolved"));
        }
    }
    incoming.name = labels.get("alertname").map(Untrusted::new);
    let described = ["summary", "description", "message"].iter().find_map(|key| annotations.get(*key));
    incoming.description = described.map(Untrusted::new);
    incoming.services =
        SERVICE.iter().find_map(|key| labels.get(*key)).map(Untrusted::new).into_iter().collect();
    incoming.started_at = alert.get("startsAt").and_then(time::from_value);
    // While an alert lasts its end lies in the future (when Alertmanager would give it up) or in the year 1.
    if incoming.state == AlertState::Resolved {
        incoming.ended_at = alert.get("endsAt").and_then(time::from_value);
    }
    incoming.readings = readings(&labels, &annotations);
    incoming
}

/// `metric` with `value`, and every label and annotation whose name is a metric's.
fn readings(labels: &BTreeMap<String, String>, annotations: &BTreeMap<String, String>) -> Vec<Reading> {
    let find = |key: &str| annotations.get(key).or_else(|| labels.get(key));
    let mut readings = Vec::new();
    if let (Some(metric), Some(value)) = (find("metric"), find("value")) {
        let metric = metric.clone();
        let series = labels.iter().filter(|(label, _)| is_series_label(label));
        let labels = series.map(|(label, value)| (label.clone(), value.clone())).collect();
        readings.push(Reading { metric, labels, given: given_text(value), certain: true });
    }
    let named =
        annotations.iter().chain(labels.iter()).filter(|(key, _)| *key != "metric" && *key != "value");
    readings.extend(named.map(|(key, value)| Reading {
        metric: key.clone(),
        labels: BTreeMap::new(),
        given: given_text(value),
        certain: false,
    }));
    readings
}

/// Whether a label tells series apart, rather than alerts.
fn is_series_label(label: &str) -> bool {
    !SERVICE.contains(&label)
        && !label.starts_with("__")
        && !matches!(
            label,
            "alertname" | "severity" | "metric" | "value" | "instance" | "environment" | "team"
        )
}
