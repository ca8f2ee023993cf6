//! The target: asks what is in place, what would change, and pins both.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::config::CommandTargetConfig;
use super::switch::CommandSwitch;
use super::{run, values};
use crate::base::{Error, ErrorCode, Result, file};
use crate::operation::claim;
use crate::rollback::adapters::{CONTRACT, Predicted, Request, RequestVersion, State, Verb};
use crate::rollback::targets::{
    Change, Fence, Fidelity, Goal, Ground, Observed, Prediction, Rehearsed, Staging, SwitchSpec, Target,
};

/// See [`CommandTargetConfig`].
pub struct CommandTarget<'a> {
    /// What is configured.
    pub config: &'a CommandTargetConfig,
    /// Where it stands.
    pub ground: &'a Ground,
}

impl CommandTarget<'_> {
    pub(super) fn request(&self, goal: Option<&Goal<'_>>) -> Result<Request> {
        let version = goal.map(|goal| RequestVersion {
            name: goal.version.name.clone(),
            label: goal.version.label.clone(),
            digest: goal.version.digest.as_ref().map(ToString::to_string),
            folder: goal.version.folder.clone(),
        });
        Ok(Request {
            contract: CONTRACT,
            verb: Verb::Observe,
            service: self.ground.service.clone(),
            root: absolute(&self.ground.root)?,
            operation: goal.and_then(|goal| goal.operation).map(str::to_owned),
            with: values::filled(&self.config.with, goal)?,
            version,
            before: None,
            after: None,
            keep: None,
            scratch: None,
        })
    }

    fn state(&self) -> Result<State> {
        run::observe(self.config, &self.request(None)?)
    }

    /// What must be there and is not.
    pub(super) fn lacks(&self) -> Vec<String> {
        let missing = run::missing(self.config, &self.ground.root);
        missing.iter().map(|program| format!("`{program}` is needed and is not there")).collect()
    }

    fn unknown(&self, before: &State) -> Vec<Change> {
        vec![Change {
            place: self.config.title().into(),
            from: Some(before.shown.as_str().into()),
            to: Some("what applying makes of it".into()),
            fidelity: Fidelity::Unknown,
        }]
    }

    fn changes(&self, before: &State, predicted: Option<&Predicted>) -> Vec<Change> {
        let Some(predicted) = predicted else { return self.unknown(before) };
        let change = |change: &crate::rollback::adapters::PredictedChange| Change {
            place: change.place.as_str().into(),
            from: change.from.as_deref().map(Into::into),
            to: change.to.as_deref().map(Into::into),
            fidelity: change.fidelity,
        };
        predicted.changes.iter().map(change).collect()
    }
}

fn climbs(path: &Path) -> bool {
    path.components().any(|part| part == std::path::Component::ParentDir)
}

/// Programs run in it and other processes resume from it, so that it must not hang on where somebody stands.
fn absolute(root: &Path) -> Result<PathBuf> {
    root.canonicalize().map_err(|error| Error::io(root.display().to_string(), error))
}

