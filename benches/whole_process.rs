//! Whole processes, timed from outside: `cargo bench --bench whole_process`.
//!
//! Every figure is a median of runs that took turns with its floor: starting `/bin/true`, or forcing one small file to
//! the same disk.

mod table;

use std::path::{Path, PathBuf};
use std::process::Command;

use table::{Row, median, ms, ratio, show, timed};

const RUNS: usize = 31;

const ALERT: &str = r#"{"alert_name":"HighErrorRate","description":"errors","affected_services":["model-serving"],
"metrics":{"error_rate":0.6,"availability":0.97,"accuracy_drop":0.02,"latency_increase_pct":0.4}}"#;

fn main() {
    let bench = Bench { directory: tempfile::tempdir().expect("a temporary directory") };
    println!("whole processes, medians of {RUNS} runs in turn with what they are compared to\n");
    table::head();
    bench.small("irctl --version", &["--version"], None);
    bench.small("irctl classify, one alert", &["classify", "--scheme", "protocol-25", "-"], Some(ALERT));
    bench.healthy_round();
    bench.large_round();
    bench.opening_round();
    bench.long_history();
}

struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    /// A command that should cost hardly more than starting any process.
    fn small(&self, name: &str, arguments: &[&str], input: Option<&str>) {
        let (mut ours, mut floor) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            floor.push(timed(Command::new("/bin/true"), None).0);
            let mut command = Command::new(table::binary());
            command.args(arguments).current_dir(self.directory.path());
            let (time, status) = timed(command, input);
            assert_eq!(status, Some(0), "{name}");
            ours.push(time);
        }
        let (ours, floor) = (median(ours), median(floor));
        let over = ms(ours) - ms(floor);
        Row {
            what: name,
            ours: show(ours),
            against: format!("/bin/true {} (ratio {:.1})", show(floor), ratio(ours, floor)),
            comes_to: format!("+ {over:.1} ms"),
            asked: "+ 5 ms",
            holds: Some(over <= 5.0),
        }
        .print();
    }

    /// The round that cron runs, with a clock that goes on as it does there: figures of now are new every time.
    fn healthy_round(&self) {
        let night = Night::new(self.directory.path(), "healthy");
        let mut minutes = 0..;
        let mut next = || night.check(minutes.next().unwrap_or_default());
        assert_eq!(timed(next(), None).1, Some(0), "the fixtures are healthy");
        let (mut ours, mut floor, mut sync) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let (time, status) = timed(next(), None);
            assert_eq!(status, Some(0), "the fixtures stay healthy");
            ours.push(time);
            floor.push(timed(Command::new("/bin/true"), None).0);
            sync.push(table::one_sync(&night.folder));
        }
        let (ours, floor, sync) = (median(ours), median(floor), median(sync));
        let count = table::syncs(&next());
        Row {
            what: "irctl check, a healthy round",
            ours: show(ours),
            against: format!("{count} fsyncs of {}", show(sync)),
            comes_to: format!("+ {:.1} ms", ms(ours) - ms(sync) * f64::from(count)),
            asked: "under 50 ms in all",
            holds: Some(ms(ours) < 50.0),
        }
        .print();
        let peak = table::peak(next());
        Row {
            what: "  its peak memory",
            ours: format!("{peak:.1} MB"),
            against: format!("(/bin/true {})", show(floor)),
            comes_to: String::new(),
            asked: "under 40 MB",
            holds: Some(peak < 40.0),
        }
        .print();
    }

    /// The healthy round over a model of 256 MiB, which is not hashed again while it stays as it is.
    fn large_round(&self) {
        let night = Night::new(self.directory.path(), "large");
        night.grow(256);
        // What changed less than two seconds ago is not remembered.
        std::thread::sleep(std::time::Duration::from_millis(2100));
        let (first, status) = timed(night.check(0), None);
        assert_eq!(status, Some(0), "a large model is healthy, too");
        let rounds = (1..=9).map(|minute| {
            let (time, status) = timed(night.check(minute), None);
            assert_eq!(status, Some(0), "the fixtures stay healthy");
            time
        });
        let ours = median(rounds.collect());
        Row {
            what: "irctl check, a model of 256 MiB",
            ours: show(ours),
            against: format!("the first round {}", show(first)),
            comes_to: String::new(),
            asked: "under 50 ms in all",
            holds: Some(ms(ours) < 50.0),
        }
        .print();
        std::fs::remove_dir_all(&night.folder).expect("removed");
    }

    /// The round that opens an incident, after a healthy one, against what its fsyncs cost.
    fn opening_round(&self) {
        let (mut ours, mut sync) = (Vec::new(), Vec::new());
        let mut count = 0;
        for run in 0..=RUNS / 2 {
            let night = Night::new(self.directory.path(), &format!("bad-{run}"));
            assert_eq!(timed(night.check(0), None).1, Some(0), "the fixtures are healthy");
            night.lay_over("mape-two-weeks");
            if run == 0 {
                count = table::syncs(&night.check(7));
                continue;
            }
            let (time, status) = timed(night.check(7), None);
            assert_eq!(status, Some(2), "the bad model is found");
            ours.push(time);
            sync.push(table::one_sync(&night.folder));
        }
        let (ours, sync) = (median(ours), median(sync));
        let own = ms(ours) - ms(sync) * f64::from(count);
        Row {
            what: "irctl check, opening an incident",
            ours: show(ours),
            against: format!("{count} fsyncs of {}", show(sync)),
            comes_to: format!("+ {own:.1} ms"),
            asked: "+ 30 ms",
            holds: Some(own <= 30.0),
        }
        .print();
    }

    /// A round, and the screen, when many rounds lie behind: against the same round with nothing behind it.
    fn long_history(&self) {
        const BEHIND: u32 = 400;
        let night = Night::new(self.directory.path(), "long");
        let run = |command: Command, times: &mut Vec<_>| {
            let (time, status) = timed(command, None);
            assert_eq!(status, Some(0), "the fixtures stay healthy");
            times.push(time);
        };
        let sample = |from: u32| {
            let (mut round, mut screen) = (Vec::new(), Vec::new());
            for minute in from..from + 15 {
                run(night.check(minute), &mut round);
                run(night.screen(minute), &mut screen);
            }
            (median(round), median(screen))
        };
        timed(night.check(0), None);
        let first = sample(1);
        for minute in 16..BEHIND {
            timed(night.check(minute), None);
        }
        let last = sample(BEHIND);
        for (what, last, first) in [
            ("irctl check, 400 rounds later", last.0, first.0),
            ("irctl (the screen), 400 rounds later", last.1, first.1),
        ] {
            Row {
                what,
                ours: show(last),
                against: format!("at the beginning {}", show(first)),
                comes_to: format!("ratio {:.2}", ratio(last, first)),
                asked: "",
                holds: None,
            }
            .print();
        }
    }
}

