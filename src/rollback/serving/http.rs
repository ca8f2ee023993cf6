//! A service that is asked over HTTP what it serves: one GET, an answer of limited size, nothing followed elsewhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::base::{Duration, Error, ErrorCode, Result, SecretReference};
use crate::probe::prometheus::ServerAddress;
use crate::rollback::adapters::web::{Credentials, Span, Web};

/// How long the service may take to answer, where nothing else is said.
const TIMEOUT: Duration = Duration::seconds(2);

/// A health endpoint that says what serves.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpServing {
    /// The address, without user, password or query: `http://models.example.org:8080/health`. It must answer a GET
    /// with JSON of at most 1 MiB.
    pub url: ServerAddress,
    /// The JSON pointer to the digest (or the version's name, or the commit) in the answer, as `/model_sha256`.
    pub pointer: String,
    /// Headers to send, each a reference to a secret: `authorization: "env:HEALTH_TOKEN"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, SecretReference>,
    /// The artifact whose SHA-256 it is; without it, the digest of the whole version or of its first artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// How long to wait after a switch until it says so; 10s otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Duration>,
    /// How long it may take to answer; 2s otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

impl HttpServing {
    /// What the service says.
    ///
    /// # Errors
    /// No answer in time, a status that is no success, an answer that is too large or no JSON, a secret that is not
    /// there. No error repeats a secret.
    pub fn ask(&self) -> Result<serde_json::Value> {
        let timeout = Some(Span(self.timeout.unwrap_or(TIMEOUT).to_std()));
        let address = self.url.to_string();
        let mut web = Web::new("serving", &address, &Credentials::default(), timeout)?;
        for (name, reference) in &self.headers {
            web.add_header(name, reference.resolve()?.expose().to_owned())?;
        }
        let url = web.address(&address)?;
        let answer = web.send(reqwest::Method::GET, &url, &[("accept", "application/json")], None)?;
        if !answer.success() {
            return Err(web.refused("asking what it serves", &answer));
        }
        answer.json(&web)
    }
}

/// The text at a pointer.
///
/// # Errors
/// `invalid-data` where none stands there.
pub fn text_at(value: &serde_json::Value, pointer: &str, place: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(serde_json::Value::as_str);
    found.map(str::to_owned).ok_or_else(|| {
        Error::new(ErrorCode::InvalidData, format!("{place}: there is no text at {pointer}"))
            .hint("`pointer` is a JSON pointer such as /model_sha256")
    })
}
