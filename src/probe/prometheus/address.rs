//! The address of an HTTP server that is asked for metrics.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use crate::base::{Error, ErrorCode, Result};

/// An `http` or `https` address without a user name, a password, a query or a fragment: those are secrets, or end up
/// in the wrong request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerAddress(String);

impl ServerAddress {
    /// The address of a path below it.
    pub fn join(&self, path: &str) -> String {
        format!("{}/{path}", self.0.trim_end_matches('/'))
    }

    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ServerAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str, hint: &str| {
            // The text is not repeated: it may hold a password.
            Err(Error::new(ErrorCode::InvalidConfiguration, why.to_owned()).hint(hint.to_owned()))
        };
        const LIKE: &str = "write it like http://prometheus.example.org:9090";
        let Ok(url) = reqwest::Url::parse(text) else { return wrong("this is not an address", LIKE) };
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return wrong("this is not an http or https address", LIKE);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return wrong(
                "an address with a user name or password in it is a secret",
                "keep it elsewhere and send it as a header: headers: {authorization: \"env:NAME\"}",
            );
        }
        if url.query().is_some() || url.fragment().is_some() {
            return wrong("the address of the server has no `?` and no `#` in it", LIKE);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ServerAddress {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<ServerAddress> for String {
    fn from(address: ServerAddress) -> Self {
        address.0
    }
}

impl JsonSchema for ServerAddress {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ServerAddress".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "server-address",
            "description": "The address of a server, without user name and password.",
            "examples": ["http://prometheus.example.org:9090"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_no_secret_and_is_not_repeated() {
        let good: ServerAddress = "http://prometheus.example.org:9090/prefix/".parse().unwrap();
        assert_eq!(good.join("api/v1/query"), "http://prometheus.example.org:9090/prefix/api/v1/query");
        for bad in [
            "https://user:hunter2@example.org",
            "http://example.org/?token=hunter2",
            "gopher://hunter2",
            "hunter2",
            "http://",
        ] {
            let error = bad.parse::<ServerAddress>().unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"), "{bad}");
        }
    }
}
