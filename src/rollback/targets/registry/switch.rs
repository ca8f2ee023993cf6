//! Switching a link or a folder: two names swapped in one step, and swapped back if what came out is not what was
//! expected.

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::RegistrySwitch;
use super::slot::State;
use crate::base::{Digest, Error, ErrorCode, Result, fault, file};
use crate::operation::Observation;
use crate::rollback::stage;
use crate::rollback::targets::{Change, Fidelity, Staging, SwitchSpec};

/// The switch of a link or a folder, as it is pinned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SlotSwitch {
    /// The registry's folder.
    pub root: PathBuf,
    /// The name of the link or folder in it.
    pub slot: String,
    /// What stands there.
    pub before: State,
    /// What comes there.
    pub after: State,
    /// What people call the one and the other.
    pub names: (String, String),
    /// Where what comes waits, and what was there is put, beside it.
    pub stage: PathBuf,
    /// A copy of the folder as it was.
    pub image: Option<PathBuf>,
    /// The files that must be seen through the slot before the switch; none where nobody knows.
    pub was: BTreeMap<String, Digest>,
    /// The files that must be seen through it after the switch.
    pub is: BTreeMap<String, Digest>,
}

/// What stands in the staging place of an operation.
pub fn stage_path(root: &Path, slot: &str, operation: &str) -> PathBuf {
    root.join(format!(".irctl-stage-{slot}-{operation}"))
}

impl SlotSwitch {
    fn path(&self) -> PathBuf {
        self.root.join(&self.slot)
    }

    /// Which of before, after or something else stands there.
    pub fn observe(&self) -> Result<Observation> {
        let found = State::of(&self.path())?;
        let other = |found: String| Observation::Other {
            before: self.before.to_string(),
            after: self.after.to_string(),
            found,
        };
        if found == self.after {
            // A crash between the swap and the look at what came out: what a third party wrote lies in the stage.
            let displaced = State::of(&self.stage)?;
            let ours = displaced == State::Absent || displaced == self.before;
            return Ok(if ours { Observation::After } else { other(format!("{displaced} was displaced")) });
        }
        Ok(if found == self.before { Observation::Before(None) } else { other(found.to_string()) })
    }

    /// Switches.
    pub fn act(&self) -> Result<Option<String>> {
        let found = State::of(&self.path())?;
        if found == self.after && [State::Absent, self.before.clone()].contains(&State::of(&self.stage)?) {
            return Ok(Some("it was so already".to_owned()));
        }
        if found == self.after {
            return self.put_displaced_back();
        }
        self.expect(&found, &self.before)?;
        self.prepare(&self.after)?;
        self.holds(&self.is)?;
        self.swap(&self.before, &self.after)?;
        Ok(Some(format!("{} → {}", self.names.0, self.names.1)))
    }

    /// Puts back what was there.
    pub fn undo(&self) -> Result<Option<String>> {
        let found = State::of(&self.path())?;
        if found == self.before {
            return Ok(Some("it was so already".to_owned()));
        }
        if found != self.after {
            return Err(Error::new(
                ErrorCode::Drifted,
                format!(
                    "{} is neither as it was ({}) nor as it was made ({}) but {found}",
                    self.path().display(),
                    self.before,
                    self.after
                ),
            )
            .hint(self.kept()));
        }
        self.prepare(&self.before)?;
        self.swap(&self.after, &self.before)?;
        Ok(None)
    }

    fn kept(&self) -> String {
        match &self.image {
            Some(image) => format!("what was there is kept in {}", image.display()),
            None => "find out who writes there, then make a new plan".to_owned(),
        }
    }

