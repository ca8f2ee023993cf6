//! Redis: which server, as whom, and what its errors say.

use redis::{Client, Cmd, Connection, ErrorKind, FromRedisValue, Pipeline, RedisError};
use std::time::Duration;

use crate::base::untrusted::{Sink, escape};
use crate::base::{Error, ErrorCode, Result, Secret};

/// Why there is no answer.
#[derive(Debug)]
pub struct Trouble {
    /// What went wrong.
    pub error: Error,
    /// Whether it is the way to the server that failed: nobody is there, or nobody says anything.
    pub unreached: bool,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self { error, unreached: false }
    }
}

/// An open connection. No error of it repeats a part of the address.
pub struct Link {
    connection: Connection,
    hidden: Vec<String>,
}

impl Link {
    /// Connects to `url` (`redis://`, `rediss://` with TLS, `unix://`), to another database of it where one is given.
    /// Connecting and each call may take as long as `timeout`.
    ///
    /// # Errors
    /// `io`, `timed-out`, `not-permitted`, `invalid-configuration`.
    pub fn connect(url: &Secret, database: Option<u64>, timeout: Duration) -> Result<Self> {
        Self::reach(url, database, timeout).map_err(|trouble| trouble.error)
    }

    /// As [`Link::connect`], and says whether anybody was there at all.
    ///
    /// # Errors
    /// Those of [`Link::connect`].
    pub fn reach(url: &Secret, database: Option<u64>, timeout: Duration) -> Result<Self, Trouble> {
        // An error says that somebody installed one already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let hidden = parts(url);
        let fail =
            |error: &RedisError| Trouble { unreached: error.is_io_error(), error: explain(error, &hidden) };
        let mut client = Client::open(url.expose()).map_err(|_| address())?;
        if let Some(number) = database {
            let number = i64::try_from(number).map_err(|_| address())?;
            let info = client.get_connection_info().clone();
            let settings = info.redis_settings().clone().set_db(number);
            client = Client::open(info.set_redis_settings(settings)).map_err(|error| fail(&error))?;
        }
        let connection = client.get_connection_with_timeout(timeout).map_err(|error| fail(&error))?;
        for set in [connection.set_read_timeout(Some(timeout)), connection.set_write_timeout(Some(timeout))] {
            set.map_err(|error| fail(&error))?;
        }
        Ok(Self { connection, hidden })
    }

    /// Sends a command.
    ///
    /// # Errors
    /// What the server says, or that it does not say anything.
    pub fn ask<T: FromRedisValue>(&mut self, command: impl std::borrow::Borrow<Cmd>) -> Result<T> {
        let answer = command.borrow().query(&mut self.connection);
        answer.map_err(|error| explain(&error, &self.hidden))
    }

    /// Whether the connection broke: what was asked last was perhaps never heard.
    pub fn is_lost(&self) -> bool {
        !redis::ConnectionLike::is_open(&self.connection)
    }

    /// Sends several commands; an atomic pipeline under WATCH gives `None` when a watched key was written.
    ///
    /// # Errors
    /// What the server says, or that it does not say anything.
    pub fn pipe<T: FromRedisValue>(&mut self, pipeline: &Pipeline) -> Result<T> {
        let answer = pipeline.query(&mut self.connection);
        answer.map_err(|error| explain(&error, &self.hidden))
    }
}

fn address() -> Error {
    let why = "the parameter `url` is not the address of a Redis";
    Error::new(ErrorCode::InvalidConfiguration, why)
        .hint("it reads redis://[user:password@]host:port/database, rediss:// with TLS, or unix:///path")
}

/// What no error may repeat.
fn parts(url: &Secret) -> Vec<String> {
    let mut parts = vec![url.expose().to_owned()];
    if let Some(parsed) = redis::parse_redis_url(url.expose()) {
        parts.extend(parsed.password().map(str::to_owned));
        parts.extend(parsed.query_pairs().map(|(_, value)| value.into_owned()));
    }
    parts.retain(|part| part.len() > 2);
    parts
}

fn explain(error: &RedisError, hidden: &[String]) -> Error {
    let mut text = error.to_string();
    for part in hidden {
        text = text.replace(part.as_str(), "…");
    }
    let text = escape(&text, Sink::Terminal);
    let (code, hint) = match error.code() {
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => {
            (ErrorCode::NotPermitted, "give the address a user who may do this")
        }
        // A refused password has no code of its own.
        _ if error.kind() == ErrorKind::AuthenticationFailed => {
            (ErrorCode::NotPermitted, "give the address a user who may do this")
        }
        Some("READONLY" | "MOVED" | "ASK" | "CLUSTERDOWN") => {
            (ErrorCode::Refused, "name the primary's address; clusters are not written to")
        }
        Some("EXECABORT" | "OOM" | "MISCONF" | "LOADING" | "BUSY") => {
            (ErrorCode::Io, "the server says why; nothing was written")
        }
        _ if error.is_timeout() => (
            ErrorCode::TimedOut,
            "it may still take effect; the next try looks first. `timeout` can be raised",
        ),
        _ => (ErrorCode::Io, "is the server up, and the address right? (`redis-cli -u … ping`)"),
    };
    Error::new(code, format!("Redis: {text}")).hint(hint)
}
