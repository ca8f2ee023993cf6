//! A recipe that nobody has looked up yet. Whoever loads a workspace resolves recipes into commands
//! ([`super::command`]); one that comes here unresolved is refused, never skipped.

use std::path::Path;

use super::command::RecipeConfig;
use super::{Fence, Goal, Ground, Observed, Prediction, Rehearsed, Staging, SwitchSpec, Target};
use crate::base::{Error, ErrorCode, Result};

pub(super) struct UnresolvedRecipe<'a> {
    pub config: &'a RecipeConfig,
    pub ground: &'a Ground,
}

impl UnresolvedRecipe<'_> {
    fn error(&self) -> Error {
        let (name, service) = (self.config.name.escape_debug(), &self.ground.service);
        Error::new(ErrorCode::InvalidConfiguration, format!("there is no recipe `{name}` for {service}"))
            .hint("`irctl recipe list` names those there are; one of your own is a file in config/recipes/")
    }
}

impl Target for UnresolvedRecipe<'_> {
    fn kind(&self) -> &'static str {
        "recipe"
    }

    fn name(&self) -> String {
        format!("recipe {}", self.config.name)
    }

    fn fence(&self) -> Fence {
        Fence::None
    }

    fn observe(&self) -> Result<Observed> {
        Err(self.error())
    }

    fn predict(&self, _goal: &Goal<'_>) -> Result<Prediction> {
        Err(self.error())
    }

    fn stage(&self, _goal: &Goal<'_>, _staging: &Staging<'_>) -> Result<Vec<SwitchSpec>> {
        Err(self.error())
    }

    fn rehearse(&self, _goal: &Goal<'_>, _scratch: &Path) -> Result<Vec<Rehearsed>> {
        Err(self.error())
    }
}
