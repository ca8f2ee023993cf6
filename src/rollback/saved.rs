//! A plan in a file: what was looked at is what is done, or nothing is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

use super::environment::Subject;
use super::plan::Plan;
use crate::base::{Digest, Error, ErrorCode, Result, file};

/// The format of the file.
const FORMAT: u32 = 1;

/// The largest file that is read.
const LIMIT: u64 = 16 * 1024 * 1024;

/// What `irctl rollback --plan-out FILE` writes and `--plan FILE` carries out.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SavedPlan {
    /// The version of this format, 1.
    pub format: u32,
    /// The digest of the service's rollback configuration; another configuration makes another plan.
    pub configuration: Digest,
    /// The plan.
    pub plan: Plan,
}

impl SavedPlan {
    /// The plan of a dry run, to be saved.
    ///
    /// # Errors
    /// `refused` for a plan that cannot be carried out, or whose version has no digest.
    pub fn new(subject: &Subject, plan: Plan) -> Result<Self> {
        plan.refuse_if_impossible()?;
        if plan.to.digest.is_none() {
            return Err(Error::new(
                ErrorCode::Refused,
                "a plan to a version without a digest cannot be saved",
            ));
        }
        Ok(Self { format: FORMAT, configuration: configuration(subject)?, plan })
    }

    /// Writes it, readable by its owner only: it shows values of settings and rows.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::new(ErrorCode::Bug, format!("a plan: {error}")))?;
        bytes.push(b'\n');
        // A file that others could read may stand there already, and its permissions would be kept.
        match fs_err::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => file::write_atomic(path, &bytes, 0o600),
        }
    }

    /// Reads one.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = file::read_limited(path, LIMIT)?;
        let wrong = |why: String| {
            Error::new(ErrorCode::InvalidData, format!("{} is no saved plan: {why}", path.display()))
                .hint("make one with `irctl rollback --to VERSION --plan-out FILE`")
        };
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(format) if format == u64::from(FORMAT) => {}
            Some(format) if format > u64::from(FORMAT) => {
                return Err(wrong(format!("it was made by a newer irctl (format {format})")));
            }
            _ => return Err(wrong("it has no format".to_owned())),
        }
        serde_json::from_value(value).map_err(|error| wrong(error.to_string()))
    }

    /// An error if what would be done now is not what the saved plan says.
    pub(super) fn refuse_if_drifted(&self, subject: &Subject, now: &Plan) -> Result<()> {
        let mut drifts = Vec::new();
        if configuration(subject)? != self.configuration {
            drifts.push("the configuration was changed".to_owned());
        }
        if now.served.digest != self.plan.served.digest {
            drifts.push(format!("{} serves now, not {}", now.served.shown(), self.plan.served.shown()));
        }
        if now.to.digest != self.plan.to.digest {
            drifts.push(format!("it would go to {}, not {}", now.to.shown(), self.plan.to.shown()));
        }
        let planned: BTreeMap<_, _> = self.plan.targets.iter().map(|one| (&one.name, one)).collect();
        for target in &now.targets {
            match planned.get(&target.name) {
                Some(then) if then.observed == target.observed && then.changes == target.changes => {}
                Some(then) => drifts.push(format!(
                    "{} was {} and is {}",
                    target.name,
                    shown(then.observed.as_ref()),
                    shown(target.observed.as_ref())
                )),
                None => drifts.push(format!("{} is not in the plan", target.name)),
            }
        }
        if drifts.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::Refused,
            format!("the saved plan does not fit any more: {}", drifts.join("; ")),
        )
        .hint("make a new one with `--plan-out`, and look at it; nothing was switched"))
    }
}

fn shown(observed: Option<&super::targets::Observed>) -> String {
    observed.map_or("unknown".to_owned(), |one| format!("{} ({})", one.shown, one.digest.short()))
}

fn configuration(subject: &Subject) -> Result<Digest> {
    let text = serde_json::to_vec(&(&subject.rollback, &subject.phase, &subject.environment))
        .map_err(|error| Error::new(ErrorCode::Bug, format!("a configuration: {error}")))?;
    Ok(Digest::of(&text))
}
