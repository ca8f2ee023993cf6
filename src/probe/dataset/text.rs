//! What the formats of text share: reading with a digest, words for nothing, numbers and dates in letters.

use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;

use super::batch::{Column, Kind, NO_DAY, Values};
use super::date::{self, ZonedDays};
use crate::base::digest::Hasher;

/// How long one line or record may be, in bytes. An open quotation mark would make one of the rest of the file.
pub(super) const RECORD_LIMIT: u64 = 16 * 1024 * 1024;

/// A file that is digested while it is read, and that refuses to go on without end.
pub(super) struct Digesting<'a> {
    file: &'a mut std::fs::File,
    hasher: Hasher,
    since_record: Rc<Cell<u64>>,
}

impl<'a> Digesting<'a> {
    /// `since_record` is set to zero by whoever gets a whole record out of it.
    pub(super) fn new(file: &'a mut std::fs::File, since_record: Rc<Cell<u64>>) -> Self {
        Self { file, hasher: Hasher::default(), since_record }
    }

    /// The digest of everything that was read.
    pub(super) fn finish(self) -> crate::base::Digest {
        self.hasher.finish()
    }
}

impl Read for Digesting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        self.since_record.set(self.since_record.get() + read as u64);
        if self.since_record.get() > RECORD_LIMIT + buffer.len() as u64 {
            let limit = RECORD_LIMIT / 1024 / 1024;
            return Err(std::io::Error::other(format!(
                "a record is longer than {limit} MiB: is a quotation mark left open?"
            )));
        }
        Ok(read)
    }
}

/// Whether a field of text says that there is no value, as tools write it.
fn says_missing(text: &[u8]) -> bool {
    text.is_empty()
        || (text.len() <= 6
            && [&b"nan"[..], b"-nan", b"null", b"none", b"na", b"n/a", b"<na>", b"#n/a", b"nat"]
                .iter()
                .any(|word| text.eq_ignore_ascii_case(word)))
}

/// A number in letters; `None` if it is none. What says that it is missing is NaN.
fn number(text: &[u8]) -> Option<f64> {
    if says_missing(text) {
        return Some(f64::NAN);
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Adds a field of text to a column, as what it is wanted as.
pub(super) fn push(column: &mut Column, field: &[u8], row: u64, days: &mut ZonedDays) {
    let trimmed = field.trim_ascii();
    let read = match (&mut column.values, column.want.kind) {
        (Values::Numbers(values), _) => {
            let value = number(trimmed);
            values.push(value.unwrap_or(f64::NAN));
            value.is_some()
        }
        (Values::Days(values), _) => {
            let day = date::parse(trimmed, days);
            values.push(day.unwrap_or(NO_DAY));
            day.is_some() || says_missing(trimmed)
        }
        (Values::Texts(words), _) => {
            if trimmed.is_empty() {
                words.push_none();
            } else {
                words.push(trimmed);
            }
            true
        }
        (Values::Missing(values), _) => {
            values.push(says_missing(trimmed));
            true
        }
    };
    if !read {
        column.refuse(row, || String::from_utf8_lossy(field).into_owned());
    }
}

/// Adds a missing value to a column.
pub(super) fn push_missing(column: &mut Column) {
    match &mut column.values {
        Values::Numbers(values) => values.push(f64::NAN),
        Values::Days(values) => values.push(NO_DAY),
        Values::Texts(words) => words.push_none(),
        Values::Missing(values) => values.push(true),
    }
}

/// The zones of the columns that are wanted as days, one for every column.
pub(super) fn zones(columns: &[Column]) -> Vec<ZonedDays> {
    let zone = |column: &Column| match column.want.kind {
        Kind::Day(zone) => zone,
        _ => chrono_tz::Tz::UTC,
    };
    columns.iter().map(|column| ZonedDays::new(zone(column))).collect()
}
