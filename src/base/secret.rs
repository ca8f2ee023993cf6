//! Secrets: a type that cannot be printed, and references to where one is kept.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::error::{Error, ErrorCode, Result};
use super::process;

/// A secret value. It has no `Display`; its `Debug` says only that there is one.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a value in.
    pub fn new(value: String) -> Self {
        Self(SecretString::from(value))
    }

    /// The value, for the one place that sends it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a secret is kept: `env:NAME`, `file:PATH` or `cmd:[argv]`. The reference itself is not secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SecretReference {
    /// An environment variable.
    Environment(String),
    /// A file; one trailing newline is dropped.
    File(PathBuf),
    /// A program that prints it; one trailing newline is dropped.
    Command(Vec<String>),
}

impl SecretReference {
    /// Fetches the secret. The error names the reference, never the value.
    pub fn resolve(&self) -> Result<Secret> {
        let failed = |why: String| {
            Error::new(ErrorCode::SecretUnavailable, format!("the secret `{self}` is not available: {why}"))
        };
        let value = match self {
            SecretReference::Environment(name) => match std::env::var(name) {
                Ok(value) => value,
                Err(_) => {
                    return Err(failed("the variable is not set".into()).hint(format!("export {name}=…")));
                }
            },
            SecretReference::File(path) => {
                fs_err::read_to_string(path).map_err(|error| failed(error.to_string()))?
            }
            SecretReference::Command(argv) => {
                let output =
                    process::Invocation::new(argv.clone()).run().map_err(|error| failed(error.message))?;
                if !output.success() {
                    return Err(failed(format!("the program ended with {}", output.ending)));
                }
                String::from_utf8(output.stdout).map_err(|_| failed("the program printed no UTF-8".into()))?
            }
        };
        let value = value.strip_suffix('\n').map(|v| v.strip_suffix('\r').unwrap_or(v)).unwrap_or(&value);
        if value.is_empty() {
            return Err(failed("it is empty".into()));
        }
        Ok(Secret::new(value.to_owned()))
    }
}

impl FromStr for SecretReference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // The text is not repeated: someone may have written the secret itself here.
        let wrong = || {
            Error::new(ErrorCode::InvalidConfiguration, "a secret is written as a reference, not as a value")
                .hint("use env:NAME, file:/path or cmd:[\"program\", \"argument\"]")
        };
        if let Some(name) = text.strip_prefix("env:") {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            return if !name.is_empty() && name.chars().all(plain) {
                Ok(SecretReference::Environment(name.to_owned()))
            } else {
                Err(wrong())
            };
        }
        if let Some(path) = text.strip_prefix("file:").filter(|path| !path.is_empty()) {
            return Ok(SecretReference::File(PathBuf::from(path)));
        }
        if let Some(argv) = text.strip_prefix("cmd:") {
            let argv: Vec<String> = serde_json::from_str(argv).map_err(|_| wrong())?;
            return if argv.is_empty() { Err(wrong()) } else { Ok(SecretReference::Command(argv)) };
        }
        Err(wrong())
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretReference::Environment(name) => write!(f, "env:{name}"),
            SecretReference::File(path) => write!(f, "file:{}", path.display()),
            SecretReference::Command(argv) => {
                write!(f, "cmd:{}", serde_json::to_string(argv).map_err(|_| fmt::Error)?)
            }
        }
    }
}

impl TryFrom<String> for SecretReference {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<SecretReference> for String {
    fn from(reference: SecretReference) -> Self {
        reference.to_string()
    }
}

impl JsonSchema for SecretReference {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretReference".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "secret-reference",
            "description": "Where a secret is kept: env:NAME, file:/path or cmd:[\"program\", \"argument\"]. Never the value.",
            "examples": ["env:SLACK_WEBHOOK_URL"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "Secret(…)");
        let error = "hunter2".parse::<SecretReference>().unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"));
    }

    #[test]
    fn references_round_trip() {
        for text in ["env:A_B", "file:/run/secrets/x", "cmd:[\"pass\",\"show\",\"x y\"]"] {
            assert_eq!(text.parse::<SecretReference>().unwrap().to_string(), text);
        }
        for text in ["env:", "env:A B", "file:", "cmd:[]", "cmd:pass", ""] {
            assert!(text.parse::<SecretReference>().is_err(), "{text}");
        }
    }

    #[test]
    fn commands_and_files_are_fetched() {
        let secret = SecretReference::Command(vec!["printf".into(), "abc\\n".into()]).resolve().unwrap();
        assert_eq!(secret.expose(), "abc");
        assert!(SecretReference::Command(vec!["false".into()]).resolve().is_err());
        assert!(SecretReference::File("/nonexistent".into()).resolve().is_err());
    }
}
