//! Alertmanager's webhook, version 4: a group of alerts with labels and annotations.
//!
//! An alert has no value of its own; an annotation gives it: `value: "{{ $value }}"` beside `metric: error_rate` (as
//! label or annotation), or an annotation with the metric's name, `error_rate: "{{ $value }}"`.

use serde_json::Value;

use super::{Format, Message, Refusal, facts};
use crate::base::Untrusted;

const HINT: &str = "a webhook of Alertmanager is {\"version\": \"4\", \"status\": …, \"alerts\": […]}";

pub(super) fn read(value: &Value) -> Result<Message, Refusal> {
    if let Some(version) = facts::text(value, "version").filter(|version| *version != "4") {
        let shown = version.escape_debug();
        return Err(Refusal::new(format!("this is version {shown} of Alertmanager's webhook, not 4"), HINT));
    }
    group(Format::Alertmanager, value)
}

/// The alerts of a group, as Alertmanager and Grafana send them.
pub(super) fn group(format: Format, value: &Value) -> Result<Message, Refusal> {
    let Some(alerts) = value.get("alerts").and_then(Value::as_array) else {
        return Err(Refusal::new("`alerts` is missing or not a list", HINT));
    };
    if alerts.is_empty() {
        return Err(Refusal::new("the message holds no alert", HINT));
    }
    let mut message = Message::of(format, alerts.iter().map(facts::labelled).collect());
    message.group = facts::text(value, "groupKey").map(Untrusted::new);
    message.left_out = value.get("truncatedAlerts").and_then(Value::as_u64).unwrap_or(0);
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::severity::Given;
    use crate::severity::input::AlertState;
    use serde_json::json;

    #[test]
    fn the_year_one_is_no_end_and_a_resolved_alert_has_one() {
        let message = read(&json!({
            "version": "4", "groupKey": "{}:{alertname=\"Errors\"}", "truncatedAlerts": 3, "status": "firing",
            "alerts": [
                {"status": "firing", "labels": {"alertname": "Errors", "service": "checkout", "route": "pay"},
                 "annotations": {"summary": "many", "metric": "error_rate", "value": "0.12"},
                 "startsAt": "2026-11-20T02:50:00Z", "endsAt": "0001-01-01T00:00:00Z"},
                {"status": "resolved", "labels": {"alertname": "Errors", "job": "search"},
                 "annotations": {"error_rate": "12%"},
                 "startsAt": "2026-11-20T02:50:00Z", "endsAt": "2026-11-20T02:55:00Z"},
                {"labels": {}}
            ]
        }))
        .unwrap();
        assert_eq!(message.left_out, 3);
        let [first, second, third] = message.alerts.as_slice() else { panic!("{message:?}") };
        assert_eq!((first.state, first.ended_at), (AlertState::Firing, None));
        let reading = first.readings.iter().find(|reading| reading.certain).unwrap();
        assert_eq!((reading.metric.as_str(), &reading.given), ("error_rate", &Given::Number(0.12)));
        assert_eq!(reading.labels.keys().collect::<Vec<_>>(), ["route"]);
        assert_eq!(second.state, AlertState::Resolved);
        assert!(second.ended_at.is_some());
        assert!(second.readings.iter().any(|reading| reading.given == Given::Text("12%".into())));
        assert_eq!(third.state, AlertState::Undecided, "no status is not firing, and not resolved");
    }

    #[test]
    fn what_is_no_group_is_refused() {
        for value in
            [json!({}), json!({"alerts": []}), json!({"alerts": 1}), json!({"version": "3", "alerts": [{}]})]
        {
            assert!(read(&value).is_err(), "{value}");
        }
    }
}
