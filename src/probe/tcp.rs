//! The `tcp` probe: whether a port takes connections, and how long that takes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Instant;

use super::latency::{self, Latencies, tally};
use super::{Emits, Outcome, Request, VersionSource};
use crate::base::{Duration, Unit, process};

/// A port of a host. Emits `NAME_connects` (flag: every try connected in time), `NAME_failed` (flag: none did),
/// `NAME_error_rate` (ratio of the tries that did not), and `NAME_p50`, `NAME_p95`, `NAME_max` (milliseconds to connect).
///
/// A host whose name is not found leaves everything undecided: that says nothing of its port.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TcpConfig {
    /// The host: a name or an address.
    pub host: String,
    /// The port.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// How often it is tried; 3 times otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub tries: Option<u16>,
    /// How long one try may take; 3s otherwise. Finding the host by its name may take as long, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Metric names of its own for parts of it: `{instance_failed: failed}`. The others are called `NAME_…` as above.
    #[serde(default, skip_serializing_if = "Emits::is_empty")]
    pub emits: Emits,
}

/// The metrics that it emits.
pub(super) fn metrics(name: &str, _config: &TcpConfig) -> Vec<(String, Unit)> {
    let mut metrics = vec![
        (format!("{name}_connects"), Unit::Flag),
        (format!("{name}_failed"), Unit::Flag),
        (format!("{name}_error_rate"), Unit::Ratio),
    ];
    metrics.extend(latency::metrics(name));
    metrics
}

/// Measures.
pub(super) fn measure(name: &str, config: &TcpConfig, request: &Request<'_>) -> Outcome {
    let shown = format!("{}:{}", config.host, config.port);
    let tries = match tries(config) {
        Ok(tries) => tries,
        Err(why) => {
            let mut outcome = Outcome::undecided(name, &metrics(name, config), request, why);
            outcome.fact("address", shown);
            return outcome;
        }
    };
    let mut outcome = Outcome::new(name);
    outcome.version_source = Some(VersionSource::Adopted);
    outcome.fact("address", shown);
    outcome.fact("tries", tries.len().to_string());
    let latencies = Latencies::new(tries.iter().map(|one| one.as_ref().ok().copied()));
    let failures = tally(tries.iter().filter_map(|one| one.as_ref().err()).map(String::as_str));
    if !failures.is_empty() {
        outcome.fact("failures", failures.clone());
        outcome.problem(None, failures);
    }
    let connects = f64::from(u8::from(tries.iter().all(Result::is_ok)));
    let failed = f64::from(u8::from(tries.iter().all(Result::is_err)));
    for (metric, value, unit) in [
        ("connects", connects, Unit::Flag),
        ("failed", failed, Unit::Flag),
        ("error_rate", latencies.failed(), Unit::Ratio),
    ] {
        let mut sample = request.sample(name, &format!("{name}_{metric}"), value, unit);
        sample.rows = tries.len() as u64;
        outcome.samples.push(sample);
    }
    latencies.report(name, request, &mut outcome);
    outcome
}

type Try = Result<std::time::Duration, String>;

fn tries(config: &TcpConfig) -> Result<Vec<Try>, String> {
    let timeout = config.timeout.unwrap_or(Duration::seconds(3));
    let count = config.tries.unwrap_or(3);
    if count == 0 || config.port == 0 {
        return Err("there is nothing to try: `tries` and `port` begin at 1".to_owned());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime for the network could be started: {error}"))?;
    let tries = runtime.block_on(async {
        let addresses = addresses(config, timeout).await?;
        let mut tries = Vec::new();
        for _ in 0..count {
            let left = process::within(timeout.to_std());
            if left.is_zero() {
                break;
            }
            tries.push(connect(&addresses, left, timeout).await);
        }
        Ok(tries)
    });
    // A lookup that hangs must not keep the program from ending.
    runtime.shutdown_background();
    tries
}

async fn addresses(config: &TcpConfig, timeout: Duration) -> Result<Vec<SocketAddr>, String> {
    let lookup = tokio::net::lookup_host((config.host.as_str(), config.port));
    let found = tokio::time::timeout(process::within(timeout.to_std()), lookup).await;
    let found = found.map_err(|_| format!("the host was not found by its name within {timeout}"))?;
    let found: Vec<_> = found.map_err(|error| format!("the host is not found: {error}"))?.collect();
    if found.is_empty() { Err("the host has no address".to_owned()) } else { Ok(found) }
}

/// Connects to the first address that takes it; the time is that until then.
async fn connect(addresses: &[SocketAddr], left: std::time::Duration, timeout: Duration) -> Try {
    let begun = Instant::now();
    match tokio::time::timeout(left, tokio::net::TcpStream::connect(addresses)).await {
        Ok(Ok(_)) => Ok(begun.elapsed()),
        Ok(Err(error)) => Err(format!("cannot connect: {error}")),
        Err(_) => Err(format!("no connection within {timeout}")),
    }
}
