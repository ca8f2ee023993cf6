//! `http`: requests, and flags behind an address.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::Parameters;
use crate::notify::config::Given;

/// A request, or a value behind an address.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HttpStep {
    /// Asks for a document (GET).
    Get(RequestConfig),
    /// Sends something (POST). Nothing takes it back.
    Send(RequestConfig),
    /// Sets one value of a JSON document: the parameters of the recipe `http-flag`.
    Flag(Parameters),
}

/// A request.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestConfig {
    /// The address, `http://` or `https://`. Redirects to other hosts are not followed.
    #[schemars(length(min = 1))]
    pub url: String,
    /// Headers; a secret value as a reference.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Given>,
    /// The body, with `send`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The statuses that mean it worked; any of 200 to 299 otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub succeeds: Vec<u16>,
}
