//! Writing down that a service is contained, and ending that.

use std::path::Path;

use crate::base::{Error, ErrorCode, Result, file};
use crate::operation::directory;
use crate::operation::{Observation, Phase, Step, StepContext};
use crate::rollback::contain::{Containment, Held, current, record_path};
use crate::rollback::targets::settings::left_alone;

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
        let same = known.is_some_and(|known| known.held == self.containment.held);
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

/// See [`super::StepSpec::Contain`].
pub struct Contain<'a> {
    pub held: &'a Held,
}

impl Step for Contain<'_> {
    fn id(&self) -> String {
        format!("contain:{}", self.held.key)
    }

    fn describe(&self) -> String {
        self.held.spec.switch().describe()
    }

    fn phase(&self) -> Phase {
        Phase::Switch
    }

    fn observe(&self) -> Result<Observation> {
        // Stopping harm does not wait for an explanation of what else stands there.
        Ok(match self.held.spec.switch().observe() {
            Ok(Observation::After) => Observation::After,
            Ok(Observation::Before(_) | Observation::Other { .. }) | Err(_) => Observation::Before(None),
        })
    }

    fn act(&self, context: &mut StepContext<'_>) -> Result<Option<String>> {
        // What does not stop must not start again what did: whoever contains looks at each afterwards, and says so.
        let acted = self.held.spec.switch().act(context);
        Ok(acted.unwrap_or_else(|error| Some(format!("FAILED: {}", error.message))))
    }

    fn undo(&self, context: &mut StepContext<'_>) -> Result<Option<String>> {
        Ok(left_alone(&self.held.spec.switch().put_back(context)?))
    }
}

/// See [`super::StepSpec::Release`].
pub struct Release<'a> {
    pub held: &'a Held,
}

impl Step for Release<'_> {
    fn id(&self) -> String {
        format!("release:{}", self.held.key)
    }

    fn describe(&self) -> String {
        let changes = self.held.spec.switch().changes().into_iter().map(|change| {
            let was = change.from.map_or("nothing".to_owned(), |value| value.to_string());
            format!("{} to {was}", change.place)
        });
        format!("set back {}", changes.collect::<Vec<_>>().join(", "))
    }

    fn phase(&self) -> Phase {
        Phase::Finish
    }

    fn observe(&self) -> Result<Observation> {
        Ok(match self.held.spec.switch().observe()? {
            Observation::Before(_) => Observation::After,
            Observation::After | Observation::Other { .. } => Observation::Before(None),
        })
    }

    fn act(&self, context: &mut StepContext<'_>) -> Result<Option<String>> {
        Ok(left_alone(&self.held.spec.switch().put_back(context)?))
    }

    fn undo(&self, context: &mut StepContext<'_>) -> Result<Option<String>> {
        self.held.spec.switch().act(context)
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
