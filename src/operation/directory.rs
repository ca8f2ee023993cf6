//! The directory of one operation: `plan.json`, `journal.jsonl`, `before/`.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use super::journal::{self, Journal};
use super::record::Record;
use crate::base::digest::Digest;
use crate::base::{Error, ErrorCode, Result, fault, file, identity, path};
use crate::store::Actor;

/// The format of `plan.json` that this irctl writes.
const FORMAT: u32 = 1;

/// The largest pinned plan that is read.
const LIMIT: u64 = 32 * 1024 * 1024;

/// What an operation started with. Resuming reads this and never the workspace.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Pinned {
    /// The format of this file.
    pub format: u32,
    /// The operation.
    pub id: String,
    /// What kind: `rollback`, `undo`, `contain`, `release`.
    pub kind: String,
    /// The service.
    pub service: String,
    /// When it was planned (UTC).
    pub created_at: DateTime<Utc>,
    /// Who asked for it.
    pub actor: Actor,
    /// The incident it answers.
    pub incident: Option<String>,
    /// Why, in the words of who asked.
    pub reason: Option<String>,
    /// The host that can resume it.
    pub host: String,
    /// What is claimed: the files beside what is protected.
    pub claims: Vec<PathBuf>,
    /// The plan that was shown.
    pub plan: serde_json::Value,
    /// The steps, in order; their shape belongs to the room that made them.
    pub steps: Vec<serde_json::Value>,
    /// The configuration it started with.
    pub configuration: serde_json::Value,
}

impl Pinned {
    /// The version of the format.
    pub const fn format() -> u32 {
        FORMAT
    }
}

/// The directory of one operation.
#[derive(Debug, Clone)]
pub struct Directory {
    /// Its path.
    pub path: PathBuf,
    /// The operation's identifier.
    pub id: String,
}

impl Directory {
    /// Makes the directory of a new operation; its identifier is nobody else's.
    pub fn create(state: &Path, now: DateTime<Utc>) -> Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        let operations = root(state);
        make(&operations)?;
        let base = identity::stamped("OP", now);
        for suffix in 1..10_000_u32 {
            let id = if suffix == 1 { base.clone() } else { format!("{base}-{suffix}") };
            let path = operations.join(&id);
            match fs_err::create_dir(&path) {
                Ok(()) => {
                    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o700))?;
                    file::sync_directory(&operations)?;
                    return Ok(Self { path, id });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(cannot(&path, error)),
            }
        }
        Err(Error::new(ErrorCode::StateDirectory, format!("{} is full", operations.display())))
    }

    /// The directory of an operation that exists.
    pub fn open(state: &Path, id: &str) -> Result<Self> {
        let path = root(state).join(path::single_name(id)?);
        if path.is_dir() {
            return Ok(Self { path, id: id.to_owned() });
        }
        Err(Error::new(ErrorCode::NotFound, format!("there is no operation {id}"))
            .hint("`irctl rollback history` lists them"))
    }

    /// Where before-images stand; made when asked for, for the owner only.
    pub fn before(&self) -> Result<PathBuf> {
        use std::os::unix::fs::PermissionsExt as _;
        let before = self.path.join("before");
        if !before.is_dir() {
            fs_err::create_dir(&before)?;
            fs_err::set_permissions(&before, std::fs::Permissions::from_mode(0o700))?;
            file::sync_directory(&self.path)?;
        }
        Ok(before)
    }

    /// Writes the pinned plan, forces it to disk, and starts the journal.
    pub fn pin(&self, pinned: &Pinned) -> Result<Journal> {
        let bytes = serde_json::to_vec_pretty(pinned)
            .map_err(|error| Error::new(ErrorCode::Bug, format!("a plan: {error}")))?;
        fault::point("plan:before-write");
        file::write_atomic(&self.path.join("plan.json"), &bytes, 0o600)?;
        fault::point("plan:after-write");
        Journal::create(&self.journal_path(), &Digest::of(&bytes))
    }

    /// The pinned plan and its digest; none if the operation ended before it had one.
    pub fn pinned(&self) -> Result<Option<(Pinned, Digest)>> {
        let path = self.path.join("plan.json");
        if !path.exists() {
            return Ok(None);
        }
        let bytes = file::read_limited(&path, LIMIT)?;
        let wrong = |why: String| {
            Error::new(ErrorCode::InvalidData, format!("{} cannot be read: {why}", path.display()))
        };
        let head: Format = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if head.format > FORMAT {
            return Err(Error::new(
                ErrorCode::StoreTooNew,
                format!("operation {} was begun by a newer irctl (format {})", self.id, head.format),
            )
            .hint("resume it with that irctl"));
        }
        let pinned = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        Ok(Some((pinned, Digest::of(&bytes))))
    }

    /// The journal so far.
    pub fn records(&self, plan: &Digest) -> Result<Vec<Record>> {
        if !self.journal_path().exists() {
            return Ok(Vec::new());
        }
        journal::read(&self.journal_path(), plan)
    }

    /// Opens the journal to go on with it.
    pub fn reopen(&self, plan: &Digest) -> Result<(Journal, Vec<Record>)> {
        if !self.journal_path().exists() {
            return Ok((Journal::create(&self.journal_path(), plan)?, Vec::new()));
        }
        Journal::reopen(&self.journal_path(), plan)
    }

    /// Takes an operation away that never had a plan.
    pub fn discard(&self) -> Result<()> {
        fs_err::remove_dir_all(&self.path).map_err(Error::from)
    }

    fn journal_path(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Where operations stand.
pub fn root(state: &Path) -> PathBuf {
    state.join("operations")
}

/// Makes a folder of the state, and the state directory with it: for the owner only, as the event store wants it.
pub fn make(folder: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| cannot(folder, error))
}

fn cannot(path: &Path, error: std::io::Error) -> Error {
    Error::io(format!("cannot make {}", path.display()), error)
        .hint("an operation needs a state directory it can write to; nothing was changed")
}
