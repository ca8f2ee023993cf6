//! Runbooks: what to do about a symptom. The steps are kept as they are written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Duration;

/// A runbook as written in `runbooks/*.yaml`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunbookConfig {
    /// Its name, as rules refer to it.
    #[schemars(extend("format" = "name"))]
    pub runbook: String,
    /// What it is for, in one line.
    #[schemars(length(min = 1))]
    pub title: String,
    /// More about it: when to use it, when not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The symptoms it treats, as the rules of the schemes name them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub symptoms: Vec<String>,
    /// The levels it is written for, as `P0`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub severity: Vec<String>,
    /// The role that keeps it up to date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// When somebody has to read it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_by: Option<chrono::NaiveDate>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What else to read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// How long all of it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
    /// What is expected by when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<serde_json::Value>,
    /// What to do, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<serde_json::Value>,
}

/// A link of a runbook.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// What is there.
    #[schemars(length(min = 1))]
    pub title: String,
    /// Where it is: a URL, or a path relative to the workspace's root.
    #[schemars(length(min = 1))]
    pub url: String,
}
