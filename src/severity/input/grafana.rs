//! Grafana's unified alerting: Alertmanager's groups, with the values of each alert and states of Grafana's own.
//!
//! `NoData` and `Error` are alerts about the evaluation: Grafana could not tell. They come as the alerts
//! `DatasourceNoData` and `DatasourceError`, or with the annotation `grafana_state_reason`.

use serde_json::Value;
use std::collections::BTreeMap;

use super::{AlertState, Format, Incoming, Message, Reading, Refusal, alertmanager, facts, value_string};
use crate::base::Untrusted;

pub(super) fn read(value: &Value) -> Result<Message, Refusal> {
    let mut message = alertmanager::group(Format::Grafana, value)?;
    let alerts = value.get("alerts").and_then(Value::as_array).into_iter().flatten();
    for (incoming, alert) in message.alerts.iter_mut().zip(alerts) {
        refine(incoming, alert);
    }
    Ok(message)
}

fn refine(incoming: &mut Incoming, alert: &Value) {
    let labels = facts::texts(alert.get("labels"));
    let annotations = facts::texts(alert.get("annotations"));
    if let Some(reason) = unknown(&labels, &annotations) {
        // Also where it resolved: that the data came back, or that nobody asks any more, does not make it good.
        incoming.state = AlertState::Undecided;
        incoming.said = Some(format!("Grafana says {reason}: it could not tell"));
    }
    if let Some(rule) = labels.get("rulename") {
        incoming.name = Some(Untrusted::new(rule));
    }
    let values = alert.get("values").and_then(Value::as_object);
    for (reference, value) in values.into_iter().flatten() {
        let given = facts::given(value);
        let (metric, labels) = (reference.clone(), BTreeMap::new());
        incoming.readings.push(Reading { metric, labels, given, certain: false });
    }
    let written =
        facts::text(alert, "valueString").or(annotations.get("__value_string__").map(String::as_str));
    for found in written.map(value_string::parse).unwrap_or_default() {
        let given = facts::given_text(&found.value);
        let known = values
            .is_some_and(|values| found.variable.as_ref().is_some_and(|name| values.contains_key(name)));
        // What stands in `values` under its reference is the same value again.
        let variable = found.variable.filter(|_| !known);
        for metric in [found.metric, variable].into_iter().flatten() {
            let labels = found.labels.clone();
            incoming.readings.push(Reading { metric, labels, given: given.clone(), certain: false });
        }
    }
}

/// What Grafana could not tell, in its own word.
fn unknown(labels: &BTreeMap<String, String>, annotations: &BTreeMap<String, String>) -> Option<String> {
    let reason = annotations.get("grafana_state_reason").or_else(|| labels.get("grafana_state_reason"));
    match (labels.get("alertname").map(String::as_str), reason) {
        (Some("DatasourceNoData"), _) => Some("NoData".to_owned()),
        (Some("DatasourceError"), _) => Some("Error".to_owned()),
        (_, Some(reason)) => Some(reason.escape_debug().to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::severity::Given;
    use serde_json::json;

    fn one(alert: Value) -> Incoming {
        let message =
            read(&json!({"receiver": "irctl", "status": "firing", "orgId": 1, "alerts": [alert]})).unwrap();
        message.alerts.into_iter().next().unwrap()
    }

    #[test]
    fn no_data_and_errors_are_undecided_even_when_resolved() {
        for (alertname, status, annotations) in [
            ("DatasourceNoData", "firing", json!({})),
            ("DatasourceError", "firing", json!({"Error": "timeout"})),
            ("Errors", "resolved", json!({"grafana_state_reason": "NoData"})),
            ("Errors", "resolved", json!({"grafana_state_reason": "MissingSeries"})),
        ] {
            let found = one(json!({"status": status, "annotations": annotations,
                "labels": {"alertname": alertname, "rulename": "Errors"}, "values": {"error_rate": 0.0}}));
            assert_eq!(found.state, AlertState::Undecided, "{alertname} {status}");
            assert!(found.said.unwrap().contains("could not tell"));
            assert_eq!(found.name.unwrap().raw(), "Errors");
        }
        let good = one(json!({"status": "resolved", "labels": {"alertname": "Errors"}}));
        assert_eq!(good.state, AlertState::Resolved);
    }

    #[test]
    fn values_come_by_reference_and_by_metric() {
        let found = one(json!({"status": "firing", "labels": {"alertname": "Errors"},
            "values": {"error_rate": 0.12, "C": 1},
            "valueString": "[ var='error_rate' labels={} value=0.12 ], [ metric='latency_p95' labels={} value=300 ]"}));
        let value = |name: &str| {
            let all: Vec<_> = found.readings.iter().filter(|reading| reading.metric == name).collect();
            assert_eq!(all.len(), 1, "{name}");
            all[0].given.clone()
        };
        assert_eq!(value("error_rate"), Given::Number(0.12));
        assert_eq!(value("latency_p95"), Given::Number(300.0));
    }
}
