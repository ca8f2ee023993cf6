//! Apache Parquet, through the column readers: row group by row group, in batches, only the wanted columns.

use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use super::BATCH_ROWS;
use super::ahead::HandOn;
use super::batch::Batch;
use super::parquet_column::{Chunk, Meaning};
use super::parquet_groups::{self, Positioned};
use super::text;
use crate::base::digest::Hasher;
use crate::base::{Digest, Error, ErrorCode, Result};

/// Files up to this many bytes are digested whole; of larger ones, the size and the footer.
pub(in crate::probe) const WHOLE: u64 = 8 * 1024 * 1024;

pub(super) fn wrong(error: impl std::fmt::Display) -> Error {
    let text = error.to_string();
    let hint = if text.contains("Disabled feature") {
        "snappy, zstd and uncompressed columns can be read"
    } else {
        "is it still being written, or damaged?"
    };
    Error::new(ErrorCode::InvalidData, format!("cannot read as Parquet: {text}")).hint(hint)
}

/// What a reader that gave up says.
pub(super) fn damaged() -> Error {
    wrong("a page is damaged")
}

/// A Parquet file whose footer has been read.
pub(super) struct Opened {
    reader: SerializedFileReader<Positioned>,
}

impl Opened {
    pub(super) fn new(file: &File) -> Result<Self> {
        let file = file.try_clone().map_err(|error| Error::io("cannot read", error))?;
        let file = Positioned(Arc::new(file));
        // What others wrote may be damaged in ways that the reader does not expect.
        let opened =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| SerializedFileReader::new(file)));
        let reader = opened.map_err(|_| wrong("the footer is damaged"))?.map_err(wrong)?;
        Ok(Self { reader })
    }

    /// The columns, nested ones by their path.
    pub(super) fn columns(&self) -> Vec<String> {
        names(&self.reader)
    }

    /// Reads all rows. Returns how many.
    pub(super) fn read(&mut self, batch: &mut Batch, take: &mut dyn FnMut(&Batch)) -> Result<u64> {
        self.read_with(parquet_groups::threads(&self.reader), batch, take)
    }

    /// The same, with this many threads that decode.
    pub(super) fn read_with(
        &mut self,
        threads: usize,
        batch: &mut Batch,
        take: &mut dyn FnMut(&Batch),
    ) -> Result<u64> {
        let reader = &self.reader;
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match threads {
            0 | 1 => read(reader, batch, take),
            _ => parquet_groups::read(reader, threads, batch, take),
        }));
        read.unwrap_or_else(|_| Err(damaged()))
    }
}

fn names(reader: &SerializedFileReader<Positioned>) -> Vec<String> {
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    schema.columns().iter().map(|column| column.path().string()).collect()
}

/// How many rows a row group says it has.
pub(super) fn rows_of(reader: &SerializedFileReader<Positioned>, group: usize) -> u64 {
    u64::try_from(reader.metadata().row_group(group).num_rows()).unwrap_or(0)
}

fn read(
    reader: &SerializedFileReader<Positioned>,
    batch: &mut Batch,
    take: &mut dyn FnMut(&Batch),
) -> Result<u64> {
    let mut rows = 0;
    for group in 0..reader.num_row_groups() {
        read_group(reader, group, rows, batch, &mut |batch| {
            take(batch);
            true
        })?;
        rows += rows_of(reader, group);
    }
    Ok(rows)
}

/// The wanted columns of a row group, each once, with the places in the batch that want it.
fn chunks(group: &dyn RowGroupReader, names: &[String], batch: &Batch) -> Result<Vec<(Chunk, Vec<usize>)>> {
    let mut chunks = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let columns = batch.columns.iter().enumerate();
        let wanted: Vec<usize> = columns.filter(|(_, c)| c.want.column == *name).map(|(i, _)| i).collect();
        if wanted.is_empty() {
            continue;
        }
        let meaning = Meaning::of(group.metadata().column(index).column_descr())?;
        chunks.push((Chunk::new(group.get_column_reader(index).map_err(wrong)?, meaning), wanted));
    }
    Ok(chunks)
}

/// Reads one row group, `before` which there are so many rows. What is handed on is cleared afterwards. Says whether
/// somebody still wants more.
pub(super) fn read_group(
    reader: &SerializedFileReader<Positioned>,
    index: usize,
    before: u64,
    batch: &mut Batch,
    hand_on: &mut HandOn<'_>,
) -> Result<bool> {
    let group = reader.get_row_group(index).map_err(wrong)?;
    let expected = rows_of(reader, index);
    let mut zones = text::zones(&batch.columns);
    let mut chunks = chunks(group.as_ref(), &names(reader), batch)?;
    let mut done = 0;
    while done < expected {
        let rows = usize::try_from(expected - done).unwrap_or(BATCH_ROWS).min(BATCH_ROWS);
        for (chunk, wanted) in &mut chunks {
            let read = chunk.read(rows)?;
            if read != rows {
                return Err(wrong("a column has fewer values than its row group has rows"));
            }
            for place in wanted {
                if let (Some(column), Some(zone)) = (batch.columns.get_mut(*place), zones.get_mut(*place)) {
                    chunk.project(column, rows, before + done, zone);
                }
            }
        }
        batch.rows = rows;
        if !hand_on(batch) {
            return Ok(false);
        }
        batch.clear();
        done += rows as u64;
    }
    Ok(true)
}

/// The digest that tells one content from another. A footer has the sizes, places, extremes and null counts of every
/// column in every row group, so that other data has another footer.
pub(super) fn digest(file: &mut File, size: u64) -> Result<Digest> {
    let io = |error| Error::io("cannot read", error);
    let mut hasher = Hasher::default();
    let start = if size <= WHOLE { 0 } else { size - footer_length(file, size)? };
    if start > 0 {
        hasher.update(&size.to_be_bytes());
    }
    file.seek(SeekFrom::Start(start)).map_err(io)?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer).map_err(io)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hasher.update(bytes);
    }
    Ok(hasher.finish())
}

fn footer_length(file: &mut File, size: u64) -> Result<u64> {
    let io = |error| Error::io("cannot read", error);
    let mut length = [0; 4];
    file.seek(SeekFrom::Start(size.saturating_sub(8))).map_err(io)?;
    file.read_exact(&mut length).map_err(io)?;
    Ok((u64::from(u32::from_le_bytes(length)) + 8).min(size))
}
