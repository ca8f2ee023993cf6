//! Moving inside a root without ever leaving it: every name is resolved by the kernel beneath the root, and a symbolic
//! link or a mount on the way is an error, even one that was put there a moment ago.

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::base::{Error, ErrorCode, Result};

/// An open root.
pub struct Place {
    path: PathBuf,
    root: OwnedFd,
}

impl Place {
    /// Opens a root.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| Error::io(format!("cannot open {}", path.display()), error.into()))?;
        Ok(Self { path: path.to_path_buf(), root })
    }

    /// The inode of a name; `None` where there is nothing.
    pub fn inode(&self, name: &str) -> Result<Option<u64>> {
        let (folder, last) = split(name);
        let folder = match self.folder(folder) {
            Ok(folder) => folder,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.failed("look at", name, error)),
        };
        match rustix::fs::statat(&folder, last, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(found.st_ino)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.failed("look at", name, error)),
        }
    }

    /// Makes the folders that a name stands in, readable by the owner only.
    pub fn make_folder_of(&self, name: &str) -> Result<()> {
        let (folder, _) = split(name);
        let mut made = String::new();
        for part in folder.split('/') {
            let parent = self.folder(&made).map_err(|error| self.failed("open", &made, error))?;
            match rustix::fs::mkdirat(&parent, part, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(self.failed("make", folder, error)),
            }
            if !made.is_empty() {
                made.push('/');
            }
            made.push_str(part);
        }
        Ok(())
    }

    /// Renames; something that stands at `to` is never replaced.
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        let ((from_folder, from_name), (to_folder, to_name)) = (split(from), split(to));
        let source = self.folder(from_folder).map_err(|error| self.failed("open", from_folder, error))?;
        let target = self.folder(to_folder).map_err(|error| self.failed("open", to_folder, error))?;
        rustix::fs::renameat_with(&source, from_name, &target, to_name, RenameFlags::NOREPLACE)
            .map_err(|error| self.failed("move", from, error))
    }

    fn folder(&self, name: &str) -> rustix::io::Result<OwnedFd> {
        let name = if name.is_empty() { "." } else { name };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        rustix::fs::openat2(&self.root, name, flags, Mode::empty(), beneath)
    }

    fn failed(&self, what: &str, name: &str, error: Errno) -> Error {
        let path = self.path.join(name);
        let shown = path.display().to_string().escape_debug().to_string();
        match error {
            Errno::LOOP | Errno::XDEV => Error::new(
                ErrorCode::NotPermitted,
                format!("cannot {what} `{shown}`: there is a symbolic link or a mount on the way"),
            ),
            error => Error::io(format!("cannot {what} `{shown}`"), error.into()),
        }
    }
}

/// The folder part, empty for the root itself, and the last name.
fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}
