//! Dotted paths into a settings document: `rollout.mode`, `clients.0.name`, `"app.example.org".mode`.

use std::fmt;
use std::str::FromStr;

use crate::base::{Error, ErrorCode, Result};

/// A dotted path. A key that itself contains a dot or a quote is written in double quotes, as in JSON.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath {
    segments: Vec<String>,
    text: String,
}

impl KeyPath {
    /// The keys and list indices, outermost first; never empty.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// Whether one of the two leads into the other, or both name the same place.
    pub fn overlaps(&self, other: &KeyPath) -> bool {
        self.segments.iter().zip(&other.segments).all(|(a, b)| a == b)
    }
}

impl FromStr for KeyPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut segments = Vec::new();
        let mut rest = text;
        loop {
            let (segment, after) = segment(rest).ok_or_else(|| wrong(text))?;
            segments.push(segment);
            if after.is_empty() {
                return Ok(Self { segments, text: text.to_owned() });
            }
            rest = after.strip_prefix('.').ok_or_else(|| wrong(text))?;
        }
    }
}

/// The first segment, and what follows it.
fn segment(text: &str) -> Option<(String, &str)> {
    if text.starts_with('"') {
        let mut stream = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let key = stream.next()?.ok()?;
        let after = text.get(stream.byte_offset()..)?;
        return Some((key, after));
    }
    let end = text.find('.').unwrap_or(text.len());
    let (key, after) = text.split_at(end);
    let plain = !key.is_empty() && !key.contains('"') && !key.chars().any(char::is_control);
    plain.then(|| (key.to_owned(), after))
}

fn wrong(text: &str) -> Error {
    Error::new(ErrorCode::InvalidData, format!("`{}` is not a path to a setting", text.escape_debug())).hint(
        "write keys and list indices with dots between them, as rollout.mode or clients.0.name; \
         a key with a dot in it goes in double quotes",
    )
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text.escape_debug())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_keys_indices_and_quotes() {
        let path: KeyPath = "a.0.\"b.c\\\"\".d".parse().unwrap();
        assert_eq!(path.segments(), ["a", "0", "b.c\"", "d"]);
        for text in ["", ".", "a.", ".a", "a..b", "a\"b", "\"a\"b", "\"a", "a\nb"] {
            assert!(text.parse::<KeyPath>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn knows_what_lies_inside_what() {
        let path = |text: &str| text.parse::<KeyPath>().unwrap();
        assert!(path("a.b").overlaps(&path("a")));
        assert!(path("a").overlaps(&path("\"a\"")));
        assert!(!path("a.b").overlaps(&path("a.c")));
    }
}
