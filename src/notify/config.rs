//! `config/notify.yaml` and `config/contacts.yaml`: channels, routes, roles.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::channels::ChannelKind;
use super::channels::audit::AuditConfig;
use crate::base::{Duration, Error, ErrorCode, Result, SecretReference};

/// `config/notify.yaml`: channels and routes.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotifyConfig {
    /// Where messages can be sent, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub channels: BTreeMap<String, ChannelConfig>,
    /// Who is told what: the first route that matches wins, unless it says `continue: true`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteConfig>,
    /// The channels for what no route matches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default: Vec<String>,
    /// Which template says what, by service or scheme, then by `MESSAGE`, `MESSAGE/SYMPTOM` or `MESSAGE/RULE`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub templates: BTreeMap<String, BTreeMap<String, String>>,
    /// How deliveries are tried, for every channel that does not say otherwise.
    #[serde(default)]
    pub delivery: DeliveryConfig,
}

/// How deliveries are tried.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveryConfig {
    /// How long one try may take, from connecting to the last byte of the answer.
    #[serde(default = "ten_seconds")]
    pub timeout: Duration,
    /// How often a message is tried before it counts as failed.
    #[serde(default = "twelve")]
    pub attempts: u32,
    /// How long to wait between tries.
    #[serde(default)]
    pub backoff: BackoffConfig,
    /// When more late messages than this wait for one channel and incident, the rest is told in one digest.
    #[serde(default = "three")]
    pub digest_over: u32,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self {
            timeout: ten_seconds(),
            attempts: twelve(),
            backoff: BackoffConfig::default(),
            digest_over: three(),
        }
    }
}

fn ten_seconds() -> Duration {
    Duration::seconds(10)
}

fn twelve() -> u32 {
    12
}

fn three() -> u32 {
    3
}

/// Waiting times between tries: doubled from `first` up to `longest`, shortened at random by up to a half.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackoffConfig {
    /// After the first try.
    #[serde(default = "two_seconds")]
    pub first: Duration,
    /// Never longer than this.
    #[serde(default = "ten_minutes")]
    pub longest: Duration,
}

impl Default for BackoffConfig {
    fn default() -> Self {
        Self { first: two_seconds(), longest: ten_minutes() }
    }
}

fn two_seconds() -> Duration {
    Duration::seconds(2)
}

fn ten_minutes() -> Duration {
    Duration::minutes(10)
}

/// One channel.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChannelConfig {
    /// A Slack incoming webhook.
    Slack(SlackConfig),
    /// An HTTP endpoint, signed as Standard Webhooks.
    Webhook(WebhookConfig),
    /// A file that gets one line of JSON for each message.
    File(FileConfig),
    /// An audit service that gets Protocol 25's event of every rollback that is told over it.
    Audit(AuditConfig),
}

/// The name of the channel that `audit:` in config/irctl.yaml makes.
pub const AUDIT_CHANNEL: &str = "audit-service";

impl ChannelConfig {
    /// Its kind.
    pub const fn kind(&self) -> ChannelKind {
        match self {
            ChannelConfig::Slack(_) => ChannelKind::Slack,
            ChannelConfig::Webhook(_) => ChannelKind::Webhook,
            ChannelConfig::File(_) => ChannelKind::File,
            ChannelConfig::Audit(_) => ChannelKind::Audit,
        }
    }

    /// How deliveries over this channel are tried.
    pub fn delivery(&self, common: &DeliveryConfig) -> DeliveryConfig {
        let own = match self {
            ChannelConfig::Slack(SlackConfig { delivery, .. })
            | ChannelConfig::Webhook(WebhookConfig { delivery, .. })
            | ChannelConfig::Audit(AuditConfig { delivery, .. }) => delivery.as_ref(),
            ChannelConfig::File(_) => None,
        };
        own.unwrap_or(common).clone()
    }
}

/// A Slack incoming webhook.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlackConfig {
    /// Where the webhook's address is kept. The address itself is the secret.
    pub url: SecretReference,
    /// How deliveries are tried, where it differs from the common `delivery`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryConfig>,
}

