//! `manual` and `notify`: steps for people.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::runbook::InputConfig;
use crate::runbook::shorthand::shorthand;

shorthand! {
    /// What a human is to do, or more about it.
    ManualStep = ManualConfig, "What a human is to do. The step is done when the human says so."
}

/// What a human is to do.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ManualConfig {
    /// What is to be done.
    #[schemars(length(min = 1))]
    pub instruction: String,
    /// The role that does it; whoever runs the runbook otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// A list to tick off, by its name under `checklists`. The step is done when every item is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checklist: Option<String>,
    /// What the human answers, by name: `{{ steps.ID.NAME }}` in later steps.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answers: BTreeMap<String, InputConfig>,
    /// One answer: `{{ steps.ID.answer }}` in later steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<InputConfig>,
}

impl ManualStep {
    /// What is to be done.
    pub fn instruction(&self) -> &str {
        match self {
            ManualStep::Short(text) => text,
            ManualStep::Detailed(details) => &details.instruction,
        }
    }

    /// More about it, where more is written.
    pub fn details(&self) -> Option<&ManualConfig> {
        match self {
            ManualStep::Short(_) => None,
            ManualStep::Detailed(details) => Some(details),
        }
    }

    /// The answers, by name.
    pub fn answers(&self) -> impl Iterator<Item = (&str, &InputConfig)> {
        let details = self.details();
        let one = details.and_then(|details| details.answer.as_ref()).map(|answer| ("answer", answer));
        let many = details.into_iter().flat_map(|details| &details.answers);
        one.into_iter().chain(many.map(|(name, answer)| (name.as_str(), answer)))
    }
}

/// A message, delivered as every notice is: by the routes, or to the roles that are named.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotifyConfig {
    /// The template.
    pub template: String,
    /// The roles that get it; those of the routes otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// What the template is told beside what it knows of the incident.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
}
