//! Git's own locks: ours while we switch, and those that a dead git left behind.
//!
//! Whoever holds `index.lock` keeps every other git from adding, committing and switching in that work tree. A git that
//! is killed leaves it behind, and nothing works until somebody takes it away.

use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::repository::Repository;
use crate::base::host::{self, Liveness, ProcessIdentity};
use crate::base::{Error, ErrorCode, Result, file};

/// How long another git may hold a lock before it is reported: most hold it for milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// What stands in our `index.lock`.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    irctl: String,
    process: ProcessIdentity,
}

/// `index.lock`, held until it is dropped.
#[derive(Debug)]
pub struct IndexLock {
    path: PathBuf,
    held: bool,
    /// Where a lock that a dead git had left was moved to.
    pub moved_aside: Option<PathBuf>,
}

impl Drop for IndexLock {
    fn drop(&mut self) {
        if self.held {
            let _ = fs_err::remove_file(&self.path);
        }
    }
}

impl IndexLock {
    /// Takes it for an operation; what an earlier process of the same operation held is taken over.
    ///
    /// # Errors
    /// `busy` while another process holds it.
    pub fn take(repository: &Repository, tag: &str) -> Result<Self> {
        let path = repository.git_dir.join("index.lock");
        let mut lock = Self { path, held: false, moved_aside: None };
        let deadline = Instant::now() + PATIENCE;
        loop {
            if lock.create(tag)? {
                return Ok(lock);
            }
            let error = match owner(repository, &lock.path, tag)? {
                Owner::Gone => continue,
                Owner::Ours => {
                    lock.held = true;
                    lock.write(tag)?;
                    return Ok(lock);
                }
                Owner::Dead => {
                    lock.moved_aside = Some(move_aside(repository, &lock.path, tag)?);
                    continue;
                }
                Owner::Alive(why) => why,
            };
            if Instant::now() > deadline {
                return Err(Error::new(ErrorCode::Busy, format!("{} is held: {error}", lock.path.display()))
                    .hint("wait until it is done, then try again"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn create(&mut self, tag: &str) -> Result<bool> {
        let opened = std::fs::OpenOptions::new().write(true).create_new(true).open(&self.path);
        match opened {
            Ok(_) => {
                self.held = true;
                self.write(tag).map(|()| true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(Error::io(format!("cannot lock {}", self.path.display()), error)
                .hint("whoever rolls back must be able to write in the repository")),
        }
    }

    fn write(&self, tag: &str) -> Result<()> {
        let holder = Holder { irctl: tag.to_owned(), process: host::current() };
        let bytes = serde_json::to_vec(&holder)
            .map_err(|error| Error::new(ErrorCode::Bug, format!("a lock: {error}")))?;
        let failed = |error| Error::io(format!("cannot write {}", self.path.display()), error);
        let mut file =
            std::fs::OpenOptions::new().write(true).truncate(true).open(&self.path).map_err(failed)?;
        file.write_all(&bytes).map_err(failed)
    }
}

/// Who holds a lock.
enum Owner {
    /// Nobody any more.
    Gone,
    /// An earlier process of the same operation.
    Ours,
    /// A process that is gone.
    Dead,
    /// A process that lives, or may live.
    Alive(String),
}

fn owner(repository: &Repository, path: &Path, tag: &str) -> Result<Owner> {
    let bytes = match file::read_limited(path, 64 * 1024 * 1024) {
        Ok(bytes) => bytes,
        Err(error) if error.code == ErrorCode::NotFound => return Ok(Owner::Gone),
        Err(error) => return Err(error),
    };
    match serde_json::from_slice::<Holder>(&bytes) {
        Ok(holder) => Ok(match ours(&holder, tag) {
            // A git that the dead one had started may still be writing.
            Owner::Ours => living_git(repository, path).map_or(Owner::Ours, Owner::Alive),
            owner => owner,
        }),
        Err(_) => Ok(match living_git(repository, path) {
            Some(why) => Owner::Alive(why),
            None => Owner::Dead,
        }),
    }
}

fn ours(holder: &Holder, tag: &str) -> Owner {
    let me = host::current();
    let lives = holder.process != me && holder.process.liveness() != Liveness::Dead;
    match (holder.irctl == tag, lives) {
        (_, true) => Owner::Alive(format!(
            "irctl works on {} (process {} on {})",
            holder.irctl, holder.process.pid, holder.process.host
        )),
        (true, false) => Owner::Ours,
        // Half-way through another operation: only that one knows what is in place.
        (false, false) => {
            Owner::Alive(format!("{} stopped half-way; resume or abort it first", holder.irctl))
        }
    }
}

/// A process that may hold a lock of git in this repository: one that has it open, or a git that works here or that
/// cannot be looked at.
pub fn living_git(repository: &Repository, lock: &Path) -> Option<String> {
    let Ok(processes) = fs_err::read_dir("/proc") else {
        return Some("whether a git runs here cannot be seen on this machine".to_owned());
    };
    let me = std::process::id().to_string();
    for process in processes.filter_map(std::result::Result::ok) {
        let name = process.file_name().to_string_lossy().into_owned();
        if name == me || !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let folder = process.path();
        let command = std::fs::read_to_string(folder.join("comm")).unwrap_or_default();
        let command = command.trim();
        if has_open(&folder, lock) || (command.starts_with("git") && works_here(repository, &folder)) {
            return Some(format!("process {name} ({}) works here", command.escape_debug()));
        }
    }
    None
}

fn has_open(process: &Path, lock: &Path) -> bool {
    let Ok(descriptors) = std::fs::read_dir(process.join("fd")) else { return false };
    descriptors
        .filter_map(std::result::Result::ok)
        .any(|descriptor| std::fs::read_link(descriptor.path()).is_ok_and(|target| target == lock))
}

fn works_here(repository: &Repository, process: &Path) -> bool {
    match std::fs::read_link(process.join("cwd")) {
        Ok(folder) => [&repository.top, &repository.git_dir, &repository.common_dir]
            .into_iter()
            .any(|root| folder.starts_with(root)),
        // Gone meanwhile, or another user's: then it may work here.
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// Takes a lock that a dead git left out of the way; it is kept, not deleted.
pub fn move_aside(repository: &Repository, lock: &Path, tag: &str) -> Result<PathBuf> {
    let folder = folder(repository)?;
    let name = lock.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // Not `TAG.index.lock`: git would take that for the lock of our own `TAG.index`.
    let aside = folder.join(format!("left-behind.{tag}.{name}"));
    match fs_err::rename(lock, &aside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(aside),
    }
}

/// The folder in the git directory where irctl keeps what it needs while it switches.
pub fn folder(repository: &Repository) -> Result<PathBuf> {
    let folder = repository.git_dir.join("irctl");
    fs_err::create_dir_all(&folder)?;
    Ok(folder)
}

/// Says that a switch has begun and has not ended: what is in place may be anything between before and after.
#[derive(Debug)]
pub struct Marker {
    path: PathBuf,
}

impl Marker {
    /// The marker of a switch.
    pub fn of(repository: &Repository, tag: &str) -> Self {
        Self { path: repository.git_dir.join("irctl").join(format!("{tag}.switching")) }
    }

    /// Whether it stands.
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Sets it.
    pub fn set(&self, repository: &Repository) -> Result<()> {
        folder(repository)?;
        file::write_atomic(&self.path, b"", 0o600)
    }

    /// Takes it away.
    pub fn clear(&self) -> Result<()> {
        match fs_err::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        file::sync_directory(file::parent(&self.path))
    }

    /// The switches of this work tree that have begun and not ended.
    pub fn standing(repository: &Repository) -> Vec<String> {
        let Ok(entries) = fs_err::read_dir(repository.git_dir.join("irctl")) else { return Vec::new() };
        let names = entries.filter_map(std::result::Result::ok);
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter_map(|name| name.strip_suffix(".switching").map(str::to_owned)).collect()
    }
}
