//! Comma-separated values with a header.

use csv::{ByteRecord, ReaderBuilder};
use std::cell::Cell;
use std::rc::Rc;

use super::batch::Batch;
use super::text::{self, Digesting};
use super::{BATCH_ROWS, duplicate};
use crate::base::{Digest, Error, ErrorCode, Result};

/// How much is read at once for the header, and for everything.
const HEADER: usize = 4 * 1024;
const ROWS: usize = 64 * 1024;

fn reader<R: std::io::Read>(input: R, at_once: usize) -> csv::Reader<R> {
    // A row of another length is an error of ours, with its line, and not one of the reader's.
    ReaderBuilder::new().has_headers(false).flexible(true).buffer_capacity(at_once).from_reader(input)
}

fn wrong(error: &csv::Error) -> Error {
    Error::new(ErrorCode::InvalidData, format!("cannot read as CSV: {error}"))
}

/// The names in the header.
pub(super) fn columns(file: &mut std::fs::File) -> Result<Vec<String>> {
    let since_record = Rc::new(Cell::new(0));
    let mut reader = reader(Digesting::new(file, since_record), HEADER);
    let mut record = ByteRecord::new();
    reader.read_byte_record(&mut record).map_err(|error| wrong(&error))?;
    let names: Vec<String> = names(&record);
    if let Some(twice) = duplicate(&names) {
        return Err(Error::new(ErrorCode::InvalidData, format!("the header has the column `{twice}` twice")));
    }
    Ok(names)
}

fn names(record: &ByteRecord) -> Vec<String> {
    let names = record.iter().map(|name| String::from_utf8_lossy(name.trim_ascii()).into_owned());
    // The csv crate takes a byte order mark away itself.
    names.map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect()
}

/// Reads all rows. Returns how many, and the digest of the file.
pub(super) fn read(
    file: &mut std::fs::File,
    batch: &mut Batch,
    take: &mut dyn FnMut(&Batch),
) -> Result<(u64, Digest)> {
    let since_record = Rc::new(Cell::new(0));
    let mut reader = reader(Digesting::new(file, Rc::clone(&since_record)), ROWS);
    let mut record = ByteRecord::new();
    reader.read_byte_record(&mut record).map_err(|error| wrong(&error))?;
    let header = names(&record);
    let width = record.len();
    let place = |name: &String| header.iter().position(|column| column == name).unwrap_or(usize::MAX);
    let places: Vec<usize> = batch.columns.iter().map(|column| place(&column.want.column)).collect();
    let mut zones = text::zones(&batch.columns);
    let mut rows = 0_u64;
    loop {
        let more = reader.read_byte_record(&mut record).map_err(|error| wrong(&error))?;
        since_record.set(0);
        if more {
            if record.len() != width {
                return Err(ragged(&record, width));
            }
            rows += 1;
            batch.rows += 1;
            for ((column, place), zone) in batch.columns.iter_mut().zip(&places).zip(&mut zones) {
                text::push(column, record.get(*place).unwrap_or_default(), rows, zone);
            }
        }
        if batch.rows >= BATCH_ROWS || (!more && batch.rows > 0) {
            take(batch);
            batch.clear();
        }
        if !more {
            return Ok((rows, reader.into_inner().finish()));
        }
    }
}

fn ragged(record: &ByteRecord, width: usize) -> Error {
    let line = record.position().map_or(0, csv::Position::line);
    let fields = record.len();
    Error::new(ErrorCode::InvalidData, format!("line {line} has {fields} fields, but the header has {width}"))
        .hint("is it still being written, or is a comma or quotation mark missing?")
}
