//! Probes: one file per way of measuring. Each says what it looked at, and nothing it does can fail: what cannot be
//! measured becomes an undecided sample with its reason.
//!
//! Data probes (`table`, `forecast`, `coefficients`, `drift`, `calibration`, `returns`, `leakage`) that read the same file
//! share one streaming pass over it.

pub mod baseline;
pub mod calibration;
pub mod coefficients;
mod cohort;
pub mod command;
mod dataset;
pub mod drift;
pub mod earlier;
mod emits;
pub mod file;
pub mod forecast;
pub mod git;
pub mod host;
pub mod http;
pub mod imports;
pub mod json;
mod kind;
pub mod kubernetes;
mod latency;
pub mod leakage;
pub mod log;
pub mod parity;
mod pattern;
pub mod process;
pub mod prometheus;
pub mod redis;
pub mod returns;
mod round;
pub mod s3;
mod scan;
mod server;
pub mod source;
pub mod sql;
mod statistics;
pub mod systemd;
pub mod table;
pub mod tcp;
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
pub use emits::{Emits, Misnamed};
pub use kind::{Buckets, ProbeConfig, metrics_of, misnamed};
pub use pattern::Pattern;
pub use prometheus::PrometheusConfig;
pub use round::{compare_these, measure_all, measure_these};
pub use version::{Release, VersionMap, VersionSource};
pub use zone::Zone;

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
