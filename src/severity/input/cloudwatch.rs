//! A CloudWatch alarm: SNS's envelope, whose `Message` is a text that is JSON again; or that JSON alone (raw delivery).

use serde_json::Value;
use std::borrow::Cow;

use super::{AlertState, Format, Incoming, Message, Reading, Refusal, facts, time};
use crate::base::Untrusted;
use crate::severity::alert::Given;

const HINT: &str = "subscribe the topic of the alarm's action; its message has AlarmName and NewStateValue";

/// Dimensions that name the service, the most telling first.
const SERVICE: [&str; 6] =
    ["ServiceName", "Service", "FunctionName", "LoadBalancer", "EndpointName", "DBInstanceIdentifier"];

pub(super) fn read(value: &Value) -> Result<Message, Refusal> {
    let alarm = alarm(value)?;
    let Some(name) = facts::text(&alarm, "AlarmName") else {
        return Err(Refusal::new("the message holds no CloudWatch alarm: `AlarmName` is missing", HINT));
    };
    let mut incoming = Incoming::new(AlertState::Undecided);
    incoming.name = Some(Untrusted::new(name));
    incoming.description = facts::text(&alarm, "AlarmDescription").map(Untrusted::new);
    match facts::text(&alarm, "NewStateValue") {
        Some("ALARM") => incoming.state = AlertState::Firing,
        Some("OK") => incoming.state = AlertState::Resolved,
        Some("INSUFFICIENT_DATA") => {
            incoming.said = Some("CloudWatch says INSUFFICIENT_DATA: it could not tell".to_owned());
        }
        other => {
            let shown = other.unwrap_or("nothing").escape_debug().to_string();
            incoming.said = Some(format!("its state is `{shown}`, which is none of CloudWatch's"));
        }
    }
    let changed = alarm.get("StateChangeTime").and_then(time::from_value);
    if incoming.state == AlertState::Resolved {
        incoming.ended_at = changed;
    } else {
        incoming.started_at = changed;
    }
    let trigger = alarm.get("Trigger").unwrap_or(&Value::Null);
    incoming.services = service(trigger).into_iter().collect();
    incoming.readings.extend(reading(&alarm, trigger));
    Ok(Message::of(Format::CloudWatch, vec![incoming]))
}

/// The alarm inside the envelope.
fn alarm(value: &Value) -> Result<Cow<'_, Value>, Refusal> {
    let Some(kind) = facts::text(value, "Type") else { return Ok(Cow::Borrowed(value)) };
    let topic = facts::text(value, "TopicArn").unwrap_or("a topic without a name").escape_debug().to_string();
    match kind {
        "Notification" => {
            let text = facts::text(value, "Message").unwrap_or_default();
            serde_json::from_str(text).map(Cow::Owned).map_err(|_| {
                Refusal::new(format!("the notification of {topic} holds text, not an alarm's JSON"), HINT)
            })
        }
        "SubscriptionConfirmation" => Err(Refusal::new(
            format!("this asks to confirm a subscription to {topic}; irctl confirms nothing by itself"),
            "if the topic is yours, open its SubscribeURL, then alarms will come",
        )),
        "UnsubscribeConfirmation" => Err(Refusal::new(
            format!("this says that the subscription to {topic} ended: no alarm will come any more"),
            "if nobody meant that, subscribe again",
        )),
        other => {
            Err(Refusal::new(format!("SNS sends no message of the type `{}`", other.escape_debug()), HINT))
        }
    }
}

fn service(trigger: &Value) -> Option<Untrusted> {
    let dimensions = trigger.get("Dimensions").and_then(Value::as_array)?;
    let named = |wanted: &str| {
        let dimension = dimensions.iter().find(|dimension| facts::text(dimension, "name") == Some(wanted))?;
        facts::text(dimension, "value")
    };
    SERVICE.iter().find_map(|name| named(name)).map(Untrusted::new)
}

