//! Before-images: whole objects, and pod templates, in the folder that staging gives, readable by the owner only.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

use super::objects;
use crate::base::untrusted::{Sink, escape};
use crate::base::{Digest, Error, ErrorCode, Result, file};

/// The largest object that a cluster keeps is far below that.
const LIMIT: u64 = 16 * 1024 * 1024;

/// A kept piece of JSON, or one that is yet to be kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// The file; none as long as the value is only held.
    pub path: PathBuf,
    /// The digest of the value.
    pub digest: Digest,
    /// The value, as long as it is not in a file.
    #[serde(skip)]
    held: Option<Value>,
}

impl Image {
    /// Holds a value in memory.
    pub fn held(value: Value) -> Self {
        Self { path: PathBuf::new(), digest: objects::digest(&value), held: Some(value) }
    }

    /// Keeps a value as `NAME.json` in a folder.
    pub fn keep(folder: &Path, name: &str, value: &Value) -> Result<Self> {
        let path = folder.join(format!("{name}.json"));
        let text = serde_json::to_vec_pretty(value)
            .map_err(|error| Error::new(ErrorCode::Bug, format!("a before-image: {error}")))?;
        file::write_atomic(&path, &text, 0o600)?;
        Ok(Self { path, digest: objects::digest(value), held: None })
    }

    /// Reads it again.
    ///
    /// # Errors
    /// It is not what was kept.
    pub fn read(&self) -> Result<Value> {
        if let Some(value) = &self.held {
            return Ok(value.clone());
        }
        let bytes = file::read_limited(&self.path, LIMIT)?;
        let value: Option<Value> = serde_json::from_slice(&bytes).ok();
        value.filter(|value| objects::digest(value) == self.digest).ok_or_else(|| {
            let text = format!("the before-image {} is not what was kept", self.path.display());
            Error::new(ErrorCode::ChainBroken, escape(&text, Sink::Terminal))
                .hint("somebody changed it; put it back from a backup, or switch by hand")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_was_changed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let image = Image::keep(folder.path(), "service-s", &serde_json::json!({"a": 1})).unwrap();
        assert_eq!(image.read().unwrap(), serde_json::json!({"a": 1}));
        fs_err::write(&image.path, "{\"a\": 2}").unwrap();
        assert_eq!(image.read().unwrap_err().code, ErrorCode::ChainBroken);
    }
}
