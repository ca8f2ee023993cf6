//! The pinned switch: looks, has a program change it, looks again.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

use super::config::CommandTargetConfig;
use super::{run, target, values};
use crate::base::{Error, ErrorCode, Result, fault, file};
use crate::operation::{Observation, StepContext};
use crate::rollback::adapters::{Request, Verb};
use crate::rollback::targets::{Change, Ground, Staging, Switch, SwitchSpec, Target as _};

/// The largest note that is read back.
const LIMIT: u64 = 4 * 1024 * 1024;

/// One switch, as it is pinned: the programs, what they are asked, and what was there. Secrets stay references.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommandSwitch {
    /// The programs.
    config: Box<CommandTargetConfig>,
    /// What they are asked: `before`, `after` and `keep` included.
    request: Box<Request>,
    /// What was in place, in a few words.
    shown: String,
    /// What changes, from before to after.
    changes: Vec<Change>,
    /// Where its own notes stand.
    images: PathBuf,
    /// Whether `after` was predicted, and is insisted upon; otherwise it is what was found afterwards, if anything.
    told: bool,
    /// Whether it goes from before to after; the other way in an undo.
    forward: bool,
}

/// What is in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    After,
    /// Neither, but a program of ours was at it and did not end.
    Half,
    Other,
}

impl CommandSwitch {
    pub(super) fn new(
        config: &CommandTargetConfig,
        request: Request,
        shown: String,
        changes: Vec<Change>,
        images: &Path,
    ) -> Self {
        Self {
            config: Box::new(config.clone()),
            told: request.after.is_some(),
            request: Box::new(request),
            shown,
            changes,
            images: images.to_path_buf(),
            forward: true,
        }
    }

    fn look(&self) -> Result<Value> {
        self.look_keeping(None)
    }

    fn look_keeping(&self, keep: Option<PathBuf>) -> Result<Value> {
        let request = Request { before: None, after: None, keep, scratch: None, ..(*self.request).clone() };
        run::observe(&self.config, &request).map(|state| state.state)
    }

    /// Looks at what was put back, and keeps it anew: it is the same state, but not always the same thing (a process
    /// that was started again has another number), and it may be applied to once more.
    fn look_at_undone(&self) -> Result<Value> {
        let Some(keep) = &self.request.keep else { return self.look() };
        let fresh = target::folder(&self.images, "keep.new")?;
        let now = self.look_keeping(Some(fresh.clone()))?;
        if values::same(&now, self.before()?) {
            target::sync(&fresh)?;
            fs_err::remove_dir_all(keep)?;
            fs_err::rename(&fresh, keep)?;
            file::sync_directory(&self.images)?;
        }
        Ok(now)
    }

    fn before(&self) -> Result<&Value> {
        self.request
            .before
            .as_ref()
            .ok_or_else(|| Error::new(ErrorCode::Bug, "a switch without a before-image"))
    }

    fn place(&self, now: &Value) -> Result<Place> {
        if values::same(now, self.before()?) {
            return Ok(Place::Before);
        }
        if self.after()?.is_some_and(|after| values::same(now, &after)) {
            return Ok(Place::After);
        }
        Ok(if self.busy().exists() { Place::Half } else { Place::Other })
    }

