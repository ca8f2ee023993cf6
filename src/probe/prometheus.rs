//! The `prometheus` probe: the value of a PromQL query, as one metric; and the client behind it.
//!
//! What is not one finite, fresh number for each expected series is undecided: an error, nothing found, more series
//! than expected, NaN, infinity, a point of the past or the future, an answer that the server calls partial.

mod address;
mod answer;
mod client;

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{Outcome, Request, VersionSource};
use crate::base::clock::{Elapsed, format_instant};
use crate::base::{Duration, SecretReference, Unit, process};
pub use address::ServerAddress;
pub use answer::{Answer, Found, Point, Series};
pub use client::Client;

/// Clocks of two machines may differ by this much before a point counts as dated in the future.
pub const SKEW: TimeDelta = TimeDelta::seconds(10);

/// How many series are taken at most; more than that is a query that forgot to aggregate.
const MOST_SERIES: usize = 1000;

/// A PromQL query on a Prometheus server, or on one that has the same HTTP API. Emits one metric.
///
/// A query that finds nothing, more than one series (unless `labels` tells them apart), NaN, infinity, a point that is
/// too old or in the future, and an answer with warnings are undecided.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrometheusConfig {
    /// The server, without `/api/v1`.
    pub url: ServerAddress,
    /// The query, in PromQL.
    pub query: String,
    /// The metric's name; the probe's name otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The unit that the query gives the number in; a bare number otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// The labels that tell the series of the query apart; without them it has to have exactly one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Headers, each with where its value is kept: env:NAME, file:PATH or cmd:[argv].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, SecretReference>,
    /// How long the server may take to answer; 10s otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How old a point may be before it no longer counts; 2m otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// A query for the instant (seconds since 1970) at which the value was true, as `max(timestamp(up))`: Prometheus
    /// itself dates every answer with the instant that it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// One number that a query found.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The labels that tell it apart.
    pub labels: BTreeMap<String, String>,
    /// The value; it may be NaN or infinite.
    pub value: f64,
    /// When it was true (UTC).
    pub at: DateTime<Utc>,
}

impl PrometheusConfig {
    /// The unit of the number.
    pub fn unit(&self) -> Unit {
        self.unit.unwrap_or(Unit::Number)
    }

    /// A client for its server.
    pub fn client(&self) -> Result<Client, String> {
        let timeout = process::within(self.timeout.unwrap_or(Duration::seconds(10)).to_std());
        Client::new(&self.url, &self.headers, timeout)
    }

    fn max_age(&self) -> TimeDelta {
        self.max_age.unwrap_or(Duration::minutes(2)).approximate()
    }

    /// What the query finds at `now`; each number is fresh.
    pub fn readings(&self, client: &Client, now: DateTime<Utc>) -> Result<Vec<Reading>, String> {
        let mut readings = self.found(client.instant(&self.query, Some(now))?)?;
        for reading in &readings {
            fresh(reading.at, now, self.max_age())?;
        }
        if let Some(time) = &self.time {
            let at = instant_of(client.instant(time, Some(now))?)?;
            fresh(at, now, self.max_age())?;
            readings.iter_mut().for_each(|reading| reading.at = at);
        }
        Ok(readings)
    }

    /// What a query found at an earlier instant, as one number.
    pub fn reading_at(&self, query: &str, client: &Client, at: DateTime<Utc>) -> Result<Reading, String> {
        let reading = only(self.found(client.instant(query, Some(at))?)?)?;
        if (reading.at - at).abs() > TimeDelta::seconds(1) {
            return Err(format!(
                "asked for {}, the server answered for {}",
                format_instant(at),
                format_instant(reading.at)
            ));
        }
        Ok(reading)
    }

    fn found(&self, answer: Answer) -> Result<Vec<Reading>, String> {
        partial(&answer)?;
        let series = match answer.found {
            Found::Vector(series) => series,
            Found::Scalar(point) => vec![Series { labels: BTreeMap::new(), points: vec![point] }],
            Found::Matrix(_) => {
                return Err("the query's result is a range, not one value for each series".to_owned());
            }
        };
        if series.is_empty() {
            return Err("the query found nothing".to_owned());
        }
        if series.len() > MOST_SERIES {
            return Err(format!("the query found {} series, more than {MOST_SERIES}", series.len()));
        }
        if self.labels.is_empty() && series.len() > 1 {
            return Err(format!("the query found {} series where one is expected", series.len()));
        }
        let mut readings: Vec<Reading> = Vec::new();
        for one in series {
            let labels = self.told_apart(&one)?;
            if readings.iter().any(|other| other.labels == labels) {
                return Err(format!(
                    "the query found several series with the same {}",
                    self.labels.join(", ")
                ));
            }
            let point = one.points.last().ok_or("a series has no value")?;
            readings.push(Reading { labels, value: point.value, at: point.at });
        }
        Ok(readings)
    }

