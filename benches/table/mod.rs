//! What the benches print: rows of one table, each figure beside the floor or the peer that ran in turn with it.

#![allow(dead_code)] // Each bench uses a part of it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One row.
pub struct Row<'a> {
    /// What was measured.
    pub what: &'a str,
    /// The figure.
    pub ours: String,
    /// The floor or the peer.
    pub against: String,
    /// What the one is over the other.
    pub comes_to: String,
    /// What is asked for.
    pub asked: &'a str,
    /// Whether that holds; `None` where nothing is asked for.
    pub holds: Option<bool>,
}

/// Prints the table's head.
pub fn head() {
    line("WHAT", "MEASURED", "AGAINST", "COMES TO", "ASKED FOR", "");
}

impl Row<'_> {
    /// Prints the row.
    pub fn print(&self) {
        let holds = self.holds.map_or("", |holds| if holds { "holds" } else { "DOES NOT HOLD" });
        line(self.what, &self.ours, &self.against, &self.comes_to, self.asked, holds);
    }
}

fn line(what: &str, ours: &str, against: &str, comes_to: &str, asked: &str, holds: &str) {
    let text = format!("{what:<41} {ours:>9}  {against:<34} {comes_to:<14} {asked:<24} {holds}");
    println!("{}", text.trim_end());
}

/// The release binary that stands beside the bench.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_irctl"))
}

/// How long a process takes from its start until it has ended and been waited for.
pub fn timed(mut command: Command, input: Option<&str>) -> (Duration, Option<i32>) {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let begun = Instant::now();
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        let _ = pipe.write_all(input.as_bytes());
    }
    let status = child.wait().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    (begun.elapsed(), status.code())
}

/// `command` run by another program.
pub fn under(program: &str, arguments: &[&str], command: &Command) -> Command {
    let mut outer = Command::new(program);
    outer.args(arguments).arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        outer.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer
}

/// The peak of a process's resident memory in megabytes: as the kernel tells it to GNU time, else as /proc showed it
/// last, which may miss what came in the process's last microseconds.
pub fn peak(mut command: Command) -> f64 {
    if Path::new("/usr/bin/time").exists() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let place = file.path().to_string_lossy().into_owned();
        timed(under("/usr/bin/time", &["-f", "%M", "-o", &place], &command), None);
        let text = std::fs::read_to_string(&place).unwrap_or_default();
        let kilobytes = text.lines().last().and_then(|line| line.parse::<f64>().ok());
        return kilobytes.expect("GNU time tells the peak") / 1024.0;
    }
    command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0_f64;
    while let Ok(None) = child.try_wait() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        peak = peak.max(line.trim().trim_end_matches(" kB").parse().unwrap_or(0.0));
    }
    peak / 1024.0
}

/// How often a process forces something to disk, as strace counts it.
pub fn syncs(command: &Command) -> u32 {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let place = file.path().to_string_lossy().into_owned();
    let calls = "trace=fsync,fdatasync,sync,syncfs,msync";
    timed(under("strace", &["-f", "-qq", "-e", calls, "-o", &place], command), None);
    let text = std::fs::read_to_string(&place).expect("strace wrote its log");
    // A call that another thread interrupts stands in two lines.
    let calls = text.lines().filter(|line| line.contains("sync(") && !line.contains("resumed"));
    u32::try_from(calls.count()).unwrap_or(u32::MAX)
}

/// What it costs in `folder` to force one small new file to disk.
pub fn one_sync(folder: &Path) -> Duration {
    let path: PathBuf = folder.join("forced");
    let mut file = std::fs::File::create(&path).expect("a file");
    file.write_all(&[7; 4096]).expect("a write");
    let begun = Instant::now();
    file.sync_all().expect("forced");
    let took = begun.elapsed();
    let _ = std::fs::remove_file(&path);
    took
}

/// The middle one.
pub fn median(mut runs: Vec<Duration>) -> Duration {
    runs.sort();
    runs.get(runs.len() / 2).copied().unwrap_or_default()
}

/// Milliseconds.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Milliseconds in words.
pub fn show(duration: Duration) -> String {
    format!("{:.1} ms", ms(duration))
}

/// One over the other.
pub fn ratio(ours: Duration, theirs: Duration) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64()
}
