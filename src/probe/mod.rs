//! Probes: one file per way of measuring. Each says what it looked at.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One probe, by kind.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProbeConfig {}
