//! The `process` probe: how many processes of one exact executable run, for how long, in how much memory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use super::{Outcome, Request, VersionSource};
use crate::base::Unit;
use crate::base::host::{self, ProcessIdentity};
use crate::base::processes::{self, Wanted};

/// How many processes are named in what was looked at.
const NAMED: usize = 10;

/// Running processes of one executable. Emits `NAME_count` (count), `NAME_age` (seconds that the youngest has run: a
/// restart shows), `NAME_oldest` (seconds that the oldest has run) and `NAME_memory` (bytes resident, all together).
///
/// It matches the file that runs and the first arguments, word for word; never a part of a name, and never irctl itself.
/// Where processes of other users may be it and cannot be read, everything is undecided.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessConfig {
    /// The executable: an absolute path, or one relative to the workspace. Links are followed.
    pub executable: PathBuf,
    /// Its first arguments, word for word. An interpreter (python, sh, java) needs them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// The folder it works in; any otherwise. A script that is named without its full path counts in the workspace only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
}

/// The metrics that it emits.
pub(super) fn metrics(name: &str, _config: &ProcessConfig) -> Vec<(String, Unit)> {
    vec![
        (format!("{name}_count"), Unit::Count),
        (format!("{name}_age"), Unit::Seconds),
        (format!("{name}_oldest"), Unit::Seconds),
        (format!("{name}_memory"), Unit::Bytes),
    ]
}

/// Measures.
pub(super) fn measure(name: &str, config: &ProcessConfig, request: &Request<'_>) -> Outcome {
    let all = metrics(name, config);
    let executable = request.root.join(&config.executable);
    let directory = config.directory.as_ref().map(|directory| request.root.join(directory));
    let wanted = Wanted::new(&executable, config.arguments.clone(), directory.as_deref(), request.root);
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(error) => return Outcome::undecided(name, &all, request, error.message),
    };
    let mut found = wanted.look();
    let me = host::current();
    found.running.retain(|process| *process != me);
    let refused = match (found.others_hidden, found.unreadable.as_slice()) {
        (true, _) => Some("the processes of other users are hidden from this one (/proc)".to_owned()),
        (false, []) => None,
        (false, some) => Some(format!(
            "{} of another user may be it, and cannot be read: run as that user or as root",
            numbers(some.iter().copied())
        )),
    };
    let mut outcome = match refused {
        Some(why) => Outcome::undecided(name, &all, request, why),
        None => counted(name, request, &found.running),
    };
    outcome.fact("looked for", wanted.shown());
    outcome.fact("found", numbers(found.running.iter().map(|process| process.pid)));
    outcome
}

fn numbers(numbers: impl ExactSizeIterator<Item = u32>) -> String {
    let count = numbers.len();
    let named: Vec<_> = numbers.take(NAMED).map(|number| number.to_string()).collect();
    match count {
        0 => "none".to_owned(),
        1 => format!("process {}", named.join("")),
        _ if count > NAMED => format!("{count} processes ({}, …)", named.join(", ")),
        _ => format!("{count} processes ({})", named.join(", ")),
    }
}

fn counted(name: &str, request: &Request<'_>, running: &[ProcessIdentity]) -> Outcome {
    let mut outcome = Outcome::new(name);
    outcome.version_source = Some(VersionSource::Adopted);
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^53 processes")]
    let count = running.len() as f64;
    let ages: Option<Vec<f64>> = running.iter().map(processes::age).collect();
    let memory: Option<Vec<f64>> = running.iter().map(processes::resident).collect();
    let of_ages =
        |pick: fn(f64, f64) -> f64| ages.as_ref().and_then(|ages| ages.iter().copied().reduce(pick));
    let values = [
        ("count", Some(count), Unit::Count),
        ("age", of_ages(f64::min), Unit::Seconds),
        ("oldest", of_ages(f64::max), Unit::Seconds),
        ("memory", memory.filter(|all| !all.is_empty()).map(|all| all.iter().sum()), Unit::Bytes),
    ];
    for (suffix, value, unit) in values {
        let metric = format!("{name}_{suffix}");
        let mut sample = match value {
            Some(value) => request.sample(name, &metric, value, unit),
            None if running.is_empty() => request.undecided(name, &metric, unit, "no such process runs"),
            None => request.undecided(name, &metric, unit, "a process ended, or cannot be read"),
        };
        sample.rows = running.len() as u64;
        outcome.samples.push(sample);
    }
    outcome
}
