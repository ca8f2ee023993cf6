//! What a target keeps of itself when a snapshot records it as known to be good.

use fs_err::os::unix::fs::OpenOptionsExt as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::Observed;
use crate::base::{Digest, Error, ErrorCode, Result};
use crate::rollback::snapshot::conceal;

/// What the rows are called that a target of a database keeps: those that a rollback would change.
pub const ROWS: &str = "rows.json";

/// One thing that a target keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What it is, unique within its target: a file's name, `rows.json`.
    pub name: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Where its bytes are.
    pub at: KeptAt,
    /// Keys whose values are secrets and were left out of the bytes.
    pub left_out: Vec<String>,
}

/// Where the bytes of something kept are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptAt {
    /// In a file that the target wrote into the folder it was handed; it is moved into the store.
    Written(PathBuf),
    /// In a file that serves and will change; it is copied into the store.
    Live(PathBuf),
    /// In a folder that keeps an earlier version anyway; it is not copied.
    InPlace(PathBuf),
}

impl Kept {
    /// Bytes that the target makes up, written into the folder it was handed, for the owner only.
    pub fn written(into: &Path, name: impl Into<String>, bytes: &[u8]) -> Result<Self> {
        let digest = Digest::of(bytes);
        let path = into.join(digest.hex());
        let cannot = |error| Error::io(format!("cannot write {}", path.display()), error);
        let opened =
            fs_err::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        opened.and_then(|mut file| file.write_all(bytes)).map_err(cannot)?;
        let size = bytes.len() as u64;
        Ok(Self { name: name.into(), digest, size, at: KeptAt::Written(path), left_out: Vec::new() })
    }

    /// What was observed, without the values of secrets.
    pub fn observed(into: &Path, observed: &Observed) -> Result<Self> {
        let (shown, left_out) = conceal::secrets(observed.shown.raw());
        let observed = Observed { digest: observed.digest.clone(), shown: shown.into() };
        Ok(Self { left_out, ..Self::json(into, "observed.json", &observed)? })
    }

    /// A value, as indented JSON.
    pub fn json(into: &Path, name: impl Into<String>, value: &impl serde::Serialize) -> Result<Self> {
        let bytes = serde_json::to_vec_pretty(value)
            .map_err(|error| Error::new(ErrorCode::Bug, format!("something to keep: {error}")))?;
        Self::written(into, name, &bytes)
    }
}
