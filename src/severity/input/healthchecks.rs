//! A check of healthchecks: what the placeholder `$JSON` sends and the management API answers, alone, under `check`,
//! or as the list `checks`.

use serde_json::Value;

use super::{AlertState, Format, Incoming, Message, Refusal, facts, time};
use crate::base::Untrusted;

const HINT: &str = "let the integration send $JSON as its request body";

pub(super) fn read(value: &Value) -> Result<Message, Refusal> {
    let checks = match (value.get("checks"), value.get("check")) {
        (Some(Value::Array(checks)), _) => checks.iter().collect(),
        (Some(_), _) => return Err(Refusal::new("`checks` is not a list", HINT)),
        (None, Some(check)) => vec![check],
        (None, None) => vec![value],
    };
    if checks.is_empty() {
        return Err(Refusal::new("the message holds no check", HINT));
    }
    let alerts: Result<Vec<_>, _> = checks.into_iter().map(check).collect();
    Ok(Message::of(Format::Healthchecks, alerts?))
}

fn check(value: &Value) -> Result<Incoming, Refusal> {
    let Some(status) = facts::text(value, "status") else {
        return Err(Refusal::new("a check has no `status`", HINT));
    };
    let mut incoming = Incoming::new(AlertState::Undecided);
    let said = match status {
        "down" => {
            incoming.state = AlertState::Firing;
            None
        }
        "up" => {
            incoming.state = AlertState::Resolved;
            None
        }
        "grace" => Some("its ping is late and the grace time is not over".to_owned()),
        "new" => Some("it was never pinged".to_owned()),
        "paused" => Some("it is paused: nobody watches".to_owned()),
        "started" => Some("its job has started and not ended".to_owned()),
        other => Some(format!("`{}` is no status of a check", other.escape_debug())),
    };
    incoming.said = said;
    let last_ping = value.get("last_ping").and_then(time::from_value);
    match incoming.state {
        AlertState::Resolved => incoming.ended_at = last_ping,
        _ => incoming.started_at = last_ping,
    }
    incoming.name = facts::text(value, "name").map(Untrusted::new);
    incoming.description = facts::text(value, "desc").map(Untrusted::new);
    let service = facts::text(value, "slug").or_else(|| facts::text(value, "name"));
    incoming.services = service.map(Untrusted::new).into_iter().collect();
    Ok(incoming)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_up_is_over_and_only_down_is_on() {
        for (status, state) in [
            ("down", AlertState::Firing),
            ("up", AlertState::Resolved),
            ("grace", AlertState::Undecided),
            ("new", AlertState::Undecided),
            ("paused", AlertState::Undecided),
            ("started", AlertState::Undecided),
            ("UP", AlertState::Undecided),
        ] {
            let one = json!({"name": "nightly", "slug": "nightly", "status": status, "n_pings": 4,
                             "last_ping": "2026-11-20T02:00:00+00:00"});
            let message = read(&one).unwrap();
            assert_eq!(message.alerts[0].state, state, "{status}");
            assert_eq!(message.alerts[0].said.is_some(), state == AlertState::Undecided);
            assert_eq!(read(&json!({"check": one})).unwrap().alerts, message.alerts);
            assert_eq!(read(&json!({"checks": [one, one]})).unwrap().alerts.len(), 2);
        }
        for wrong in [json!({}), json!({"checks": []}), json!({"checks": {}}), json!({"status": 5})] {
            assert!(read(&wrong).is_err(), "{wrong}");
        }
    }
}
