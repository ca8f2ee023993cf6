//! Six checks on a Parquet file of a million rows, against a floor and, when asked, a peer.
//!
//! The floor is the parquet crate decoding the same columns and throwing them away. The peer is Python's DuckDB doing
//! the same checks, as a whole process: `IRCTL_BENCH_DUCKDB=1` installs it in a scratch virtual environment. Ours is the
//! release binary running `irctl verify` with a suite that expects the very numbers which the peer finds.

mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use table::{Row, median, ratio, show};

use irctl::probe::{self, Outcome, ProbeConfig, Request, VersionMap};
use irctl::store::Measurement;
use parquet::basic::Compression;
use parquet::column::reader::ColumnReader;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

const ROWS: usize = 1_000_000;
/// As DuckDB itself writes them.
const GROUP: usize = 122_880;
const RUNS: usize = 15;
const CARRIERS: [&str; 8] =
    ["Athene", "Brighthouse", "Equitable", "Ameriprise", "Jackson", "Lincoln", "Symetra", "Transamerica"];
/// 2026-11-19, counted from 1970-01-01.
const NEWEST: i32 = 20_776;

const CHECKS: &str = "
rates:
  table:
    file: rates.parquet
    nulls: {columns: [date, carrier, mean, lower, upper]}
    range:
      - {columns: [mean], low: 0, high: 5000, allow_missing: true}
      - {columns: [lower], low: 0, allow_missing: true}
      - {columns: [upper], low: 0, high: 6000, allow_missing: true}
    freshness: {column: date}
    coverage:
      column: carrier
      groups: [Athene, Brighthouse, Equitable, Ameriprise, Jackson, Lincoln, Symetra, Transamerica]
      date: date
      within: 30 days
      sparse_below: 5
";

/// The same, as one query: the way that is fastest for DuckDB.
const QUERY: &str = "
import duckdb
row = duckdb.execute('''
  select count(*),
    count(*) * 5 - count(date) - count(carrier) - count(mean) - count(lower) - count(upper),
    count(*) filter (mean < 0 or mean > 5000 or lower < 0 or upper < 0 or upper > 6000),
    DATE '2026-11-20' - max(date)
  from 'rates.parquet' ''').fetchone()
groups = duckdb.execute('''
  select carrier, count(*) from 'rates.parquet'
  where date >= DATE '2026-11-20' - 30 and date <= DATE '2026-11-20' group by carrier''').fetchall()
print(*row, sum(1 for group in groups if group[0]))
";

fn main() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let file = directory.path().join("rates.parquet");
    write(&file);
    let size = std::fs::metadata(&file).expect("the file").len();
    println!(
        "\nsix checks on {ROWS} rows ({:.1} MB of Parquet), medians of {RUNS} runs in turn\n",
        size as f64 / 1e6
    );
    table::head();
    in_process(directory.path(), &file);
    whole_process(directory.path());
}

fn in_process(folder: &Path, file: &Path) {
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        floor.push(timed(|| decode(file)));
        ours.push(timed(|| checks(folder)));
    }
    let (ours, floor) = (median(ours), median(floor));
    Row {
        what: "the pass alone, in this process",
        ours: show(ours),
        against: format!("decoding the columns {}", show(floor)),
        comes_to: format!("ratio {:.2}", ratio(ours, floor)),
        asked: "",
        holds: None,
    }
    .print();
}

fn whole_process(folder: &Path) {
    let python = std::env::var_os("IRCTL_BENCH_DUCKDB").map(|_| python(folder));
    let figures = checks(folder);
    lay_out(folder, &figures);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (time, status) = table::timed(verify(folder), None);
        assert_eq!(status, Some(0), "irctl verify must find {figures}");
        ours.push(time);
        if let Some(python) = &python {
            let begun = Instant::now();
            let said = output(Command::new(python).arg("-c").arg(QUERY).current_dir(folder));
            theirs.push(begun.elapsed());
            assert_eq!(said.trim(), figures, "both must find the same");
        }
    }
    let ours = median(ours);
    let theirs = python.map(|_| median(theirs));
    Row {
        what: "irctl verify, the whole process",
        ours: show(ours),
        against: match theirs {
            Some(theirs) => format!("Python's DuckDB {}", show(theirs)),
            None => "(IRCTL_BENCH_DUCKDB=1 runs DuckDB)".to_owned(),
        },
        comes_to: theirs.map_or_else(String::new, |theirs| format!("ratio {:.2}", ratio(ours, theirs))),
        asked: "no slower than DuckDB",
        holds: theirs.map(|theirs| ours <= theirs),
    }
    .print();
    let peak = table::peak(verify(folder));
    Row {
        what: "  its peak memory",
        ours: format!("{peak:.1} MB"),
        against: String::new(),
        comes_to: String::new(),
        asked: "under 100 MB",
        holds: Some(peak < 100.0),
    }
    .print();
}

