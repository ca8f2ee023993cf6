//! Many services in one round: `cargo bench --bench scale`.
//!
//! 10,000 services with 5 probes of small files each, and a tenth of them: what one service costs must not grow with how
//! many there are. Each round runs beside its floor, which is reading the same files of configuration and data in one
//! thread. IRCTL_BENCH_SERVICES=1000 makes it smaller.

mod table;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use table::{Row, median, ms, ratio, show, timed};

const RUNS: usize = 3;

const SCHEME: &str = "\
scheme: fleet
levels: {P0: {name: Critical, verdict: CRIT, acknowledge: 15m}, P1: {name: High, verdict: WARN, acknowledge: 1h}}
metrics:
  load: {unit: ratio}
  errors: {unit: ratio}
  depth: {unit: count}
  model_exists: {unit: flag}
  data_size: {unit: bytes}
rules:
  - {id: overloaded, level: P0, when: load > 95%, symptom: load}
  - {id: failing, level: P0, when: errors > 5%, symptom: errors}
  - {id: queueing, level: P1, when: depth > 1000, symptom: depth}
  - {id: no-model, level: P0, when: not model_exists, symptom: model}
  - {id: no-data, level: P1, when: data_size < 1 bytes, symptom: data}
";

fn main() {
    let most: usize =
        std::env::var("IRCTL_BENCH_SERVICES").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let few = Fleet::new(most / 10);
    let many = Fleet::new(most);
    println!("one round of many services, medians of {RUNS} runs in turn with reading the same files\n");
    table::head();
    let (small, _) = few.round(None);
    let asked = (most == 10_000).then_some(Duration::from_secs(10));
    let (large, peak) = many.round(asked);
    let growth = ratio(large, small);
    let times = most as f64 / (most / 10) as f64;
    Row {
        what: "  ten times as many services",
        ours: format!("{growth:.1} ×"),
        against: format!("{} to {} services", most / 10, most),
        comes_to: format!("{:.2} of linear", growth / times),
        asked: "linear: 1.25 at most",
        holds: Some(growth <= times * 1.25),
    }
    .print();
    Row {
        what: "  peak memory",
        ours: format!("{peak:.0} MB"),
        against: String::new(),
        comes_to: String::new(),
        asked: "200 MB",
        holds: (most == 10_000).then_some(peak <= 200.0),
    }
    .print();
    many.fail_at_once(large);
}

/// A workspace of so many services.
struct Fleet {
    directory: tempfile::TempDir,
    services: usize,
}

impl Fleet {
    fn new(services: usize) -> Self {
        let fleet = Self { directory: tempfile::tempdir().expect("a temporary directory"), services };
        let write = |name: &str, text: &str| {
            let path = fleet.root().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
            std::fs::write(path, text).expect("a file");
        };
        write("config/irctl.yaml", "workspace: fleet\nstate: ../state\n");
        write("config/severity/fleet.yaml", SCHEME);
        write("config/notify.yaml", "channels: {sink: {file: {path: sink.jsonl}}}\ndefault: [sink]\n");
        for number in 0..services {
            let folder = format!("data/{}/s{number:05}", number % 100);
            write(
                &format!("config/services/s{number:05}.yaml"),
                &format!(
                    "service: s{number:05}\nkind: service\nscheme: fleet\nprobes:\n  \
                     load: {{json: {{file: {folder}/health.json, pointer: /load, unit: ratio}}}}\n  \
                     errors: {{json: {{file: {folder}/health.json, pointer: /errors, unit: ratio}}}}\n  \
                     depth: {{json: {{file: {folder}/queue.json, pointer: /depth, unit: count}}}}\n  \
                     model: {{file: {{file: {folder}/model.bin}}}}\n  \
                     data: {{file: {{file: {folder}/data.csv}}}}\n"
                ),
            );
            write(&format!("{folder}/health.json"), "{\"load\": 0.4, \"errors\": 0.01}");
            write(&format!("{folder}/queue.json"), "{\"depth\": 12}");
            write(&format!("{folder}/model.bin"), "model");
            write(&format!("{folder}/data.csv"), "date,mean\n2026-11-20,1.0\n");
        }
        fleet
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("workspace")
    }

    fn check(&self) -> Command {
        let mut command = Command::new(table::binary());
        command.args(["check", "--quiet"]).current_dir(self.root());
        command
    }

    /// How long a round takes, and how much memory; the first one, which makes the database, does not count.
    fn round(&self, asked: Option<Duration>) -> (Duration, f64) {
        let run = || {
            let (time, status) = timed(self.check(), None);
            assert_eq!(status, Some(0), "every service is OK");
            time
        };
        run();
        let (mut ours, mut floor) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let begun = Instant::now();
            assert!(read(&self.root()) > self.services * 5);
            floor.push(begun.elapsed());
            ours.push(run());
        }
        let (ours, floor) = (median(ours), median(floor));
        Row {
            what: &format!("irctl check, {} services × 5 probes", self.services),
            ours: show(ours),
            against: format!("reading the files {}", show(floor)),
            comes_to: format!(
                "ratio {:.1}, {:.2} ms each",
                ratio(ours, floor),
                ms(ours) / self.services as f64
            ),
            asked: if asked.is_some() { "10 s" } else { "" },
            holds: asked.map(|asked| ours <= asked),
        }
        .print();
        (ours, table::peak(self.check()))
    }
}

impl Fleet {
    /// The round in which every service fails, against one in which all are well.
    fn fail_at_once(&self, well: Duration) {
        for number in 0..self.services {
            let file = self.root().join(format!("data/{}/s{number:05}/health.json", number % 100));
            std::fs::write(file, "{\"load\": 0.4, \"errors\": 0.5}").expect("a file");
        }
        let begun = Instant::now();
        let peak = table::peak(self.check());
        let took = begun.elapsed();
        let told = std::fs::read_to_string(self.root().join("sink.jsonl")).expect("somebody is told");
        Row {
            what: "  all of them fail at once",
            ours: show(took),
            against: format!("a round without change {}", show(well)),
            comes_to: format!("ratio {:.1}", ratio(took, well)),
            asked: "",
            holds: None,
        }
        .print();
        Row {
            what: "    messages, and peak memory",
            ours: format!("{}", told.lines().count()),
            against: format!("{} incidents", self.services),
            comes_to: format!("{peak:.0} MB"),
            asked: "one message, 250 MB",
            holds: (self.services == 10_000).then_some(told.lines().count() == 1 && peak <= 250.0),
        }
        .print();
    }
}

/// Reads every file below a folder; returns how many.
fn read(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let count = |path: PathBuf| match path.is_dir() {
        true => read(&path),
        false => usize::from(!std::fs::read(&path).expect("a file").is_empty()),
    };
    entries.map(|entry| count(entry.expect("an entry").path())).sum()
}
