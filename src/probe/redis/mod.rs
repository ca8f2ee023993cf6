//! The `redis` probe: whether a server answers, a stream, a key, a field of INFO. It only reads.

mod key;
mod value;

use chrono::DateTime;
use redis::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Instant;

use super::server::{about, add, explained, quoted};
use super::{Outcome, Request, VersionSource, file};
use crate::base::connect::redis::{Link, Trouble};
use crate::base::{Duration, Error, ErrorCode, SecretReference, Unit, process};
pub use key::{KeyAsk, KeyType};
pub use value::ValueRead;

/// How long connecting and each command may take, where nothing else is said.
const TIMEOUT: Duration = Duration::seconds(5);

/// What a Redis server says. It is asked only with commands that change nothing.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RedisProbe")]
pub struct RedisConfig {
    /// Where the address is kept: `redis://user:password@host:6379/0`, `rediss://` with TLS, or `unix:///path`.
    pub url: SecretReference,
    /// Another database than that of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<u32>,
    /// What is asked.
    pub ask: RedisAsk,
    /// How long connecting and each command may take; 5s otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RedisAsk {
    /// PING: `NAME_answers` (flag) and `NAME_latency` (milliseconds).
    Ping(PingAsk),
    /// A stream: `NAME_exists` (flag), `NAME_length` (XLEN, count) and `NAME_age` (days since its newest entry).
    Stream(StreamAsk),
    /// A key: `NAME_exists` (flag), `NAME_length` (count), `NAME_ttl` (seconds), and its value as `NAME`.
    Key(KeyAsk),
    /// A field of INFO, as `NAME`.
    Info(InfoAsk),
}

/// PING. A server that refuses the connection, breaks it off, or does not answer in time, does not answer: that is a
/// measurement, and not undecided.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PingAsk {}

/// A stream.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamAsk {
    /// The key of the stream.
    pub key: String,
}

/// A field of INFO.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InfoAsk {
    /// The field, as `connected_clients` or `master_link_status`.
    pub field: String,
    /// The part of a field that has several, as `keys` of `db0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// The section that the field is in, where INFO alone does not show it, as `commandstats`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// The metric's name; the probe's name otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The unit of the number; a bare number otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// Makes the metric a flag: whether the field is this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
}

impl RedisConfig {
    fn link(&self) -> Result<Link, Trouble> {
        let url = self.url.resolve()?;
        let timeout = process::within(self.timeout.unwrap_or(TIMEOUT).to_std());
        Link::reach(&url, self.database.map(u64::from), timeout)
    }

    /// Asks, and asks once more where the connection could not be made or broke.
    fn ask<T>(&self, asking: impl Fn(&mut Link) -> Result<T, Error>) -> Result<T, Trouble> {
        let mut link = match self.link() {
            Err(trouble) if trouble.unreached && trouble.error.code != ErrorCode::TimedOut => self.link()?,
            connected => connected?,
        };
        let answer = match asking(&mut link) {
            Err(error) if link.is_lost() && error.code != ErrorCode::TimedOut => {
                link = self.link()?;
                asking(&mut link)
            }
            answer => answer,
        };
        answer.map_err(|error| Trouble {
            unreached: link.is_lost() || error.code == ErrorCode::TimedOut,
            error,
        })
    }
}

/// The metrics that it emits.
pub(super) fn metrics(name: &str, config: &RedisConfig) -> Vec<(String, Unit)> {
    match &config.ask {
        RedisAsk::Ping(_) => {
            vec![(format!("{name}_answers"), Unit::Flag), (format!("{name}_latency"), Unit::Milliseconds)]
        }
        RedisAsk::Stream(_) => vec![
            (format!("{name}_exists"), Unit::Flag),
            (format!("{name}_length"), Unit::Count),
            (format!("{name}_age"), Unit::Days),
        ],
        RedisAsk::Key(ask) => key::metrics(name, ask),
        RedisAsk::Info(ask) => {
            let unit = if ask.equals.is_some() { Unit::Flag } else { ask.unit.unwrap_or(Unit::Number) };
            vec![(ask.metric.clone().unwrap_or_else(|| name.to_owned()), unit)]
        }
    }
}

/// Measures.
pub(super) fn measure(name: &str, config: &RedisConfig, request: &Request<'_>) -> Outcome {
    let (asked, measured) = match &config.ask {
        RedisAsk::Ping(_) => ("PING".to_owned(), ping(name, config, request)),
        RedisAsk::Stream(ask) => (format!("stream {}", quoted(&ask.key)), stream(name, config, ask, request)),
        RedisAsk::Key(ask) => (format!("key {}", quoted(&ask.key)), key::measure(name, config, ask, request)),
        RedisAsk::Info(ask) => (format!("INFO {}", quoted(&ask.field)), info(name, config, ask, request)),
    };
    let outcome = measured
        .unwrap_or_else(|error| Outcome::undecided(name, &metrics(name, config), request, explained(&error)));
    about(outcome, &[("server", config.url.to_string()), ("asked", asked)])
}

fn begun(name: &str) -> Outcome {
    Outcome { version_source: Some(VersionSource::Adopted), ..Outcome::new(name) }
}

