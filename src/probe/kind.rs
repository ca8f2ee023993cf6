//! The kinds of probes: which there are, what each may do, and what it will emit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

use super::baseline::{self, BaselineConfig};
use super::calibration::{self, CalibrationConfig};
use super::coefficients::{self, CoefficientsConfig};
use super::command::{self, CommandConfig};
use super::drift::{self, DriftConfig};
use super::file::{self, FileConfig};
use super::forecast::{self, ForecastConfig};
use super::git::{self, GitConfig};
use super::host::{self, HostConfig};
use super::http::{self, HttpConfig};
use super::imports::{self, ImportsConfig};
use super::json::{self, JsonConfig};
use super::kubernetes::{self, KubernetesConfig};
use super::leakage::{self, LeakageConfig};
use super::log::{self, LogConfig};
use super::parity::{self, ParityConfig};
use super::process::{self, ProcessConfig};
use super::prometheus::{self, PrometheusConfig};
use super::redis::{self, RedisConfig};
use super::returns::{self, ReturnsConfig};
use super::s3::{self, S3Config};
use super::sql::{self, SqlConfig};
use super::systemd::{self, SystemdConfig};
use super::table::{self, TableConfig};
use super::tcp::{self, TcpConfig};
use super::test_suite::{self, TestSuiteConfig};
use super::{Emits, Misnamed};
use crate::base::Unit;

/// One probe, by kind. Each stands behind a pointer: thousands of services have a handful, and the largest kind would be the
/// size of all.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProbeConfig {
    /// Checks of a table: rows, nulls, ranges, freshness, coverage of groups (CSV, Parquet or JSON lines).
    Table(Box<TableConfig>),
    /// Predictions joined with what really happened: MAPE, bias, WAPE, interval coverage per closed bucket.
    Forecast(Box<ForecastConfig>),
    /// A model's coefficients: their signs and their drift.
    Coefficients(Box<CoefficientsConfig>),
    /// Columns compared with a reference: stability index, Kolmogorov–Smirnov distance, shift of the mean.
    Drift(Box<DriftConfig>),
    /// Probabilities compared with what came of them: expected calibration error, Brier score.
    Calibration(Box<CalibrationConfig>),
    /// What a model earned: Sharpe ratio, drawdown, win rate.
    Returns(Box<ReturnsConfig>),
    /// A file: whether it exists, its age, its size.
    File(Box<FileConfig>),
    /// A value inside a JSON document.
    Json(Box<JsonConfig>),
    /// Lines of a log that match, and how old the newest is.
    Log(Box<LogConfig>),
    /// A program's exit status and output. It runs only from trusted configuration.
    Command(Box<CommandConfig>),
    /// The value of a PromQL query. It is asked only from trusted configuration.
    Prometheus(Box<PrometheusConfig>),
    /// Gates against data leakage, with one report: PASS, WARN or HALT.
    Leakage(Box<LeakageConfig>),
    /// Another metric against a number, a stored baseline or the previous release.
    Baseline(Box<BaselineConfig>),
    /// Failures of parity between an exported model and the trained one, from a log or a counter.
    Parity(Box<ParityConfig>),
    /// Whether Python modules load. It runs only from trusted configuration.
    Imports(Box<ImportsConfig>),
    /// A project's tests and their JUnit report. They run only from trusted configuration.
    TestSuite(Box<TestSuiteConfig>),
    /// What a query finds in PostgreSQL or SQLite. It is asked only from trusted configuration.
    Sql(Box<SqlConfig>),
    /// What a Redis server says. It is asked only from trusted configuration.
    Redis(Box<RedisConfig>),
    /// Objects of an S3 bucket: how many, how large, how old. It is asked only from trusted configuration.
    S3(Box<S3Config>),
    /// The pods of a Deployment, StatefulSet or DaemonSet. It is asked only from trusted configuration.
    Kubernetes(Box<KubernetesConfig>),
    /// Status, latency, error rate and certificate of an address. It is asked only from trusted configuration.
    Http(Box<HttpConfig>),
    /// Whether a port takes connections. It is asked only from trusted configuration.
    Tcp(Box<TcpConfig>),
    /// A git work tree: what it stands on, whether it was changed. It is asked only from trusted configuration.
    Git(Box<GitConfig>),
    /// Running processes of one executable. It is looked for only from trusted configuration.
    Process(Box<ProcessConfig>),
    /// A unit of systemd. It is asked only from trusted configuration.
    Systemd(Box<SystemdConfig>),
    /// This machine's processor, memory and disks. It is looked at only from trusted configuration.
    Host(Box<HostConfig>),
}

