//! The file: `runbooks/*.yaml`.

use chrono::NaiveDate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::{
    ChecklistConfig, EscalationConfig, InputConfig, LintConfig, SecretConfig, StepConfig, TimelineConfig,
};
use crate::base::{Duration, Error, ErrorCode};

/// A runbook as written in `runbooks/*.yaml`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
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
    /// The service it is about: its probes give the metrics of conditions. Without it, the service of the incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// What leads here: symptoms as the rules of the schemes name them, and names of alerts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub symptoms: Vec<String>,
    /// The level it is written for, as `P0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// The role that keeps it up to date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// When somebody has to read it again: a date, or `after-incident`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_by: Option<ReviewBy>,
    /// Its own version, as its authors count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What else to read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// What whoever starts it says, by name: `{{ inputs.NAME }}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, InputConfig>,
    /// The secrets that its programs need, by name. Never the values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretConfig>,
    /// What a runbook may do only where it says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Permission>,
    /// How long all of it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
    /// What is expected by when; the clock starts with the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<TimelineConfig>,
    /// Whom to call if it does not work, by a name that `timeline` and `on_fail` use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub escalate: BTreeMap<String, EscalationConfig>,
    /// Lists to tick off, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub checklists: BTreeMap<String, ChecklistConfig>,
    /// Findings of `irctl runbook lint` that are meant to be so, anywhere in it.
    #[serde(default, skip_serializing_if = "LintConfig::is_empty")]
    pub lint: LintConfig,
    /// What to do, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepConfig>,
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

/// What a runbook may do only where it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Steps that hand a script to a shell.
    Shell,
}

/// When somebody has to read a runbook again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ReviewBy {
    /// On this day at the latest.
    Date(NaiveDate),
    /// After every incident in which it was used.
    AfterIncident,
}

const AFTER_INCIDENT: &str = "after-incident";

impl fmt::Display for ReviewBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReviewBy::Date(date) => date.fmt(f),
            ReviewBy::AfterIncident => f.write_str(AFTER_INCIDENT),
        }
    }
}

impl FromStr for ReviewBy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == AFTER_INCIDENT {
            return Ok(ReviewBy::AfterIncident);
        }
        text.parse().map(ReviewBy::Date).map_err(|_| {
            Error::new(
                ErrorCode::InvalidConfiguration,
                format!("`{}` is no date of a review", text.escape_debug()),
            )
            .hint("write it like 2026-11-20, or `after-incident`")
        })
    }
}

impl TryFrom<String> for ReviewBy {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<ReviewBy> for String {
    fn from(review: ReviewBy) -> Self {
        review.to_string()
    }
}

impl JsonSchema for ReviewBy {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ReviewBy".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "review-by",
            "description": "A date as 2027-01-31, or `after-incident`: after every incident in which it was used."
        })
    }
}
