//! The rows that are checked: the same in every run, as Parquet or as CSV.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

/// As DuckDB itself writes them.
const GROUP: usize = 122_880;
/// The groups of the column `carrier`.
pub const CARRIERS: [&str; 8] =
    ["Athene", "Brighthouse", "Equitable", "Ameriprise", "Jackson", "Lincoln", "Symetra", "Transamerica"];
/// 2026-11-19, counted from 1970-01-01.
const NEWEST: i32 = 20_776;

/// The day of a row, of so many: the newest are the last.
fn day(row: usize, all: usize) -> i32 {
    NEWEST - 400 + (row * 400 / (all - 1)) as i32
}

/// The same kind of rows as text; what is null is nothing between two commas.
pub fn csv(path: &Path, all: usize) {
    let mut random = Random(42);
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).expect("a file"));
    writeln!(out, "date,carrier,mean,lower,upper,id,note").expect("a line");
    let epoch = chrono::NaiveDate::default();
    for row in 0..all {
        let date = epoch + chrono::Days::new(u64::try_from(day(row, all)).expect("after 1970"));
        let carrier = CARRIERS[random.below(8)];
        let mut value = |low: f64| match random.below(100_000) {
            0 => "-1".to_owned(),
            1..=100 => String::new(),
            _ => format!("{}", low + random.below(1 << 30) as f64 / 1e6),
        };
        let (mean, lower, upper) = (value(1000.0), value(800.0), value(1200.0));
        writeln!(out, "{date},{carrier},{mean},{lower},{upper},{row},row {row} of the table")
            .expect("a line");
    }
    out.flush().expect("written");
}

/// Rows as a pipeline would write them: everything may be null, a few things are, and two columns more that
/// nobody asks about.
pub fn parquet(path: &Path, all: usize) {
    let schema = "message rates { optional int32 date (DATE); optional binary carrier (STRING); optional double mean; \
                  optional double lower; optional double upper; optional int64 id; optional binary note (STRING); }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let properties = Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
    let file = std::fs::File::create(path).expect("a file");
    let mut writer = SerializedFileWriter::new(file, schema, properties).expect("a writer");
    let mut random = Random(42);
    for first in (0..all).step_by(GROUP) {
        let rows = GROUP.min(all - first);
        let mut group = writer.next_row_group().expect("a row group");
        write_group(&mut group, (first, rows, all), &mut random);
        group.close().expect("a row group");
    }
    writer.close().expect("a file");
}

fn write_group(
    group: &mut SerializedRowGroupWriter<'_, std::fs::File>,
    (first, rows, all): (usize, usize, usize),
    random: &mut Random,
) {
    let dates: Vec<i32> = (first..first + rows).map(|row| day(row, all)).collect();
    let carriers: Vec<ByteArray> = (0..rows).map(|_| ByteArray::from(CARRIERS[random.below(8)])).collect();
    put::<Int32Type>(group, &dates, random);
    put::<ByteArrayType>(group, &carriers, random);
    for low in [1000.0, 800.0, 1200.0] {
        let mut values: Vec<f64> = (0..rows).map(|_| low + random.below(1 << 30) as f64 / 1e6).collect();
        values[random.below(rows)] = -1.0;
        put::<DoubleType>(group, &values, random);
    }
    let ids: Vec<i64> = (first..first + rows).map(|row| row as i64).collect();
    let notes: Vec<ByteArray> =
        ids.iter().map(|id| ByteArray::from(format!("row {id} of the table").as_str())).collect();
    put::<Int64Type>(group, &ids, random);
    put::<ByteArrayType>(group, &notes, random);
}

/// Writes a column in which one value of a thousand is null.
fn put<T: parquet::data_type::DataType>(
    group: &mut SerializedRowGroupWriter<'_, std::fs::File>,
    values: &[T::T],
    random: &mut Random,
) {
    let levels: Vec<i16> = values.iter().map(|_| i16::from(random.below(1000) != 0)).collect();
    let there: Vec<T::T> = values
        .iter()
        .zip(&levels)
        .filter(|(_, level)| **level == 1)
        .map(|(value, _)| value.clone())
        .collect();
    let mut column = group.next_column().expect("a column").expect("a column");
    column.typed::<T>().write_batch(&there, Some(&levels), None).expect("values");
    column.close().expect("a column");
}

/// Numbers that are the same in every run (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}