impl ProbeConfig {
    /// Whether it does more than read the workspace's files: it then runs only from trusted configuration.
    pub fn needs_trust(&self) -> bool {
        match self {
            ProbeConfig::Table(_)
            | ProbeConfig::Forecast(_)
            | ProbeConfig::Coefficients(_)
            | ProbeConfig::Drift(_)
            | ProbeConfig::Calibration(_)
            | ProbeConfig::Returns(_)
            | ProbeConfig::File(_)
            | ProbeConfig::Json(_)
            | ProbeConfig::Log(_)
            | ProbeConfig::Baseline(_) => false,
            ProbeConfig::Leakage(config) => config.runs_programs(),
            ProbeConfig::Parity(config) => config.connects(),
            ProbeConfig::Command(_)
            | ProbeConfig::Prometheus(_)
            | ProbeConfig::Imports(_)
            | ProbeConfig::TestSuite(_)
            | ProbeConfig::Sql(_)
            | ProbeConfig::Redis(_)
            | ProbeConfig::S3(_)
            | ProbeConfig::Kubernetes(_)
            | ProbeConfig::Http(_)
            | ProbeConfig::Tcp(_)
            | ProbeConfig::Git(_)
            | ProbeConfig::Process(_)
            | ProbeConfig::Systemd(_)
            | ProbeConfig::Host(_) => true,
        }
    }

    /// Whether it asks a server over a connection, which ends when its time is over.
    pub fn asks_a_server(&self) -> bool {
        match self {
            ProbeConfig::Parity(config) => config.connects(),
            ProbeConfig::Prometheus(_)
            | ProbeConfig::Sql(_)
            | ProbeConfig::Redis(_)
            | ProbeConfig::S3(_)
            | ProbeConfig::Kubernetes(_)
            | ProbeConfig::Http(_)
            | ProbeConfig::Tcp(_) => true,
            _ => false,
        }
    }

    /// Whether it reads rows of files, and shares one pass over them with others that do.
    pub const fn reads_rows(&self) -> bool {
        matches!(
            self,
            ProbeConfig::Table(_)
                | ProbeConfig::Forecast(_)
                | ProbeConfig::Coefficients(_)
                | ProbeConfig::Drift(_)
                | ProbeConfig::Calibration(_)
                | ProbeConfig::Returns(_)
                | ProbeConfig::Leakage(_)
        )
    }

    /// Whether it compares what the other probes of the round measured, and so comes after them.
    pub const fn compares(&self) -> bool {
        matches!(self, ProbeConfig::Baseline(_))
    }

    /// Whether what it measures hangs on nothing but files that its configuration names.
    pub fn reads_only_named_files(&self) -> bool {
        let reads = matches!(self, ProbeConfig::File(_) | ProbeConfig::Json(_)) || self.reads_rows();
        reads && !self.needs_trust()
    }

