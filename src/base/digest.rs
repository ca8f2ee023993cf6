//! SHA-256 digests: of bytes, of files, and of named sets of files.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use super::error::{Error, ErrorCode, Result};

/// A SHA-256 digest, written `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// The digest of a file's bytes and its length in bytes, read in one streaming pass.
    pub fn of_file(path: &Path) -> Result<(Self, u64)> {
        let mut file = fs_err::File::open(path)?;
        let mut hasher = Hasher::default();
        let length = hasher.read(&mut file)?;
        Ok((hasher.finish(), length))
    }

    /// The digest with these 32 bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
        let mut text = String::with_capacity(71);
        text.push_str("sha256:");
        for byte in bytes {
            text.push(digit(byte >> 4));
            text.push(digit(byte & 15));
        }
        Digest(text)
    }

    /// Its 32 bytes.
    pub fn bytes(&self) -> Option<[u8; 32]> {
        let mut bytes = [0; 32];
        let digits = self.hex().as_bytes().chunks_exact(2);
        for (byte, pair) in bytes.iter_mut().zip(digits) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(bytes)
    }

    /// The digest of a set of named parts: each name, its length, and its own digest, in the order of names.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = (&'a str, &'a Digest)>) -> Self {
        let mut parts: Vec<_> = parts.into_iter().collect();
        parts.sort();
        let mut hasher = Hasher::default();
        for (name, digest) in parts {
            hasher.update(&(name.len() as u64).to_be_bytes());
            hasher.update(name.as_bytes());
            hasher.update(digest.hex().as_bytes());
        }
        hasher.finish()
    }

    /// The 64 hexadecimal digits without the prefix.
    pub fn hex(&self) -> &str {
        self.0.strip_prefix("sha256:").unwrap_or(&self.0)
    }

    /// The first twelve hexadecimal digits, for people.
    pub fn short(&self) -> &str {
        self.hex().get(..12).unwrap_or_else(|| self.hex())
    }

    /// Whether `text` names this digest: whole, or by at least eight leading hexadecimal digits.
    pub fn matches(&self, text: &str) -> bool {
        let text = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
        text.len() >= 8 && self.hex().starts_with(&text)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Digest(format!("sha256:{}", hex.to_ascii_lowercase())));
        }
        Err(Error::new(ErrorCode::InvalidData, format!("`{}` is not a SHA-256 digest", text.escape_debug()))
            .hint("a digest is 64 hexadecimal digits, with or without `sha256:` before them"))
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl JsonSchema for Digest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "digest",
            "description": "A SHA-256 digest: 64 hexadecimal digits, with or without `sha256:` before them."
        })
    }
}

/// A digest in the making, for streams.
#[derive(Default, Clone)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Takes more bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// How far it has come, as text, so that another process can go on.
    pub fn saved(&self) -> String {
        use sha2::digest::common::hazmat::SerializableState as _;
        hexadecimal(&self.0.serialize())
    }

    /// Goes on from what [`Hasher::saved`] gave.
    ///
    /// # Errors
    /// `invalid-data` for any other text.
    pub fn restored(text: &str) -> Result<Self> {
        use sha2::digest::common::hazmat::{SerializableState as _, SerializedState};
        let wrong = || Error::new(ErrorCode::InvalidData, "this is no digest in the making");
        let mut state = SerializedState::<Sha256>::default();
        if text.len() != state.len() * 2 || !text.is_ascii() {
            return Err(wrong());
        }
        for (byte, at) in state.iter_mut().zip((0..text.len()).step_by(2)) {
            let digits = text.get(at..at + 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Sha256::deserialize(&state).map(Self).map_err(|_| wrong())
    }

    /// The digest of everything taken in.
    pub fn finish(self) -> Digest {
        Digest::from_bytes(&self.0.finalize().into())
    }

    /// Takes in everything that is left to read; returns how many bytes that was.
    pub fn read(&mut self, from: &mut impl Read) -> std::io::Result<u64> {
        let mut buffer = vec![0_u8; 256 * 1024];
        let mut length = 0_u64;
        loop {
            let read = match from.read(&mut buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else { break };
            self.update(chunk);
            length += read as u64;
        }
        Ok(length)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answer() {
        assert_eq!(
            Digest::of(b"abc").hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn parts_do_not_depend_on_order_but_on_names() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        assert_eq!(Digest::of_parts([("x", &a), ("y", &b)]), Digest::of_parts([("y", &b), ("x", &a)]));
        assert_ne!(Digest::of_parts([("x", &a), ("y", &b)]), Digest::of_parts([("y", &a), ("x", &b)]));
    }

    #[test]
    fn a_digest_can_be_gone_on_with() {
        for split in [0, 1, 63, 64, 65, 130] {
            let bytes = [7_u8; 200];
            let mut first = Hasher::default();
            first.update(&bytes[..split]);
            let mut second = Hasher::restored(&first.saved()).unwrap();
            second.update(&bytes[split..]);
            assert_eq!(second.finish(), Digest::of(&bytes));
        }
        assert!(Hasher::restored("").is_err());
        assert!(Hasher::restored(&"zz".repeat(105)).is_err());
    }

    #[test]
    fn bytes_and_digits_are_the_same() {
        let digest = Digest::of(b"abc");
        assert_eq!(Digest::from_bytes(&digest.bytes().unwrap()), digest);
    }

    #[test]
    fn prefixes_need_eight_digits() {
        let digest = Digest::of(b"abc");
        assert!(digest.matches("ba7816bf"));
        assert!(digest.matches("sha256:ba7816bf8f01"));
        assert!(!digest.matches("ba7816b"));
        assert!("sha256:xyz".parse::<Digest>().is_err());
    }
}
