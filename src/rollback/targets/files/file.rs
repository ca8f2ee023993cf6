//! Putting one file in place: swapped with what stands there, and swapped back if that is not what was expected.

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use crate::base::{Digest, Error, ErrorCode, Result, fault, file, path};
use crate::operation::{Observation, StepContext};
use crate::rollback::config::SwitchMode;
use crate::rollback::stage;
use crate::rollback::targets::{Change, Fidelity, Staging, Switch, SwitchSpec};

/// One file that is put in place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FileSwitch {
    /// The folder that serves.
    pub live: PathBuf,
    /// The file's name in it.
    pub name: String,
    /// The staging folder.
    pub stage: PathBuf,
    /// What stands there; absent where nothing does.
    pub before: Option<Digest>,
    /// What comes there; absent where nothing is to stand there.
    pub after: Option<Digest>,
    /// The before-image.
    pub image: PathBuf,
}

/// The digest of the file at a path; none where there is none.
pub fn digest_at(path: &Path) -> Result<Option<Digest>> {
    match Digest::of_file(path) {
        Ok((digest, _)) => Ok(Some(digest)),
        Err(error) if error.code == ErrorCode::NotFound => Ok(None),
        Err(error) if path.symlink_metadata().is_err() => {
            let _ = error;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A digest for people.
pub fn show(digest: Option<&Digest>) -> String {
    digest.map_or("nothing".to_owned(), |digest| digest.short().to_owned())
}

impl FileSwitch {
    fn live(&self) -> Result<PathBuf> {
        path::inside(&self.live, Path::new(&self.name))
    }

    fn drifted(&self, found: Option<&Digest>) -> Error {
        Error::new(
            ErrorCode::Drifted,
            format!(
                "{} is neither what was there ({}) nor what was put there ({}) but {}",
                self.name,
                show(self.before.as_ref()),
                show(self.after.as_ref()),
                show(found)
            ),
        )
        .hint(format!("what was there is kept in {}", self.image.display()))
    }

    /// Makes `incoming` (or nothing) stand at the live path, if what stands there is `expected`.
    ///
    /// The kernel swaps the two names in one step, so what was displaced can be looked at afterwards: a third
    /// party's write between our look and the swap is noticed, put back, and nothing of it is lost.
    fn swap(&self, incoming: &Path, comes: bool, expected: Option<&Digest>) -> Result<()> {
        let live = self.live()?;
        fault::point("switch:before-rename");
        let flags = if comes && expected.is_some() { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
        let (from, to) = if comes { (incoming, live.as_path()) } else { (live.as_path(), incoming) };
        rename(from, to, flags)?;
        fault::point("switch:after-rename");
        file::sync_directory(file::parent(&live))?;
        file::sync_directory(file::parent(incoming))?;
        fault::point("switch:after-fsync");
        let Some(expected) = expected else { return Ok(()) };
        let displaced = digest_at(incoming)?;
        if displaced.as_ref() == Some(expected) {
            return Ok(());
        }
        rename(to, from, flags)?;
        file::sync_directory(file::parent(&live))?;
        Err(Error::new(
            ErrorCode::Drifted,
            format!(
                "somebody wrote {} while it was switched: expected {}, found {}; it was left as they wrote it",
                live.display(),
                expected.short(),
                show(displaced.as_ref())
            ),
        )
        .hint("find out who writes there, then make a new plan"))
    }
}

/// One rename, with `flags` where the file system knows them.
fn rename(from: &Path, to: &Path, flags: RenameFlags) -> Result<()> {
    match renameat_with(CWD, from, CWD, to, flags) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            plain_rename(from, to, flags)
        }
        Err(error) => Err(Error::io(
            format!("cannot rename {} to {}", from.display(), to.display()),
            std::io::Error::from(error),
        )),
    }
}

/// Where the file system cannot swap: what stands there is parked under a second name first, then replaced.
fn plain_rename(from: &Path, to: &Path, flags: RenameFlags) -> Result<()> {
    if flags.contains(RenameFlags::EXCHANGE) {
        let parked = from.with_extension("irctl-parked");
        let _ = fs_err::remove_file(&parked);
        fs_err::hard_link(to, &parked)?;
        fs_err::rename(from, to)?;
        fs_err::rename(&parked, from)?;
    } else {
        fs_err::rename(from, to)?;
    }
    Ok(())
}

impl Switch for FileSwitch {
    fn id(&self) -> String {
        self.name.clone()
    }

    fn describe(&self) -> String {
        match self.after {
            Some(_) => format!("put {} in place", self.name),
            None => format!("take {} away", self.name),
        }
    }

    fn observe(&self) -> Result<Observation> {
        let found = digest_at(&self.live()?)?;
        Ok(if found == self.after {
            Observation::After
        } else if found == self.before {
            Observation::Before(found)
        } else {
            Observation::Other {
                before: show(self.before.as_ref()),
                after: show(self.after.as_ref()),
                found: show(found.as_ref()),
            }
        })
    }

    fn act(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        let incoming = self.stage.join(&self.name);
        if let Some(after) = &self.after
            && digest_at(&incoming)?.as_ref() != Some(after)
        {
            return Err(Error::new(
                ErrorCode::Drifted,
                format!("the staged {} is not what was staged", incoming.display()),
            ));
        }
        self.swap(&incoming, self.after.is_some(), self.before.as_ref())?;
        let digests = (show(self.before.as_ref()), show(self.after.as_ref()));
        Ok(Some(format!("{} → {}", digests.0, digests.1)))
    }

    fn undo(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        let found = digest_at(&self.live()?)?;
        if found == self.before {
            return Ok(Some("it was so already".to_owned()));
        }
        if found != self.after {
            return Err(self.drifted(found.as_ref()));
        }
        let incoming = self.stage.join(format!("undo-{}", self.name.replace('/', "-")));
        fs_err::create_dir_all(&self.stage)?;
        let _ = fs_err::remove_file(&incoming);
        if self.before.is_some() {
            stage::copy_file(&self.image, &incoming)?;
            let like = self.stage.join(&self.name);
            let like = if like.exists() { like } else { self.live()? };
            fs_err::set_permissions(&incoming, fs_err::metadata(like)?.permissions())?;
        }
        self.swap(&incoming, self.before.is_some(), self.after.as_ref())?;
        Ok(None)
    }

    fn changes(&self) -> Vec<Change> {
        let shown = |digest: &Option<Digest>| digest.as_ref().map(|digest| digest.short().into());
        let (from, to) = (shown(&self.before), shown(&self.after));
        vec![Change { place: self.name.as_str().into(), from, to, fidelity: Fidelity::Proven }]
    }

    fn reverse(&self, staging: &Staging<'_>) -> Result<SwitchSpec> {
        let found = digest_at(&self.live()?)?;
        if found != self.after {
            return Err(self.drifted(found.as_ref()));
        }
        let stage = stage::folder(&self.live, SwitchMode::PerFile, staging.operation);
        if let Some(before) = &self.before {
            let target = stage.join(&self.name);
            fs_err::create_dir_all(file::parent(&target))?;
            if stage::copy_file(&self.image, &target)? != *before {
                return Err(Error::new(
                    ErrorCode::Drifted,
                    format!("{} is not what was kept there", self.image.display()),
                )
                .hint("what stood there before cannot be put back from it; take a version by name"));
            }
            stage::resemble(&target, &self.live()?)?;
            file::sync_directory(&stage)?;
        }
        Ok(SwitchSpec::File(Self {
            live: self.live.clone(),
            name: self.name.clone(),
            stage,
            before: self.after.clone(),
            after: self.before.clone(),
            image: staging.images.join(&self.name),
        }))
    }
}
