//! Keys as they stand: a digest of the value that does not depend on how the server lays it out, and what RESTORE
//! needs to put it back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use redis::{Pipeline, Value, cmd};
use serde::{Deserialize, Serialize};

use super::server::Server;
use crate::base::digest::Hasher;
use crate::base::{Digest, Error, ErrorCode, Result};

/// How many keys one round trip asks for.
const CHUNK: usize = 100;
/// How often keys that are being written are looked at again before it is given up.
const TRIES: usize = 5;

/// A key as it stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The key, in base64.
    key: String,
    /// What stood there; absent where nothing did.
    pub held: Option<Held>,
}

/// What a key held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The type, as TYPE gives it.
    pub kind: String,
    /// The digest of the value: see [`text_digest`] for a string.
    pub digest: Digest,
    /// When it expires, in milliseconds since 1970.
    pub expires: Option<i64>,
    /// What DUMP gave, in base64.
    dump: String,
}

impl Image {
    /// The key's bytes.
    pub fn key(&self) -> Result<Vec<u8>> {
        decode(&self.key)
    }

    /// The key for people.
    pub fn shown(&self) -> String {
        self.key().map(|key| String::from_utf8_lossy(&key).into_owned()).unwrap_or_default()
    }

    /// How many bytes DUMP gave.
    pub fn size(&self) -> u64 {
        self.held.as_ref().map_or(0, |held| held.dump.len() as u64 / 4 * 3)
    }

    /// Adds what puts the key back to a transaction. `now` is the server's clock: what would have expired by now is
    /// not put back; returns whether anything is there afterwards.
    pub fn put_back(&self, pipeline: &mut Pipeline, now: i64, replace: bool) -> Result<bool> {
        let key = self.key()?;
        let Some(held) = self.held.as_ref().filter(|held| held.expires.is_none_or(|at| at > now)) else {
            if replace {
                pipeline.cmd("UNLINK").arg(key);
            }
            return Ok(false);
        };
        let restore =
            pipeline.cmd("RESTORE").arg(key).arg(held.expires.unwrap_or(0)).arg(decode(&held.dump)?);
        if replace {
            restore.arg("REPLACE");
        }
        // An absolute time: the key goes when it would have gone, however long the operation took.
        restore.arg("ABSTTL");
        Ok(true)
    }
}

fn decode(text: &str) -> Result<Vec<u8>> {
    STANDARD.decode(text).map_err(|_| {
        Error::new(ErrorCode::InvalidData, "a Redis before-image is damaged: it is no base64")
            .hint("put the keys back by hand; the state that was is in the history of the operation")
    })
}

/// The digest of a string value.
pub fn text_digest(value: &[u8]) -> Digest {
    digest("string", &[value.to_vec()])
}

fn digest(kind: &str, items: &[Vec<u8>]) -> Digest {
    let mut hasher = Hasher::default();
    for item in std::iter::once(kind.as_bytes()).chain(items.iter().map(Vec::as_slice)) {
        hasher.update(&(item.len() as u64).to_be_bytes());
        hasher.update(item);
    }
    hasher.finish()
}

/// Looks at keys, each whole and none while it is being written.
///
/// # Errors
/// `busy` when they are written faster than they can be looked at.
pub fn steady(server: &mut Server, keys: &[Vec<u8>]) -> Result<Vec<Image>> {
    let mut images = Vec::with_capacity(keys.len());
    for chunk in keys.chunks(CHUNK) {
        let mut tries = 0;
        let part = loop {
            server.watch(chunk)?;
            let part = read(server, chunk)?;
            let mut nothing = redis::pipe();
            nothing.atomic().cmd("PING");
            match server.commit(&nothing) {
                Ok(_) => break part,
                Err(error) if error.code == ErrorCode::Drifted && tries < TRIES => tries += 1,
                Err(error) if error.code == ErrorCode::Drifted => {
                    return Err(server
                        .error(ErrorCode::Busy, "keys are written faster than they can be looked at")
                        .hint("stop what writes them (`irctl contain`), then try again"));
                }
                Err(error) => return Err(error),
            }
        };
        images.extend(part);
    }
    Ok(images)
}

