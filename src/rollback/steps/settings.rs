//! Steps that set keys in settings files: to stop consumers, to let them back, and as part of a version.

use crate::base::{Error, ErrorCode, Result};
use crate::operation::{Observation, Phase, Step, StepContext};
use crate::rollback::settings::{FileEdit, KeyState};

fn said(left_alone: &[String]) -> Option<String> {
    (!left_alone.is_empty())
        .then(|| format!("left alone, because somebody changed it meanwhile: {}", left_alone.join(", ")))
}

fn set_to(edit: &FileEdit, back: bool) -> String {
    let each = edit.keys.iter().map(|key| {
        let value = if back { &key.was } else { &key.is };
        format!("{} to {value}", key.key)
    });
    each.collect::<Vec<_>>().join(", ")
}

/// See [`super::StepSpec::ContainSettings`].
pub struct ContainSettings<'a> {
    pub edit: &'a FileEdit,
}

impl Step for ContainSettings<'_> {
    fn id(&self) -> String {
        format!("contain:{}", self.edit.shown)
    }

    fn describe(&self) -> String {
        format!("set {} in {}", set_to(self.edit, false), self.edit.shown)
    }

    fn phase(&self) -> Phase {
        Phase::Switch
    }

    fn observe(&self) -> Result<Observation> {
        // Stopping harm does not wait for an explanation of what else stands there.
        Ok(match self.edit.state()? {
            KeyState::Is => Observation::After,
            KeyState::Was | KeyState::Mixed => Observation::Before(None),
        })
    }

    fn act(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        self.edit.apply()?;
        Ok(None)
    }

    fn undo(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        Ok(said(&self.edit.put_back()?))
    }
}

/// See [`super::StepSpec::ReleaseSettings`].
pub struct ReleaseSettings<'a> {
    pub edit: &'a FileEdit,
}

impl Step for ReleaseSettings<'_> {
    fn id(&self) -> String {
        format!("release:{}", self.edit.shown)
    }

    fn describe(&self) -> String {
        format!("set {} in {} again", set_to(self.edit, true), self.edit.shown)
    }

    fn phase(&self) -> Phase {
        Phase::Finish
    }

    fn observe(&self) -> Result<Observation> {
        Ok(match self.edit.state()? {
            KeyState::Was => Observation::After,
            KeyState::Is | KeyState::Mixed => Observation::Before(None),
        })
    }

    fn act(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        Ok(said(&self.edit.put_back()?))
    }

    fn undo(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        self.edit.apply()?;
        Ok(None)
    }
}

/// See [`super::StepSpec::SwitchSettings`].
pub struct SwitchSettings<'a> {
    pub edit: &'a FileEdit,
}

impl Step for SwitchSettings<'_> {
    fn id(&self) -> String {
        format!("settings:{}", self.edit.shown)
    }

    fn describe(&self) -> String {
        format!("set {} in {}", set_to(self.edit, false), self.edit.shown)
    }

    fn phase(&self) -> Phase {
        Phase::Switch
    }

    fn observe(&self) -> Result<Observation> {
        Ok(match self.edit.state()? {
            KeyState::Is => Observation::After,
            KeyState::Was => Observation::Before(None),
            KeyState::Mixed => Observation::Other {
                before: set_to(self.edit, true),
                after: set_to(self.edit, false),
                found: "other values".to_owned(),
            },
        })
    }

    fn act(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        self.edit.apply()?;
        Ok(None)
    }

    fn undo(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        let left_alone = self.edit.put_back()?;
        match said(&left_alone) {
            Some(said) if self.edit.state()? == KeyState::Mixed => {
                Err(Error::new(ErrorCode::Drifted, format!("{}: {said}", self.edit.shown)))
            }
            said => Ok(said),
        }
    }
}