    fn expect(&self, found: &State, expected: &State) -> Result<()> {
        if found == expected {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::Drifted,
            format!("{} was {expected} when the plan was made and is {found} now", self.path().display()),
        )
        .hint("find out who writes there, then make a new plan"))
    }

    /// Sees to it that what is to come waits in the stage.
    fn prepare(&self, incoming: &State) -> Result<()> {
        let waiting = State::of(&self.stage)?;
        if waiting == *incoming {
            return Ok(());
        }
        if waiting != State::Absent {
            return Err(Error::new(
                ErrorCode::Drifted,
                format!("{} holds {waiting}, not {incoming}", self.stage.display()),
            )
            .hint("something else was written there since it was staged; make a new plan"));
        }
        match incoming {
            State::Absent => {}
            State::Link(to) => {
                std::os::unix::fs::symlink(to, &self.stage)
                    .map_err(|error| Error::io(format!("cannot make {}", self.stage.display()), error))?;
            }
            State::Folder(_) => {
                let image = self.image.as_ref().filter(|_| *incoming == self.before);
                let Some(image) = image else {
                    let why = format!("what was staged in {} is gone", self.stage.display());
                    return Err(Error::new(ErrorCode::Drifted, why).hint("make a new plan"));
                };
                rebuild(image, &self.stage, &self.path())?;
                self.expect_staged(incoming)?;
            }
        }
        file::sync_directory(&self.root)?;
        fault::point("registry:staged");
        Ok(())
    }

    fn expect_staged(&self, expected: &State) -> Result<()> {
        let found = State::of(&self.stage)?;
        if found == *expected {
            return Ok(());
        }
        let why = format!("the copy in {} is {found}, not {expected}", self.stage.display());
        Err(Error::new(ErrorCode::Drifted, why).hint("nothing was switched; make a new plan"))
    }

    /// What waits in the stage must lead to the files that were chosen. Those inside it are hashed with the folder.
    fn holds(&self, files: &BTreeMap<String, Digest>) -> Result<()> {
        let whole = self.stage.is_symlink();
        for (name, digest) in files {
            let path = self.stage.join(name);
            if (whole || path.is_symlink()) && Digest::of_file(&path)?.0 != *digest {
                let why = format!("{name} of {} changed since the plan was made", self.names.1);
                return Err(Error::new(ErrorCode::Drifted, why)
                    .hint("nothing was switched; find out who writes there, then make a new plan"));
            }
        }
        Ok(())
    }

    /// Swaps the slot with the stage, and looks at what came out.
    fn swap(&self, from: &State, to: &State) -> Result<()> {
        fault::point("registry:before-rename");
        self.rename(from, to)?;
        fault::point("registry:after-rename");
        file::sync_directory(&self.root)?;
        fault::point("registry:after-fsync");
        let displaced = State::of(&self.stage)?;
        if displaced == *from {
            return Ok(());
        }
        self.rename(to, &displaced)?;
        file::sync_directory(&self.root)?;
        Err(Error::new(
            ErrorCode::Drifted,
            format!(
                "somebody wrote {} while it was switched: expected {from}, found {displaced}; it was left as they wrote it",
                self.path().display()
            ),
        )
        .hint("find out who writes there, then make a new plan"))
    }

    fn put_displaced_back(&self) -> Result<Option<String>> {
        let displaced = State::of(&self.stage)?;
        self.rename(&self.after, &displaced)?;
        file::sync_directory(&self.root)?;
        Err(Error::new(
            ErrorCode::Drifted,
            format!(
                "{displaced} that somebody wrote was displaced from {}; it is back",
                self.path().display()
            ),
        )
        .hint("find out who writes there, then make a new plan"))
    }

    /// One rename, by what is to leave the slot and what is to come there.
    fn rename(&self, from: &State, to: &State) -> Result<()> {
        let (slot, stage) = (self.path(), self.stage.as_path());
        let renamed = match (from, to) {
            (_, State::Absent) => renameat_with(CWD, &slot, CWD, stage, RenameFlags::NOREPLACE),
            (State::Absent, _) => renameat_with(CWD, stage, CWD, &slot, RenameFlags::NOREPLACE),
            _ => renameat_with(CWD, stage, CWD, &slot, RenameFlags::EXCHANGE),
        };
        match renamed {
            Ok(()) => Ok(()),
            Err(Errno::EXIST | Errno::NOENT) => {
                let why = format!("somebody changed {} while it was switched", slot.display());
                Err(Error::new(ErrorCode::Drifted, why)
                    .hint("find out who writes there, then make a new plan"))
            }
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                self.rename_plainly(from, to).map_err(|error| self.cannot(error))
            }
            Err(errno) => Err(self.cannot(errno.into())),
        }
    }

    /// Where the file system cannot swap: links are replaced, which is one step too; folders cannot be.
    fn rename_plainly(&self, from: &State, to: &State) -> std::io::Result<()> {
        let (slot, stage) = (self.path(), self.stage.as_path());
        match (from, to) {
            (_, State::Absent) => std::fs::rename(slot, stage),
            (State::Absent, _) => std::fs::rename(stage, slot),
            (State::Link(_), State::Link(_)) => {
                let there = std::fs::read_link(&slot)?;
                std::fs::rename(stage, &slot)?;
                std::os::unix::fs::symlink(there, stage)
            }
            _ => Err(std::io::Error::from(std::io::ErrorKind::Unsupported)),
        }
    }

    fn cannot(&self, error: std::io::Error) -> Error {
        Error::io(format!("cannot swap {} and {}", self.stage.display(), self.path().display()), error)
            .hint("a file system that cannot swap folders can replace links: make the slot a symbolic link")
    }

    /// What changes, place by place.
    pub fn changes(&self) -> Vec<Change> {
        let shown = |state: &State, name: &str| match state {
            State::Absent => None,
            state => Some(format!("{name}: {state}").into()),
        };
        let mut changes = vec![Change {
            place: self.slot.as_str().into(),
            from: shown(&self.before, &self.names.0),
            to: shown(&self.after, &self.names.1),
            fidelity: Fidelity::Proven,
        }];
        let names: std::collections::BTreeSet<_> = self.was.keys().chain(self.is.keys()).collect();
        for name in names {
            let digest = |of: &BTreeMap<String, Digest>| of.get(name).map(|digest| digest.short().into());
            let (from, to) = (digest(&self.was), digest(&self.is));
            if from != to {
                let place = format!("{}/{name}", self.slot).into();
                changes.push(Change { place, from, to, fidelity: Fidelity::Proven });
            }
        }
        changes
    }

    /// The switch back, with an image and a stage of its own.
    pub fn reverse(&self, staging: &Staging<'_>) -> Result<SwitchSpec> {
        let path = self.path();
        self.expect(&State::of(&path)?, &self.after)?;
        let stage = stage_path(&self.root, &self.slot, staging.operation);
        let image = match &self.after {
            State::Folder(_) => {
                let image = staging.images.join(&self.slot);
                stage::copy_tree(&path, &image)?;
                Some(image)
            }
            _ => None,
        };
        if let State::Folder(_) = &self.before {
            let own = self.image.as_ref().ok_or_else(|| {
                Error::new(ErrorCode::NotFound, format!("no copy of {} as it was is kept", path.display()))
            })?;
            rebuild(own, &stage, &path)?;
        }
        let reverse = SlotSwitch {
            root: self.root.clone(),
            slot: self.slot.clone(),
            before: self.after.clone(),
            after: self.before.clone(),
            names: (self.names.1.clone(), self.names.0.clone()),
            stage,
            image,
            was: self.is.clone(),
            is: self.was.clone(),
        };
        if let State::Folder(_) = &reverse.after {
            reverse.expect_staged(&reverse.after)?;
        }
        Ok(SwitchSpec::Registry(RegistrySwitch::Slot(reverse)))
    }

    /// Takes away what waits or was displaced, unless it is somebody else's.
    pub fn tidy(&self) -> Result<()> {
        match State::of(&self.stage)? {
            State::Absent => Ok(()),
            found if found != self.before && found != self.after => {
                tracing::warn!("{} holds {found}, which is not ours; it stays", self.stage.display());
                Ok(())
            }
            _ => clear(&self.stage),
        }
    }
}

/// Takes a staged link or folder away.
pub fn clear(stage: &Path) -> Result<()> {
    match State::of(stage)? {
        State::Absent => return Ok(()),
        State::Link(_) => fs_err::remove_file(stage)?,
        State::Folder(_) => fs_err::remove_dir_all(stage)?,
    }
    file::sync_directory(file::parent(stage))
}

/// A folder from its image, owned as what stands in its place.
fn rebuild(image: &Path, stage: &Path, like: &Path) -> Result<()> {
    stage::copy_tree(image, stage)?;
    own_like(stage, like)
}

/// Gives everything in a staged folder the owner and permissions of what stands in its place.
pub fn own_like(staged: &Path, like: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    for entry in fs_err::read_dir(staged)? {
        let entry = entry?;
        let (path, place) = (entry.path(), like.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            own_like(&path, &place)?;
        } else if kind.is_file() && entry.metadata()?.nlink() == 1 && !place.is_symlink() {
            stage::resemble(&path, &place)?;
        }
    }
    if like.is_dir() && !like.is_symlink() {
        stage::resemble(staged, like)?;
    }
    Ok(())
}
