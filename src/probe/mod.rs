//! Probes: one file per way of measuring. Each says what it looked at, and nothing it does can fail: what cannot be
//! measured becomes an undecided sample with its reason.
//!
//! Data probes (`table`, `forecast`, `coefficients`) that read the same file share one streaming pass over it.

pub mod coefficients;
pub mod command;
mod dataset;
pub mod file;
pub mod forecast;
pub mod json;
mod pattern;
pub mod prometheus;
mod scan;
pub mod table;
mod version;
mod zone;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

use crate::base::{Duration, Unit, Untrusted};
use crate::store::{Measurement, Sample};
pub use coefficients::CoefficientsConfig;
pub use command::CommandConfig;
pub use file::FileConfig;
pub use forecast::ForecastConfig;
pub use json::JsonConfig;
pub use pattern::Pattern;
pub use prometheus::PrometheusConfig;
pub use table::TableConfig;
pub use version::{VersionMap, VersionSource};
pub use zone::Zone;

/// One probe, by kind.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProbeConfig {
    /// Checks of a table: rows, nulls, ranges, freshness, coverage of groups (CSV, Parquet or JSON lines).
    Table(TableConfig),
    /// Predictions joined with what really happened: MAPE, bias, WAPE, interval coverage per closed bucket.
    Forecast(ForecastConfig),
    /// A model's coefficients: their signs and their drift.
    Coefficients(CoefficientsConfig),
    /// A file: whether it exists, its age, its size.
    File(FileConfig),
    /// A value inside a JSON document.
    Json(JsonConfig),
    /// A program's exit status and output. It runs only from trusted configuration.
    Command(CommandConfig),
    /// The value of a PromQL query. It is asked only from trusted configuration.
    Prometheus(PrometheusConfig),
}

impl ProbeConfig {
    /// Whether it does more than read the workspace's files: it then runs only from trusted configuration.
    pub const fn needs_trust(&self) -> bool {
        matches!(self, ProbeConfig::Command(_) | ProbeConfig::Prometheus(_))
    }

    /// Whether it reads rows of files, and shares one pass over them with others that do.
    pub const fn reads_rows(&self) -> bool {
        matches!(self, ProbeConfig::Table(_) | ProbeConfig::Forecast(_) | ProbeConfig::Coefficients(_))
    }

    /// Whether what it measures hangs on nothing but files that its configuration names.
    pub const fn reads_only_named_files(&self) -> bool {
        matches!(self, ProbeConfig::File(_) | ProbeConfig::Json(_)) || self.reads_rows()
    }

    /// How long it waits by its own configuration for whatever it runs or asks, where that says so.
    pub fn timeout(&self) -> Option<Duration> {
        if !self.needs_trust() {
            return None;
        }
        // Every kind that has a limit calls it so; one that is added later is not forgotten here.
        let written = serde_json::to_value(self).ok()?;
        let inner = written.as_object()?.values().next()?;
        inner.get("timeout")?.as_str()?.parse().ok()
    }
}

/// What every probe of one round is told.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The service measured.
    pub service: &'a str,
    /// The workspace: paths in the configuration are relative to it and may not leave it.
    pub root: &'a Path,
    /// The instant of the round.
    pub now: DateTime<Utc>,
    /// Which versions there are, and which one serves.
    pub versions: &'a VersionMap,
    /// Whether the configuration comes from somewhere that may not run programs: data probes only.
    pub untrusted: bool,
}

/// What one probe found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// The probe's name.
    pub probe: String,
    /// What it measured, or why it could not.
    pub samples: Vec<Sample>,
    /// What it looked at: rows, newest date, join rate, digest of the input.
    pub examined: Examined,
    /// Where the versions of its samples come from; absent where it measured nothing of a version.
    pub version_source: Option<VersionSource>,
    /// What went wrong or is doubtful.
    pub problems: Vec<Problem>,
}

/// What a probe looked at, in the order in which it should be read.
pub type Examined = Vec<Fact>;

/// One statement about what was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fact {
    /// What it is about: `rows`, `newest`, `join rate`, `input`.
    pub label: String,
    /// The statement.
    pub value: Untrusted,
}

/// Something that went wrong or is doubtful, and what it touches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// The metric that it touches; absent where it touches the whole probe.
    pub metric: Option<String>,
    /// What is wrong, and where.
    pub reason: Untrusted,
}

impl Request<'_> {
    /// A sample taken now, of the served version. Values that their unit cannot have are undecided.
    pub fn sample(&self, probe: &str, metric: &str, value: f64, unit: Unit) -> Sample {
        self.sample_of(probe, metric, Measurement::judged(value, unit), unit)
    }

    /// A sample without a value, and why, taken now, of the served version.
    pub fn undecided(&self, probe: &str, metric: &str, unit: Unit, reason: impl Into<Untrusted>) -> Sample {
        self.sample_of(probe, metric, Measurement::Undecided(reason.into()), unit)
    }

    fn sample_of(&self, probe: &str, metric: &str, measurement: Measurement, unit: Unit) -> Sample {
        Sample {
            service: self.service.to_owned(),
            probe: probe.to_owned(),
            metric: metric.to_owned(),
            labels: BTreeMap::new(),
            measurement,
            unit,
            event_time: self.now,
            recorded_at: self.now,
            bucket: None,
            version: self.versions.served.clone(),
            input: None,
            rows: 0,
        }
    }
}