    /// How long it takes at most by its own configuration, where that, or what it does without, says so.
    pub fn timeout(&self) -> Option<Duration> {
        let limit = match self {
            ProbeConfig::Command(config) => config.timeout,
            ProbeConfig::Prometheus(config) => config.timeout,
            ProbeConfig::Imports(config) => config.timeout,
            ProbeConfig::Sql(config) => config.timeout,
            ProbeConfig::Redis(config) => config.timeout,
            ProbeConfig::S3(config) => config.timeout,
            ProbeConfig::Kubernetes(config) => config.timeout,
            ProbeConfig::Tcp(config) => config.timeout,
            ProbeConfig::Git(config) => config.timeout,
            ProbeConfig::Systemd(config) => config.timeout,
            ProbeConfig::Http(config) => Some(config.limit()),
            ProbeConfig::TestSuite(config) => Some(config.limit()),
            ProbeConfig::Parity(config) => config.timeout(),
            ProbeConfig::Leakage(config) => return config.programs_take(),
            ProbeConfig::Table(_)
            | ProbeConfig::Forecast(_)
            | ProbeConfig::Coefficients(_)
            | ProbeConfig::Drift(_)
            | ProbeConfig::Calibration(_)
            | ProbeConfig::Returns(_)
            | ProbeConfig::File(_)
            | ProbeConfig::Json(_)
            | ProbeConfig::Log(_)
            | ProbeConfig::Baseline(_)
            | ProbeConfig::Process(_)
            | ProbeConfig::Host(_) => None,
        };
        limit.map(|limit| limit.to_std())
    }

    /// Whether the samples of one of its metrics sum up stretches of time: `for: 2 buckets` counts these.
    pub fn buckets(&self, metric: &str) -> Buckets<'_> {
        match self {
            ProbeConfig::Forecast(_) if forecast::sums_up(metric) => Buckets::Always,
            ProbeConfig::Forecast(_) => Buckets::Never,
            ProbeConfig::Baseline(config) => Buckets::As(&config.of),
            ProbeConfig::Table(_)
            | ProbeConfig::Coefficients(_)
            | ProbeConfig::Drift(_)
            | ProbeConfig::Calibration(_)
            | ProbeConfig::Returns(_)
            | ProbeConfig::File(_)
            | ProbeConfig::Json(_)
            | ProbeConfig::Log(_)
            | ProbeConfig::Command(_)
            | ProbeConfig::Prometheus(_)
            | ProbeConfig::Leakage(_)
            | ProbeConfig::Parity(_)
            | ProbeConfig::Imports(_)
            | ProbeConfig::TestSuite(_)
            | ProbeConfig::Sql(_)
            | ProbeConfig::Redis(_)
            | ProbeConfig::S3(_)
            | ProbeConfig::Kubernetes(_)
            | ProbeConfig::Http(_)
            | ProbeConfig::Tcp(_)
            | ProbeConfig::Git(_)
            | ProbeConfig::Process(_)
            | ProbeConfig::Systemd(_)
            | ProbeConfig::Host(_) => Buckets::Never,
        }
    }

    /// The names of their own that parts of it get, where there are any.
    pub(super) fn emits(&self) -> Option<&Emits> {
        let emits = match self {
            ProbeConfig::S3(config) => &config.emits,
            ProbeConfig::Kubernetes(config) => &config.emits,
            ProbeConfig::Http(config) => &config.emits,
            ProbeConfig::Tcp(config) => &config.emits,
            ProbeConfig::Host(config) => &config.emits,
            ProbeConfig::Log(config) => &config.emits,
            ProbeConfig::Systemd(config) => &config.emits,
            ProbeConfig::TestSuite(config) => &config.emits,
            _ => return None,
        };
        (!emits.is_empty()).then_some(emits)
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
    }
}

/// Whether samples sum up stretches of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buckets<'a> {
    /// Each of them does.
    Always,
    /// Each is true at a moment.
    Never,
    /// They do where those of this metric do.
    As(&'a str),
}

/// The metrics that a probe will emit, with their units, for checking what rules refer to.
pub fn metrics_of(name: &str, config: &ProbeConfig) -> Vec<(String, Unit)> {
    let own = own_metrics(name, config);
    match config.emits() {
        Some(emits) => emits.renamed(name, own),
        None => own,
    }
}