impl Target for CommandTarget<'_> {
    fn kind(&self) -> &'static str {
        "command"
    }

    fn name(&self) -> String {
        self.config.title()
    }

    fn fence(&self) -> Fence {
        self.config.fence
    }

    fn claims(&self) -> Result<Vec<PathBuf>> {
        match (self.config.fence, &self.config.claim) {
            (Fence::Claim, Some(path)) if !climbs(path) => {
                Ok(vec![claim::beside(&self.ground.root.join(path))])
            }
            (Fence::Claim, Some(path)) => {
                let shown = path.display().to_string().escape_debug().to_string();
                let message = format!("{}: the claim on `{shown}` climbs out with `..`", self.config.title());
                Err(Error::new(ErrorCode::OutsideRoot, message)
                    .hint("name it from the workspace on, or absolute"))
            }
            (Fence::Claim, None) => Err(Error::new(
                ErrorCode::InvalidConfiguration,
                format!("{}: `fence: claim` says nothing of what it protects", self.config.title()),
            )
            .hint("add `claim:` with the file or folder")),
            _ => Ok(Vec::new()),
        }
    }

    fn observe(&self) -> Result<Observed> {
        let state = self.state()?;
        Ok(Observed { digest: values::digest(&state.state), shown: state.shown.into() })
    }

    fn predict(&self, goal: &Goal<'_>) -> Result<Prediction> {
        let mut prediction = Prediction {
            manner: Some("by programs of its own; irctl looks before and after".to_owned()),
            cannot_be_undone: self.config.cannot_be_undone.clone(),
            could_undo_this: self.config.could_undo_this.clone(),
            refusals: self.lacks(),
            ..Prediction::default()
        };
        if !prediction.refusals.is_empty() {
            return Ok(prediction);
        }
        let request = self.request(Some(goal))?;
        let before = run::observe(self.config, &request)?;
        let predicted = run::predict(self.config, &request, &before.state)?;
        prediction.changes = self.changes(&before, predicted.as_ref());
        match predicted {
            None => {
                prediction.warnings.push(format!("{}: nothing says what it will change", self.config.title()))
            }
            Some(predicted) => {
                prediction.cannot_be_undone.extend(predicted.cannot_be_undone);
                prediction.could_undo_this.extend(predicted.could_undo_this);
                prediction.warnings.extend(predicted.warnings);
                prediction.refusals.extend(predicted.refusals);
            }
        }
        Ok(prediction)
    }

    fn stage(&self, goal: &Goal<'_>, staging: &Staging<'_>) -> Result<Vec<SwitchSpec>> {
        let refused = |why: &str| {
            Err(Error::new(ErrorCode::Refused, format!("{}: {why}", self.config.title()))
                .hint("the plan says the same: `--dry-run` shows it"))
        };
        if let Some(lack) = self.lacks().first() {
            return refused(lack);
        }
        let keep = folder(staging.images, "keep")?;
        let mut request = self.request(Some(goal))?;
        request.operation = Some(staging.operation.to_owned());
        let looking = Request { keep: Some(keep.clone()), ..request.clone() };
        let before = run::observe(self.config, &looking)?;
        sync(&keep)?;
        let predicted = run::predict(self.config, &request, &before.state)?;
        let changes = self.changes(&before, predicted.as_ref());
        let after = predicted.as_ref().and_then(|predicted| predicted.after.clone());
        if let Some(why) = predicted.as_ref().and_then(|predicted| predicted.refusals.first()) {
            return refused(why);
        }
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        // What was kept belongs to what was seen only if nobody wrote in between.
        let again = run::observe(self.config, &request)?;
        if !values::same(&again.state, &before.state) {
            return Err(Error::new(
                ErrorCode::Drifted,
                format!("{} changed while it was looked at", self.config.title()),
            )
            .hint("somebody else is at work on it; try again when it is quiet"));
        }
        let request =
            Request { verb: Verb::Apply, before: Some(before.state), after, keep: Some(keep), ..request };
        let switch = CommandSwitch::new(self.config, request, before.shown, changes, staging.images);
        Ok(vec![SwitchSpec::Command(switch)])
    }

    fn rehearse(&self, goal: &Goal<'_>, scratch: &Path) -> Result<Vec<Rehearsed>> {
        let title = self.config.title();
        let request = self.request(Some(goal))?;
        if self.config.rehearse.is_some() {
            let request = Request { scratch: Some(absolute(scratch)?), ..request };
            let begun = Instant::now();
            let tried = run::rehearse(self.config, &request);
            let what = match &tried {
                Ok(answer) => answer.detail.clone().unwrap_or_else(|| format!("{title}, on a copy")),
                Err(_) => format!("{title}, on a copy"),
            };
            return Ok(vec![part(what, begun, tried.as_ref().err())]);
        }
        let begun = Instant::now();
        let before = run::observe(self.config, &request);
        let mut parts = vec![part(format!("look at {title}"), begun, before.as_ref().err())];
        if let Ok(before) = before {
            let begun = Instant::now();
            let predicted = run::predict(self.config, &request, &before.state);
            parts.push(part(format!("predict what {title} changes"), begun, predicted.as_ref().err()));
        }
        parts.push(Rehearsed {
            what: format!("apply and undo {title}"),
            elapsed_ms: 0,
            failure: None,
            not_run: Some("it has no `rehearse` program, so that it cannot be tried on a copy".to_owned()),
        });
        Ok(parts)
    }
}

fn part(what: String, begun: Instant, failure: Option<&Error>) -> Rehearsed {
    let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Rehearsed { what, elapsed_ms, failure: failure.map(|error| error.message.clone()), not_run: None }
}

/// The folder in which programs keep what the way back needs, empty.
pub(super) fn folder(images: &Path, name: &str) -> Result<PathBuf> {
    let keep = absolute(images)?.join(name);
    // A staging that a crash ended has left one; nothing hangs on it.
    if keep.symlink_metadata().is_ok() {
        fs_err::remove_dir_all(&keep)?;
    }
    private(&keep)?;
    Ok(keep)
}

/// Forces what programs kept to disk: they may not have.
pub(super) fn sync(folder: &Path) -> Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync(&entry.path())?;
        } else if kind.is_file() {
            file::sync_file(fs_err::File::open(entry.path())?.file())?;
        }
    }
    file::sync_directory(folder)
}

/// A folder that only its owner can look into.
pub(super) fn private(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().mode(0o700).create(path);
    made.map_err(|error| Error::io(format!("cannot make the folder {}", path.display()), error))
}
