//! The `http` probe: status, latency, error rate and availability over a few tries, a value of the answer's body, and how
//! long the certificate lasts.

mod certificate;
mod client;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use super::json;
use super::latency::{self, Latencies, tally};
use super::prometheus::ServerAddress;
use super::{Emits, Outcome, Request, VersionSource};
use crate::base::{Duration, SecretReference, Unit, process};
use client::{Answer, Client};

/// An address that is asked a few times in a row, each time over a connection of its own.
///
/// A try is good when the whole answer came in time with an accepted status; every other one is an error, also where the
/// host is not found or its certificate is no good. Emits `NAME_availability` (ratio of tries that were good) and
/// `NAME_error_rate` (of those that were not), `NAME_status` (number: the status of the last answer), `NAME_p50`, `NAME_p95`
/// and `NAME_max` (milliseconds that good tries took, the name's lookup and the handshake included; a try that was not
/// good counts as longer than all others), for https `NAME_certificate` (days until it expires; 0 once it has), and the
/// metric of `body`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// The address with its path, without `?` and what follows it.
    pub url: ServerAddress,
    /// What follows the `?`: names and values. They are no place for secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// How it is asked.
    #[serde(default)]
    pub method: HttpMethod,
    /// The statuses that are good; 200 to 299 otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = statuses)]
    pub accept: Vec<u16>,
    /// How many redirects within the same origin are followed; none otherwise. The status of one that is not followed is
    /// the answer's.
    #[serde(default)]
    #[schemars(range(max = 20))]
    pub redirects: u8,
    /// How often it is tried; 5 times otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub tries: Option<u16>,
    /// How long to wait between two tries; not at all otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Duration>,
    /// How long one try may take; 5s otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How long all of them may take; 30s otherwise. A try that this cuts short, and those after it, do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Duration>,
    /// Headers, each with where its value is kept: env:NAME, file:PATH or cmd:[argv].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, SecretReference>,
    /// A file with certificates (PEM), relative to the workspace, that are trusted in place of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<PathBuf>,
    /// A value in the body of the last good answer, which has to be JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<HttpBody>,
    /// Metric names of its own for parts of it: `{availability: availability, latency: p95}`. The others are called `NAME_…` as above.
    #[serde(default, skip_serializing_if = "Emits::is_empty")]
    pub emits: Emits,
}

/// How an address is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HttpMethod {
    /// For the whole answer.
    #[default]
    Get,
    /// For its head alone.
    Head,
}

/// A value inside an answer.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpBody {
    /// Where the value stands, as a JSON pointer (RFC 6901): `/queue/depth`.
    pub pointer: String,
    /// The metric's name; the probe's name and `_body` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The unit that the number is given in; a bare number otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// Makes the metric a flag: whether the value is this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
}

fn statuses(schema: &mut Schema) {
    schema.insert("items".to_owned(), serde_json::json!({"type": "integer", "minimum": 100, "maximum": 599}));
}

impl HttpConfig {
    fn accepts(&self, status: u16) -> bool {
        if self.accept.is_empty() { (200..300).contains(&status) } else { self.accept.contains(&status) }
    }
}

impl HttpBody {
    fn metric(&self, name: &str) -> String {
        self.metric.clone().unwrap_or_else(|| format!("{name}_body"))
    }

    fn unit(&self) -> Unit {
        if self.equals.is_some() { Unit::Flag } else { self.unit.unwrap_or(Unit::Number) }
    }
}

/// The metrics that it emits.
pub(super) fn metrics(name: &str, config: &HttpConfig) -> Vec<(String, Unit)> {
    let mut metrics = vec![
        (format!("{name}_availability"), Unit::Ratio),
        (format!("{name}_error_rate"), Unit::Ratio),
        (format!("{name}_status"), Unit::Number),
    ];
    metrics.extend(latency::metrics(name));
    if config.url.is_encrypted() {
        metrics.push((format!("{name}_certificate"), Unit::Days));
    }
    metrics.extend(config.body.as_ref().map(|body| (body.metric(name), body.unit())));
    metrics
}

/// One try: how long it took where it was good, else why it was not; and the answer, if any came.
struct Try {
    took: Result<std::time::Duration, String>,
    answer: Option<Answer>,
}

