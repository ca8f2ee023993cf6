//! Channels: one file for each provider. Sending returns how it ended; nothing here decides what happens then.

pub mod audit;
mod conformance;
pub mod file;
pub mod http;
pub mod slack;
pub mod webhook;

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

use super::config::ChannelConfig;
use super::message::{Draft, Message};
use crate::base::untrusted::Sink;
use crate::base::{Result, Secret, SecretReference};
use http::Transport;

/// The kinds of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    /// A Slack incoming webhook.
    Slack,
    /// A signed HTTP POST.
    Webhook,
    /// A file of JSON lines.
    File,
    /// An audit service that gets an event of every rollback.
    Audit,
}

impl ChannelKind {
    /// Every kind.
    pub const ALL: &'static [ChannelKind] =
        &[ChannelKind::Slack, ChannelKind::Webhook, ChannelKind::File, ChannelKind::Audit];

    /// The word as it is written in YAML.
    pub const fn as_str(self) -> &'static str {
        match self {
            ChannelKind::Slack => "slack",
            ChannelKind::Webhook => "webhook",
            ChannelKind::File => "file",
            ChannelKind::Audit => "audit",
        }
    }

    /// Whether the receiver can tell that a message came twice, so that one which may have arrived can be sent again.
    pub const fn deduplicates(self) -> bool {
        matches!(self, ChannelKind::Webhook | ChannelKind::File | ChannelKind::Audit)
    }

    /// Whether many late messages are told as one. A file has no reader to drown, a record lacks nothing.
    pub const fn takes_digests(self) -> bool {
        !matches!(self, ChannelKind::File | ChannelKind::Audit)
    }

    /// Whether messages about many different things can be told as one: where people read them. A program that opens
    /// something for each of them would miss all but one.
    pub const fn takes_crowds(self) -> bool {
        matches!(self, ChannelKind::Slack)
    }

    /// What its text is escaped for. JSON takes care of its own characters.
    pub const fn sink(self) -> Sink {
        match self {
            ChannelKind::Slack => Sink::Slack,
            ChannelKind::Webhook | ChannelKind::File | ChannelKind::Audit => Sink::Plain,
        }
    }
}

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver said yes.
    Delivered {
        /// What it said.
        receipt: String,
    },
    /// Not delivered, and it may go better next time.
    Retry {
        /// How long the receiver asks to wait.
        after: Option<TimeDelta>,
        /// Why, without secrets.
        error: String,
    },
    /// Not delivered, and trying again would not help.
    Failed {
        /// Why, without secrets.
        error: String,
    },
    /// Written, but not answered: it may have arrived.
    Ambiguous {
        /// Why, without secrets.
        error: String,
    },
}

/// What is handed to a channel.
#[derive(Debug, Clone)]
pub struct Parcel<'a> {
    /// The same for every try.
    pub id: &'a str,
    /// What to send.
    pub message: &'a Message,
    /// An earlier try may have arrived.
    pub possibly_arrived: bool,
}

/// What a channel may use.
pub struct Surroundings<'a> {
    /// The workspace: files are inside it.
    pub root: &'a Path,
    /// Fetches secrets.
    pub resolver: &'a dyn Fn(&SecretReference) -> Result<Secret>,
    /// HTTP, made when the first message needs it.
    pub transport: &'a Transport,
    /// The time of this try (UTC).
    pub now: DateTime<Utc>,
    /// How long this try may take.
    pub timeout: Duration,
}

/// What a message looks like when it leaves, with every secret replaced by where it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Preview {
    /// The kind of channel.
    pub kind: ChannelKind,
    /// Where it goes.
    pub destination: String,
    /// The HTTP headers, in order.
    pub headers: Vec<(String, String)>,
    /// The exact bytes of the body or line.
    pub body: String,
}

/// The exact bytes that a channel of this kind sends for `draft`.
pub fn payload(kind: ChannelKind, draft: &Draft<'_>) -> String {
    match kind {
        ChannelKind::Slack => slack::payload(draft),
        ChannelKind::Webhook => webhook::payload(draft),
        ChannelKind::File => file::payload(draft),
        ChannelKind::Audit => audit::payload(draft),
    }
}

/// Sends a message and says how that ended.
pub fn send(config: &ChannelConfig, parcel: &Parcel<'_>, around: &Surroundings<'_>) -> Outcome {
    match config {
        ChannelConfig::Slack(config) => slack::send(config, parcel, around),
        ChannelConfig::Webhook(config) => webhook::send(config, parcel, around),
        ChannelConfig::File(config) => file::send(config, parcel, around),
        ChannelConfig::Audit(config) => audit::send(config, parcel, around),
    }
}

/// What would be sent at `now`, secrets masked.
pub fn preview(config: &ChannelConfig, parcel: &Parcel<'_>, now: DateTime<Utc>) -> Preview {
    match config {
        ChannelConfig::Slack(config) => slack::preview(config, parcel),
        ChannelConfig::Webhook(config) => webhook::preview(config, parcel, now),
        ChannelConfig::File(config) => file::preview(config, parcel),
        ChannelConfig::Audit(config) => audit::preview(config, parcel, now),
    }
}

/// JSON on one line. The types here always serialize; an empty object would be a bug, and no reason to stay silent.
fn json_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned())
}
