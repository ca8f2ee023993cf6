//! Probes: one file per way of measuring. Each says what it looked at, and nothing it does can fail: what cannot be
//! measured becomes an undecided sample with its reason.
//!
//! Data probes (`table`, `forecast`, `coefficients`, `drift`, `calibration`, `returns`) that read the same file share one streaming pass over it.

pub mod calibration;
pub mod baseline;
pub mod coefficients;
mod cohort;
pub mod command;
mod dataset;
pub mod drift;
pub mod earlier;
pub mod file;
pub mod forecast;
pub mod imports;
pub mod json;
pub mod leakage;
pub mod parity;
mod pattern;
pub mod prometheus;
pub mod returns;
mod scan;
pub mod source;
mod statistics;
pub mod kubernetes;
mod pattern;
pub mod prometheus;
pub mod redis;
pub mod s3;
mod scan;
mod server;
pub mod sql;
pub mod table;
pub mod test_suite;
mod version;
mod zone;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

use crate::base::{Unit, Untrusted};
use crate::store::{Measurement, Sample};
pub use calibration::CalibrationConfig;
pub use baseline::BaselineConfig;
pub use coefficients::CoefficientsConfig;
pub use command::CommandConfig;
pub use drift::DriftConfig;
pub use file::FileConfig;
pub use forecast::ForecastConfig;
pub use imports::ImportsConfig;
pub use json::JsonConfig;
pub use leakage::LeakageConfig;
pub use parity::ParityConfig;
pub use pattern::Pattern;
pub use prometheus::PrometheusConfig;
pub use returns::ReturnsConfig;
pub use kubernetes::KubernetesConfig;
pub use pattern::Pattern;
pub use prometheus::PrometheusConfig;
pub use redis::RedisConfig;
pub use s3::S3Config;
pub use sql::SqlConfig;
pub use table::TableConfig;
pub use test_suite::TestSuiteConfig;
pub use version::{Release, VersionMap, VersionSource};
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
    /// Columns compared with a reference: stability index, Kolmogorov–Smirnov distance, shift of the mean.
    Drift(DriftConfig),
    /// Probabilities compared with what came of them: expected calibration error, Brier score.
    Calibration(CalibrationConfig),
    /// What a model earned: Sharpe ratio, drawdown, win rate.
    Returns(ReturnsConfig),
    /// A file: whether it exists, its age, its size.
    File(FileConfig),
    /// A value inside a JSON document.
    Json(JsonConfig),
    /// A program's exit status and output. It runs only from trusted configuration.
    Command(CommandConfig),
    /// The value of a PromQL query. It is asked only from trusted configuration.
    Prometheus(PrometheusConfig),
    /// Gates against data leakage, with one report: PASS, WARN or HALT.
    Leakage(Box<LeakageConfig>),
    /// Another metric against a number, a stored baseline or the previous release.
    Baseline(BaselineConfig),
    /// Failures of parity between an exported model and the trained one, from a log or a counter.
    Parity(ParityConfig),
    /// Whether Python modules load. It runs only from trusted configuration.
    Imports(ImportsConfig),
    /// A project's tests and their JUnit report. They run only from trusted configuration.
    TestSuite(TestSuiteConfig),
    /// What a query finds in PostgreSQL or SQLite. It is asked only from trusted configuration.
    Sql(SqlConfig),
    /// What a Redis server says. It is asked only from trusted configuration.
    Redis(RedisConfig),
    /// Objects of an S3 bucket: how many, how large, how old. It is asked only from trusted configuration.
    S3(S3Config),
    /// The pods of a Deployment, StatefulSet or DaemonSet. It is asked only from trusted configuration.
    Kubernetes(KubernetesConfig),
}

impl ProbeConfig {
    /// Whether it does more than read the workspace's files: it then runs only from trusted configuration.
    pub fn needs_trust(&self) -> bool {
        match self {
            ProbeConfig::Command(_) | ProbeConfig::Prometheus(_) => true,
            ProbeConfig::Imports(_) | ProbeConfig::TestSuite(_) => true,
            ProbeConfig::Leakage(config) => config.runs_programs(),
            ProbeConfig::Parity(config) => config.connects(),
            _ => false,
        }
    }

    /// The metrics of other probes of the round that it works with.
    pub fn needs_metrics(&self) -> Vec<&str> {
        match self {
            ProbeConfig::Baseline(config) => config.needs(),
            _ => Vec::new(),
        }
    }

