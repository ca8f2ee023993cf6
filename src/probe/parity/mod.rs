//! The `parity` probe: on how much an exported model and the trained one differed, from a log or a counter: since the last
//! look, or within a window.

mod counter;
mod counting;
mod document;
mod log;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::prometheus::ServerAddress;
use super::zone::Zone;
use super::{Outcome, Request, VersionSource};
use crate::base::{Digest, Duration, SecretReference, Unit};
use crate::store::Sample;

/// A `parity` probe. Emits `NAME_failures` (count, or what `metric` calls it) and, where it counts since the last look
/// itself, `NAME_total` (count): where the counter stands.
///
/// Without `window` it counts what came since the last round of `irctl check`. The first round has none before it: then
/// only a counter of zero decides.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParityConfig {
    /// Where failures are written or counted.
    pub of: ParitySource,
    /// How far back failures count; since the last look otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
    /// The metric; `NAME_failures` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
}

/// Where failures are written or counted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParitySource {
    /// Lines of a log.
    Log(ParityLog),
    /// A number in a JSON document: the failures of the last comparison, or a counter.
    Json(ParityDocument),
    /// A Prometheus counter. It is asked only from trusted configuration.
    Prometheus(ParityCounter),
}

/// A log with a line for each failure.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParityLog {
    /// The log, relative to the workspace.
    pub file: PathBuf,
    /// Texts that a line of a failure has one of. Upper and lower case are different.
    pub failures: Vec<String>,
    /// Texts of which a line has one when a comparison was made. Without such a line nothing was compared, and nothing is
    /// decided. Any line will do otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checked: Vec<String>,
    /// What the log is called when it has been rotated, relative to the workspace: `logs/onnx_parity.log.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated: Option<PathBuf>,
    /// The zone of times without an offset, with which lines begin.
    #[serde(default)]
    pub timezone: Zone,
}

/// A number in a JSON document.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParityDocument {
    /// The document, relative to the workspace.
    pub file: PathBuf,
    /// Where the number stands, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// Whether it only ever grows, until it begins at zero again. Otherwise it is taken as it stands.
    #[serde(default)]
    pub counter: bool,
    /// How old the document may be before it no longer counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
}

/// A Prometheus counter.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParityCounter {
    /// The server, without `/api/v1`.
    pub url: ServerAddress,
    /// The counter, as a PromQL selector without a function: `onnx_parity_failures_total{job="scorer"}`. The increases of
    /// all its series are added up.
    pub counter: String,
    /// Headers, each with where its value is kept: env:NAME, file:PATH or cmd:[argv].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, SecretReference>,
    /// How long the server may take to answer; 10s otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How old the newest value may be before it no longer counts; 2m otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
}

impl ParityConfig {
    fn failures(&self, name: &str) -> String {
        self.metric.clone().unwrap_or_else(|| format!("{name}_failures"))
    }

    /// The metric of where the counter stands, where the probe itself counts from one look to the next.
    fn total(&self, name: &str) -> Option<String> {
        let counts = match &self.of {
            ParitySource::Log(_) => self.window.is_none(),
            ParitySource::Json(document) => document.counter,
            ParitySource::Prometheus(_) => false,
        };
        counts.then(|| format!("{name}_total"))
    }

    /// The metric whose earlier samples it needs.
    pub fn remembers(&self, name: &str) -> Option<String> {
        let asked = matches!(self.of, ParitySource::Prometheus(_)) && self.window.is_none();
        self.total(name).or_else(|| asked.then(|| self.failures(name)))
    }

    /// Whether it asks a server.
    pub fn connects(&self) -> bool {
        matches!(self.of, ParitySource::Prometheus(_))
    }

    /// How long a server that it asks may take, where that is said.
    pub const fn timeout(&self) -> Option<Duration> {
        match &self.of {
            ParitySource::Prometheus(counter) => counter.timeout,
            ParitySource::Log(_) | ParitySource::Json(_) => None,
        }
    }
}

/// The metrics that it emits.
pub(super) fn metrics(name: &str, config: &ParityConfig) -> Vec<(String, Unit)> {
    std::iter::once(config.failures(name))
        .chain(config.total(name))
        .map(|metric| (metric, Unit::Count))
        .collect()
}

/// What was counted.
#[derive(Debug, Clone, PartialEq)]
struct Counted {
    failures: Result<f64, String>,
    total: Option<f64>,
    /// What the counter belongs to: the log that it was counted in.
    input: Digest,
    rows: u64,
    facts: Vec<(&'static str, String)>,
}

/// Measures.
pub(super) fn measure(name: &str, config: &ParityConfig, request: &Request<'_>) -> Outcome {
    let last = last_look(name, config, request);
    let counted = match &config.of {
        ParitySource::Log(log) => log::count(log, config.window, last, request),
        ParitySource::Json(document) if config.window.is_some() => {
            Err(format!("{} has no times: a window needs a log or Prometheus", document.file.display()))
        }
        ParitySource::Json(document) => document::count(document, last, request),
        ParitySource::Prometheus(counter) => counter::count(counter, config.window, last, request),
    };
    match counted {
        Ok(counted) => outcome(name, config, request, counted),
        Err(reason) => Outcome::undecided(name, &metrics(name, config), request, reason),
    }
}

/// The newest earlier sample that has a value: what came while nothing could be measured still counts.
fn last_look<'r>(name: &str, config: &ParityConfig, request: &'r Request<'_>) -> Option<&'r Sample> {
    let metric = config.remembers(name)?;
    let earlier = request.versions.earlier.as_ref()?;
    let own = earlier.iter().filter(|sample| sample.metric == metric && sample.probe == name);
    let before = own.filter(|sample| sample.event_time < request.now);
    before.filter(|sample| sample.measurement.value().is_some()).max_by_key(|sample| sample.event_time)
}

fn outcome(name: &str, config: &ParityConfig, request: &Request<'_>, counted: Counted) -> Outcome {
    let mut outcome = Outcome::new(name);
    outcome.version_source = Some(VersionSource::Adopted);
    for (label, value) in counted.facts {
        outcome.fact(label, value);
    }
    let failures = config.failures(name);
    let sample = match counted.failures {
        Ok(count) => request.sample(name, &failures, count, Unit::Count),
        Err(reason) => {
            outcome.problem(Some(&failures), reason.clone());
            request.undecided(name, &failures, Unit::Count, reason)
        }
    };
    outcome.samples.push(sample);
    if let Some(metric) = config.total(name) {
        outcome.samples.push(match counted.total {
            Some(total) => request.sample(name, &metric, total, Unit::Count),
            None => request.undecided(name, &metric, Unit::Count, "it was not counted"),
        });
    }
    for sample in &mut outcome.samples {
        sample.input = Some(counted.input.clone());
        sample.rows = counted.rows;
    }
    outcome
}
