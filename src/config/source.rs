//! The text of one file: read with limits, addressed by byte ranges, shown by line and column.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::diagnostic::{Diagnostic, code};
use crate::base::{ErrorCode, file};

/// The largest configuration file that is read, in bytes.
pub const LIMIT: u64 = 4 * 1024 * 1024;

/// A half-open range of bytes in a source.
pub type Span = Range<usize>;

/// One file as it was read.
#[derive(Debug)]
pub struct Source {
    /// The path as it is shown: relative to the workspace's root.
    pub path: String,
    /// The text, without a byte order mark.
    pub text: String,
    /// What must not be shown because it looks like a secret written into the file.
    hidden: Mutex<Vec<Span>>,
}

/// A place for people: both numbers start at 1, columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Source {
    /// A source from a text at hand.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { path: path.into(), text: text.into(), hidden: Mutex::default() })
    }

    /// A source from bytes; anything but UTF-8 is a diagnostic that says at which byte.
    pub fn from_bytes(path: &str, bytes: &[u8]) -> Result<Arc<Self>, Box<Diagnostic>> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(path, text)),
            Err(error) => Err(Box::new(not_utf8(path, bytes, error.valid_up_to()))),
        }
    }

    /// Reads a file that stands at `real` and is shown as `path`.
    pub fn read(real: &Path, path: &str) -> Result<Arc<Self>, Box<Diagnostic>> {
        let failed =
            |code, message: String| Box::new(Diagnostic::error(code, &Self::new(path, ""), 0..0, message));
        let metadata = std::fs::metadata(real).map_err(|error| {
            failed(code::UNREADABLE_FILE, format!("the file cannot be read: {}", reason(&error)))
        })?;
        if !metadata.is_file() {
            return Err(failed(code::UNREADABLE_FILE, "this is not a regular file".into()));
        }
        if metadata.len() > LIMIT {
            return Err(too_large(path, metadata.len()));
        }
        match file::read_limited(real, LIMIT) {
            Ok(bytes) => Self::from_bytes(path, &bytes),
            Err(error) if error.code == ErrorCode::InvalidData => Err(too_large(path, LIMIT + 1)),
            Err(error) => Err(failed(code::UNREADABLE_FILE, error.message)),
        }
    }

    /// The line and column of a byte offset.
    pub fn position(&self, offset: usize) -> Position {
        let before = self.text.get(..self.floor(offset)).unwrap_or_default();
        let line = memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        Position { line, column: before.get(start..).unwrap_or_default().chars().count() + 1 }
    }

    /// The text in a span.
    pub fn slice(&self, span: &Span) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// The span of the line that holds `offset`, without its line break.
    pub fn line_span(&self, offset: usize) -> Span {
        let offset = self.floor(offset);
        let start = self.text.get(..offset).and_then(|text| text.rfind('\n')).map_or(0, |at| at + 1);
        let rest = self.text.get(offset..).unwrap_or_default();
        let end = offset + rest.find('\n').unwrap_or(rest.len());
        let end =
            if self.text.get(start..end).is_some_and(|line| line.ends_with('\r')) { end - 1 } else { end };
        start..end.max(start)
    }

    /// Keeps a span out of every excerpt.
    pub fn hide(&self, span: Span) {
        if let Ok(mut hidden) = self.hidden.lock() {
            hidden.push(span);
        }
    }

    /// The spans that no excerpt may show.
    pub fn hidden(&self) -> Vec<Span> {
        self.hidden.lock().map(|hidden| hidden.clone()).unwrap_or_default()
    }

    /// The nearest offset at or before `offset` that does not split a character.
    pub fn floor(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset)
    }
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

fn too_large(path: &str, length: u64) -> Box<Diagnostic> {
    let limit = LIMIT / 1024 / 1024;
    let found = length.div_ceil(1024 * 1024);
    let message = format!("the file is larger than {limit} MiB (about {found} MiB)");
    let help = "configuration is written by people; is this a data file that the `load` patterns take in?";
    Box::new(Diagnostic::error(code::FILE_TOO_LARGE, &Source::new(path, ""), 0..0, message).help(help))
}

fn not_utf8(path: &str, bytes: &[u8], offset: usize) -> Diagnostic {
    // Up to the first wrong byte the lossy text has the same bytes, so the offset fits both.
    let end = bytes.len().min(offset + 4096);
    let source = Source::new(path, String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()));
    let byte = bytes.get(offset).copied().unwrap_or_default();
    let message = format!("the file is not UTF-8: byte {offset} is 0x{byte:02x}");
    let help = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it looks like UTF-16: save it as UTF-8",
        _ => "save the file as UTF-8",
    };
    let next = source.text.get(offset..).and_then(|text| text.chars().next()).map_or(0, char::len_utf8);
    Diagnostic::error(code::NOT_UTF8, &source, offset..offset + next, message).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let source = Source::new("x", "a\nüb: c\r\nd");
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(4), Position { line: 2, column: 2 });
        assert_eq!(source.slice(&source.line_span(4)), "üb: c");
        assert_eq!(source.position(999), Position { line: 3, column: 2 });
    }

    #[test]
    fn bad_bytes_are_named() {
        let error = Source::from_bytes("x", b"a: \xff\n").unwrap_err();
        assert_eq!(error.code, code::NOT_UTF8);
        assert!(error.message.contains("byte 3 is 0xff"));
        assert!(Source::from_bytes("x", b"\xef\xbb\xbfa: 1").unwrap().text.starts_with('a'));
    }
}
