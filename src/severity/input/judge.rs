//! Classifying what another system sent.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

use super::{ALERT_FIRING, AlertState, Format, Incoming, Message, Reading};
use crate::base::{Untrusted, Verdict};
use crate::severity::alert::Given;
use crate::severity::{Classification, Evidence, Scheme, classify};

/// How far ahead of the clock an alert may begin before its time is taken for wrong.
const TOLERATED_FUTURE: TimeDelta = TimeDelta::minutes(5);

/// A message of another system, classified.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ClassifiedMessage {
    /// Whose message it is.
    pub format: Format,
    /// The name of the group that the alerts belong to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Untrusted>,
    /// How many alerts the sender left out; they are not judged.
    pub left_out: u64,
    /// The worst verdict of the alerts that last; UNKNOWN where none lasts, and where alerts were left out of an
    /// otherwise good message.
    pub verdict: Verdict,
    /// The alerts, in the order in which they came.
    pub alerts: Vec<ClassifiedAlert>,
}

/// One alert of a message, classified.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ClassifiedAlert {
    /// What the source says of it.
    pub state: AlertState,
    /// Why the state is undecided, or what is wrong with its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<Untrusted>,
    /// What it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Untrusted>,
    /// What it is about.
    pub affected_services: Vec<Untrusted>,
    /// When it began (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    /// The level, the rules behind it, and what is undecided.
    pub classification: Classification,
}

/// Classifies every alert of a message. `now` tells what is dated in the future.
pub fn classify_message(scheme: &Scheme, message: Message, now: DateTime<Utc>) -> ClassifiedMessage {
    let alerts: Vec<ClassifiedAlert> =
        message.alerts.into_iter().map(|alert| classified(scheme, alert, now)).collect();
    let lasting = alerts.iter().filter(|alert| alert.state != AlertState::Resolved);
    let verdict = Verdict::worst_of(lasting.map(|alert| alert.classification.verdict));
    let verdict = if message.left_out > 0 { verdict.worst(Verdict::Unknown) } else { verdict };
    ClassifiedMessage {
        format: message.format,
        group: message.group,
        left_out: message.left_out,
        verdict,
        alerts,
    }
}

fn classified(scheme: &Scheme, mut alert: Incoming, now: DateTime<Utc>) -> ClassifiedAlert {
    let ahead = alert.started_at.is_some_and(|at| at > now + TOLERATED_FUTURE);
    let unusable = match alert.state {
        _ if ahead => Some("dated in the future"),
        AlertState::Resolved => Some("what the alert said before it resolved"),
        AlertState::Undecided => Some("not known to the source"),
        AlertState::Firing | AlertState::Acknowledged => None,
    };
    if ahead && alert.said.is_none() {
        alert.said = Some("it begins in the future: a clock is wrong".to_owned());
    }
    let mut readings = known(scheme, std::mem::take(&mut alert.readings));
    if let Some(reason) = unusable {
        readings.values_mut().for_each(|given| *given = Given::Unusable(reason));
    }
    if scheme.config().metrics.contains_key(ALERT_FIRING) {
        let firing = match alert.state {
            AlertState::Firing | AlertState::Acknowledged => Given::Flag(true),
            AlertState::Resolved => Given::Flag(false),
            AlertState::Undecided => Given::Unusable("not known to the source"),
        };
        readings.insert((ALERT_FIRING.to_owned(), BTreeMap::new()), firing);
    }
    let mut evidence = Evidence::from_readings(readings);
    evidence.alert_name = alert.name;
    ClassifiedAlert {
        state: alert.state,
        said: alert.said.map(Untrusted::new),
        description: alert.description,
        affected_services: alert.services,
        started_at: alert.started_at,
        ended_at: alert.ended_at,
        classification: classify(scheme, &evidence),
    }
}

/// The readings that count, each series once: what the source calls a metric, and what the scheme knows by name. Two
/// different values of one series decide nothing.
fn known(scheme: &Scheme, readings: Vec<Reading>) -> BTreeMap<(String, BTreeMap<String, String>), Given> {
    let catalog = &scheme.config().metrics;
    let mut found: BTreeMap<(String, BTreeMap<String, String>), Given> = BTreeMap::new();
    for reading in readings {
        if !reading.certain && !catalog.contains_key(&reading.metric) {
            continue;
        }
        let given = reading.given;
        found
            .entry((reading.metric, reading.labels))
            .and_modify(|own| {
                if *own != given {
                    *own = Given::Unusable("given twice");
                }
            })
            .or_insert(given);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::severity::{Outcome, resolve_scheme};

    fn scheme() -> Scheme {
        Scheme::compile(&resolve_scheme("protocol-25", None).unwrap()).unwrap()
    }

    fn now() -> DateTime<Utc> {
        "2026-11-20T03:00:00Z".parse().unwrap()
    }

    fn alert(state: AlertState, values: &[(&str, Given)]) -> Incoming {
        let reading = |(metric, given): &(&str, Given)| Reading {
            metric: (*metric).to_owned(),
            labels: BTreeMap::new(),
            given: given.clone(),
            certain: false,
        };
        Incoming { readings: values.iter().map(reading).collect(), ..Incoming::new(state) }
    }

    fn judged(alerts: Vec<Incoming>, left_out: u64) -> ClassifiedMessage {
        let message = Message { left_out, ..Message::of(Format::Alertmanager, alerts) };
        classify_message(&scheme(), message, now())
    }

    #[test]
    fn only_what_lasts_and_is_known_decides() {
        let spike = [("error_rate", Given::Number(0.6)), ("C", Given::Number(1.0))];
        let found = judged(vec![alert(AlertState::Firing, &spike)], 0);
        assert_eq!(found.verdict, Verdict::Crit);
        assert_eq!(found.alerts[0].classification.unknown_metrics, []);
        for state in [AlertState::Resolved, AlertState::Undecided] {
            let found = judged(vec![alert(state, &spike)], 0);
            assert_eq!(found.verdict, Verdict::Unknown, "{state:?}");
            assert_eq!(found.alerts[0].classification.with(Outcome::Matched).count(), 0);
        }
        let mixed = vec![alert(AlertState::Resolved, &spike), alert(AlertState::Acknowledged, &spike)];
        assert_eq!(judged(mixed, 0).verdict, Verdict::Crit);
    }

    #[test]
    fn good_values_with_alerts_left_out_or_from_the_future_are_unknown() {
        let good: Vec<_> = [
            ("error_rate", 0.0),
            ("availability", 1.0),
            ("accuracy_drop", 0.0),
            ("latency_increase_pct", 0.0),
        ]
        .map(|(name, value)| (name, Given::Number(value)))
        .into();
        let firing = alert(AlertState::Firing, &good);
        assert_eq!(judged(vec![firing.clone()], 0).alerts[0].classification.level.as_deref(), Some("P3"));
        assert_eq!(judged(vec![firing.clone()], 1).verdict, Verdict::Unknown);
        let ahead = Incoming { started_at: Some(now() + TimeDelta::hours(1)), ..firing };
        let found = judged(vec![ahead], 0);
        assert!(found.alerts[0].classification.at_least);
        assert!(found.alerts[0].said.is_some());
    }

    #[test]
    fn two_values_of_one_series_decide_nothing() {
        let twice = [("error_rate", Given::Number(0.6)), ("error_rate", Given::Number(0.0))];
        let found = judged(vec![alert(AlertState::Firing, &twice)], 0);
        let rule = &found.alerts[0].classification.rules[1];
        assert_eq!((rule.outcome, rule.reason.as_str()), (Outcome::Undecided, "error_rate is given twice"));
    }
}