/// Looks at keys. Whole only for a caller who watches them.
pub fn read(server: &mut Server, keys: &[Vec<u8>]) -> Result<Vec<Image>> {
    let mut images = Vec::with_capacity(keys.len());
    for chunk in keys.chunks(CHUNK) {
        let now = if server.major < 7 { server.now()? } else { 0 };
        let mut first = redis::pipe();
        for key in chunk {
            first.cmd("TYPE").arg(key);
            first.cmd(if server.major < 7 { "PTTL" } else { "PEXPIRETIME" }).arg(key);
            first.cmd("DUMP").arg(key);
        }
        let answers: Vec<Value> = server.pipe(&first)?;
        let found: Vec<_> = chunk.iter().zip(answers.chunks(3)).collect();
        let mut second = redis::pipe();
        let mut asked = 0;
        for (key, answer) in &found {
            if let Some(command) = whole(&kind(server, answer)?, key) {
                second.add_command(command);
                asked += 1;
            }
        }
        let mut values =
            if asked == 0 { Vec::new() } else { server.pipe::<Vec<Value>>(&second)? }.into_iter();
        for (key, answer) in found {
            images.push(image(server, key, answer, now, &mut values)?);
        }
    }
    Ok(images)
}

/// The command that reads a value whole; none for an absent key and for types that DUMP alone can read.
fn whole(kind: &str, key: &[u8]) -> Option<redis::Cmd> {
    let mut command = match kind {
        "string" => cmd("GET"),
        "list" => cmd("LRANGE"),
        "set" => cmd("SMEMBERS"),
        "hash" => cmd("HGETALL"),
        "zset" => cmd("ZRANGE"),
        _ => return None,
    };
    command.arg(key);
    match kind {
        "list" => command.arg(0).arg(-1),
        "zset" => command.arg(0).arg(-1).arg("WITHSCORES"),
        _ => &mut command,
    };
    Some(command)
}

fn kind(server: &Server, answer: &[Value]) -> Result<String> {
    let kind = answer.first().cloned().and_then(|value| redis::from_redis_value(value).ok());
    kind.ok_or_else(|| server.error(ErrorCode::InvalidData, "TYPE answered no word"))
}

fn image(
    server: &Server,
    key: &[u8],
    answer: &[Value],
    now: i64,
    values: &mut impl Iterator<Item = Value>,
) -> Result<Image> {
    let odd =
        |what: &str| server.error(ErrorCode::InvalidData, &format!("{what} answered in an unknown shape"));
    let kind = kind(server, answer)?;
    let value = if whole(&kind, key).is_some() { values.next() } else { None };
    let image = |held| Image { key: STANDARD.encode(key), held };
    let [_, Value::Int(expires), dump] = answer else { return Err(odd("PEXPIRETIME")) };
    let dump = match dump {
        Value::BulkString(dump) if kind != "none" => dump,
        // Gone between two commands, or never there.
        _ => return Ok(image(None)),
    };
    let items = match value {
        Some(value) => items(&kind, value).ok_or_else(|| odd("a read"))?,
        // The last ten bytes are the format's version and a checksum.
        None => vec![dump.get(..dump.len().saturating_sub(10)).unwrap_or_default().to_vec()],
    };
    Ok(image(Some(Held {
        digest: digest(&kind, &items),
        kind,
        expires: (*expires >= 0).then_some(expires + now),
        dump: STANDARD.encode(dump),
    })))
}

/// The parts of a value, in an order that does not depend on the server's memory.
fn items(kind: &str, value: Value) -> Option<Vec<Vec<u8>>> {
    if kind == "string" {
        return redis::from_redis_value(value).ok().map(|text: Vec<u8>| vec![text]);
    }
    if kind == "hash" {
        let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = redis::from_redis_value(value).ok()?;
        pairs.sort();
        return Some(pairs.into_iter().flat_map(|(name, value)| [name, value]).collect());
    }
    let mut items: Vec<Vec<u8>> = redis::from_redis_value(value).ok()?;
    if kind == "set" {
        items.sort();
    }
    Some(items)
}