/// Measures.
pub(super) fn measure(name: &str, config: &HttpConfig, request: &Request<'_>) -> Outcome {
    let client = match Client::new(config, request.root) {
        Ok(client) => client,
        Err(why) => return refused(name, config, request, why),
    };
    let (tries, cut) = tries(config, &client);
    if tries.is_empty() {
        let why = format!("no try came to its end within {} in all", config.limit());
        return refused(name, config, request, why);
    }
    let mut outcome = Outcome::new(name);
    outcome.version_source = Some(VersionSource::Adopted);
    outcome.fact("address", config.url.to_string());
    outcome.fact("tries", tries.len().to_string());
    if cut > 0 {
        outcome.problem(None, format!("{cut} tries were not made: {} in all were over", config.limit()));
    }
    rates(name, request, &tries, &mut outcome);
    if config.url.is_encrypted() {
        let metric = format!("{name}_certificate");
        let days = client.certificate().and_then(|seen| seen.days_left(request.now, &mut outcome));
        add(name, &metric, Unit::Days, days, request, &mut outcome);
    }
    if let Some(body) = &config.body {
        let value = value(config, body, &tries);
        add(name, &body.metric(name), body.unit(), value, request, &mut outcome);
    }
    for sample in &mut outcome.samples {
        sample.rows = tries.len() as u64;
    }
    outcome
}

fn refused(name: &str, config: &HttpConfig, request: &Request<'_>, why: String) -> Outcome {
    let mut outcome = Outcome::undecided(name, &metrics(name, config), request, why);
    outcome.fact("address", config.url.to_string());
    outcome
}

impl HttpConfig {
    /// How long all of its tries may take.
    pub fn limit(&self) -> Duration {
        self.total.unwrap_or(Duration::seconds(30))
    }
}

/// Tries; also how many there was no time for.
fn tries(config: &HttpConfig, client: &Client) -> (Vec<Try>, usize) {
    let deadline = Instant::now() + process::within(config.limit().to_std());
    let timeout = config.timeout.unwrap_or(Duration::seconds(5)).to_std();
    let count = usize::from(config.tries.unwrap_or(5).max(1));
    let mut tries = Vec::new();
    for number in 0..count {
        if number > 0
            && let Some(pause) = config.pause
        {
            std::thread::sleep(pause.to_std().min(deadline.saturating_duration_since(Instant::now())));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let begun = Instant::now();
        let answer = if left.is_zero() { None } else { client.ask(timeout.min(left)) };
        let took = begun.elapsed();
        let Some(answer) = answer else {
            if left < timeout {
                break;
            }
            tries.push(Try { took: Err(format!("no answer within {}", seconds(timeout))), answer: None });
            continue;
        };
        tries.push(match answer {
            Ok(answer) if config.accepts(answer.status) => Try { took: Ok(took), answer: Some(answer) },
            Ok(answer) => Try { took: Err(format!("HTTP {}", answer.status)), answer: Some(answer) },
            Err(why) => Try { took: Err(why), answer: None },
        });
    }
    let cut = count - tries.len();
    (tries, cut)
}

fn seconds(timeout: std::time::Duration) -> String {
    format!("{} s", timeout.as_secs_f64())
}

fn rates(name: &str, request: &Request<'_>, tries: &[Try], outcome: &mut Outcome) {
    let failures = tally(tries.iter().filter_map(|one| one.took.as_ref().err()).map(String::as_str));
    if !failures.is_empty() {
        outcome.fact("errors", failures.clone());
        outcome.problem(None, failures);
    }
    let latencies = Latencies::new(tries.iter().map(|one| one.took.as_ref().ok().copied()));
    add(name, &format!("{name}_availability"), Unit::Ratio, Ok(latencies.good()), request, outcome);
    add(name, &format!("{name}_error_rate"), Unit::Ratio, Ok(latencies.failed()), request, outcome);
    let status = match tries.last().map(|last| (&last.answer, &last.took)) {
        Some((Some(answer), _)) => Ok(f64::from(answer.status)),
        Some((None, Err(why))) => Err(format!("the last try had no answer: {why}")),
        _ => Err("there was no try".to_owned()),
    };
    add(name, &format!("{name}_status"), Unit::Number, status, request, outcome);
    latencies.report(name, request, outcome);
}

/// The value in the body of the last try, if that was good: an older one may no longer be so.
fn value(config: &HttpConfig, body: &HttpBody, tries: &[Try]) -> Result<f64, String> {
    if config.method == HttpMethod::Head {
        return Err("HEAD has no body: ask with `method: get`".to_owned());
    }
    let answer = match tries.last() {
        Some(Try { took: Ok(_), answer: Some(answer) }) => answer,
        Some(Try { took: Err(why), .. }) => return Err(format!("the last try was an error: {why}")),
        _ => return Err("there was no try".to_owned()),
    };
    let document =
        serde_json::from_slice(&answer.body).map_err(|error| format!("the body is not JSON: {error}"))?;
    json::value_at(&document, &body.pointer, body.equals.as_deref(), body.unit())
}

fn add(
    name: &str,
    metric: &str,
    unit: Unit,
    value: Result<f64, String>,
    request: &Request<'_>,
    outcome: &mut Outcome,
) {
    outcome.samples.push(match value {
        Ok(value) => request.sample(name, metric, value, unit),
        Err(why) => request.undecided(name, metric, unit, why),
    });
}