impl Outcome {
    /// An outcome that says nothing yet.
    pub fn new(probe: &str) -> Self {
        Self {
            probe: probe.to_owned(),
            samples: Vec::new(),
            examined: Vec::new(),
            version_source: None,
            problems: Vec::new(),
        }
    }

    /// Every metric of the probe undecided for one reason, which is also its problem.
    pub fn undecided(
        probe: &str,
        metrics: &[(String, Unit)],
        request: &Request<'_>,
        reason: impl Into<Untrusted>,
    ) -> Self {
        let reason = reason.into();
        let mut outcome = Outcome::new(probe);
        for (metric, unit) in metrics {
            outcome.samples.push(request.undecided(probe, metric, *unit, reason.clone()));
        }
        outcome.problem(None, reason);
        outcome
    }

    /// Adds a statement about what was looked at.
    pub fn fact(&mut self, label: &str, value: impl Into<Untrusted>) {
        self.examined.push(Fact { label: label.to_owned(), value: value.into() });
    }

    /// Adds something that went wrong.
    pub fn problem(&mut self, metric: Option<&str>, reason: impl Into<Untrusted>) {
        self.problems.push(Problem { metric: metric.map(str::to_owned), reason: reason.into() });
    }
}

/// Runs every probe of a service. It never fails: every failure becomes undecided samples and a problem.
///
/// The outcomes stand in the order of the probes' names.
pub fn measure_all(probes: &BTreeMap<String, ProbeConfig>, request: &Request<'_>) -> Vec<Outcome> {
    let all: Vec<_> = probes.iter().map(|(name, config)| (name.as_str(), config)).collect();
    measure_these(&all, request)
}

/// Runs some probes of a service, as [`measure_all`] does all of them.
pub fn measure_these(probes: &[(&str, &ProbeConfig)], request: &Request<'_>) -> Vec<Outcome> {
    let mut outcomes: BTreeMap<&str, Outcome> = BTreeMap::new();
    let mut tables = Vec::new();
    for (name, config) in probes {
        if config.reads_rows() {
            tables.push((*name, *config));
        } else {
            outcomes.insert(name, measure(name, config, request));
        }
    }
    let build = |number: usize| tables.get(number).and_then(|(name, config)| reading(name, config, request));
    let read = scan::run(tables.len(), &build, request);
    outcomes.extend(tables.iter().map(|(name, _)| *name).zip(read));
    outcomes.into_values().collect()
}

/// The part of a probe that reads tables, if it does.
fn reading<'a>(
    name: &'a str,
    config: &'a ProbeConfig,
    request: &'a Request<'a>,
) -> Option<Box<dyn scan::Reading + 'a>> {
    match config {
        ProbeConfig::Table(config) => Some(Box::new(table::TableReading::new(name, config, request))),
        ProbeConfig::Forecast(config) => {
            Some(Box::new(forecast::ForecastReading::new(name, config, request)))
        }
        ProbeConfig::Coefficients(config) => {
            Some(Box::new(coefficients::CoefficientsReading::new(name, config, request)))
        }
        _ => None,
    }
}

fn measure(name: &str, config: &ProbeConfig, request: &Request<'_>) -> Outcome {
    let undecided = |reason: &str| Outcome::undecided(name, &metrics_of(name, config), request, reason);
    match config {
        ProbeConfig::File(config) => file::measure(name, config, request),
        ProbeConfig::Json(config) => json::measure(name, config, request),
        ProbeConfig::Command(_) if request.untrusted => {
            undecided("not run: programs do not run from an untrusted configuration")
        }
        ProbeConfig::Command(config) => command::measure(name, config, request),
        ProbeConfig::Prometheus(_) if request.untrusted => {
            undecided("not asked: no server is asked from an untrusted configuration")
        }
        ProbeConfig::Prometheus(config) => prometheus::measure(name, config, request),
        ProbeConfig::Table(_) | ProbeConfig::Forecast(_) | ProbeConfig::Coefficients(_) => {
            undecided("not read")
        }
    }
}

/// The metrics that a probe will emit, with their units, for checking what rules refer to.
pub fn metrics_of(name: &str, config: &ProbeConfig) -> Vec<(String, Unit)> {
    match config {
        ProbeConfig::Table(config) => table::metrics(name, config),
        ProbeConfig::Forecast(config) => forecast::metrics(name, config),
        ProbeConfig::Coefficients(config) => coefficients::metrics(name, config),
        ProbeConfig::File(config) => file::metrics(name, config),
        ProbeConfig::Json(config) => json::metrics(name, config),
        ProbeConfig::Command(config) => command::metrics(name, config),
        ProbeConfig::Prometheus(config) => prometheus::metrics(name, config),
    }
}
