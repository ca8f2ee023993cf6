//! Making the serving process take up what is on disk.

use crate::base::process::Invocation;
use crate::base::{Error, ErrorCode, Result, Untrusted};
use crate::operation::{Observation, Phase, Step, StepContext};
use crate::rollback::environment::Subject;
use crate::rollback::serving::{self, Proof};

/// See [`super::StepSpec::Activate`].
pub struct Activate<'a> {
    pub subject: &'a Subject,
}

/// See [`super::StepSpec::Reactivate`]: it stands before the first switch, so that it is undone after the last.
pub struct Reactivate<'a> {
    pub subject: &'a Subject,
}

fn activate(subject: &Subject, context: &mut StepContext<'_>) -> Result<Option<String>> {
    let Some(command) = &subject.rollback.activate else { return Ok(None) };
    let program = command.command.first().cloned().unwrap_or_default();
    let mut invocation = Invocation::new(command.command.clone()).directory(&subject.root);
    if let Some(timeout) = command.timeout {
        invocation = invocation.timeout(timeout.to_std());
    }
    let output = context.run(&program, invocation)?;
    if output.success() {
        return Ok(None);
    }
    let words = Untrusted::new(output.last_words());
    Err(Error::new(ErrorCode::Subprocess, format!("`{program}` ended with {}: {words}", output.ending)))
}

impl Step for Activate<'_> {
    fn id(&self) -> String {
        "activate".to_owned()
    }

    fn describe(&self) -> String {
        let argv = self.subject.rollback.activate.as_ref().map(|command| command.command.join(" "));
        format!("activate with `{}`", argv.unwrap_or_default())
    }

    fn phase(&self) -> Phase {
        Phase::Prove
    }

    fn observe(&self) -> Result<Observation> {
        // Activating twice does what activating once does.
        Ok(Observation::Before(None))
    }

    fn act(&self, context: &mut StepContext<'_>) -> Result<Option<String>> {
        activate(self.subject, context)
    }

    fn undo(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        Ok(None)
    }
}

impl Step for Reactivate<'_> {
    fn id(&self) -> String {
        "reactivate".to_owned()
    }

    fn describe(&self) -> String {
        "be ready to activate what serves now again".to_owned()
    }

    fn phase(&self) -> Phase {
        Phase::Prepare
    }

    fn observe(&self) -> Result<Observation> {
        Ok(Observation::Before(None))
    }

    fn act(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        Ok(None)
    }

    fn undo(&self, context: &mut StepContext<'_>) -> Result<Option<String>> {
        let ground = self.subject.ground();
        let on_disk = self.subject.lead(&ground)?.served()?;
        if serving::proves(self.subject, &on_disk)? == Proof::Serving {
            return Ok(Some("it serves what is on disk".to_owned()));
        }
        activate(self.subject, context)
    }
}
