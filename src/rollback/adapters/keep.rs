//! What an adapter keeps for the way back: JSON files in the folder of this target and this operation, readable by
//! the owner only.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

use super::contract::Request;
use crate::base::{Error, ErrorCode, Result, file};

/// The largest before-image that is read back, in bytes.
const LIMIT: u64 = 1024 * 1024 * 1024;

/// Writes `value` to the file `name` in the folder that is kept; without a folder nothing is written.
pub fn write<T: Serialize>(request: &Request, name: &str, value: &T) -> Result<()> {
    let Some(folder) = &request.keep else { return Ok(()) };
    let bytes = serde_json::to_vec(value)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("a before-image cannot be written: {error}")))?;
    file::write_atomic(&folder.join(name), &bytes, 0o600)
}

/// Reads the file `name` back; `None` where it was never written.
///
/// # Errors
/// `invalid-data` when the file is damaged.
pub fn read<T: DeserializeOwned>(request: &Request, name: &str) -> Result<Option<T>> {
    let Some(folder) = &request.keep else { return Ok(None) };
    let path = folder.join(name);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = file::read_limited(&path, LIMIT)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| damaged(&path, &error))
}

fn damaged(path: &Path, error: &serde_json::Error) -> Error {
    // The text of the error may repeat a piece of the image; its place is enough.
    let place = format!("line {}, column {}", error.line(), error.column());
    Error::new(ErrorCode::InvalidData, format!("the before-image {} is damaged at {place}", path.display()))
        .hint("put back by hand what this operation changed; `irctl rollback history` names it")
}

/// The folder in which the before-image lies.
///
/// # Errors
/// `invalid-data` when the request names none.
pub fn folder(request: &Request) -> Result<&PathBuf> {
    request.keep.as_ref().ok_or_else(|| {
        Error::new(
            ErrorCode::InvalidData,
            "there is no folder to keep the before-image in, so nothing is changed",
        )
        .hint("hand the same `keep` folder to observe, apply and undo")
    })
}
