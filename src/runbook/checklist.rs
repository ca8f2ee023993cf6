//! Lists to tick off.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A list to tick off, by itself or as part of a `manual` step.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChecklistConfig {
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// When it is gone through.
    #[serde(default)]
    pub at: Moment,
    /// What is ticked off, in order.
    #[schemars(length(min = 1))]
    pub items: Vec<String>,
}

/// When a checklist is gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Before the first step.
    Before,
    /// Where a step asks for it.
    #[default]
    During,
    /// After the last step.
    After,
}

impl Moment {
    /// The word as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Moment::Before => "before",
            Moment::During => "during",
            Moment::After => "after",
        }
    }
}
