//! One JSON object a line.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::rc::Rc;

use super::BATCH_ROWS;
use super::batch::{Batch, Column};
use super::date::ZonedDays;
use super::text::{self, Digesting};
use crate::base::{Digest, Error, ErrorCode, Result};

/// How many lines are looked at to learn the columns: a key that comes later only is not known.
const HEADER_LINES: usize = 1000;

fn wrong(line: u64, error: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::InvalidData, format!("line {line} cannot be read as a JSON object: {error}"))
        .hint("every line is one object; NaN and Infinity are not JSON, null is")
}

/// Calls `each` with the number and text of every line that is not empty, until it says that it has enough.
fn lines(
    reader: &mut BufReader<Digesting<'_>>,
    since_record: &Cell<u64>,
    each: &mut dyn FnMut(u64, &[u8]) -> Result<bool>,
) -> Result<()> {
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(|error| Error::io("cannot read", error))?;
        since_record.set(0);
        if read == 0 {
            return Ok(());
        }
        number += 1;
        let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line).trim_ascii();
        if !text.is_empty() && !each(number, text)? {
            return Ok(());
        }
    }
}

/// The keys of the first lines, in the order in which they are first met.
pub(super) fn columns(file: &mut std::fs::File) -> Result<Vec<String>> {
    let since_record = Rc::new(Cell::new(0));
    let mut names: Vec<String> = Vec::new();
    let mut reader = BufReader::new(Digesting::new(file, Rc::clone(&since_record)));
    let mut seen = 0;
    lines(&mut reader, &since_record, &mut |number, text| {
        let keys: HashMap<String, IgnoredAny> =
            serde_json::from_slice(text).map_err(|error| wrong(number, error))?;
        let mut fresh: Vec<String> = keys.into_keys().filter(|key| !names.contains(key)).collect();
        fresh.sort();
        names.append(&mut fresh);
        seen += 1;
        Ok(seen < HEADER_LINES)
    })?;
    drop(reader);
    file.seek(SeekFrom::Start(0)).map_err(|error| Error::io("cannot read", error))?;
    Ok(names)
}

/// Reads all rows. Returns how many, and the digest of the file.
pub(super) fn read(
    file: &mut std::fs::File,
    batch: &mut Batch,
    take: &mut dyn FnMut(&Batch),
) -> Result<(u64, Digest)> {
    let since_record = Rc::new(Cell::new(0));
    let mut reader = BufReader::with_capacity(64 * 1024, Digesting::new(file, Rc::clone(&since_record)));
    let mut names: Vec<String> = batch.columns.iter().map(|column| column.want.column.clone()).collect();
    names.sort();
    names.dedup();
    let places: Vec<usize> =
        batch.columns.iter().map(|c| names.binary_search(&c.want.column).unwrap_or(usize::MAX)).collect();
    let mut zones = text::zones(&batch.columns);
    let mut rows = 0_u64;
    lines(&mut reader, &since_record, &mut |number, text| {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let found = Object { names: &names }.deserialize(&mut deserializer);
        let found = found.and_then(|found| deserializer.end().map(|()| found));
        let found = found.map_err(|error| wrong(number, error))?;
        rows += 1;
        batch.rows += 1;
        for ((column, place), zone) in batch.columns.iter_mut().zip(&places).zip(&mut zones) {
            push(column, found.get(*place).copied().flatten(), rows, zone);
        }
        if batch.rows >= BATCH_ROWS {
            take(batch);
            batch.clear();
        }
        Ok(true)
    })?;
    if batch.rows > 0 {
        take(batch);
        batch.clear();
    }
    Ok((rows, reader.into_inner().finish()))
}

fn push(column: &mut Column, value: Option<&RawValue>, row: u64, zone: &mut ZonedDays) {
    let raw = value.map_or("null", RawValue::get);
    if raw == "null" {
        text::push_missing(column);
    } else if raw.starts_with('"') {
        let text: Cow<'_, str> = serde_json::from_str(raw).unwrap_or(Cow::Borrowed(""));
        text::push(column, text.as_bytes(), row, zone);
    } else {
        let number = match raw {
            "true" => "1",
            "false" => "0",
            other => other,
        };
        text::push(column, number.as_bytes(), row, zone);
    }
}

/// An object of which some keys are wanted; the rest is skipped without being built.
struct Object<'n> {
    names: &'n [String],
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = vec![None; self.names.len()];
        while let Some(place) = map.next_key_seed(Key { names: self.names })? {
            match place.and_then(|place| found.get_mut(place)) {
                Some(slot) => *slot = Some(map.next_value::<&'de RawValue>()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

/// A key's place among the wanted ones, found without copying it.
struct Key<'n> {
    names: &'n [String],
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.names.binary_search_by(|name| name.as_str().cmp(key)).ok())
    }
}
