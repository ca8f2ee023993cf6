//! Six checks on a million rows, of Parquet and of CSV, against a floor and, when asked, peers.
//!
//! The floor is the parquet crate decoding the same columns and throwing them away. The peers are whole processes that do
//! the same checks: `IRCTL_BENCH_DUCKDB=1` runs Python's DuckDB, `IRCTL_BENCH_PEERS=1` Soda, Great Expectations and
//! Evidently too, each from a scratch virtual environment of its own. Ours is the release binary running `irctl verify`
//! with a suite that expects the very numbers which DuckDB finds. `IRCTL_BENCH_ROWS=100000000` asks for more rows, of
//! Parquet alone: some 3 GB of them in the folder for temporary files.

mod peers;
mod rows;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use irctl::probe::{self, Outcome, ProbeConfig, Request, VersionMap};
use irctl::store::Measurement;
use parquet::column::reader::ColumnReader;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use peers::Peers;
use rows::CARRIERS;
use table::{Row, median, ratio, show};

const USUAL_ROWS: usize = 1_000_000;

const CHECKS: &str = "
rates:
  table:
    file: rates.FORM
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

fn main() {
    let asked = std::env::var("IRCTL_BENCH_ROWS").ok().and_then(|text| text.parse().ok());
    let rows: usize = asked.unwrap_or(USUAL_ROWS);
    let directory = tempfile::tempdir().expect("a temporary folder");
    let peers = Peers::asked(&directory.path().join("peers"));
    for form in if rows > USUAL_ROWS { &["parquet"][..] } else { &["parquet", "csv"][..] } {
        let bench =
            Bench { folder: directory.path().join(form), form, rows, runs: 15.min(30_000_000 / rows).max(3) };
        std::fs::create_dir(&bench.folder).expect("a folder");
        bench.run(&peers);
    }
}

/// The checks of one file.
struct Bench {
    folder: PathBuf,
    /// What the file is: its ending.
    form: &'static str,
    rows: usize,
    runs: usize,
}

impl Bench {
    fn run(&self, peers: &Peers) {
        let file = self.folder.join(format!("rates.{}", self.form));
        if self.form == "csv" {
            rows::csv(&file, self.rows)
        } else {
            rows::parquet(&file, self.rows)
        }
        let size = std::fs::metadata(&file).expect("the file").len();
        println!(
            "\nsix checks on {} rows ({:.1} MB of {}), medians of {} runs in turn\n",
            self.rows,
            size as f64 / 1e6,
            self.form,
            self.runs
        );
        table::head();
        if self.form == "parquet" {
            self.in_process(&file);
        }
        self.whole_process(peers);
    }

    fn in_process(&self, file: &Path) {
        let (mut ours, mut floor) = (Vec::new(), Vec::new());
        for _ in 0..self.runs {
            floor.push(timed(|| decode(file)));
            ours.push(timed(|| self.checks()));
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

    fn whole_process(&self, peers: &Peers) {
        let figures = self.checks();
        lay_out(&self.folder, self.form, &figures);
        let mut ours = Vec::new();
        let mut theirs: Vec<Vec<Duration>> = vec![Vec::new(); peers.all().len()];
        for run in 0..self.runs {
            let (time, status) = table::timed(verify(&self.folder), None);
            assert_eq!(status, Some(0), "irctl verify must find {figures}");
            ours.push(time);
            for (peer, times) in peers.all().iter().zip(&mut theirs) {
                // Those that take seconds need not take them so often.
                if run < peer.runs {
                    let (time, said) = peer.check(&self.folder, self.form);
                    times.push(time);
                    assert!(!peer.tells || said.trim() == figures, "{}: {said}, not {figures}", peer.name);
                }
            }
        }
        let ours = median(ours);
        let limit = if self.rows > USUAL_ROWS { 2.0 } else { 1.0 };
        if peers.all().is_empty() {
            let against = "(IRCTL_BENCH_DUCKDB=1 runs DuckDB)".to_owned();
            self.compared(ours, against, String::new(), "", None);
        }
        for (peer, times) in peers.all().iter().zip(theirs) {
            let theirs = median(times);
            let against = format!("{} {}", peer.shown, show(theirs));
            let (comes_to, asked, holds) = if peer.tells {
                let asked = if limit > 1.0 { "twice DuckDB's at most" } else { "no slower than DuckDB" };
                (ratio(ours, theirs), asked, ratio(ours, theirs) <= limit)
            } else {
                (ratio(theirs, ours), "ten times as fast", ratio(theirs, ours) >= 10.0)
            };
            let comes_to =
                if peer.tells { format!("ratio {comes_to:.2}") } else { format!("{comes_to:.0} ×") };
            self.compared(ours, against, comes_to, asked, Some(holds));
        }
        let peak = table::peak(verify(&self.folder));
        Row {
            what: "  its peak memory",
            ours: format!("{peak:.1} MB"),
            against: String::new(),
            comes_to: String::new(),
            asked: "under 150 MB",
            holds: Some(peak < 150.0),
        }
        .print();
    }

    fn compared(&self, ours: Duration, against: String, comes_to: String, asked: &str, holds: Option<bool>) {
        let what = format!("irctl verify, whole process, {}", self.form);
        Row { what: &what, ours: show(ours), against, comes_to, asked, holds }.print();
    }

    fn checks(&self) -> String {
        let text = CHECKS.replace("FORM", self.form);
        let probes: BTreeMap<String, ProbeConfig> = serde_saphyr::from_str(&text).expect("a configuration");
        let versions = VersionMap::default();
        let now = chrono::DateTime::from_timestamp(1_795_143_600, 0).expect("2026-11-20T03:00:00Z");
        let request =
            Request { service: "bench", root: &self.folder, now, versions: &versions, untrusted: true };
        let outcomes = probe::measure_all(&probes, &request);
        figures(outcomes.first().expect("an outcome"))
    }
}

/// A workspace whose only suite runs the checks and expects these figures.
fn lay_out(folder: &Path, form: &str, figures: &str) {
    let figures: Vec<_> = figures.split(' ').collect();
    let [rows, nulls, out, age, groups] = figures[..] else { panic!("five figures: {figures:?}") };
    let missing = CARRIERS.len() - groups.parse::<usize>().expect("a count");
    let probes: String =
        CHECKS.replace("FORM", form).trim().lines().map(|line| format!("  {line}\n")).collect();
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

fn timed(work: impl FnOnce() -> String) -> Duration {
    let begun = Instant::now();
    std::hint::black_box(work());
    begun.elapsed()
}
