//! Rollback: versions, candidates, guards, the plan; compiled to an operation.

pub mod settings_edit;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How to see which version really serves.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServingConfig {}

/// How a service is contained and rolled back.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackConfig {}
