//! What is recorded of a version beside its files, read when it is asked for.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folders::Said;
use crate::base::{Error, ErrorCode, Result, clock, file, path};

/// The largest metadata file that is read.
pub(super) const LIMIT: u64 = 4 * 1024 * 1024;

/// What is recorded of a version: nothing, known, or still in its file. There is no way to it but [`Metadata::read`],
/// and what is stored or pinned is what was read.
#[derive(Debug, Clone, Default)]
pub struct Metadata(Place);

#[derive(Debug, Clone, Default)]
enum Place {
    #[default]
    Nowhere,
    Here(Arc<Value>),
    In {
        folder: PathBuf,
        name: String,
    },
}

impl Metadata {
    /// What stands in a file of the version's folder, not read yet.
    pub fn in_file(folder: &Path, name: &str) -> Self {
        Self(Place::In { folder: folder.to_path_buf(), name: name.to_owned() })
    }

    /// What is recorded; `None` where nothing is.
    ///
    /// # Errors
    /// Its file stood there when the version was listed, and cannot be read now.
    pub fn read(&self) -> Result<Option<Arc<Value>>> {
        match &self.0 {
            Place::Nowhere => Ok(None),
            Place::Here(value) => Ok(Some(Arc::clone(value))),
            Place::In { folder, name } => {
                let path = path::inside(folder, Path::new(name))?;
                parse(&file::read_limited(&path, LIMIT)?, &path).map(|value| Some(Arc::new(value)))
            }
        }
    }

    /// The same, read once and for all: for the version that is gone back to, whose folder may be switched.
    ///
    /// # Errors
    /// As [`Metadata::read`].
    pub fn held(&self) -> Result<Self> {
        Ok(self.read()?.map_or_else(Self::default, |value| Self(Place::Here(value))))
    }
}

impl From<Value> for Metadata {
    fn from(value: Value) -> Self {
        Self(Place::Here(Arc::new(value)))
    }
}

impl From<Arc<Value>> for Metadata {
    fn from(value: Arc<Value>) -> Self {
        Self(Place::Here(value))
    }
}

/// The JSON of a metadata file.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::new(ErrorCode::InvalidData, format!("{} is not JSON: {error}", path.display()))
    })
}

impl Said {
    /// What metadata says of its version.
    pub fn of(metadata: &Value) -> Self {
        let text = |key: &str| metadata.get(key).and_then(Value::as_str);
        Self {
            label: text("version").map(str::to_owned),
            deployed_at: text("deployed_at").and_then(|at| clock::parse_instant(at).ok()),
        }
    }
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let value = self.read().map_err(|error| serde::ser::Error::custom(error.message))?;
        value.as_deref().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Ok(Option::<Value>::deserialize(deserializer)?.map_or_else(Self::default, Self::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_stored_is_what_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let unread = Metadata::in_file(folder.path(), "metadata.json");
        assert!(unread.read().is_err());
        assert!(serde_json::to_value(&unread).is_err(), "nothing is stored of what cannot be read");
        fs_err::write(folder.path().join("metadata.json"), r#"{"version": "1"}"#).unwrap();
        let held = unread.held().unwrap();
        assert_eq!(serde_json::to_value(&unread).unwrap(), json!({"version": "1"}));
        fs_err::remove_file(folder.path().join("metadata.json")).unwrap();
        assert_eq!(held.read().unwrap().unwrap()["version"], "1");
        let back: Metadata = serde_json::from_str(&serde_json::to_string(&held).unwrap()).unwrap();
        assert_eq!(back.read().unwrap().unwrap()["version"], "1");
        let nothing: Metadata = serde_json::from_value(Value::Null).unwrap();
        assert!(nothing.read().unwrap().is_none() && serde_json::to_value(&nothing).unwrap().is_null());
    }
}
