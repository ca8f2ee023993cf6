//! A switch of a target as a step of an operation.

use crate::base::Result;
use crate::operation::{Observation, Phase, Step, StepContext};
use crate::rollback::targets::SwitchSpec;

/// See [`super::StepSpec::Switch`].
pub struct SwitchTarget<'a> {
    pub key: &'a str,
    pub spec: &'a SwitchSpec,
}

impl Step for SwitchTarget<'_> {
    fn id(&self) -> String {
        super::switch_id(self.key)
    }

    fn describe(&self) -> String {
        self.spec.switch().describe()
    }

    fn phase(&self) -> Phase {
        self.spec.switch().phase()
    }

    fn observe(&self) -> Result<Observation> {
        self.spec.switch().observe()
    }

    fn act(&self, context: &mut StepContext<'_>) -> Result<Option<String>> {
        self.spec.switch().act(context)
    }

    fn undo(&self, context: &mut StepContext<'_>) -> Result<Option<String>> {
        self.spec.switch().undo(context)
    }
}
