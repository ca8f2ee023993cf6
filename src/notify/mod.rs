//! Notices: routing, the outbox, and one file per channel.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `config/notify.yaml`: channels and routes.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotifyConfig {}

/// `config/contacts.yaml`: roles and their contacts.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactsConfig {}