/// The newest value behind the change of state, under the metric's name.
fn reading(alarm: &Value, trigger: &Value) -> Option<Reading> {
    let metric = facts::text(trigger, "MetricName")?.to_owned();
    let given = match newest(facts::text(alarm, "NewStateReason").unwrap_or_default()) {
        Some(number) => with_unit(number, facts::text(trigger, "Unit")),
        None => Given::Unusable("not said by the alarm"),
    };
    Some(Reading { metric, labels: Default::default(), given, certain: false })
}

/// `… datapoints [32.6 (20/11/26 02:59:00), 33.8 (…)] …`: the newest stands first.
fn newest(reason: &str) -> Option<&str> {
    let (_, rest) = reason.split_once("datapoint")?;
    let (_, list) = rest.split_once('[')?;
    let (list, _) = list.split_once(']')?;
    let number = list.split([' ', ',']).next()?;
    number.parse::<f64>().is_ok().then_some(number)
}

fn with_unit(number: &str, unit: Option<&str>) -> Given {
    let suffix = match unit {
        Some("Percent") => "%",
        Some("Seconds") => "s",
        Some("Milliseconds") => "ms",
        _ => "",
    };
    if suffix.is_empty() { facts::given_text(number) } else { Given::Text(format!("{number}{suffix}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn alarm_in(state: &str, reason: &str) -> Value {
        let message = json!({"AlarmName": "errors", "AlarmDescription": "5xx", "NewStateValue": state,
            "NewStateReason": reason, "StateChangeTime": "2026-11-20T02:59:30.000+0000",
            "Trigger": {"MetricName": "error_rate", "Unit": "Percent", "Statistic": "AVERAGE",
                        "Dimensions": [{"name": "ServiceName", "value": "checkout"}]}});
        json!({"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:us-east-1:000000000000:alarms",
               "Message": message.to_string()})
    }

    fn one(value: &Value) -> Incoming {
        read(value).unwrap().alarms()
    }

    impl Message {
        fn alarms(self) -> Incoming {
            self.alerts.into_iter().next().unwrap()
        }
    }

    #[test]
    fn an_alarm_brings_its_newest_value() {
        let reason = "Threshold Crossed: 2 out of the last 2 datapoints [12.5 (20/11/26 02:59:00), 11.0 (20/11/26 \
                      02:58:00)] were greater than the threshold (10.0).";
        let found = one(&alarm_in("ALARM", reason));
        assert_eq!(found.state, AlertState::Firing);
        assert_eq!(found.readings[0].given, Given::Text("12.5%".into()));
        assert_eq!(found.services[0].raw(), "checkout");
        assert!(found.started_at.is_some());
        let raw: Value = serde_json::from_str(alarm_in("OK", "fine")["Message"].as_str().unwrap()).unwrap();
        let found = one(&raw);
        assert_eq!((found.state, found.ended_at.is_some()), (AlertState::Resolved, true));
        assert_eq!(found.readings[0].given, Given::Unusable("not said by the alarm"));
    }

    #[test]
    fn insufficient_data_is_undecided_and_confirmations_are_refused() {
        let found = one(&alarm_in("INSUFFICIENT_DATA", "no datapoints"));
        assert_eq!(found.state, AlertState::Undecided);
        assert!(found.said.unwrap().contains("INSUFFICIENT_DATA"));
        let confirm = json!({"Type": "SubscriptionConfirmation", "MessageId": "1", "Token": "secret",
            "TopicArn": "arn:aws:sns:us-east-1:000000000000:alarms", "SubscribeURL": "https://example.org/?Token=secret"});
        let refusal = read(&confirm).unwrap_err();
        assert!(refusal.reason.contains("asks to confirm") && refusal.reason.contains(":alarms"));
        assert!(!format!("{refusal:?}").contains("Token=secret"), "a token is a secret");
        for other in [
            json!({"Type": "Notification", "Message": "hello"}),
            json!({"AlarmName": ""}),
            json!({"Type": "X"}),
        ] {
            assert!(read(&other).is_err(), "{other}");
        }
    }
}
