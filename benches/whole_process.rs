//! Whole processes, timed from outside against a floor that runs in turn with them.
//!
//! Prints ratios and differences; it judges nothing. `cargo bench --bench whole_process` after a release build.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RUNS: usize = 41;

fn main() {
    let binary = binary();
    let bench = Bench { binary, directory: tempfile::tempdir().expect("a temporary directory") };
    println!("whole process, medians of {RUNS} runs in turn with the floor");
    bench.small("irctl --version", &["--version"], None);
    bench.small("irctl classify (one alert)", &["classify", "-"], Some(ALERT));
    bench.healthy_round();
    bench.opening_round();
}

const ALERT: &str = r#"{"alert_name":"HighErrorRate","description":"errors","affected_services":["model-serving"],
"metrics":{"error_rate":0.6,"availability":0.97,"accuracy_drop":0.02,"latency_increase_pct":0.4}}"#;

/// The release binary beside this bench.
fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_irctl"))
}

struct Bench {
    binary: PathBuf,
    directory: tempfile::TempDir,
}

impl Bench {
    /// A command that should cost hardly more than starting any process.
    fn small(&self, name: &str, arguments: &[&str], input: Option<&str>) {
        let mut ours = Vec::new();
        let mut floor = Vec::new();
        for _ in 0..RUNS {
            floor.push(timed(Command::new("/bin/true"), None));
            let mut command = Command::new(&self.binary);
            command.args(arguments).current_dir(self.directory.path());
            ours.push(timed(command, input));
        }
        let (ours, floor) = (median(ours), median(floor));
        println!(
            "  {name}: {} over /bin/true's {} (ratio {:.2})",
            show(ours.saturating_sub(floor)),
            show(floor),
            ours.as_secs_f64() / floor.as_secs_f64()
        );
    }

    fn workspace(&self, name: &str, variant: Option<&str>) -> PathBuf {
        let root = self.directory.path().join(name);
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rila_6y20b");
        copy(&fixtures.join("base"), &root);
        if let Some(variant) = variant {
            copy(&fixtures.join("variants").join(variant).join("overlay"), &root);
        }
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config"), &root.join("config"));
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks"), &root.join("runbooks"));
        root
    }

    fn check(&self, root: &Path, state: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("check").current_dir(root);
        command.env("XDG_STATE_HOME", self.directory.path().join(state));
        command.env("IRCTL_TEST_CLOCK", "2026-11-20T03:07:00Z").env("IRCTL_ACTOR", "bench");
        command
    }

    /// The round that cron runs 48 times a day.
    fn healthy_round(&self) {
        let root = self.workspace("healthy", None);
        timed(self.check(&root, "healthy-state"), None);
        let runs: Vec<_> = (0..RUNS).map(|_| timed(self.check(&root, "healthy-state"), None)).collect();
        let floor: Vec<_> = (0..RUNS).map(|_| timed(Command::new("/bin/true"), None)).collect();
        println!(
            "  irctl check, healthy: {} (/bin/true {}), peak {} MB, {} fsyncs",
            show(median(runs)),
            show(median(floor)),
            peak_megabytes(self.check(&root, "healthy-state")),
            self.syncs(&root, "healthy-state"),
        );
    }

    /// The round that opens an incident, against what its fsyncs cost on this disk in the same minute.
    fn opening_round(&self) {
        let mut runs = Vec::new();
        for run in 0..11 {
            let root = self.workspace(&format!("bad-{run}"), Some("mape-two-weeks"));
            runs.push(timed(self.check(&root, &format!("bad-state-{run}")), None));
        }
        let root = self.workspace("bad-counted", Some("mape-two-weeks"));
        let syncs = self.syncs(&root, "bad-state-counted");
        let each = self.one_sync();
        let ours = median(runs);
        let disk = each.saturating_mul(syncs);
        println!(
            "  irctl check, opening an incident: {} = {syncs} fsyncs of {} ({}) + {}",
            show(ours),
            show(each),
            show(disk),
            show(ours.saturating_sub(disk)),
        );
    }

    /// How often a round forces data to disk, as strace counts it.
    fn syncs(&self, root: &Path, state: &str) -> u32 {
        let log = self.directory.path().join("strace");
        let check = self.check(root, state);
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", "trace=fsync,fdatasync,sync_file_range", "-o"]).arg(&log);
        command.arg(check.get_program()).args(check.get_args()).current_dir(root);
        for (name, value) in check.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        timed(command, None);
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        u32::try_from(text.lines().filter(|line| line.contains("sync")).count()).unwrap_or(0)
    }

    /// What forcing one small write to this disk costs.
    fn one_sync(&self) -> Duration {
        use std::io::Write as _;
        let path = self.directory.path().join("sync");
        let mut file = std::fs::File::create(path).expect("a file");
        let runs = (0..RUNS)
            .map(|_| {
                file.write_all(&[0; 4096]).expect("a write");
                let begun = Instant::now();
                file.sync_data().expect("a sync");
                begun.elapsed()
            })
            .collect();
        median(runs)
    }
}

fn timed(mut command: Command, input: Option<&str>) -> Duration {
    use std::io::Write as _;
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let begun = Instant::now();
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        let _ = pipe.write_all(input.as_bytes());
    }
    let _ = child.wait();
    begun.elapsed()
}

/// The peak of one run's resident memory, as GNU time or, where that is missing, as /proc saw it last.
fn peak_megabytes(mut command: Command) -> u64 {
    command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
    let mut child = command.spawn().expect("irctl starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while let Ok(None) = child.try_wait() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        peak = peak.max(line.trim().trim_end_matches(" kB").parse().unwrap_or(0));
    }
    peak / 1024
}

fn median(mut runs: Vec<Duration>) -> Duration {
    runs.sort();
    runs.get(runs.len() / 2).copied().unwrap_or_default()
}

fn show(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
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
