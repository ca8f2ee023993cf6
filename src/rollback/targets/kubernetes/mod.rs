//! Objects of a Kubernetes cluster: a Service, its Deployments.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

use super::{
    Change, Fence, Goal, Ground, Observed, Prediction, Rehearsed, Staging, Switch, SwitchSpec, Target,
};
use crate::base::{Error, ErrorCode, Result};
use crate::operation::{Observation, StepContext};

/// Objects of a Kubernetes cluster: a Service, its Deployments.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KubernetesConfig {}

/// See [`KubernetesConfig`].
pub struct KubernetesTarget<'a> {
    /// What is configured.
    pub config: &'a KubernetesConfig,
    /// Where it stands.
    pub ground: &'a Ground,
}

fn missing() -> Error {
    Error::new(ErrorCode::Bug, "this kind of target is not built")
}

impl Target for KubernetesTarget<'_> {
    fn kind(&self) -> &'static str {
        "kubernetes"
    }

    fn name(&self) -> String {
        format!("kubernetes of {}", self.ground.service)
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
pub struct KubernetesSwitch {}

impl Switch for KubernetesSwitch {
    fn id(&self) -> String {
        "kubernetes".to_owned()
    }

    fn describe(&self) -> String {
        "kubernetes".to_owned()
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