    /// The metric whose samples of earlier rounds it works with, where the probe has this name.
    pub fn remembers(&self, name: &str) -> Option<String> {
        match self {
            ProbeConfig::Baseline(config) => config.remembers(),
            ProbeConfig::Parity(config) => config.remembers(name),
            _ => None,
        }
    pub const fn needs_trust(&self) -> bool {
        matches!(
            self,
            ProbeConfig::Command(_)
                | ProbeConfig::Prometheus(_)
                | ProbeConfig::Sql(_)
                | ProbeConfig::Redis(_)
                | ProbeConfig::S3(_)
                | ProbeConfig::Kubernetes(_)
        )
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
    let mut outcomes: BTreeMap<&str, Outcome> = BTreeMap::new();
    let mut tables = Vec::new();
    for (name, config) in probes {
        if reading(name, config, request).is_some() {
            tables.push((name, config));
        } else if !matches!(config, ProbeConfig::Baseline(_)) {
            outcomes.insert(name, measure(name, config, request));
        }
    }
    let build = |number: usize| tables.get(number).and_then(|(name, config)| reading(name, config, request));
    let read = scan::run(tables.len(), &build, request);
    outcomes.extend(tables.iter().map(|(name, _)| name.as_str()).zip(read));
    compare(probes, request, &mut outcomes);
    outcomes.into_values().collect()
}

/// Runs the probes that compare what the others measured.
fn compare<'p>(
    probes: &'p BTreeMap<String, ProbeConfig>,
    request: &Request<'_>,
    outcomes: &mut BTreeMap<&'p str, Outcome>,
) {
    let comparing: Vec<_> = probes
        .iter()
        .filter_map(|(name, probe)| match probe {
            ProbeConfig::Baseline(config) => Some((name.as_str(), config)),
            _ => None,
        })
        .collect();
    if comparing.is_empty() {
        return;
    }
    let round: Vec<Sample> = outcomes.values().flat_map(|outcome| outcome.samples.iter().cloned()).collect();
    for (name, config) in comparing {
        outcomes.insert(name, baseline::measure(name, config, request, &round));
    }
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
        ProbeConfig::Drift(config) => Some(Box::new(drift::DriftReading::new(name, config, request))),
        ProbeConfig::Calibration(config) => {
            Some(Box::new(calibration::CalibrationReading::new(name, config, request)))
        }
        ProbeConfig::Returns(config) => Some(Box::new(returns::ReturnsReading::new(name, config, request))),
        ProbeConfig::Leakage(config) => Some(Box::new(leakage::LeakageReading::new(name, config, request))),
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
        _ if request.untrusted && config.needs_trust() => {
            undecided("not asked: no server is asked from an untrusted configuration")
        }
        ProbeConfig::Prometheus(config) => prometheus::measure(name, config, request),
        ProbeConfig::Table(_)
        | ProbeConfig::Forecast(_)
        | ProbeConfig::Coefficients(_)
        | ProbeConfig::Drift(_)
        | ProbeConfig::Calibration(_)
        | ProbeConfig::Leakage(_)
        | ProbeConfig::Returns(_) => undecided("not read"),
        ProbeConfig::Imports(_) | ProbeConfig::TestSuite(_) if request.untrusted => {
            undecided("not run: programs do not run from an untrusted configuration")
        ProbeConfig::Sql(config) => sql::measure(name, config, request),
        ProbeConfig::Redis(config) => redis::measure(name, config, request),
        ProbeConfig::S3(config) => s3::measure(name, config, request),
        ProbeConfig::Kubernetes(config) => kubernetes::measure(name, config, request),
        ProbeConfig::Table(_) | ProbeConfig::Forecast(_) | ProbeConfig::Coefficients(_) => {
            undecided("not read")
        }
        ProbeConfig::Imports(config) => imports::measure(name, config, request),
        ProbeConfig::TestSuite(config) => test_suite::measure(name, config, request),
        ProbeConfig::Parity(parity) if request.untrusted && parity.connects() => {
            undecided("not asked: no server is asked from an untrusted configuration")
        }
        ProbeConfig::Parity(config) => parity::measure(name, config, request),
        ProbeConfig::Baseline(_) => undecided("not compared"),
    }
}

/// The metrics that a probe will emit, with their units, for checking what rules refer to.
pub fn metrics_of(name: &str, config: &ProbeConfig) -> Vec<(String, Unit)> {
    match config {
        ProbeConfig::Table(config) => table::metrics(name, config),
        ProbeConfig::Forecast(config) => forecast::metrics(name, config),
        ProbeConfig::Coefficients(config) => coefficients::metrics(name, config),
        ProbeConfig::Drift(config) => drift::metrics(name, config),
        ProbeConfig::Calibration(config) => calibration::metrics(name, config),
        ProbeConfig::Returns(config) => returns::metrics(name, config),
        ProbeConfig::File(config) => file::metrics(name, config),
        ProbeConfig::Json(config) => json::metrics(name, config),
        ProbeConfig::Command(config) => command::metrics(name, config),
        ProbeConfig::Prometheus(config) => prometheus::metrics(name, config),
        ProbeConfig::Leakage(config) => leakage::metrics(name, config),
        ProbeConfig::Baseline(config) => baseline::metrics(name, config),
        ProbeConfig::Parity(config) => parity::metrics(name, config),
        ProbeConfig::Imports(config) => imports::metrics(name, config),
        ProbeConfig::TestSuite(config) => test_suite::metrics(name, config),
        ProbeConfig::Sql(config) => sql::metrics(name, config),
        ProbeConfig::Redis(config) => redis::metrics(name, config),
        ProbeConfig::S3(config) => s3::metrics(name, config),
        ProbeConfig::Kubernetes(config) => kubernetes::metrics(name, config),
    }
}
