//! An open folder of a version, of which little is asked often.

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, Stat, openat, statat};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::Path;

use crate::base::{Error, ErrorCode, Result, path};

/// Files up to this many bytes are read with one call.
const SMALL: usize = 64 * 1024;

/// An open folder and the names in it: what is asked of its files costs one call each.
pub struct Folder<'a> {
    /// Its path.
    pub path: &'a Path,
    fd: OwnedFd,
    /// The names in it.
    pub names: Vec<String>,
}

impl<'a> Folder<'a> {
    /// Opens a folder; none where there is none.
    pub fn open(path: &'a Path) -> Result<Option<Self>> {
        let failed = |errno: Errno| Error::io(format!("cannot read {}", path.display()), errno.into());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = match openat(CWD, path, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            fd => fd.map_err(failed)?,
        };
        let mut names = Vec::new();
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut entries = RawDir::new(&fd, &mut buffer);
        while let Some(entry) = entries.next() {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(Some(Self { path, fd, names }))
    }

    /// What stands at a name, no link followed; a path of several names must not leave the folder.
    pub fn stat(&self, name: &str) -> Result<std::result::Result<Stat, String>> {
        let plain = !name.contains('/');
        if plain && !self.names.iter().any(|there| there == name) {
            return Ok(Err(format!("missing artifact {name}")));
        }
        if !plain && let Err(error) = path::inside(self.path, Path::new(name)) {
            return if error.code == ErrorCode::OutsideRoot { Ok(Err(error.message)) } else { Err(error) };
        }
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => Ok(Ok(stat)),
            Ok(_) => Ok(Err(format!("{name} is not a plain file"))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(Err(format!("missing artifact {name}"))),
            Err(errno) => {
                Err(Error::io(format!("cannot read {}", self.path.join(name).display()), errno.into()))
            }
        }
    }
}

impl Folder<'_> {
    /// The bytes of a small plain file that stands in the folder itself, which cannot lead out of it; none where it is
    /// not so simple.
    pub fn small(&self, name: &str) -> Result<Option<Vec<u8>>> {
        use std::os::unix::fs::FileExt as _;
        let size = match self.stat(name)? {
            Ok(stat) if !name.contains('/') => usize::try_from(stat.st_size).unwrap_or(usize::MAX),
            _ => return Ok(None),
        };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        if size > SMALL {
            return Ok(None);
        }
        let Ok(open) = openat(&self.fd, name, flags, Mode::empty()) else { return Ok(None) };
        let mut bytes = vec![0; size + 1];
        // Fewer or more bytes than it had just now: it is read again, with patience.
        let read = std::fs::File::from(open).read_at(&mut bytes, 0).ok();
        bytes.truncate(size);
        Ok((read == Some(size)).then_some(bytes))
    }
}