/// A workspace whose only suite runs the checks and expects these figures.
fn lay_out(folder: &Path, figures: &str) {
    let figures: Vec<_> = figures.split(' ').collect();
    let [rows, nulls, out, age, groups] = figures[..] else { panic!("five figures: {figures:?}") };
    let missing = CARRIERS.len() - groups.parse::<usize>().expect("a count");
    let probes: String = CHECKS.trim().lines().map(|line| format!("  {line}\n")).collect();
    let suite = format!(
        "suite: bench\nprobes:\n{probes}expect:\n\
         - {{id: rows, that: rates_rows == {rows}}}\n\
         - {{id: nulls, that: rates_nulls == {nulls}}}\n\
         - {{id: range, that: rates_out_of_range == {out}}}\n\
         - {{id: age, that: rates_age == {age} days}}\n\
         - {{id: coverage, that: rates_missing == {missing}}}\n\
         - {{id: sparse, that: rates_sparse == 0}}\n"
    );
    std::fs::create_dir_all(folder.join("config/verify")).expect("a folder");
    std::fs::write(folder.join("config/irctl.yaml"), "workspace: bench\n").expect("a file");
    std::fs::write(folder.join("config/verify/bench.yaml"), suite).expect("a file");
}

fn verify(folder: &Path) -> Command {
    let mut command = Command::new(table::binary());
    command.args(["verify", "bench", "--now", "2026-11-20T03:00:00Z"]).current_dir(folder);
    command.env("XDG_STATE_HOME", folder.join("state"));
    command
}

fn output(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().expect("a process");
    assert!(output.status.success(), "{command:?}: {}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

/// Python with DuckDB, installed in a scratch virtual environment.
fn python(folder: &Path) -> PathBuf {
    let place = folder.join("venv");
    output(Command::new("python3").arg("-m").arg("venv").arg(&place));
    output(Command::new(place.join("bin/pip")).args(["install", "--quiet", "duckdb"]));
    place.join("bin/python")
}

fn checks(folder: &Path) -> String {
    let probes: BTreeMap<String, ProbeConfig> = serde_saphyr::from_str(CHECKS).expect("a configuration");
    let versions = VersionMap::default();
    let now = chrono::DateTime::from_timestamp(1_795_143_600, 0).expect("2026-11-20T03:00:00Z");
    let request = Request { service: "bench", root: folder, now, versions: &versions, untrusted: true };
    let outcomes = probe::measure_all(&probes, &request);
    figures(outcomes.first().expect("an outcome"))
}

/// Rows, nulls, rows out of range, days, groups that are there: what the query prints.
fn figures(outcome: &Outcome) -> String {
    let value = |metric: &str| {
        let sample = outcome.samples.iter().find(|sample| sample.metric == metric).expect("a sample");
        match &sample.measurement {
            Measurement::Value(value) => *value,
            Measurement::Undecided(reason) => panic!("{metric}: {reason}"),
        }
    };
    let [rows, nulls, out, age] = ["rates_rows", "rates_nulls", "rates_out_of_range", "rates_age"].map(value);
    format!("{rows} {nulls} {out} {age} {}", CARRIERS.len() as f64 - value("rates_missing"))
}

/// The columns that the checks need, decoded and thrown away.
fn decode(file: &Path) -> String {
    let reader = SerializedFileReader::new(std::fs::File::open(file).expect("the file")).expect("Parquet");
    let mut values = 0;
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).expect("a row group");
        for column in 0..5 {
            values += match group.get_column_reader(column).expect("a column") {
                ColumnReader::Int32ColumnReader(mut reader) => {
                    drain(|v, l| reader.read_records(8192, l, None, v))
                }
                ColumnReader::DoubleColumnReader(mut reader) => {
                    drain(|v, l| reader.read_records(8192, l, None, v))
                }
                ColumnReader::ByteArrayColumnReader(mut reader) => {
                    drain(|v, l| reader.read_records(8192, l, None, v))
                }
                _ => panic!("another type"),
            };
        }
    }
    values.to_string()
}

fn drain<T>(
    mut read: impl FnMut(&mut Vec<T>, Option<&mut Vec<i16>>) -> parquet::errors::Result<(usize, usize, usize)>,
) -> usize {
    let (mut values, mut levels, mut total) = (Vec::new(), Vec::new(), 0);
    loop {
        values.clear();
        levels.clear();
        let (records, _, _) = read(&mut values, Some(&mut levels)).expect("values");
        if records == 0 {
            return total;
        }
        total += std::hint::black_box(&values).len();
    }
}

/// A million rows as a pipeline would write them: everything may be null, a few things are, and two columns more that
/// nobody asks about.
fn write(path: &Path) {
    let schema = "message rates { optional int32 date (DATE); optional binary carrier (STRING); optional double mean; \
                  optional double lower; optional double upper; optional int64 id; optional binary note (STRING); }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let properties = Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
    let file = std::fs::File::create(path).expect("a file");
    let mut writer = SerializedFileWriter::new(file, schema, properties).expect("a writer");
    let mut random = Random(42);
    for first in (0..ROWS).step_by(GROUP) {
        let rows = GROUP.min(ROWS - first);
        let mut group = writer.next_row_group().expect("a row group");
        write_group(&mut group, first, rows, &mut random);
        group.close().expect("a row group");
    }
    writer.close().expect("a file");
}

fn write_group(
    group: &mut SerializedRowGroupWriter<'_, std::fs::File>,
    first: usize,
    rows: usize,
    random: &mut Random,
) {
    let dates: Vec<i32> =
        (first..first + rows).map(|row| NEWEST - 400 + (row * 400 / (ROWS - 1)) as i32).collect();
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

fn timed(work: impl FnOnce() -> String) -> Duration {
    let begun = Instant::now();
    std::hint::black_box(work());
    begun.elapsed()
}
