//! Showing that what came back is on disk, that it serves, and that it is good.

use std::time::{Duration, Instant};

use super::StepSpec;
use crate::base::{Error, ErrorCode, Result};
use crate::operation::{Observation, Phase, Step, StepContext};
use crate::rollback::config::ServingConfig;
use crate::rollback::environment::{Environment, Subject};
use crate::rollback::serving::{self, Proof};
use crate::rollback::targets::declared;
use crate::rollback::versions::Version;

/// How long to wait for the service to say what it serves, where the configuration does not say.
const WAIT: Duration = Duration::from_secs(10);

/// See [`super::StepSpec::Prove`].
pub struct Prove<'a> {
    pub subject: &'a Subject,
    pub version: &'a Version,
    pub specs: &'a [StepSpec],
}

impl Prove<'_> {
    /// Everything that was switched is as it was switched, and makes the version that was wanted.
    fn in_place(&self) -> Result<()> {
        for spec in self.specs {
            let StepSpec::Switch { spec, .. } = spec else { continue };
            let switch = spec.switch();
            match switch.observe()? {
                Observation::After => {}
                Observation::Other { after, found, .. } => {
                    return Err(somebody_changed(&switch.describe(), &after, &found));
                }
                // What only keeps what was has nothing that could be set back.
                Observation::Before(_) if switch.phase() < Phase::Switch => {}
                Observation::Before(_) => {
                    let was = "what was there before, or something that is not finished";
                    return Err(somebody_changed(&switch.describe(), "what it was switched to", was));
                }
            }
        }
        let ground = self.subject.ground();
        let lead = self.subject.lead(&ground)?;
        if lead.kind() == declared::KIND {
            // What is only declared has no identity beside its switches: a name of an operation or the time of day may
            // stand in it, and a statement over the last hour touches other rows an instant later.
            return Ok(());
        }
        let served = lead.served()?;
        if served.digest == self.version.digest {
            return Ok(());
        }
        let shown = |version: &Version| {
            let digest = version.digest.as_ref().map_or("no whole version", |digest| digest.short());
            format!("{} ({digest})", version.shown())
        };
        Err(somebody_changed("what is in place", &shown(self.version), &shown(&served)))
    }

    fn wait(&self) -> Duration {
        let configured = self.subject.serving.as_ref().and_then(ServingConfig::wait);
        configured.map_or(WAIT, |wait| wait.to_std())
    }
}

impl Step for Prove<'_> {
    fn id(&self) -> String {
        "prove".to_owned()
    }

    fn describe(&self) -> String {
        "prove what is in place and what serves".to_owned()
    }

    fn phase(&self) -> Phase {
        Phase::Prove
    }

    fn observe(&self) -> Result<Observation> {
        Ok(Observation::Before(None))
    }

    fn act(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        self.in_place()?;
        let begun = Instant::now();
        loop {
            let proof = serving::proves(self.subject, self.version)?;
            match proof {
                Proof::Serving | Proof::OnDisk => return Ok(Some(proof.to_string())),
                _ if begun.elapsed() >= self.wait() => {
                    return Err(Error::new(ErrorCode::OutcomeUnknown, format!("the version is {proof}"))
                        .hint("see why the service does not take it up, then `irctl rollback resume`"));
                }
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn undo(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        Ok(None)
    }
}

fn somebody_changed(what: &str, expected: &str, found: &str) -> Error {
    Error::new(ErrorCode::Drifted, format!("somebody changed it: {what}: expected {expected}, found {found}"))
        .hint("find out who; then make a new plan, or `irctl rollback resume` when it is as it should be")
}

/// See [`super::StepSpec::Verify`].
pub struct Verify<'a> {
    pub suite: &'a str,
    pub subject: &'a Subject,
    pub environment: &'a Environment<'a>,
}

impl Step for Verify<'_> {
    fn id(&self) -> String {
        "verify".to_owned()
    }

    fn describe(&self) -> String {
        format!("verify with {}", self.suite)
    }

    fn phase(&self) -> Phase {
        Phase::Prove
    }

    fn observe(&self) -> Result<Observation> {
        Ok(Observation::Before(None))
    }

    fn act(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        let outcome = (self.environment.verify)(self.suite, &self.subject.suites);
        if outcome.passes() {
            return Ok(Some(outcome.summary));
        }
        Err(Error::new(ErrorCode::OutcomeUnknown, outcome.summary).hint(
            "it stays contained: take the next candidate, try again with `irctl rollback resume`, or \
             `irctl release --reason …`",
        ))
    }

    fn undo(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        Ok(None)
    }
}
