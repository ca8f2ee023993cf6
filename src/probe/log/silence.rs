//! Since when a log has to be silent.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use crate::base::clock::parse_instant;
use crate::base::file::read_limited;
use crate::base::path;
use crate::probe::{Request, file};

/// The largest document that is read, in bytes.
const LIMIT: u64 = 16 * 1024 * 1024;

/// Where the instant stands since when a log has to be silent. While there is no such file the metric is undecided, unless
/// `only_while_silent` says what that means.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// A file, relative to the workspace: a JSON document with the instant, or one that was written at that instant.
    pub file: PathBuf,
    /// A JSON pointer to the instant (RFC 3339); the file's time of change otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Whether there is a file only while it has to be silent. Without one nothing has to be, and nothing was written
    /// against it: the count is 0.
    #[serde(default)]
    pub only_while_silent: bool,
}

impl Silence {
    /// The instant; none where it does not have to be silent.
    pub(super) fn begun(&self, request: &Request<'_>) -> Result<Option<DateTime<Utc>>, String> {
        let shown = self.file.display();
        let place = path::inside(request.root, &self.file).map_err(|error| error.message)?;
        let metadata = match std::fs::metadata(&place) {
            Ok(metadata) => metadata,
            Err(error) if self.only_while_silent && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => {
                return Err(format!("since when it is to be silent is not known: {shown}: {error}"));
            }
        };
        let begun = match &self.pointer {
            None => file::modified(&metadata).ok_or_else(|| format!("{shown} has no time of change"))?,
            Some(pointer) => {
                let bytes = read_limited(&place, LIMIT).map_err(|error| error.message)?;
                let document: serde_json::Value = serde_json::from_slice(&bytes)
                    .map_err(|error| format!("{shown} is not JSON: {error}"))?;
                let text = document.pointer(pointer).and_then(serde_json::Value::as_str);
                let text = text.ok_or_else(|| format!("{shown} has no text at {pointer}"))?;
                parse_instant(text).map_err(|error| format!("{shown}: {}", error.message))?
            }
        };
        file::age(begun, request.now).map(|_| Some(begun)).map_err(|why| format!("{shown}: {why}"))
    }
}
