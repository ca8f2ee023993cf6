//! The `log` probe: how many lines of the last while match, and how old the newest line is.
//!
//! A log is read from its end, as far back as the window and a limit ask for, over into the file that it was rotated to.
//! Where the window cannot be seen whole, its counts are undecided: a file that was cut off has no errors either.

mod grammar;
mod lines;
mod silence;
mod tail;

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Emits, Outcome, Request, VersionSource, Zone, file};
use crate::base::clock::{Elapsed, format_instant};
use crate::base::{Duration, Unit, path};
pub use grammar::{LinePattern, TimeFormat};
use lines::{Count, Stamps};
pub use silence::Silence;
use tail::Log;

/// How much of a log is read at most if the configuration does not say, in MiB.
const MOST: u32 = 64;
/// The ends of the names of its own metrics.
const TAKEN: [&str; 3] = ["lines", "age", "since"];

/// A log, read from its end. Emits `NAME_lines` (count of lines of the window), `NAME_age` (seconds since the newest line),
/// for each of `count` a `NAME_KEY` (count of lines of the window that match), and with `silent_since` a `NAME_since` (count
/// of lines written after that instant).
///
/// A line without an instant belongs to the line before it, as those of a stack trace. A missing file, one without a
/// line, a line dated in the future, and a window that cannot be seen whole are undecided.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// The file: relative to the workspace, or absolute, which only trusted configuration may be.
    pub file: PathBuf,
    /// The file that it is rotated to; its name with `.1` behind it otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated: Option<PathBuf>,
    /// How far back from now lines count; 15m otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
    /// What is counted: for each metric's name the regular expression that a line has to match somewhere.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub count: BTreeMap<String, LinePattern>,
    /// Where in a line its instant stands: a regular expression whose first group is the instant. At the beginning
    /// otherwise, where a `[` may be before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_at: Option<LinePattern>,
    /// How the instant is written, as strftime has it: `%d/%b/%Y:%H:%M:%S %z`, or `%b %e %H:%M:%S` as syslog does: without a
    /// year it is the one that puts the time nearest to now, and not after it. As RFC 3339 has it otherwise, where a space
    /// may stand for the T, a comma for the point, and the offset may be missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_format: Option<TimeFormat>,
    /// The zone of instants without an offset; UTC otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<Zone>,
    /// Whether the log speaks only now and then, as one of errors alone does: an empty file, a window without a line, and a
    /// file that begins inside the window then count as they stand.
    #[serde(default)]
    pub sparse: bool,
    /// Since when nothing may have been written, as trades while trading is halted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_since: Option<Silence>,
    /// How much is read at most, from the end, in MiB; 64 otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4096))]
    pub read_at_most: Option<u32>,
    /// Metric names of its own for parts of it: `{trades_while_halted: since}`. The others are called `NAME_…` as above.
    #[serde(default, skip_serializing_if = "Emits::is_empty")]
    pub emits: Emits,
}

/// The metrics that it emits.
pub(super) fn metrics(name: &str, config: &LogConfig) -> Vec<(String, Unit)> {
    let mut metrics = vec![(format!("{name}_lines"), Unit::Count), (format!("{name}_age"), Unit::Seconds)];
    let keys = config.count.keys().filter(|key| !TAKEN.contains(&key.as_str()));
    metrics.extend(keys.map(|key| (format!("{name}_{key}"), Unit::Count)));
    if config.silent_since.is_some() {
        metrics.push((format!("{name}_since"), Unit::Count));
    }
    metrics
}

/// Measures.
pub(super) fn measure(name: &str, config: &LogConfig, request: &Request<'_>) -> Outcome {
    let since = config.silent_since.as_ref().map(|silence| silence.begun(request));
    let window = config.window.unwrap_or(Duration::minutes(15));
    let from = request.now - window.approximate();
    let silent = since.as_ref().and_then(|since| since.as_ref().ok()).copied().flatten();
    let read = places(config, request)
        .and_then(|places| read(config, &places, from, silent.unwrap_or(request.now), request.now));
    let mut outcome = match read {
        Ok(seen) => judged(name, config, request, &seen, since),
        Err(why) => Outcome::undecided(name, &metrics(name, config), request, why),
    };
    outcome.examined.insert(0, fact("file", config.file.display().to_string()));
    outcome.fact("window", format!("{window}: from {}", format_instant(from)));
    outcome
}

fn fact(label: &str, value: String) -> super::Fact {
    super::Fact { label: label.to_owned(), value: value.into() }
}

/// The file, and the one that it is rotated to.
fn places(config: &LogConfig, request: &Request<'_>) -> Result<[PathBuf; 2], String> {
    if let Some(taken) = config.count.keys().find(|key| TAKEN.contains(&key.as_str())) {
        return Err(format!(
            "`{taken}` under `count` is the name of another of its metrics: take another name"
        ));
    }
    let rotated = config.rotated.clone().unwrap_or_else(|| {
        let mut name = config.file.clone().into_os_string();
        name.push(".1");
        name.into()
    });
    let place = |path: &PathBuf| {
        if path.is_absolute() {
            if request.untrusted {
                return Err(
                    "not read: an untrusted configuration reads no files outside the workspace".to_owned()
                );
            }
            return Ok(path.clone());
        }
        path::inside(request.root, path).map_err(|error| error.message)
    };
    Ok([place(&config.file)?, place(&rotated)?])
}