/// An HTTP endpoint that gets a signed POST.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// The address, or where it is kept when it is secret.
    pub url: Given,
    /// Where the signing secret is kept: `whsec_` and base64, as Standard Webhooks writes it. Unsigned without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretReference>,
    /// More headers: values, or where they are kept when they are secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Given>,
    /// How deliveries are tried, where it differs from the common `delivery`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryConfig>,
}

/// A file that gets one line of JSON for each message.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// The file, inside the workspace; its folder is made when it is missing.
    pub path: PathBuf,
}

/// A value as it is, or the reference to where it is kept: `env:NAME`, `file:PATH`, `cmd:[argv]`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Given {
    /// A value that anyone may read.
    Plain(String),
    /// Where a secret value is kept.
    Secret(SecretReference),
}

impl FromStr for Given {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if ["env:", "file:", "cmd:"].iter().any(|prefix| text.starts_with(prefix)) {
            return text.parse().map(Given::Secret);
        }
        // A password in an address ends up in logs; the text is not repeated, because it is one.
        let authority = text.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
        if authority.is_some_and(|authority| authority.contains('@')) {
            return Err(Error::new(
                ErrorCode::InvalidConfiguration,
                "an address with a user name or password in it is a secret",
            )
            .hint("keep it elsewhere and write the reference: env:NAME, file:/path or cmd:[\"program\"]"));
        }
        Ok(Given::Plain(text.to_owned()))
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Given::Plain(text) => f.write_str(text),
            Given::Secret(reference) => reference.fmt(f),
        }
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // People do paste tokens into addresses; a debug line is no place to repeat them.
            Given::Plain(_) => f.write_str("Plain(…)"),
            Given::Secret(reference) => write!(f, "Secret({reference})"),
        }
    }
}

impl TryFrom<String> for Given {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Given> for String {
    fn from(given: Given) -> Self {
        given.to_string()
    }
}

impl JsonSchema for Given {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Given".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "value-or-secret",
            "description": "A value, or where it is kept when it is secret: env:NAME, file:/path or cmd:[\"program\"].",
            "examples": ["https://hooks.example.org/irctl", "env:WEBHOOK_URL"]
        })
    }
}

/// One route: every condition that is given must hold.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Of one of these levels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<String>,
    /// About one of these services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// About one of these symptoms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub symptoms: Vec<String>,
    /// One of these messages or templates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<String>,
    /// For one of these roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<String>,
    /// Where it goes; none at all silences what matches.
    pub channels: Vec<String>,
    /// Go on to the routes after this one.
    #[serde(default, rename = "continue", skip_serializing_if = "std::ops::Not::not")]
    pub go_on: bool,
}

/// `config/contacts.yaml`: roles and how they are reached.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactsConfig {
    /// The roles, by the name that severity levels and routes use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, RoleConfig>,
}

/// One role.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleConfig {
    /// What it is called in messages.
    pub title: String,
    /// How people reach it: a mail address, a chat room, a telephone list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Channels that reach it: a notice for this role goes there as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
    /// Who is told when it does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalates_to: Option<String>,
    /// When it is to be contacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}

pub use super::reference::{Reference, ReferenceKind};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_references_and_never_shown() {
        assert!(matches!("env:HOOK".parse::<Given>(), Ok(Given::Secret(_))));
        let error = "https://user:hunter2@example.org/x".parse::<Given>().unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"));
        let plain: Given = "https://example.org/T0/B0/hunter2".parse().unwrap();
        assert!(!format!("{plain:?}").contains("hunter2"));
        assert!(serde_saphyr::from_str::<SlackConfig>("url: https://example.org/hunter2").is_err());
    }

    #[test]
    fn reads_what_the_documentation_shows() {
        let text = include_str!("../../config/notify.yaml");
        let config: NotifyConfig = serde_saphyr::from_str(text).unwrap();
        assert!(!config.channels.is_empty());
        let contacts: ContactsConfig =
            serde_saphyr::from_str(include_str!("../../config/contacts.yaml")).unwrap();
        assert!(contacts.roles.contains_key("model-owner"));
    }
}