fn ping(name: &str, config: &RedisConfig, request: &Request<'_>) -> Result<Outcome, Error> {
    let (answers, latency) = (format!("{name}_answers"), format!("{name}_latency"));
    let asked = config.ask(|link| {
        let begin = Instant::now();
        let answer: String = link.ask(redis::cmd("PING"))?;
        Ok((answer, begin.elapsed()))
    });
    let mut outcome = begun(name);
    let (flag, milliseconds) = match asked {
        Ok((answer, took)) if answer == "PONG" => (1.0, Ok(took.as_secs_f64() * 1000.0)),
        Ok((answer, _)) => {
            let why = format!("it answers PING with {}, not with PONG", quoted(&answer));
            return Err(Error::new(ErrorCode::InvalidData, why));
        }
        // Nobody there, or nobody who has the time: both are what is asked about.
        Err(trouble) if trouble.unreached => (0.0, Err(trouble.error.message)),
        Err(trouble) => return Err(trouble.error),
    };
    add(&mut outcome, request.sample(name, &answers, flag, Unit::Flag));
    let sample = match milliseconds {
        Ok(took) => request.sample(name, &latency, took, Unit::Milliseconds),
        Err(why) => request.undecided(name, &latency, Unit::Milliseconds, why),
    };
    add(&mut outcome, sample);
    Ok(outcome)
}

fn stream(
    name: &str,
    config: &RedisConfig,
    ask: &StreamAsk,
    request: &Request<'_>,
) -> Result<Outcome, Error> {
    let (kind, length, newest) = config
        .ask(|link| {
            let kind: String = link.ask(redis::cmd("TYPE").arg(&ask.key))?;
            up_to_date(link)?;
            if kind != "stream" {
                return Ok((kind, 0_u64, None));
            }
            let length = link.ask(redis::cmd("XLEN").arg(&ask.key))?;
            let mut last = redis::cmd("XREVRANGE");
            let entries: Vec<Value> = link.ask(last.arg(&ask.key).arg("+").arg("-").arg("COUNT").arg(1))?;
            Ok((kind, length, entries.into_iter().next()))
        })
        .map_err(|trouble| trouble.error)?;
    let [exists, length_metric, age] = ["exists", "length", "age"].map(|part| format!("{name}_{part}"));
    let mut outcome = begun(name);
    let there = kind != "none";
    add(&mut outcome, request.sample(name, &exists, f64::from(u8::from(there)), Unit::Flag));
    if kind != "stream" {
        let why = if there {
            format!("the key is a {}, not a stream", quoted(&kind))
        } else {
            "there is no such stream".to_owned()
        };
        add(&mut outcome, request.undecided(name, &length_metric, Unit::Count, why.clone()));
        add(&mut outcome, request.undecided(name, &age, Unit::Days, why));
        return Ok(outcome);
    }
    outcome.fact("entries", length.to_string());
    #[expect(clippy::cast_precision_loss, reason = "no stream has 2^53 entries")]
    let mut sample = request.sample(name, &length_metric, length as f64, Unit::Count);
    sample.rows = length;
    add(&mut outcome, sample);
    let aged = newest.map_or_else(
        || Err("the stream is empty".to_owned()),
        |entry| {
            let id = id_of(entry).ok_or("the newest entry has no identifier")?;
            outcome.fact("newest", id.clone());
            let at = id
                .split('-')
                .next()
                .and_then(|part| part.parse().ok())
                .and_then(DateTime::from_timestamp_millis);
            let at = at
                .ok_or_else(|| format!("the newest entry, {}, has no time in its identifier", quoted(&id)))?;
            file::age(at, request.now)
        },
    );
    let sample = match aged {
        Ok(days) => request.sample(name, &age, days, Unit::Days),
        Err(why) => request.undecided(name, &age, Unit::Days, why),
    };
    add(&mut outcome, sample);
    Ok(outcome)
}

/// A replica that lost its primary goes on answering with what it had. Whoever may not ask INFO does not know.
fn up_to_date(link: &mut Link) -> Result<(), Error> {
    let said: String = match link.ask(redis::cmd("INFO").arg("replication")) {
        Ok(said) => said,
        Err(error) if error.code == ErrorCode::NotPermitted => return Ok(()),
        Err(error) => return Err(error),
    };
    if said.lines().any(|line| line.trim_end() == "master_link_status:down") {
        let why = "it is a replica that has lost its primary: what it holds may be old";
        return Err(Error::new(ErrorCode::InvalidData, why));
    }
    Ok(())
}

/// The identifier of an entry: milliseconds since 1970, a dash, and a number.
fn id_of(entry: Value) -> Option<String> {
    let Value::Array(parts) = entry else { return None };
    redis::from_redis_value(parts.into_iter().next()?).ok()
}

fn info(name: &str, config: &RedisConfig, ask: &InfoAsk, request: &Request<'_>) -> Result<Outcome, Error> {
    let text: String = config
        .ask(|link| {
            let mut command = redis::cmd("INFO");
            if let Some(section) = &ask.section {
                command.arg(section);
            }
            link.ask(command)
        })
        .map_err(|trouble| trouble.error)?;
    let field = text.lines().find_map(|line| {
        let (field, value) = line.trim_end().split_once(':')?;
        (field == ask.field).then_some(value)
    });
    let mut outcome = begun(name);
    let value = field.ok_or_else(|| format!("INFO has no field {}", quoted(&ask.field))).and_then(|value| {
        let Some(part) = &ask.part else { return Ok(value) };
        let parts = value.split(',').filter_map(|pair| pair.split_once('='));
        let mut found = parts.filter(|(name, _)| name == part).map(|(_, value)| value);
        found.next().ok_or_else(|| format!("{} has no part {}", quoted(&ask.field), quoted(part)))
    });
    if let Ok(value) = value {
        outcome.fact("value", value.chars().take(200).collect::<String>());
    }
    let [(metric, unit)] =
        metrics(name, config).try_into().unwrap_or_else(|_| [(name.to_owned(), Unit::Number)]);
    let number = value.and_then(|value| value::judged(value, ask.equals.as_deref(), unit));
    let sample = match number {
        Ok(number) => request.sample(name, &metric, number, unit),
        Err(why) => request.undecided(name, &metric, unit, why),
    };
    add(&mut outcome, sample);
    Ok(outcome)
}
