//! Keys in YAML, JSON, TOML and .env files: looked at, set, and put back, the rest of the file byte for byte.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

use super::settings_edit::{self, Format};
use crate::base::{Digest, Error, ErrorCode, Result, fault, file};

/// The largest settings file that is edited.
const LIMIT: u64 = 16 * 1024 * 1024;

/// A key, what it was, and what it is set to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyChange {
    /// The dotted key.
    pub key: String,
    /// What it was.
    pub was: Value,
    /// What it is set to.
    pub is: Value,
}

/// What becomes of the keys of one file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileEdit {
    /// The file.
    pub file: PathBuf,
    /// The file as the configuration names it.
    pub shown: String,
    /// Its keys.
    pub keys: Vec<KeyChange>,
    /// The digest of the file as it is set.
    pub after: Digest,
    /// A copy of the file as it was.
    pub image: PathBuf,
    /// The digest of the file as it was.
    pub before: Digest,
    /// A file whose bytes are put in place as a whole, where nobody else touched the file.
    #[serde(default)]
    pub whole: Option<PathBuf>,
}

/// What the keys of a file are to become.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The file as the configuration names it.
    pub file: PathBuf,
    /// The keys and their values.
    pub keys: Vec<(String, Value)>,
    /// When the file has this digest, the bytes of that file are what it becomes.
    pub whole: Option<(Digest, PathBuf)>,
}

/// Which of two states the keys of a file are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// All as they were.
    Was,
    /// All as they are set.
    Is,
    /// Something else, or some so and some so.
    Mixed,
}

/// Reads a settings file.
pub fn read(path: &Path) -> Result<String> {
    String::from_utf8(file::read_limited(path, LIMIT)?)
        .map_err(|_| Error::new(ErrorCode::InvalidData, format!("{} is not UTF-8 text", path.display())))
}

/// The value of a dotted key in a file.
pub fn get(path: &Path, text: &str, key: &str) -> Result<Value> {
    settings_edit::get(Format::of(path)?, text, key)?.ok_or_else(|| {
        Error::new(ErrorCode::NotFound, format!("{} has no key `{}`", path.display(), key.escape_debug()))
            .hint("the key must be there, so that it can be put back as it was")
    })
}

/// A file's text with keys set to other values; everything else stays as it is.
pub fn set<'a>(
    path: &Path,
    text: &str,
    values: impl IntoIterator<Item = (&'a str, &'a Value)>,
) -> Result<String> {
    let changes: Vec<_> = values.into_iter().map(|(key, value)| (key, value.clone())).collect();
    settings_edit::set(Format::of(path)?, text, &changes)
}

impl FileEdit {
    /// Which state the keys are in now.
    pub fn state(&self) -> Result<KeyState> {
        let text = read(&self.file)?;
        let mut now = Vec::new();
        for change in &self.keys {
            now.push((get(&self.file, &text, &change.key)?, change));
        }
        // A key that was already as it is set counts as set.
        Ok(if now.iter().all(|(value, change)| *value == change.is) {
            KeyState::Is
        } else if now.iter().all(|(value, change)| *value == change.was) {
            KeyState::Was
        } else {
            KeyState::Mixed
        })
    }

    /// Sets the keys.
    pub fn apply(&self) -> Result<()> {
        let text = read(&self.file)?;
        if let Some(whole) = &self.whole
            && Digest::of(text.as_bytes()) == self.before
        {
            return write(&self.file, &read(whole)?);
        }
        let keys = self.keys.iter().map(|change| (change.key.as_str(), &change.is));
        write(&self.file, &set(&self.file, &text, keys)?)
    }

    /// Puts the keys back as they were, byte for byte where nobody else touched the file. A key that somebody
    /// else changed meanwhile is left alone and named.
    pub fn put_back(&self) -> Result<Vec<String>> {
        let text = read(&self.file)?;
        if Digest::of(text.as_bytes()) == self.after && self.image.exists() {
            write(&self.file, &read(&self.image)?)?;
            return Ok(Vec::new());
        }
        let mut left_alone = Vec::new();
        let mut back = Vec::new();
        for change in &self.keys {
            if get(&self.file, &text, &change.key)? == change.is {
                back.push((change.key.as_str(), &change.was));
            } else {
                left_alone.push(change.key.clone());
            }
        }
        write(&self.file, &set(&self.file, &text, back)?)?;
        Ok(left_alone)
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fault::point("settings:before-write");
    file::write_findable(path, text.as_bytes(), 0o644)?;
    fault::point("settings:after-write");
    Ok(())
}

/// Plans setting keys of a file: what they were, what the file becomes, and a copy of it as it was.
pub fn plan(path: PathBuf, wanted: &Wanted, image: PathBuf) -> Result<FileEdit> {
    let text = read(&path)?;
    let before = Digest::of(text.as_bytes());
    let mut keys = Vec::new();
    for (key, is) in &wanted.keys {
        keys.push(KeyChange { key: key.clone(), was: get(&path, &text, key)?, is: is.clone() });
    }
    let whole = wanted.whole.as_ref().filter(|(digest, copy)| *digest == before && copy.exists());
    let whole = whole.map(|(_, copy)| copy.clone());
    let after = match &whole {
        Some(copy) => read(copy)?,
        None => set(&path, &text, wanted.keys.iter().map(|(key, value)| (key.as_str(), value)))?,
    };
    file::write_atomic(&image, text.as_bytes(), 0o600)?;
    let shown = wanted.file.display().to_string();
    Ok(FileEdit { file: path, shown, keys, after: Digest::of(after.as_bytes()), image, before, whole })
}
