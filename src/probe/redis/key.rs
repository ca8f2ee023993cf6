//! One key: whether it is there, how long it is and lives, and what it holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::ValueRead;
use super::{RedisConfig, begun, up_to_date};
use crate::base::connect::redis::Link;
use crate::base::{Error, Unit};
use crate::probe::server::{add, quoted};
use crate::probe::{Outcome, Request};

/// The longest value that is fetched, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// A key.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyAsk {
    /// The key.
    pub key: String,
    /// What it has to hold; of another type, only its existence is decided.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<KeyType>,
    /// Measures the value as well: of a string, or of a field of a hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ValueRead>,
}

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyType {
    /// A string.
    String,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set.
    Zset,
    /// A hash.
    Hash,
    /// A stream.
    Stream,
}

impl KeyType {
    /// What TYPE answers, and the command for the length.
    const ALL: [(Self, &'static str, &'static str); 6] = [
        (KeyType::String, "string", "STRLEN"),
        (KeyType::List, "list", "LLEN"),
        (KeyType::Set, "set", "SCARD"),
        (KeyType::Zset, "zset", "ZCARD"),
        (KeyType::Hash, "hash", "HLEN"),
        (KeyType::Stream, "stream", "XLEN"),
    ];

    fn of(answer: &str) -> Option<(Self, &'static str)> {
        let found = Self::ALL.iter().find(|(_, name, _)| *name == answer)?;
        Some((found.0, found.2))
    }

    fn shown(self) -> &'static str {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, name, _)| name)
    }
}

/// What the server says of a key.
struct Looked {
    kind: String,
    length: Option<u64>,
    /// Milliseconds that it still lives; −1 for ever, −2 where it is gone.
    lives: i64,
    value: Option<Result<String, String>>,
}

pub(super) fn metrics(name: &str, ask: &KeyAsk) -> Vec<(String, Unit)> {
    let mut all = vec![
        (format!("{name}_exists"), Unit::Flag),
        (format!("{name}_length"), Unit::Count),
        (format!("{name}_ttl"), Unit::Seconds),
    ];
    if let Some(read) = &ask.value {
        all.push((read.metric.clone().unwrap_or_else(|| name.to_owned()), read.unit()));
    }
    all
}

fn look(link: &mut Link, ask: &KeyAsk) -> Result<Looked, Error> {
    let kind: String = link.ask(redis::cmd("TYPE").arg(&ask.key))?;
    up_to_date(link)?;
    let lives = link.ask(redis::cmd("PTTL").arg(&ask.key))?;
    let length = match KeyType::of(&kind) {
        Some((_, command)) => Some(link.ask(redis::cmd(command).arg(&ask.key))?),
        None => None,
    };
    let value = match &ask.value {
        Some(read) if kind != "none" => Some(value(link, ask, read, &kind)?),
        _ => None,
    };
    Ok(Looked { kind, length, lives, value })
}

fn value(
    link: &mut Link,
    ask: &KeyAsk,
    read: &ValueRead,
    kind: &str,
) -> Result<Result<String, String>, Error> {
    let (wanted, size, fetch) = match &read.field {
        None => ("string", redis::cmd("STRLEN"), redis::cmd("GET")),
        Some(_) => ("hash", redis::cmd("HSTRLEN"), redis::cmd("HGET")),
    };
    if kind != wanted {
        return Ok(Err(format!("the key is a {}, not a {wanted}", quoted(kind))));
    }
    let of = |mut command: redis::Cmd| {
        command.arg(&ask.key);
        if let Some(field) = &read.field {
            command.arg(field);
        }
        command
    };
    let length: u64 = link.ask(of(size))?;
    if length > LONGEST {
        return Ok(Err(format!("the value has {length} bytes, more than {LONGEST}")));
    }
    let bytes: Option<Vec<u8>> = link.ask(of(fetch))?;
    Ok(match bytes.map(String::from_utf8) {
        None => Err("there is no such value".to_owned()),
        Some(Err(_)) => Err("the value is no text".to_owned()),
        Some(Ok(text)) => Ok(text),
    })
}

pub(super) fn measure(
    name: &str,
    config: &RedisConfig,
    ask: &KeyAsk,
    request: &Request<'_>,
) -> Result<Outcome, Error> {
    let looked = config.ask(|link| look(link, ask)).map_err(|trouble| trouble.error)?;
    let mut outcome = begun(name);
    let there = looked.kind != "none";
    let exists = request.sample(name, &format!("{name}_exists"), f64::from(u8::from(there)), Unit::Flag);
    add(&mut outcome, exists);
    outcome.fact("type", looked.kind.clone());
    let fits = match ask.kind {
        _ if !there => Err("there is no such key".to_owned()),
        Some(kind) if kind.shown() != looked.kind => {
            Err(format!("the key is a {}, not a {}", quoted(&looked.kind), kind.shown()))
        }
        _ => Ok(()),
    };
    #[expect(clippy::cast_precision_loss, reason = "nothing in memory has 2^53 parts")]
    let length = looked.length.map(|length| length as f64);
    let length = length.ok_or_else(|| format!("a {} has no length that is known here", quoted(&looked.kind)));
    for (metric, unit) in metrics(name, ask).into_iter().skip(1) {
        let measured = fits.clone().and_then(|()| match unit {
            _ if metric == format!("{name}_length") => length.clone(),
            _ if metric == format!("{name}_ttl") => lives(looked.lives),
            _ => number(ask, &looked),
        });
        let mut sample = match measured {
            Ok(value) => request.sample(name, &metric, value, unit),
            Err(why) => request.undecided(name, &metric, unit, why),
        };
        sample.rows = 1;
        // That a key lives for ever, or is not there, is nothing that went wrong with looking.
        if !there || looked.lives == -1 && metric.ends_with("_ttl") {
            outcome.samples.push(sample);
        } else {
            add(&mut outcome, sample);
        }
    }
    Ok(outcome)
}

#[expect(clippy::cast_precision_loss, reason = "no key lives for 2^53 milliseconds")]
fn lives(milliseconds: i64) -> Result<f64, String> {
    match milliseconds {
        -1 => Err("the key does not expire".to_owned()),
        ..0 => Err("the key is gone".to_owned()),
        _ => Ok(milliseconds as f64 / 1000.0),
    }
}

fn number(ask: &KeyAsk, looked: &Looked) -> Result<f64, String> {
    let read = ask.value.clone().unwrap_or_default();
    match &looked.value {
        Some(Ok(text)) => read.number(text),
        Some(Err(why)) => Err(why.clone()),
        None => Err("there is no such key".to_owned()),
    }
}
