//! Showing that what came back is on disk, that it serves, and that it is good.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::switch::{digest_at, show};
use crate::base::{Digest, Error, ErrorCode, Result, path};
use crate::operation::{Observation, Phase, Step, StepContext};
use crate::rollback::config::ServingConfig;
use crate::rollback::environment::{Environment, Subject};
use crate::rollback::serving::{self, Proof};
use crate::rollback::versions;

/// How long to wait for the service to say what it serves, where the configuration does not say.
const WAIT: Duration = Duration::from_secs(10);

/// See [`super::StepSpec::Prove`].
pub struct Prove<'a> {
    pub subject: &'a Subject,
    pub files: &'a BTreeMap<String, Option<Digest>>,
}

impl Prove<'_> {
    fn on_disk(&self) -> Result<()> {
        let live = self.subject.live()?;
        for (name, expected) in self.files {
            let found = digest_at(&path::inside(&live, Path::new(name))?)?;
            if found != *expected {
                return Err(Error::new(
                    ErrorCode::Drifted,
                    format!(
                        "{name} on disk is {}, not {}: somebody changed it",
                        show(found.as_ref()),
                        show(expected.as_ref())
                    ),
                ));
            }
        }
        Ok(())
    }

    fn wait(&self) -> Duration {
        match &self.subject.serving {
            Some(ServingConfig::Json(json)) => json.wait.map_or(WAIT, |wait| wait.to_std()),
            None => WAIT,
        }
    }
}

impl Step for Prove<'_> {
    fn id(&self) -> String {
        "prove".to_owned()
    }

    fn describe(&self) -> String {
        "prove what is on disk and what serves".to_owned()
    }

    fn phase(&self) -> Phase {
        Phase::Prove
    }

    fn observe(&self) -> Result<Observation> {
        Ok(Observation::Before(None))
    }

    fn act(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        self.on_disk()?;
        let version = versions::read(&self.subject.live()?, "live", self.subject.rollback.files()?)?;
        let begun = Instant::now();
        loop {
            let proof = serving::proves(self.subject, &version)?;
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
