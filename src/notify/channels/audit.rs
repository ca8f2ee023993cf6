//! An audit service that keeps a record of every rollback: Protocol 25's event, POSTed like a webhook.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

use super::{ChannelKind, Outcome, Parcel, Preview, Surroundings, json_line, webhook};
use crate::base::SecretReference;
use crate::base::clock::format_instant;
use crate::notify::config::{DeliveryConfig, Given, WebhookConfig};
use crate::notify::message::{Draft, Message};

/// An audit service that gets an event of every rollback.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditConfig {
    /// The address, or where it is kept when it is secret.
    pub url: Given,
    /// Where the signing secret is kept: `whsec_` and base64, as Standard Webhooks writes it. Unsigned without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretReference>,
    /// More headers: values, or where they are kept when they are secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Given>,
    /// The environment that events name; the service's own otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// How deliveries are tried, where it differs from the common `delivery`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryConfig>,
}

impl AuditConfig {
    fn webhook(&self) -> WebhookConfig {
        WebhookConfig {
            url: self.url.clone(),
            secret: self.secret.clone(),
            headers: self.headers.clone(),
            delivery: self.delivery.clone(),
        }
    }

    /// The message with the environment that this configuration names.
    fn placed(&self, message: &Message) -> Message {
        let mut message = message.clone();
        let event = serde_json::from_str::<Value>(&message.payload);
        if let (Some(environment), Ok(Value::Object(mut event))) = (&self.environment, event) {
            event.insert("environment".to_owned(), Value::String(environment.clone()));
            message.payload = json_line(&event);
        }
        message
    }
}

/// Protocol 25's audit event, in its words.
#[derive(Serialize)]
struct Event<'a> {
    event_type: String,
    incident_id: Option<&'a str>,
    rollback_version: Option<&'a str>,
    timestamp: String,
    environment: Option<&'a str>,
}

/// The event that a message stands for: `model_rollback` for a rollback, the message's own name for any other.
pub fn payload(draft: &Draft<'_>) -> String {
    let notice = draft.notice;
    let fact = |name: &str| notice.context.get(name).and_then(Value::as_str);
    json_line(&Event {
        event_type: match notice.template.as_str() {
            "rolled-back" => "model_rollback".to_owned(),
            other => other.replace('-', "_"),
        },
        incident_id: notice.incident.as_deref().or_else(|| fact("incident_id")),
        rollback_version: fact("version"),
        timestamp: format_instant(notice.at),
        environment: fact("environment"),
    })
}

/// Sends it.
pub fn send(config: &AuditConfig, parcel: &Parcel<'_>, around: &Surroundings<'_>) -> Outcome {
    let message = config.placed(parcel.message);
    webhook::send(&config.webhook(), &Parcel { message: &message, ..parcel.clone() }, around)
}

/// What it looks like when it leaves.
pub fn preview(config: &AuditConfig, parcel: &Parcel<'_>, now: chrono::DateTime<chrono::Utc>) -> Preview {
    let message = config.placed(parcel.message);
    let parcel = Parcel { message: &message, ..parcel.clone() };
    Preview { kind: ChannelKind::Audit, ..webhook::preview(&config.webhook(), &parcel, now) }
}