/// A workspace of the fixtures and its state.
struct Night {
    folder: PathBuf,
}

impl Night {
    fn new(parent: &Path, name: &str) -> Self {
        let night = Self { folder: parent.join(name) };
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&repository.join("fixtures/rila_6y20b/base"), &night.root());
        copy(&repository.join("config"), &night.root().join("config"));
        copy(&repository.join("runbooks"), &night.root().join("runbooks"));
        night
    }

    fn root(&self) -> PathBuf {
        self.folder.join("workspace")
    }

    fn lay_over(&self, variant: &str) {
        let variants = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rila_6y20b/variants");
        copy(&variants.join(variant).join("overlay"), &self.root());
    }

    /// Pads the model that serves with blanks, and has everything that names its digest name the new one.
    fn grow(&self, megabytes: usize) {
        use std::io::Write as _;
        let model = self.root().join("models/production/rila_6y20b/model.json");
        let old = irctl::base::Digest::of_file(&model).expect("a digest").0;
        let mut file = std::fs::OpenOptions::new().append(true).open(&model).expect("the model");
        for _ in 0..megabytes {
            file.write_all(&vec![b' '; 1024 * 1024]).expect("written");
        }
        let new = irctl::base::Digest::of_file(&model).expect("a digest").0;
        for name in ["latest_predictions.csv", "health.json"] {
            let path = self.root().join("outputs/production/rila_6y20b").join(name);
            let text = std::fs::read_to_string(&path).expect("a file").replace(old.hex(), new.hex());
            std::fs::write(&path, text).expect("a file");
        }
    }

    fn check(&self, minute: u32) -> Command {
        let mut command = self.screen(minute);
        command.arg("check");
        command
    }

    fn screen(&self, minute: u32) -> Command {
        let mut command = Command::new(table::binary());
        let clock = format!("2026-11-20T{:02}:{:02}:00Z", 3 + minute / 60, minute % 60);
        command.current_dir(self.root()).env("IRCTL_TEST_CLOCK", clock).env("IRCTL_ACTOR", "bench");
        command.env("XDG_STATE_HOME", self.folder.join("state"));
        command
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}