    fn told_apart(&self, series: &Series) -> Result<BTreeMap<String, String>, String> {
        let label = |name: &String| match series.labels.get(name) {
            Some(value) => Ok((name.clone(), value.clone())),
            None => Err(format!("a series has no label `{}`", name.escape_debug())),
        };
        self.labels.iter().map(label).collect()
    }
}

/// The one number of several.
pub fn only(readings: Vec<Reading>) -> Result<Reading, String> {
    let count = readings.len();
    let mut readings = readings.into_iter();
    match (readings.next(), readings.next()) {
        (Some(reading), None) => Ok(reading),
        _ => Err(format!("the query found {count} series where one is expected")),
    }
}

fn partial(answer: &Answer) -> Result<(), String> {
    match answer.warnings.first() {
        Some(warning) => Err(format!("the answer may be partial: {warning}")),
        None => Ok(()),
    }
}

fn instant_of(answer: Answer) -> Result<DateTime<Utc>, String> {
    partial(&answer)?;
    let point = match answer.found {
        Found::Scalar(point) => Some(point),
        Found::Vector(series) if series.len() == 1 => {
            series.first().and_then(|series| series.points.last().copied())
        }
        _ => None,
    };
    let point = point.ok_or("the query for the time has to find one number")?;
    answer::instant(point.value).ok_or_else(|| format!("{} is no instant", point.value))
}

/// Whether a point of that instant counts now.
pub fn fresh(at: DateTime<Utc>, now: DateTime<Utc>, max_age: TimeDelta) -> Result<(), String> {
    if at > now + SKEW {
        return Err(format!(
            "it is dated in the future: {}, and it is {}",
            format_instant(at),
            format_instant(now)
        ));
    }
    if now - at > max_age {
        return Err(format!(
            "it is {} old ({}), more than {} does not count",
            Elapsed(now - at),
            format_instant(at),
            Elapsed(max_age)
        ));
    }
    Ok(())
}

/// The metrics that it emits.
pub(super) fn metrics(name: &str, config: &PrometheusConfig) -> Vec<(String, Unit)> {
    vec![(config.metric.clone().unwrap_or_else(|| name.to_owned()), config.unit())]
}

/// Measures.
pub(super) fn measure(name: &str, config: &PrometheusConfig, request: &Request<'_>) -> Outcome {
    let readings = config.client().and_then(|client| config.readings(&client, request.now));
    let readings = match readings {
        Ok(readings) => readings,
        Err(why) => {
            let mut outcome = Outcome::undecided(name, &metrics(name, config), request, why);
            outcome.examined = about(config);
            return outcome;
        }
    };
    let mut outcome = Outcome::new(name);
    outcome.examined = about(config);
    outcome.fact("series", readings.len().to_string());
    outcome.version_source = Some(VersionSource::Adopted);
    if let Some(newest) = readings.iter().map(|reading| reading.at).max() {
        outcome.fact("as of", format_instant(newest));
    }
    let metric = config.metric.as_deref().unwrap_or(name);
    for reading in readings {
        let mut sample = request.sample(name, metric, reading.value, config.unit());
        if let Some(why) = undecided(&sample) {
            outcome.problem(Some(metric), why);
        }
        sample.event_time = reading.at.min(request.now);
        sample.labels = reading.labels;
        sample.rows = 1;
        outcome.samples.push(sample);
    }
    outcome
}

fn undecided(sample: &crate::store::Sample) -> Option<crate::base::Untrusted> {
    match &sample.measurement {
        crate::store::Measurement::Undecided(why) => Some(why.clone()),
        crate::store::Measurement::Value(_) => None,
    }
}

fn about(config: &PrometheusConfig) -> super::Examined {
    let fact = |label: &str, value: String| super::Fact { label: label.to_owned(), value: value.into() };
    vec![fact("server", config.url.to_string()), fact("query", config.query.trim().to_owned())]
}
