//! One switch, as it is pinned.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use super::area::Area;
use super::place::{Look, Place};
use super::repository::Repository;
use super::snapshot::copy_index;
use super::travel;
use crate::base::{Error, ErrorCode, Result};
use crate::operation::{Observation, StepContext};
use crate::rollback::targets::{Change, Staging, Switch, SwitchSpec};

/// One switch, as it is pinned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GitSwitch {
    /// The top of the work tree, or a bare repository.
    pub(super) repository: PathBuf,
    /// What it is called in the repository while it runs.
    pub(super) tag: String,
    /// What is said of it.
    pub(super) words: Box<Words>,
    /// The branch, as `refs/heads/main`; `HEAD` where that is detached; absent where only paths are switched.
    pub(super) reference: Option<String>,
    /// What it may touch.
    pub(super) area: Box<Area>,
    /// Before.
    pub(super) before: Box<Place>,
    /// After.
    pub(super) after: Box<Place>,
    /// References that keep what was: made on the way there, taken away on the way back.
    pub(super) keeps: Vec<Kept>,
    /// Uncommitted work, as an entry of the stash.
    pub(super) stash: Option<Box<Stash>>,
    /// Whether it is itself the way back: then it takes away what the other one made.
    pub(super) backwards: bool,
    /// What it changes.
    pub(super) changes: Vec<Change>,
}

/// What is said of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// What it does, for people.
    pub title: String,
    /// What the reference's log says of it.
    pub message: String,
}

/// A reference that keeps a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its whole name.
    pub name: String,
    /// The commit.
    pub commit: String,
}

/// Uncommitted work, as `git stash` keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stash {
    /// The stash commit.
    pub commit: String,
    /// What the list of stashes says of it.
    pub message: String,
}

impl GitSwitch {
    /// The switch that goes the other way, with names of its own.
    fn turned(&self, tag: String) -> Self {
        let title = match self.words.title.strip_prefix("undo: ") {
            Some(title) => title.to_owned(),
            None => format!("undo: {}", self.words.title),
        };
        let words = Box::new(Words { title, message: self.words.message.clone() });
        Self {
            tag,
            words,
            before: self.after.clone(),
            after: self.before.clone(),
            backwards: !self.backwards,
            changes: self.changes.iter().cloned().map(Change::turned).collect(),
            ..self.clone()
        }
    }

    pub(super) fn drifted(&self, look: &Look, from: &Place, to: &Place) -> Error {
        Error::new(
            ErrorCode::Drifted,
            format!(
                "{}: somebody else changed it. Expected was {}, or {}; found is {}",
                self.repository.display(),
                from.shown(),
                to.shown(),
                look.shown()
            ),
        )
        .hint("look with `git status` and `git reflog`; nothing of theirs was touched")
    }

    /// The commands that take this switch back by hand, for whoever has no irctl.
    pub fn by_hand(&self) -> Vec<String> {
        travel::by_hand(self)
    }
}

impl Switch for GitSwitch {
    fn id(&self) -> String {
        match (&self.reference, self.area.only.as_slice()) {
            (Some(reference), _) => reference.strip_prefix("refs/heads/").unwrap_or(reference).to_owned(),
            (None, paths) => paths.join(" "),
        }
    }

    fn describe(&self) -> String {
        self.words.title.clone()
    }

    fn observe(&self) -> Result<Observation> {
        let scratch = tempfile::tempdir().map_err(|error| Error::io("cannot make a folder", error))?;
        let repository = Repository::open(&self.repository)?.with_objects(scratch.path());
        let look = Look::take(self, &repository, scratch.path())?;
        if look.begun {
            return Ok(match look.is_between(self, &repository)? {
                true => Observation::Before(None),
                false => self.other(&look),
            });
        }
        if look.is(&self.after, &repository, &self.area)? {
            return Ok(Observation::After);
        }
        if look.is(&self.before, &repository, &self.area)? {
            let digest = self.before.files.as_ref().map(|files| files.listing.clone());
            return Ok(Observation::Before(digest));
        }
        Ok(self.other(&look))
    }

    fn act(&self, context: &mut StepContext<'_>) -> Result<Option<String>> {
        travel::travel(self, context, true)
    }

    fn undo(&self, context: &mut StepContext<'_>) -> Result<Option<String>> {
        travel::travel(self, context, false)
    }

    fn changes(&self) -> Vec<Change> {
        self.changes.clone()
    }

    fn reverse(&self, staging: &Staging<'_>) -> Result<SwitchSpec> {
        match self.observe()? {
            Observation::After => {}
            Observation::Other { before, after, found } => {
                let why = format!("expected was {after}, or {before}; found is {found}");
                return Err(Error::new(
                    ErrorCode::Drifted,
                    format!("{}: somebody changed it since: {why}", self.repository.display()),
                )
                .hint("look with `git status` and `git reflog`"));
            }
            Observation::Before(_) => {
                return Err(Error::new(
                    ErrorCode::Drifted,
                    format!("{}: there is nothing to take back", self.repository.display()),
                )
                .hint("`irctl rollback status` says whether the operation ended"));
            }
        }
        let suffix = self.tag.split_once('.').map(|(_, suffix)| format!(".{suffix}")).unwrap_or_default();
        let tag = format!("{}{suffix}", staging.operation);
        let mut turned = self.turned(tag.clone());
        let repository = Repository::open(&self.repository)?;
        if let Some(files) = &mut turned.before.files {
            let image = staging.images.join(format!("{tag}.index-now"));
            copy_index(&repository.git_dir.join("index"), &image)?;
            files.image = Some(image);
        }
        if let Some(files) = &mut turned.after.files
            && let Some(older) = files.image.take().filter(|image| image.exists())
        {
            let image = staging.images.join(format!("{tag}.index-then"));
            copy_index(&older, &image)?;
            files.image = Some(image);
        }
        Ok(SwitchSpec::Git(turned))
    }

    fn tidy(&self) -> Result<()> {
        travel::tidy(&Repository::open(&self.repository)?, &self.tag)
    }
}

impl GitSwitch {
    fn other(&self, look: &Look) -> Observation {
        Observation::Other { before: self.before.shown(), after: self.after.shown(), found: look.shown() }
    }
}
