//! What monitoring systems send, read into one form: one file for each system, and mapping files for all others.
//!
//! A message is recognised by the keys that it has ([`Format::of_keys`]) and becomes a [`Message`]: one [`Incoming`]
//! for each alert in it. What a source does not know (no data, an error of its own, a check that is merely late) is
//! undecided and never taken for good news; what an alert said before it resolved decides nothing any more.

mod alertmanager;
mod cloudwatch;
mod facts;
mod grafana;
mod healthchecks;
mod judge;
pub mod mapping;
mod pagerduty;
mod time;
mod value_string;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

use super::alert::Given;
use crate::base::Untrusted;
pub use judge::{ClassifiedAlert, ClassifiedMessage, classify_message};
pub use mapping::MappingConfig;

/// The flag that every alert of another system raises while it fires, where the scheme knows it.
pub const ALERT_FIRING: &str = "alert_firing";

/// Whose message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// irctl's own: `{"alert_name", "description", "affected_services", "metrics"}`.
    Irctl,
    /// A webhook of Alertmanager, version 4.
    Alertmanager,
    /// A webhook of Grafana's unified alerting.
    Grafana,
    /// A CloudWatch alarm, as SNS delivers it.
    CloudWatch,
    /// A webhook of PagerDuty, version 3.
    PagerDuty,
    /// A check of healthchecks, as `$JSON` and the management API give it.
    Healthchecks,
    /// Anything else, read by a mapping file.
    Mapping,
}

impl Format {
    /// Those that can be named on the command line.
    pub const NAMED: [Format; 6] = [
        Format::Irctl,
        Format::Alertmanager,
        Format::Grafana,
        Format::CloudWatch,
        Format::PagerDuty,
        Format::Healthchecks,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Format::Irctl => "irctl",
            Format::Alertmanager => "alertmanager",
            Format::Grafana => "grafana",
            Format::CloudWatch => "cloudwatch",
            Format::PagerDuty => "pagerduty",
            Format::Healthchecks => "healthchecks",
            Format::Mapping => "mapping",
        }
    }

    /// The format with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.into_iter().find(|format| format.as_str() == name)
    }

    /// The format of a message with these keys; irctl's own where no other is recognised.
    pub fn of_keys<'k>(keys: impl IntoIterator<Item = &'k str>) -> Self {
        let keys: std::collections::BTreeSet<&str> = keys.into_iter().collect();
        let has = |all: &[&str]| all.iter().all(|key| keys.contains(key));
        if keys.contains("metrics") || keys.contains("alert_name") {
            Format::Irctl
        } else if has(&["alerts", "orgId"]) {
            Format::Grafana
        } else if has(&["alerts", "receiver", "status"]) || has(&["alerts", "groupKey"]) {
            Format::Alertmanager
        } else if has(&["Type", "TopicArn", "MessageId"]) || has(&["AlarmName", "NewStateValue"]) {
            Format::CloudWatch
        } else if has(&["event"]) {
            Format::PagerDuty
        } else if has(&["status", "n_pings"]) || has(&["checks"]) || has(&["check"]) {
            Format::Healthchecks
        } else {
            Format::Irctl
        }
    }
}

/// What the source says of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// It is on.
    Firing,
    /// It is on, and a person has seen it.
    Acknowledged,
    /// It is over.
    Resolved,
    /// The source does not know.
    Undecided,
}

impl AlertState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            AlertState::Firing => "firing",
            AlertState::Acknowledged => "acknowledged",
            AlertState::Resolved => "resolved",
            AlertState::Undecided => "undecided",
        }
    }
}

/// A value that an alert brings.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The metric.
    pub metric: String,
    /// Labels that tell series of the metric apart.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub given: Given,
    /// Whether the source calls it a metric; otherwise it counts only where the scheme knows the name.
    pub certain: bool,
}

/// One alert of another system.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// What it is called.
    pub name: Option<Untrusted>,
    /// What it says.
    pub description: Option<Untrusted>,
    /// What it is about.
    pub services: Vec<Untrusted>,
    /// What the source says of it.
    pub state: AlertState,
    /// Why it is undecided, or what else the state does not say.
    pub said: Option<String>,
    /// When it began (UTC).
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended (UTC); absent while it lasts.
    pub ended_at: Option<DateTime<Utc>>,
    /// The values that it brings.
    pub readings: Vec<Reading>,
}

impl Incoming {
    /// An alert of which only the state is known.
    pub fn new(state: AlertState) -> Self {
        Self {
            name: None,
            description: None,
            services: Vec::new(),
            state,
            said: None,
            started_at: None,
            ended_at: None,
            readings: Vec::new(),
        }
    }
}

/// One message: the alerts in it, and what it leaves open.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Whose it is.
    pub format: Format,
    /// The name of the group that its alerts belong to.
    pub group: Option<Untrusted>,
    /// The alerts.
    pub alerts: Vec<Incoming>,
    /// How many alerts of the group the sender left out.
    pub left_out: u64,
}

impl Message {
    fn of(format: Format, alerts: Vec<Incoming>) -> Self {
        Self { format, group: None, alerts, left_out: 0 }
    }
}

/// Why a message was not read: a sentence, and a way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: String,
    /// What to do.
    pub hint: String,
}

impl Refusal {
    fn new(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: hint.into() }
    }
}

/// Reads a message of a known format.
///
/// # Errors
/// A refusal where it says nothing about an alert: another kind of message, or not what the format promises.
pub fn read(format: Format, value: &Value) -> Result<Message, Refusal> {
    match format {
        Format::Alertmanager => alertmanager::read(value),
        Format::Grafana => grafana::read(value),
        Format::CloudWatch => cloudwatch::read(value),
        Format::PagerDuty => pagerduty::read(value),
        Format::Healthchecks => healthchecks::read(value),
        Format::Irctl | Format::Mapping => {
            Err(Refusal::new("this is no message of another system", "name one with --format"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_recognised_by_its_keys() {
        for (keys, format) in [
            (vec!["alert_name", "alerts", "orgId"], Format::Irctl),
            (vec!["metrics"], Format::Irctl),
            (vec![], Format::Irctl),
            (vec!["alerts", "receiver", "status", "version", "groupKey"], Format::Alertmanager),
            (vec!["alerts", "receiver", "status", "orgId"], Format::Grafana),
            (vec!["Type", "MessageId", "TopicArn", "Message"], Format::CloudWatch),
            (vec!["AlarmName", "NewStateValue"], Format::CloudWatch),
            (vec!["event"], Format::PagerDuty),
            (vec!["name", "status", "n_pings"], Format::Healthchecks),
        ] {
            assert_eq!(Format::of_keys(keys.iter().copied()), format, "{keys:?}");
        }
        for format in Format::NAMED {
            assert_eq!(Format::named(format.as_str()), Some(format));
        }
    }
}
