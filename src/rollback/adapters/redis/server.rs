//! A connection, and who answers it.

use redis::{Cmd, FromRedisValue, Pipeline};
use std::time::Duration;

use crate::base::connect::redis::Link;
use crate::base::untrusted::{Sink, escape};
use crate::base::{Error, ErrorCode, Result};
use crate::rollback::adapters::parameters::{Count, Hidden, Span};

/// How long connecting and each call may take, unless it is said.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A connected server.
pub struct Server {
    adapter: &'static str,
    link: Link,
    /// The server's major version.
    pub major: u32,
    cluster: bool,
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
        let timeout = timeout.map_or(TIMEOUT, |span| span.0);
        let number = database.map(|Count(number)| number);
        let link = Link::connect(&url.0, number, timeout).map_err(|error| of(adapter, error))?;
        let mut server = Self { adapter, link, major: 0, cluster: false };
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
        self.link.ask(command).map_err(|error| of(self.adapter, error))
    }

    /// Sends several commands; an atomic pipeline under WATCH gives `None` when a watched key was written.
    pub fn pipe<T: FromRedisValue>(&mut self, pipeline: &Pipeline) -> Result<T> {
        self.link.pipe(pipeline).map_err(|error| of(self.adapter, error))
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

/// An error of a connection as one of an adapter.
fn of(adapter: &str, error: Error) -> Error {
    Error { message: format!("{adapter}: {}", error.message), ..error }
}
