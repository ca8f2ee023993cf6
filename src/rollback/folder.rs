//! The folder of a version, of which little is asked often: what is asked of a file costs one call, and the folder is
//! opened only when its names are wanted.

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, Stat, fstat, openat, statat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::digests::Identity;
use crate::base::{Error, ErrorCode, Result, path};

/// Names are read this many bytes at a time.
const NAMES: usize = 32 * 1024;

/// What stands at a name: a plain file, or why there is none.
pub type Looked = std::result::Result<Identity, NoFile>;

/// Why no plain file stands at a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoFile {
    /// Nothing does.
    Missing,
    /// Something else does, or something that must not be used.
    Unfit(String),
}

impl NoFile {
    /// What is wrong with a version whose artifact this is.
    pub fn of_artifact(&self, name: &str) -> String {
        match self {
            NoFile::Missing => format!("missing artifact {name}"),
            NoFile::Unfit(why) => why.clone(),
        }
    }
}

/// An open folder from which others are named, so that no path is walked twice.
pub struct Base {
    fd: OwnedFd,
}

impl Base {
    /// Opens a folder, links in its path followed; none where there is none.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat(CWD, path, flags, Mode::empty()) {
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(cannot(path, errno)),
            Ok(fd) => Ok(Some(Self { fd })),
        }
    }

    /// What stands at a path below, the last name not followed; none where nothing does.
    pub fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        match statat(&self.fd, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(cannot(path, errno)),
        }
    }
}

/// The folder of a version: the open one itself, or one below it.
pub struct Folder<'a> {
    /// Its path.
    pub path: &'a Path,
    base: BorrowedFd<'a>,
    /// Its path from the open folder; `.` for that itself.
    own: &'a OsStr,
    /// What it is known by, where it was looked at before.
    seen: Option<Identity>,
}

impl<'a> Folder<'a> {
    /// The open folder itself.
    pub fn itself(path: &'a Path, base: &'a Base) -> Self {
        Self::below(path, base, OsStr::new("."))
    }

    /// A folder that stands in or below the open one, by its path from there.
    pub fn below(path: &'a Path, base: &'a Base, own: &'a OsStr) -> Self {
        Self { path, base: base.fd.as_fd(), own, seen: None }
    }

    /// The same, which was looked at just now.
    pub fn seen(self, seen: Option<Identity>) -> Self {
        Self { seen, ..self }
    }

    /// What stands where the folder is said to be, no link followed.
    pub fn identity(&self) -> Result<Option<Identity>> {
        if self.seen.is_some() {
            return Ok(self.seen);
        }
        match statat(self.base, self.own, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Identity::of_stat(&stat))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(cannot(self.path, errno)),
        }
    }

    /// The names in it and what it was known by before they were read; none where there is no folder.
    pub fn names(&self) -> Result<Option<(Identity, Vec<String>)>> {
        let failed = |errno: Errno| cannot(self.path, errno);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = match openat(self.base, self.own, flags, Mode::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            fd => fd.map_err(failed)?,
        };
        // Of the folder that was opened: another one may have taken its place since it was looked at.
        let identity = Identity::of_stat(&fstat(&fd).map_err(failed)?);
        let mut names = Vec::new();
        let mut buffer = [std::mem::MaybeUninit::uninit(); NAMES];
        let mut entries = RawDir::new(&fd, &mut buffer);
        while let Some(entry) = entries.next() {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(Some((identity, names)))
    }

    /// What stands at a name, no link followed; a path of several names must not leave the folder.
    pub fn look(&self, name: &str) -> Result<Looked> {
        if name.contains('/')
            && let Err(error) = path::inside(self.path, Path::new(name))
        {
            let outside = error.code == ErrorCode::OutsideRoot;
            return if outside { Ok(Err(NoFile::Unfit(error.message))) } else { Err(error) };
        }
        match statat(self.base, self.below_base(name), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                Ok(Ok(Identity::of_stat(&stat)))
            }
            Ok(_) => Ok(Err(NoFile::Unfit(format!("{name} is not a plain file")))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(Err(NoFile::Missing)),
            Err(errno) => Err(cannot(&self.path.join(name), errno)),
        }
    }

    /// The bytes of a plain file that was looked at; none where it is another one by now, changes, or is longer than
    /// `limit`.
    pub fn bytes(&self, name: &str, looked: &Identity, limit: u64) -> Option<Vec<u8>> {
        use std::os::unix::fs::FileExt as _;
        let size = usize::try_from(looked.size()).ok().filter(|_| looked.size() <= limit)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let open = openat(self.base, self.below_base(name), flags, Mode::empty()).ok()?;
        if Identity::of_stat(&fstat(&open).ok()?) != *looked {
            return None;
        }
        let mut bytes = vec![0; size + 1];
        let read = std::fs::File::from(open).read_at(&mut bytes, 0).ok()?;
        bytes.truncate(size);
        (read == size).then_some(bytes)
    }

    fn below_base(&self, name: &str) -> Vec<u8> {
        let mut whole = Vec::with_capacity(self.own.len() + 1 + name.len());
        whole.extend_from_slice(self.own.as_bytes());
        whole.push(b'/');
        whole.extend_from_slice(name.as_bytes());
        whole
    }
}

fn cannot(path: &Path, errno: Errno) -> Error {
    Error::io(format!("cannot read {}", path.display()), errno.into())
}
