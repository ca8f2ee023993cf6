//! Reading the parameters of a request, with errors that name them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};

use super::contract::Request;
use crate::base::{Error, ErrorCode, Result, file};

/// The largest note that an adapter reads back.
const LIMIT: u64 = 16 * 1024 * 1024;

/// The parameters of a request.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a>(pub &'a Request);

impl<'a> Given<'a> {
    /// A text that must be there.
    pub fn text(&self, name: &str) -> Result<&'a str> {
        self.text_if(name)?.ok_or_else(|| missing(name))
    }

    /// A text that may be there.
    pub fn text_if(&self, name: &str) -> Result<Option<&'a str>> {
        match self.0.with.get(name) {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or_else(|| wrong(name, "text")),
        }
    }

    /// A number, or what stands for it where none is given.
    pub fn number(&self, name: &str, otherwise: f64) -> Result<f64> {
        match self.0.with.get(name) {
            None => Ok(otherwise),
            Some(value) => {
                value.as_f64().filter(|number| number.is_finite()).ok_or_else(|| wrong(name, "a number"))
            }
        }
    }

    /// A whole number that is not negative, or what stands for it where none is given.
    pub fn count(&self, name: &str, otherwise: u64) -> Result<u64> {
        match self.0.with.get(name) {
            None => Ok(otherwise),
            Some(value) => value.as_u64().ok_or_else(|| wrong(name, "a whole number, 0 or more")),
        }
    }

    /// true or false, or what stands for it where none is given.
    pub fn flag(&self, name: &str, otherwise: bool) -> Result<bool> {
        match self.0.with.get(name) {
            None => Ok(otherwise),
            Some(value) => value.as_bool().ok_or_else(|| wrong(name, "true or false")),
        }
    }

    /// A list of texts; empty where none is given.
    pub fn list(&self, name: &str) -> Result<Vec<String>> {
        let Some(value) = self.0.with.get(name) else { return Ok(Vec::new()) };
        let items = value.as_array().ok_or_else(|| wrong(name, "a list"))?;
        items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| wrong(name, "a list of texts")))
            .collect()
    }

    /// A path that must be there: absolute, or from the workspace on; never with `..`.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        self.at(name, self.text(name)?)
    }

    /// A path that may be there.
    pub fn path_if(&self, name: &str) -> Result<Option<PathBuf>> {
        self.text_if(name)?.map(|text| self.at(name, text)).transpose()
    }

    fn at(&self, name: &str, text: &str) -> Result<PathBuf> {
        let climbs = Path::new(text).components().any(|part| part == std::path::Component::ParentDir);
        if text.is_empty() || climbs {
            let message =
                format!("`{name}` is not a path that can be used: it is empty or climbs out with `..`");
            return Err(Error::new(ErrorCode::OutsideRoot, message)
                .hint("name it from the workspace on, or absolute"));
        }
        Ok(self.0.root.join(text))
    }

    /// The folder in which `observe` keeps what the way back needs.
    pub fn keep(&self) -> Result<&'a Path> {
        self.0.keep.as_deref().ok_or_else(|| {
            Error::new(ErrorCode::InvalidData, format!("a request to {} without `keep`", self.0.verb))
        })
    }

    /// What was in place before.
    pub fn before<T: DeserializeOwned>(&self) -> Result<T> {
        state("before", self.0.before.as_ref())
    }

    /// What was predicted for afterwards.
    pub fn after<T: DeserializeOwned>(&self) -> Result<T> {
        state("after", self.0.after.as_ref())
    }

    /// Writes a note into the folder that is kept, so that it survives a crash.
    pub fn note(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let bytes = serde_json::to_vec(value)
            .map_err(|error| Error::new(ErrorCode::Bug, format!("a note cannot be written: {error}")))?;
        file::write_atomic(&self.keep()?.join(name), &bytes, 0o600)
    }

    /// Reads a note back; `None` where there is none.
    pub fn noted<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let path = self.keep()?.join(name);
        if path.symlink_metadata().is_err() {
            return Ok(None);
        }
        let bytes = file::read_limited(&path, LIMIT)?;
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Error::new(ErrorCode::InvalidData, format!("{} cannot be read: {error}", path.display()))
        })
    }
}

fn state<T: DeserializeOwned>(name: &str, value: Option<&Value>) -> Result<T> {
    let value =
        value.ok_or_else(|| Error::new(ErrorCode::InvalidData, format!("a request without `{name}`")))?;
    serde_json::from_value(value.clone()).map_err(|error| {
        Error::new(ErrorCode::InvalidData, format!("`{name}` is not a state of this adapter: {error}"))
    })
}

fn missing(name: &str) -> Error {
    Error::new(ErrorCode::InvalidData, format!("the parameter `{name}` is not given"))
        .hint("add it under `with:`")
}

fn wrong(name: &str, wanted: &str) -> Error {
    Error::new(ErrorCode::InvalidData, format!("the parameter `{name}` must be {wanted}"))
}