    /// What stands there afterwards: predicted, or noted when it was found.
    fn after(&self) -> Result<Option<Value>> {
        let noted = self.found();
        if self.told || !noted.exists() {
            return Ok(self.request.after.clone());
        }
        let bytes = file::read_limited(&noted, LIMIT)?;
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Error::new(ErrorCode::InvalidData, format!("{} cannot be read: {error}", noted.display()))
        })
    }

    /// Stands while a program of this switch is at work, and after one that did not end well.
    fn busy(&self) -> PathBuf {
        self.images.join("busy")
    }

    /// What was found after applying, where nobody could predict it.
    fn found(&self) -> PathBuf {
        self.images.join("found.json")
    }

    /// Has what is in place changed to the state after, or back to the one before.
    fn travel(&self, to_after: bool, context: &mut StepContext<'_>) -> Result<Option<String>> {
        let now = self.look()?;
        match (self.place(&now)?, to_after) {
            // Before it could change anything, a program may have left something beside it: undoing clears that up.
            (Place::Before, false) if self.busy().exists() => self.go(Verb::Undo, context),
            (Place::After, true) | (Place::Before, false) => {
                self.rest()?;
                Ok(Some("it was so already".to_owned()))
            }
            (Place::Before, true) => self.go(Verb::Apply, context),
            // What a program left half done is taken back before it is tried again.
            (Place::Half, true) => {
                self.go(Verb::Undo, context)?;
                self.go(Verb::Apply, context)
            }
            (Place::After | Place::Half, false) => self.go(Verb::Undo, context),
            (Place::Other, _) => Err(self.drifted(&now)?),
        }
    }

    /// Calls one program and insists on what it leaves.
    fn go(&self, verb: Verb, context: &mut StepContext<'_>) -> Result<Option<String>> {
        file::write_atomic(&self.busy(), verb.to_string().as_bytes(), 0o600)?;
        let request = Request { verb, after: self.after()?, ..(*self.request).clone() };
        fault::point(&format!("command:before-{verb}"));
        let applied = run::change(&self.config, &request, Some(context))?;
        fault::point(&format!("command:after-{verb}"));
        let now = if verb == Verb::Undo { self.look_at_undone()? } else { self.look()? };
        fault::point("command:after-look");
        self.insist(verb, &now)?;
        if verb == Verb::Apply && !self.told {
            file::write_atomic(&self.found(), now.to_string().as_bytes(), 0o600)?;
        }
        self.rest()?;
        Ok(applied.detail.map(|detail| crate::base::Untrusted::new(detail).to_string()))
    }

    fn rest(&self) -> Result<()> {
        if self.busy().exists() {
            fs_err::remove_file(self.busy())?;
        }
        Ok(())
    }

    fn insist(&self, verb: Verb, now: &Value) -> Result<()> {
        let is_before = values::same(now, self.before()?);
        let (good, expected) = match (verb, &self.request.after) {
            (Verb::Apply, Some(after)) if self.told => (values::same(now, after), values::brief(after)),
            (Verb::Apply, _) => (!is_before, "anything else than before".to_owned()),
            _ => (is_before, values::brief(self.before()?)),
        };
        if good {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::Subprocess,
            format!(
                "{}: the program said that {verb} is done, but what is in place is not what it should be: expected \
                 {expected}, found {}",
                self.config.title(),
                values::brief(now)
            ),
        )
        .hint("`irctl recipe test` shows on a throw-away thing what its programs get wrong"))
    }

    fn drifted(&self, now: &Value) -> Result<Error> {
        let after = self.after()?.as_ref().map_or_else(|| "not known".to_owned(), values::brief);
        Ok(Error::new(
            ErrorCode::Drifted,
            format!(
                "{}: somebody else changed what is in place: expected {} or {after}, found {}",
                self.config.title(),
                values::brief(self.before()?),
                values::brief(now)
            ),
        )
        .hint("look at it, then make a new plan"))
    }
}

impl Switch for CommandSwitch {
    fn id(&self) -> String {
        if self.forward { "apply" } else { "undo" }.to_owned()
    }

    fn describe(&self) -> String {
        let title = self.config.title();
        if self.forward { format!("apply {title}") } else { format!("take back {title}") }
    }

    fn observe(&self) -> Result<Observation> {
        let now = self.look()?;
        Ok(match (self.place(&now)?, self.forward) {
            (Place::Before, true) | (Place::After, false) => Observation::Before(Some(values::digest(&now))),
            (Place::After, true) | (Place::Before, false) => Observation::After,
            // It may be done again: acting takes back what is half done.
            (Place::Half, _) => Observation::Before(None),
            (Place::Other, forward) => {
                let before = values::brief(self.before()?);
                let after = self.after()?.as_ref().map_or_else(|| "not known".to_owned(), values::brief);
                let (before, after) = if forward { (before, after) } else { (after, before) };
                Observation::Other { before, after, found: values::brief(&now) }
            }
        })
    }

    fn act(&self, context: &mut StepContext<'_>) -> Result<Option<String>> {
        self.travel(self.forward, context)
    }

    fn undo(&self, context: &mut StepContext<'_>) -> Result<Option<String>> {
        self.travel(!self.forward, context)
    }

    fn claims(&self) -> Vec<PathBuf> {
        let ground = Ground { root: self.request.root.clone(), service: self.request.service.clone() };
        let target = target::CommandTarget { config: &self.config, ground: &ground };
        // A claim that cannot be named protects nothing.
        target.claims().unwrap_or_default()
    }

    fn changes(&self) -> Vec<Change> {
        let changes = self.changes.iter().cloned();
        if self.forward { changes.collect() } else { changes.map(Change::turned).collect() }
    }

    fn reverse(&self, staging: &Staging<'_>) -> Result<SwitchSpec> {
        let now = self.look()?;
        let wanted = if self.forward { Place::After } else { Place::Before };
        if self.place(&now)? != wanted {
            return Err(self.drifted(&now)?);
        }
        let after = self.after()?;
        let keep = staging.images.join("keep");
        if let Some(kept) = &self.request.keep {
            copy(kept, &keep)?;
        }
        let request = Request {
            operation: Some(staging.operation.to_owned()),
            after,
            keep: Some(keep),
            ..(*self.request).clone()
        };
        let images = staging.images.to_path_buf();
        let request = Box::new(request);
        Ok(SwitchSpec::Command(Self { request, images, forward: !self.forward, ..self.clone() }))
    }
}

/// Copies what was kept, so that it does not hang on the operation that kept it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if to.symlink_metadata().is_ok() {
        fs_err::remove_dir_all(to)?;
    }
    target::private(to)?;
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &path)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs_err::read_link(entry.path())?, &path)?;
        } else {
            fs_err::copy(entry.path(), &path)?;
        }
    }
    target::sync(to)
}