/// Metric names that the probe cannot give to parts of it.
pub fn misnamed(name: &str, config: &ProbeConfig) -> Vec<Misnamed> {
    config.emits().map_or_else(Vec::new, |emits| emits.wrong(name, &own_metrics(name, config)))
}

/// The metrics by the names that the probe has for them itself.
pub(super) fn own_metrics(name: &str, config: &ProbeConfig) -> Vec<(String, Unit)> {
    match config {
        ProbeConfig::Table(config) => table::metrics(name, config),
        ProbeConfig::Forecast(config) => forecast::metrics(name, config),
        ProbeConfig::Coefficients(config) => coefficients::metrics(name, config),
        ProbeConfig::Drift(config) => drift::metrics(name, config),
        ProbeConfig::Calibration(config) => calibration::metrics(name, config),
        ProbeConfig::Returns(config) => returns::metrics(name, config),
        ProbeConfig::File(config) => file::metrics(name, config),
        ProbeConfig::Json(config) => json::metrics(name, config),
        ProbeConfig::Log(config) => log::metrics(name, config),
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
        ProbeConfig::Http(config) => http::metrics(name, config),
        ProbeConfig::Tcp(config) => tcp::metrics(name, config),
        ProbeConfig::Git(config) => git::metrics(name, config),
        ProbeConfig::Process(config) => process::metrics(name, config),
        ProbeConfig::Systemd(config) => systemd::metrics(name, config),
        ProbeConfig::Host(config) => host::metrics(name, config),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout(config: serde_json::Value) -> Option<u64> {
        let config: ProbeConfig = serde_json::from_value(config).unwrap();
        config.timeout().map(|limit| limit.as_secs())
    }

    #[test]
    fn what_compares_sums_up_what_it_compares() {
        let of = |config: serde_json::Value| serde_json::from_value::<ProbeConfig>(config).unwrap();
        let forecast =
            serde_json::json!({"predictions": "a", "actuals": "b", "on": "d", "bucket": {"every": "1w"}});
        let forecast = of(serde_json::json!({ "forecast": forecast }));
        let both = ["mape_weekly", "forecast_join_rate"].map(|metric| forecast.buckets(metric));
        assert_eq!(both, [Buckets::Always, Buckets::Never]);
        let baseline = serde_json::json!({"of": "mape_weekly", "against": {"value": 1.0}});
        let baseline = of(serde_json::json!({ "baseline": baseline }));
        assert_eq!(baseline.buckets("x_change"), Buckets::As("mape_weekly"));
        let tcp = serde_json::json!({"host": "h", "port": 1});
        assert_eq!(of(serde_json::json!({ "tcp": tcp })).buckets("x_failed"), Buckets::Never);
    }

    #[test]
    fn a_probe_that_may_take_long_says_so() {
        let suite = |more: serde_json::Value| {
            let mut config = serde_json::json!({"argv": ["pytest"], "report": "junit.xml"});
            config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::json!({ "test_suite": config })
        };
        assert_eq!(timeout(suite(serde_json::json!({}))), Some(600));
        assert_eq!(timeout(suite(serde_json::json!({"timeout": "1h"}))), Some(3600));
        assert_eq!(timeout(serde_json::json!({"http": {"url": "http://127.0.0.1:1/"}})), Some(30));
        assert_eq!(timeout(serde_json::json!({"command": {"argv": ["true"]}})), None);
        let r_squared = serde_json::json!({"of": {"command": {"argv": ["a"], "timeout": "1m"}}});
        let shuffled = serde_json::json!({"of": {"command": {"argv": ["b"]}}});
        let gates = serde_json::json!({"leakage": {"r_squared": r_squared, "shuffled": shuffled}});
        assert_eq!(timeout(gates), Some(360), "one after the other");
        let document = serde_json::json!({"of": {"json": {"file": "a.json", "pointer": "/r"}}});
        assert_eq!(timeout(serde_json::json!({"leakage": {"r_squared": document}})), None);
    }
}
