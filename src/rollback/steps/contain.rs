//! Writing down that a service is contained, and ending that.

use std::path::Path;

use crate::base::{Error, ErrorCode, Result, file};
use crate::operation::directory;
use crate::operation::{Observation, Phase, Step, StepContext};
use crate::rollback::contain::{Containment, current, record_path};

fn write(state: &Path, containment: &Containment) -> Result<()> {
    let path = record_path(state, &containment.service)?;
    directory::make(file::parent(&path))?;
    let bytes = serde_json::to_vec_pretty(containment)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("a containment: {error}")))?;
    file::write_atomic(&path, &bytes, 0o600)
}

fn remove(state: &Path, containment: &Containment) -> Result<()> {
    let path = record_path(state, &containment.service)?;
    match fs_err::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => file::sync_directory(file::parent(&path)),
    }
}

/// See [`super::StepSpec::Remember`].
pub struct Remember<'a> {
    pub containment: &'a Containment,
    pub previous: Option<&'a Containment>,
    pub state: &'a Path,
}

impl Step for Remember<'_> {
    fn id(&self) -> String {
        "remember".to_owned()
    }

    fn describe(&self) -> String {
        "write down what was set".to_owned()
    }

    fn phase(&self) -> Phase {
        Phase::Prepare
    }

    fn observe(&self) -> Result<Observation> {
        let known = current(self.state, &self.containment.service)?;
        let same = known.is_some_and(|known| known.files == self.containment.files);
        Ok(if same { Observation::After } else { Observation::Before(None) })
    }

    fn act(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        write(self.state, self.containment)?;
        Ok(None)
    }

    fn undo(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        match self.previous {
            Some(previous) => write(self.state, previous)?,
            None => remove(self.state, self.containment)?,
        }
        Ok(None)
    }
}

/// See [`super::StepSpec::Forget`].
pub struct Forget<'a> {
    pub containment: &'a Containment,
    pub state: &'a Path,
}

impl Step for Forget<'_> {
    fn id(&self) -> String {
        "forget".to_owned()
    }

    fn describe(&self) -> String {
        "end the containment".to_owned()
    }

    fn phase(&self) -> Phase {
        Phase::Finish
    }

    fn observe(&self) -> Result<Observation> {
        let known = current(self.state, &self.containment.service)?;
        Ok(if known.is_none() { Observation::After } else { Observation::Before(None) })
    }

    fn act(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        remove(self.state, self.containment)?;
        Ok(None)
    }

    fn undo(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        write(self.state, self.containment)?;
        Ok(None)
    }
}
