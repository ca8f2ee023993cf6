//! A connection, who answers it, and what its errors say.

use redis::{Client, Cmd, Connection, FromRedisValue, Pipeline, RedisError};
use std::time::Duration;

use crate::base::untrusted::{Sink, escape};
use crate::base::{Error, ErrorCode, Result, Secret};
use crate::rollback::adapters::parameters::{Count, Hidden, Span};

/// How long connecting and each call may take, unless it is said.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A connected server.
pub struct Server {
    adapter: &'static str,
    connection: Connection,
    /// The server's major version.
    pub major: u32,
    cluster: bool,
    hidden: Vec<String>,
}

impl Server {
    /// Connects to `url` (`redis://`, `rediss://` with TLS, `unix://`) and asks who it is.
    ///
    /// # Errors
    /// `io`, `timed-out`, `not-permitted`; none of them repeats the address.
    pub fn connect(
        adapter: &'static str,
        url: &Hidden,
        database: Option<Count>,
        timeout: Option<Span>,
    ) -> Result<Self> {
        // An error says that somebody installed one already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let timeout = timeout.map_or(TIMEOUT, |span| span.0);
        let hidden = parts(&url.0);
        let fail = |error: &RedisError| explain(adapter, error, &hidden);
        let mut client = Client::open(url.0.expose()).map_err(|_| address(adapter))?;
        if let Some(Count(number)) = database {
            let number = i64::try_from(number).map_err(|_| address(adapter))?;
            let info = client.get_connection_info().clone();
            let settings = info.redis_settings().clone().set_db(number);
            client = Client::open(info.set_redis_settings(settings)).map_err(|error| fail(&error))?;
        }
        let connection = client.get_connection_with_timeout(timeout).map_err(|error| fail(&error))?;
        for set in [connection.set_read_timeout(Some(timeout)), connection.set_write_timeout(Some(timeout))] {
            set.map_err(|error| fail(&error))?;
        }
        let mut server = Self { adapter, connection, major: 0, cluster: false, hidden };
        let info: String = server.ask(redis::cmd("INFO"))?;
        let field = |name: &str| {
            info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
        };
        server.major = field("redis_version")
            .and_then(|version| version.split('.').next()?.parse().ok())
            .ok_or_else(|| server.error(ErrorCode::InvalidData, "the server does not say its version"))?;
        server.cluster = field("cluster_enabled") == Some("1");
        if server.major < 5 {
            return Err(server
                .error(ErrorCode::Refused, "the server is older than Redis 5, which cannot put times back")
                .hint("use a server from Redis 5 on"));
        }
        Ok(server)
    }

    /// Why nothing may be written here; `None` when it may.
    pub fn refuses_writes(&mut self) -> Result<Option<String>> {
        if self.cluster {
            return Ok(Some(
                "this is a node of a Redis cluster, which holds only some of the keys".to_owned(),
            ));
        }
        let role: Vec<redis::Value> = self.ask(redis::cmd("ROLE"))?;
        let role: Option<String> =
            role.into_iter().next().and_then(|first| String::from_redis_value(first).ok());
        Ok(match role.as_deref() {
            Some("master") => None,
            Some(role) => {
                let role = escape(role, Sink::Terminal);
                Some(format!("this Redis is a `{role}`, not the primary: name the primary's address"))
            }
            None => Some("this Redis does not say whether it is the primary".to_owned()),
        })
    }

    /// An error unless it may be written here.
    pub fn writable(&mut self) -> Result<()> {
        match self.refuses_writes()? {
            Some(why) => Err(self.error(ErrorCode::Refused, &why)),
            None => Ok(()),
        }
    }

    /// Sends a command.
    pub fn ask<T: FromRedisValue>(&mut self, command: impl std::borrow::Borrow<Cmd>) -> Result<T> {
        let answer = command.borrow().query(&mut self.connection);
        answer.map_err(|error| explain(self.adapter, &error, &self.hidden))
    }

    /// Sends several commands; an atomic pipeline under WATCH gives `None` when a watched key was written.
    pub fn pipe<T: FromRedisValue>(&mut self, pipeline: &Pipeline) -> Result<T> {
        let answer = pipeline.query(&mut self.connection);
        answer.map_err(|error| explain(self.adapter, &error, &self.hidden))
    }

    /// Watches keys until the next transaction.
    pub fn watch(&mut self, keys: &[Vec<u8>]) -> Result<()> {
        self.ask(redis::cmd("UNWATCH").to_owned()).map(|(): ()| ())?;
        for chunk in keys.chunks(1000) {
            let mut command = redis::cmd("WATCH");
            command.arg(chunk);
            let () = self.ask(command)?;
        }
        Ok(())
    }

    /// Runs a transaction.
    ///
    /// # Errors
    /// `drifted` when a watched key was written meanwhile; nothing was done then.
    pub fn commit(&mut self, pipeline: &Pipeline) -> Result<Vec<redis::Value>> {
        let answer: Option<Vec<redis::Value>> = self.pipe(pipeline)?;
        answer.ok_or_else(|| {
            self.error(
                ErrorCode::Drifted,
                "somebody wrote a key between looking and writing; nothing was done",
            )
            .hint("stop what writes these keys (`irctl contain`), then try again")
        })
    }

    /// The server's clock, in milliseconds since 1970.
    pub fn now(&mut self) -> Result<i64> {
        let (seconds, micros): (i64, i64) = self.ask(redis::cmd("TIME"))?;
        Ok(seconds * 1000 + micros / 1000)
    }

    /// An error of this adapter.
    pub fn error(&self, code: ErrorCode, why: &str) -> Error {
        Error::new(code, format!("{}: {why}", self.adapter))
    }
}

fn address(adapter: &str) -> Error {
    let why = format!("{adapter}: the parameter `url` is not the address of a Redis");
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

fn explain(adapter: &str, error: &RedisError, hidden: &[String]) -> Error {
    let mut text = error.to_string();
    for part in hidden {
        text = text.replace(part.as_str(), "…");
    }
    let text = escape(&text, Sink::Terminal);
    let (code, hint) = match error.code() {
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => {
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
    Error::new(code, format!("{adapter}: Redis: {text}")).hint(hint)
}
