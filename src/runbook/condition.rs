//! What a step or a branch hangs on: a measurement, a human, or a value that is known already.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::StepConfig;
use crate::severity::Expression;

/// What a step or a branch hangs on. Where it cannot be decided, a human is asked; it never counts as a no.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// A condition over the metrics of the service, and of the probes of earlier steps.
    Probe(Box<Expression>),
    /// A question that a human answers with yes or no.
    Ask(#[schemars(length(min = 1))] String),
    /// A value of an input or of an earlier step, and what it has to be.
    Value(ValueCondition),
}

/// A value, and what it has to be.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValueCondition {
    /// The value, as `{{ steps.status.state }}`.
    pub of: String,
    /// The texts of which it has to be one, exactly.
    #[schemars(length(min = 1))]
    pub is: Vec<String>,
}

/// One way that a decision can go.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BranchConfig {
    /// Its name, for `on_fail: {goto: …}` and for answers; its number from 1 otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "name"))]
    pub branch: Option<String>,
    /// When it is taken. The first branch whose condition holds is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// What is done then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<StepConfig>>,
    /// What is done where no other branch is taken; in place of `when` and `steps`.
    #[serde(default, rename = "else", skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Vec<StepConfig>>,
}

impl BranchConfig {
    /// Its steps, and the key that they stand under.
    pub fn steps(&self) -> (&'static str, &[StepConfig]) {
        match (&self.steps, &self.otherwise) {
            (None, Some(steps)) => ("else", steps),
            (steps, _) => ("steps", steps.as_deref().unwrap_or_default()),
        }
    }

    /// What it is called; `number` counts from 0.
    pub fn name(&self, number: usize) -> String {
        self.branch.clone().unwrap_or_else(|| match self.otherwise {
            Some(_) => "else".to_owned(),
            None => (number + 1).to_string(),
        })
    }
}
