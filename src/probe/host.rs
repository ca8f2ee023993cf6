//! The `host` probe: processor, load, memory and disks of this machine.

mod disk;
mod figures;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use super::{Emits, Outcome, Request, VersionSource};
use crate::base::{Duration, Unit};
use figures::{Memory, Ticks};

/// The shortest stretch over which a processor's ticks, a hundredth of a second each, say something.
const SHORTEST: std::time::Duration = std::time::Duration::from_millis(100);
/// The longest that a round waits for it.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(60);

/// This machine, as its kernel sees it: not a container's share of it.
///
/// Emits `NAME_cpu` (ratio of the processors' time that was neither idle nor waiting, over `over`), `NAME_cpu_wait` (ratio
/// that waited for a disk), `NAME_load_1`, `NAME_load_5`, `NAME_load_15` (numbers: processes that run or wait, mean over so
/// many minutes), `NAME_load_per_cpu` (number: `load_1` for each processor), `NAME_memory_available` (bytes) and
/// `NAME_memory_available_ratio`; for each of `disks`, with the label `path`, `NAME_disk_free` (bytes),
/// `NAME_disk_free_ratio`, `NAME_inodes_free` (count) and `NAME_inodes_free_ratio`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostConfig {
    /// How long the processors are watched; 500ms otherwise, at least 100ms and at most a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Duration>,
    /// Folders on the disks that are looked at: absolute, or relative to the workspace. None otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<DiskConfig>,
    /// Metric names of its own for parts of it: `{memory_free: memory_available}`. The others are called `NAME_…` as above.
    #[serde(default, skip_serializing_if = "Emits::is_empty")]
    pub emits: Emits,
}

/// A disk, by a folder on it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiskConfig {
    /// The folder.
    pub path: PathBuf,
    /// Whether a file system has to be mounted just there: if it is not, its numbers would be those of the disk below.
    #[serde(default)]
    pub mounted: bool,
}

const MACHINE: [(&str, Unit); 8] = [
    ("cpu", Unit::Ratio),
    ("cpu_wait", Unit::Ratio),
    ("load_1", Unit::Number),
    ("load_5", Unit::Number),
    ("load_15", Unit::Number),
    ("load_per_cpu", Unit::Number),
    ("memory_available", Unit::Bytes),
    ("memory_available_ratio", Unit::Ratio),
];

/// The metrics that it emits.
pub(super) fn metrics(name: &str, config: &HostConfig) -> Vec<(String, Unit)> {
    let disks = if config.disks.is_empty() { [].as_slice() } else { disk::METRICS.as_slice() };
    MACHINE.iter().chain(disks).map(|(suffix, unit)| (format!("{name}_{suffix}"), *unit)).collect()
}

/// Measures.
pub(super) fn measure(name: &str, config: &HostConfig, request: &Request<'_>) -> Outcome {
    let mut outcome = Outcome::new(name);
    outcome.version_source = Some(VersionSource::Adopted);
    let (busy, wait) = match processors(config, &mut outcome) {
        Ok((busy, wait)) => (Ok(busy), Ok(wait)),
        Err(why) => (Err(why.clone()), Err(why)),
    };
    let loads = read("/proc/loadavg").and_then(|text| figures::loads(&text));
    let load = |which: fn([f64; 3]) -> f64| loads.clone().map(which);
    let count = std::thread::available_parallelism().map_err(|error| error.to_string());
    let machine = read("/proc/stat").and_then(|text| figures::processors(&text));
    if let (Ok(usable), Ok(machine)) = (&count, &machine) {
        outcome.fact("processors", format!("{machine} ({usable} for this process)"));
    }
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^53 processors")]
    let per_cpu = loads.clone().and_then(|[one, ..]| machine.map(|count| one / count as f64));
    let memory = read("/proc/meminfo").and_then(|text| figures::memory(&text));
    if let Ok(Memory { total, .. }) = memory {
        outcome.fact("memory", format!("{} in all", Unit::Bytes.show(total)));
    }
    let values = [
        busy,
        wait,
        load(|[one, ..]| one),
        load(|[_, five, _]| five),
        load(|[.., fifteen]| fifteen),
        per_cpu,
        memory.clone().map(|memory| memory.available),
        memory.map(|memory| memory.available / memory.total),
    ];
    for ((suffix, unit), value) in MACHINE.into_iter().zip(values) {
        let metric = format!("{name}_{suffix}");
        let sample = match value {
            Ok(value) => request.sample(name, &metric, value, unit),
            Err(why) => {
                outcome.problem(Some(&metric), why.clone());
                request.undecided(name, &metric, unit, why)
            }
        };
        outcome.samples.push(sample);
    }
    for disk in &config.disks {
        disk::measure(name, disk, request, &mut outcome);
    }
    outcome
}

/// The parts of the processors' time that were busy and that waited for a disk, over a short while.
fn processors(config: &HostConfig, outcome: &mut Outcome) -> Result<(f64, f64), String> {
    let over = config.over.map_or(std::time::Duration::from_millis(500), Duration::to_std);
    let over = over.clamp(SHORTEST, LONGEST);
    let ticks = || read("/proc/stat").and_then(|text| Ticks::parse(&text));
    let before = ticks()?;
    std::thread::sleep(over);
    let after = ticks()?;
    outcome.fact("processor watched for", format!("{} ms", over.as_millis()));
    after.since(&before)
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))
}
