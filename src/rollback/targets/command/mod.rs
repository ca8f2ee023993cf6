//! Programs that speak JSON, or a recipe made of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

use super::{
    Change, Fence, Goal, Ground, Observed, Prediction, Rehearsed, Staging, Switch, SwitchSpec, Target,
};
use crate::base::{Error, ErrorCode, Result};
use crate::operation::{Observation, StepContext};

/// Programs that speak JSON, or a recipe made of them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandTargetConfig {}

/// A recipe and what it is to do.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecipeConfig {
    /// Its name: `config/recipes/NAME.yaml`, or one that irctl ships.
    pub name: String,
    /// Its parameters.
    #[serde(default)]
    pub with: std::collections::BTreeMap<String, crate::rollback::config::Scalar>,
}

/// See [`CommandTargetConfig`].
pub struct CommandTarget<'a> {
    /// What is configured.
    pub config: &'a CommandTargetConfig,
    /// Where it stands.
    pub ground: &'a Ground,
}

fn missing() -> Error {
    Error::new(ErrorCode::Bug, "this kind of target is not built")
}

impl Target for CommandTarget<'_> {
    fn kind(&self) -> &'static str {
        "command"
    }

    fn name(&self) -> String {
        format!("command of {}", self.ground.service)
    }

    fn fence(&self) -> Fence {
        Fence::None
    }

    fn observe(&self) -> Result<Observed> {
        Err(missing())
    }

    fn predict(&self, _goal: &Goal<'_>) -> Result<Prediction> {
        Err(missing())
    }

    fn stage(&self, _goal: &Goal<'_>, _staging: &Staging<'_>) -> Result<Vec<SwitchSpec>> {
        Err(missing())
    }

    fn rehearse(&self, _goal: &Goal<'_>, _scratch: &Path) -> Result<Vec<Rehearsed>> {
        Err(missing())
    }
}

/// One switch, as it is pinned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommandSwitch {}

impl Switch for CommandSwitch {
    fn id(&self) -> String {
        "command".to_owned()
    }

    fn describe(&self) -> String {
        "command".to_owned()
    }

    fn observe(&self) -> Result<Observation> {
        Err(missing())
    }

    fn act(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        Err(missing())
    }

    fn undo(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        Err(missing())
    }

    fn changes(&self) -> Vec<Change> {
        Vec::new()
    }

    fn reverse(&self, _staging: &Staging<'_>) -> Result<SwitchSpec> {
        Err(missing())
    }
}
