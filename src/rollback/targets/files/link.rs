//! Pointing a symbolic link that serves at another version's folder, in one step.

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use crate::base::{Error, ErrorCode, Result, fault, file};
use crate::operation::{Observation, StepContext};
use crate::rollback::targets::{Change, Fidelity, Staging, Switch, SwitchSpec};

/// A symbolic link that is pointed elsewhere. The folders themselves stay as they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LinkSwitch {
    /// The link.
    pub live: PathBuf,
    /// What it points to, as it is written in it.
    pub before: PathBuf,
    /// What it is to point to.
    pub after: PathBuf,
    /// The operation, which names the second link that the swap needs.
    pub operation: String,
}

/// What the link at a path says; none where nothing stands or it is no link.
pub fn read_link(path: &Path) -> Option<PathBuf> {
    std::fs::read_link(path).ok()
}

impl LinkSwitch {
    /// The second name, beside the link.
    fn other(&self) -> PathBuf {
        let name = self.live.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        file::parent(&self.live).join(format!(".irctl-link-{name}-{}", self.operation))
    }

    fn clear(path: &Path) -> Result<()> {
        match fs_err::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Swaps the link with one that says `to`, and swaps back if what was there is not `expected`.
    fn point(&self, to: &Path, expected: &Path) -> Result<()> {
        let other = self.other();
        Self::clear(&other)?;
        std::os::unix::fs::symlink(to, &other)
            .map_err(|error| Error::io(format!("cannot make {}", other.display()), error))?;
        let swap = || {
            renameat_with(CWD, &other, CWD, &self.live, RenameFlags::EXCHANGE).map_err(|error| {
                Error::io(format!("cannot replace {}", self.live.display()), std::io::Error::from(error))
            })
        };
        fault::point("link:before-rename");
        swap()?;
        fault::point("link:after-rename");
        file::sync_directory(file::parent(&self.live))?;
        let displaced = read_link(&other);
        if displaced.as_deref() != Some(expected) {
            swap()?;
            file::sync_directory(file::parent(&self.live))?;
            // Only our own link goes away; what somebody else put there is in its place again.
            if read_link(&other).as_deref() == Some(to) {
                Self::clear(&other)?;
            }
            return Err(self.drifted(displaced.as_deref()));
        }
        Self::clear(&other)?;
        fault::point("link:after-clear");
        file::sync_directory(file::parent(&self.live))
    }

    fn drifted(&self, found: Option<&Path>) -> Error {
        Error::new(
            ErrorCode::Drifted,
            format!(
                "{} pointed to {}, was to point to {}, and somebody made it {}",
                self.live.display(),
                self.before.display(),
                self.after.display(),
                shown(found)
            ),
        )
        .hint("it was left as they made it; find out who, then make a new plan")
    }
}

fn shown(link: Option<&Path>) -> String {
    link.map_or("something that is no link".to_owned(), |link| format!("a link to {}", link.display()))
}

impl Switch for LinkSwitch {
    fn id(&self) -> String {
        "link".to_owned()
    }

    fn describe(&self) -> String {
        format!("point {} to {}", self.live.display(), self.after.display())
    }

    fn observe(&self) -> Result<Observation> {
        let found = read_link(&self.live);
        Ok(if found.as_ref() == Some(&self.after) {
            Observation::After
        } else if found.as_ref() == Some(&self.before) {
            Observation::Before(None)
        } else {
            Observation::Other {
                before: shown(Some(&self.before)),
                after: shown(Some(&self.after)),
                found: shown(found.as_deref()),
            }
        })
    }

    fn act(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        if read_link(&self.live).as_ref() == Some(&self.after) {
            return Ok(Some("it was so already".to_owned()));
        }
        self.point(&self.after, &self.before)?;
        Ok(None)
    }

    fn undo(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        if read_link(&self.live).as_ref() == Some(&self.before) {
            return Ok(Some("it was so already".to_owned()));
        }
        self.point(&self.before, &self.after)?;
        Ok(None)
    }

    fn changes(&self) -> Vec<Change> {
        let shown = |path: &Path| Some(path.display().to_string().into());
        let (from, to) = (shown(&self.before), shown(&self.after));
        vec![Change { place: self.live.display().to_string().into(), from, to, fidelity: Fidelity::Proven }]
    }

    fn reverse(&self, staging: &Staging<'_>) -> Result<SwitchSpec> {
        let found = read_link(&self.live);
        if found.as_ref() != Some(&self.after) {
            return Err(self.drifted(found.as_deref()));
        }
        Ok(SwitchSpec::Link(Self {
            live: self.live.clone(),
            before: self.after.clone(),
            after: self.before.clone(),
            operation: staging.operation.to_owned(),
        }))
    }

    fn tidy(&self) -> Result<()> {
        // A crash between swapping and clearing leaves the second link, which says nothing that is not known.
        let other = self.other();
        match read_link(&other) {
            Some(link) if link == self.before || link == self.after => Self::clear(&other),
            _ => Ok(()),
        }
    }
}
