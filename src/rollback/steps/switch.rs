//! Putting one file in place: swapped with what stands there, and swapped back if that is not what was expected.

use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::path::{Path, PathBuf};

use super::SwitchFile;
use crate::base::{Digest, Error, ErrorCode, Result, fault, file, path};
use crate::operation::{Observation, Phase, Step, StepContext};
use crate::rollback::stage;

/// See [`super::StepSpec::SwitchFile`].
pub struct Switch<'a> {
    pub spec: &'a SwitchFile,
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

impl Switch<'_> {
    fn live(&self) -> Result<PathBuf> {
        path::inside(&self.spec.live, Path::new(&self.spec.name))
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

impl Step for Switch<'_> {
    fn id(&self) -> String {
        format!("switch:{}", self.spec.name)
    }

    fn describe(&self) -> String {
        match self.spec.after {
            Some(_) => format!("put {} in place", self.spec.name),
            None => format!("take {} away", self.spec.name),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Switch
    }

    fn observe(&self) -> Result<Observation> {
        let found = digest_at(&self.live()?)?;
        Ok(if found == self.spec.after {
            Observation::After
        } else if found == self.spec.before {
            Observation::Before(found)
        } else {
            Observation::Other {
                before: show(self.spec.before.as_ref()),
                after: show(self.spec.after.as_ref()),
                found: show(found.as_ref()),
            }
        })
    }

    fn act(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        let incoming = self.spec.stage.join(&self.spec.name);
        if let Some(after) = &self.spec.after
            && digest_at(&incoming)?.as_ref() != Some(after)
        {
            return Err(Error::new(
                ErrorCode::Drifted,
                format!("the staged {} is not what was staged", incoming.display()),
            ));
        }
        self.swap(&incoming, self.spec.after.is_some(), self.spec.before.as_ref())?;
        let digests = (show(self.spec.before.as_ref()), show(self.spec.after.as_ref()));
        Ok(Some(format!("{} → {}", digests.0, digests.1)))
    }

    fn undo(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        let found = digest_at(&self.live()?)?;
        if found == self.spec.before {
            return Ok(Some("it was so already".to_owned()));
        }
        if found != self.spec.after {
            return Err(Error::new(
                ErrorCode::Drifted,
                format!(
                    "{} is neither what was there ({}) nor what was put there ({}) but {}",
                    self.spec.name,
                    show(self.spec.before.as_ref()),
                    show(self.spec.after.as_ref()),
                    show(found.as_ref())
                ),
            )
            .hint(format!("what was there is kept in {}", self.spec.image.display())));
        }
        let incoming = self.spec.stage.join(format!("undo-{}", self.spec.name.replace('/', "-")));
        fs_err::create_dir_all(&self.spec.stage)?;
        let _ = fs_err::remove_file(&incoming);
        if self.spec.before.is_some() {
            stage::copy_file(&self.spec.image, &incoming)?;
            let like = self.spec.stage.join(&self.spec.name);
            let like = if like.exists() { like } else { self.live()? };
            fs_err::set_permissions(&incoming, fs_err::metadata(like)?.permissions())?;
        }
        self.swap(&incoming, self.spec.before.is_some(), self.spec.after.as_ref())?;
        Ok(None)
    }
}
