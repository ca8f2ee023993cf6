//! The row groups of a large Parquet file, decoded side by side and handed on in their order: what is measured is the
//! same, however many processors there are.

use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, FileReader as _, Length, SerializedFileReader};
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::ahead::{Decoded, Lane, lane};
use super::batch::Batch;
use super::parquet::{damaged, read_group, rows_of};
use crate::base::Result;

/// Fewer rows than this are decoded sooner than threads have started.
const MANY: u64 = 1_500_000;

/// A file that many read at once: without a place of its own, which they would share.
pub(super) struct Positioned(pub(super) Arc<File>);

impl Length for Positioned {
    fn len(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.len())
    }
}

impl ChunkReader for Positioned {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::new(From { file: Arc::clone(&self.0), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<bytes::Bytes> {
        // The footer may be damaged: what it says is no reason to take that much memory.
        if start.checked_add(length as u64).is_none_or(|end| end > self.len()) {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} are beyond the end")));
        }
        let mut buffer = vec![0; length];
        self.0.read_exact_at(&mut buffer, start)?;
        Ok(buffer.into())
    }
}

/// A file from some place on.
pub(super) struct From {
    file: Arc<File>,
    at: u64,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// How many threads are worth it.
pub(super) fn threads(reader: &SerializedFileReader<Positioned>) -> usize {
    let groups = reader.num_row_groups();
    let rows = (0..groups).fold(0_u64, |rows, group| rows.saturating_add(rows_of(reader, group)));
    if groups < 2 || rows < MANY {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, usize::from).min(groups).min(4)
}

/// Reads all rows with this many threads beside the one that takes them. Returns how many.
pub(super) fn read(
    reader: &SerializedFileReader<Positioned>,
    threads: usize,
    batch: &mut Batch,
    take: &mut dyn FnMut(&Batch),
) -> Result<u64> {
    let groups = reader.num_row_groups();
    let mut starts = Vec::with_capacity(groups);
    let mut rows = 0_u64;
    for group in 0..groups {
        starts.push(rows);
        // Of a damaged footer no number is believed before its rows are there.
        rows = rows_of(reader, group).saturating_add(rows);
    }
    let starts = starts.as_slice();
    std::thread::scope(|scope| {
        let mut lanes = Vec::new();
        for first in 0..threads {
            let (lane, arrivals) = lane(batch);
            lanes.push(arrivals);
            let mine = starts.iter().copied().enumerate().skip(first).step_by(threads);
            scope.spawn(move || decode(lane, reader, mine));
        }
        for group in 0..groups {
            let arrived = lanes.get(group % threads).and_then(|arrivals| arrivals.take(batch, take));
            match arrived {
                Some(Decoded::End) => {}
                Some(Decoded::Failed(error)) => return Err(error),
                Some(Decoded::Rows(_)) | None => return Err(damaged()),
            }
        }
        Ok(rows)
    })
}

/// Decodes these row groups, each with the number of rows before it, until nobody takes them any more.
fn decode(
    mut lane: Lane,
    reader: &SerializedFileReader<Positioned>,
    groups: impl Iterator<Item = (usize, u64)>,
) {
    for (group, before) in groups {
        // What others wrote may be damaged in ways that the reader does not expect.
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            read_group(reader, group, before, &mut lane.batch(), &mut |full| lane.hand_on(full))
        }));
        let end = match decoded.unwrap_or_else(|_| Err(damaged())) {
            Ok(true) => Decoded::End,
            Ok(false) => return,
            Err(error) => Decoded::Failed(error),
        };
        let failed = matches!(end, Decoded::Failed(_));
        if !lane.send(end) || failed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::{Kind, Want};
    use super::super::parquet::Opened;
    use super::*;
    use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use std::path::Path;

    const GROUPS: usize = 7;
    const ROWS: usize = 9000;

    /// Numbers in order, and texts that are numbers but for one.
    fn write(path: &Path) {
        let schema = "message m { REQUIRED DOUBLE x; REQUIRED BYTE_ARRAY t (UTF8); }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let properties = Arc::new(WriterProperties::builder().build());
        let file = File::create(path).unwrap();
        let mut writer = SerializedFileWriter::new(file, schema, properties).unwrap();
        for group in 0..GROUPS {
            let numbers: Vec<f64> = (0..ROWS).map(|row| (group * ROWS + row) as f64).collect();
            let text = |number: &f64| match *number as usize {
                40_000 | 50_000 => ByteArray::from("none of it"),
                number => ByteArray::from(number.to_string().as_str()),
            };
            let texts: Vec<ByteArray> = numbers.iter().map(text).collect();
            let mut rows = writer.next_row_group().unwrap();
            let mut column = rows.next_column().unwrap().unwrap();
            column.typed::<DoubleType>().write_batch(&numbers, None, None).unwrap();
            column.close().unwrap();
            let mut column = rows.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
            column.close().unwrap();
            rows.close().unwrap();
        }
        writer.close().unwrap();
    }

    type Seen = (Vec<u64>, Vec<Vec<u8>>, String);

    fn seen(path: &Path, threads: usize) -> Result<Seen> {
        let wants = [("x", Kind::Number), ("t", Kind::Number), ("t", Kind::Text)];
        let mut batch = Batch::new(wants.into_iter().map(|(column, kind)| Want::new(column, kind)));
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        let mut opened = Opened::new(&File::open(path).unwrap())?;
        let rows = opened.read_with(threads, &mut batch, &mut |batch| {
            numbers.extend(batch.numbers("x").unwrap().iter().map(|number| number.to_bits()));
            let words = batch.words("t").unwrap();
            texts.extend(words.codes.iter().map(|code| words.words[*code as usize].clone()));
        })?;
        assert_eq!(rows as usize, numbers.len());
        Ok((numbers, texts, format!("{:?}", batch.unreadable())))
    }

    #[test]
    fn rows_come_in_their_order_however_many_decode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        write(&path);
        let one = seen(&path, 1).unwrap();
        assert_eq!(one.0.len(), GROUPS * ROWS);
        assert!(one.0.is_sorted() && one.1[40_000] == b"none of it");
        assert!(one.2.contains("count: 2") && one.2.contains("40001"), "{}", one.2);
        for threads in [2, 3, GROUPS + 1] {
            assert_eq!(seen(&path, threads).unwrap(), one, "{threads} threads");
        }
    }

    #[test]
    fn what_is_damaged_in_one_group_fails_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        write(&path);
        let mut bytes = fs_err::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 20_000].fill(0xff);
        fs_err::write(&path, bytes).unwrap();
        let one = seen(&path, 1).unwrap_err();
        for threads in [2, 4] {
            assert_eq!(seen(&path, threads).unwrap_err().code, one.code, "{threads} threads");
        }
    }

    #[test]
    fn few_rows_are_decoded_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        write(&path);
        let file = Positioned(Arc::new(File::open(&path).unwrap()));
        assert_eq!(threads(&SerializedFileReader::new(file).unwrap()), 1);
    }
}