/// What was seen of a log.
struct Seen {
    count: Count,
    log: Log,
}

fn read(
    config: &LogConfig,
    places: &[PathBuf; 2],
    from: DateTime<Utc>,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Seen, String> {
    let back_to = from.min(since);
    let stamps = Stamps {
        at: config.time_at.as_ref(),
        format: config.time_format.as_ref(),
        zone: config.timezone.unwrap_or_default(),
        now,
    };
    let most = u64::from(config.read_at_most.unwrap_or(MOST)) * 1024 * 1024;
    let log = Log::read(places, most, |text| stamps.first(text).is_some_and(|first| first <= back_to))
        .map_err(|why| format!("{} {why}", config.file.display()))?;
    let mut count = Count::new(config.count.values().cloned().collect(), [from, since], now + file::SKEW);
    for part in &log.parts {
        count.add(&part.bytes, &stamps);
    }
    if count.oldest.is_none() && count.without > 0 {
        return Err(format!("no line has an instant: none was found in {} lines", count.without));
    }
    if count.oldest.is_none() && !(config.sparse && log.whole()) {
        return Err("there is no line in it".to_owned());
    }
    if let Some(future) = count.future {
        return Err(format!("a line is dated in the future: {}", format_instant(future)));
    }
    Ok(Seen { count, log })
}

fn judged(
    name: &str,
    config: &LogConfig,
    request: &Request<'_>,
    seen: &Seen,
    since: Option<Result<Option<DateTime<Utc>>, String>>,
) -> Outcome {
    let mut outcome = Outcome::new(name);
    outcome.version_source = Some(VersionSource::Adopted);
    seen.log.report(&mut outcome);
    let count = &seen.count;
    if let (Some(oldest), Some(newest)) = (count.oldest, count.newest) {
        outcome.fact("lines", format!("{} read, {} in the window", count.read, count.lines));
        outcome.fact("instants", format!("{} to {}", format_instant(oldest), format_instant(newest)));
    }
    let window = whole(config, seen, count.from);
    let counts = window.clone().and_then(|()| speaks(config, request, count));
    let mut values = vec![window.map(|()| number(count.lines)), age(count, request.now)];
    values.extend(count.matched.iter().map(|matched| counts.clone().map(|()| number(*matched))));
    values.extend(since.map(|since| {
        let Some(since) = since? else {
            outcome.fact("silent since", "it does not have to be silent: the file is not there");
            return Ok(0.0);
        };
        outcome.fact("silent since", format_instant(since));
        written_since(config, seen, since)
    }));
    for ((metric, unit), value) in metrics(name, config).into_iter().zip(values) {
        let mut sample = match value {
            Ok(value) => request.sample(name, &metric, value, unit),
            Err(why) => {
                outcome.problem(Some(&metric), why.clone());
                request.undecided(name, &metric, unit, why)
            }
        };
        sample.rows = count.lines;
        outcome.samples.push(sample);
    }
    outcome
}

/// Whether every line since then was seen.
fn whole(config: &LogConfig, seen: &Seen, since: DateTime<Utc>) -> Result<(), String> {
    let begins = match seen.count.oldest {
        Some(begins) if begins <= since => return Ok(()),
        begins => begins,
    };
    if config.sparse && seen.log.whole() {
        return match seen.count.without {
            0 => Ok(()),
            lines => Err(format!("its first {lines} lines have no instant")),
        };
    }
    let until = begins.map(|begins| format!(" to {}", format_instant(begins))).unwrap_or_default();
    let why = seen.log.why_not_further();
    Err(format!("what was written from {}{until} is not known: {why}", format_instant(since)))
}

/// A log in which nothing stands says nothing of errors either: its writer may have died.
fn speaks(config: &LogConfig, request: &Request<'_>, count: &Count) -> Result<(), String> {
    match count.newest {
        Some(newest) if count.lines == 0 && !config.sparse => {
            Err(format!("the window has no line; the newest is {} old", Elapsed(request.now - newest)))
        }
        _ => Ok(()),
    }
}

fn age(count: &Count, now: DateTime<Utc>) -> Result<f64, String> {
    let newest = count.newest.ok_or("there is no line in it")?;
    let age = (now - newest).max(TimeDelta::zero());
    #[expect(clippy::cast_precision_loss, reason = "a century has fewer than 2^53 milliseconds")]
    Ok(age.num_milliseconds() as f64 / 1000.0)
}

/// Lines after an instant. One is enough to break a silence, so seeing only the newest is enough to count some.
fn written_since(config: &LogConfig, seen: &Seen, since: DateTime<Utc>) -> Result<f64, String> {
    if seen.count.after == 0 {
        // Nothing was seen after it; the newest line is always seen.
        return if seen.count.newest.is_some() { Ok(0.0) } else { whole(config, seen, since).map(|()| 0.0) };
    }
    Ok(number(seen.count.after))
}

#[expect(clippy::cast_precision_loss, reason = "fewer lines than bytes, fewer bytes than 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}
