//! Comma-separated values with a header.

use csv::{ByteRecord, ReaderBuilder};
use std::cell::Cell;
use std::rc::Rc;

use super::ahead::{HandOn, ahead};
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

/// Files over this many bytes are decoded by a thread of their own.
const LARGE: u64 = 8 * 1024 * 1024;

/// Reads all rows. Returns how many, and the digest of the file.
pub(super) fn read(
    file: &mut std::fs::File,
    size: u64,
    batch: &mut Batch,
    take: &mut dyn FnMut(&Batch),
) -> Result<(u64, Digest)> {
    if size > LARGE {
        return ahead(batch, take, |batch, hand_on| decode(file, batch, hand_on));
    }
    decode(file, batch, &mut |batch| {
        take(batch);
        true
    })
}

fn decode(file: &mut std::fs::File, batch: &mut Batch, hand_on: &mut HandOn<'_>) -> Result<(u64, Digest)> {
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
            // Somebody always takes them to the end.
            hand_on(batch);
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

#[cfg(test)]
mod tests {
    use super::super::batch::{Kind, Want};
    use super::*;
    use std::io::{Seek as _, SeekFrom, Write as _};

    type Seen = (u64, String, Vec<u64>, String);

    fn seen(file: &mut std::fs::File, size: u64) -> Result<Seen> {
        let wants = [("x", Kind::Number), ("t", Kind::Number)];
        let mut batch = Batch::new(wants.into_iter().map(|(column, kind)| Want::new(column, kind)));
        let mut numbers = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut take = |batch: &Batch| {
            numbers.extend(batch.numbers("x").unwrap().iter().map(|number| number.to_bits()));
        };
        let (rows, digest) = read(file, size, &mut batch, &mut take)?;
        Ok((rows, digest.to_string(), numbers, format!("{:?}", batch.unreadable())))
    }

    fn file(rows: usize, last: &str) -> std::fs::File {
        let mut file = tempfile::tempfile().unwrap();
        let mut text = "x,t\n".to_owned();
        for row in 0..rows {
            let value = if row % 30_000 == 17 { "none of it".to_owned() } else { row.to_string() };
            text.push_str(&format!("{row},{value}\n"));
        }
        file.write_all((text + last).as_bytes()).unwrap();
        file
    }

    #[test]
    fn decoded_ahead_it_is_the_same() {
        let mut file = file(100_000, "");
        let here = seen(&mut file, 1).unwrap();
        assert_eq!(here.0, 100_000);
        assert!(here.2.is_sorted() && here.3.contains("count: 4") && here.3.contains("(18,"), "{}", here.3);
        assert_eq!(seen(&mut file, LARGE + 1).unwrap(), here);
        let mut ragged = self::file(50_000, "1,2,3\n");
        let here = seen(&mut ragged, 1).unwrap_err();
        assert!(here.message.contains("line 50002 has 3 fields"), "{here}");
        assert_eq!(seen(&mut ragged, LARGE + 1).unwrap_err().message, here.message);
    }
}
