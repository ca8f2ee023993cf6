//! PostgreSQL: which server, as whom, encrypted how.

mod failure;
mod reach;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::Client;

pub use failure::{failed, is_lost, lost};
pub use reach::{Reach, reach};

use crate::base::{Error, Result, SecretReference};

/// A PostgreSQL server: a URL that is kept as a secret, or its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfig {
    /// Where the connection string is kept: `postgresql://user:password@host/database?sslmode=verify-full`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<SecretReference>,
    /// The host, or the folder of its socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The port; 5432 otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Where the password is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretReference>,
    /// Whether the connection is encrypted, and whether it is proven who answers; the URL's `sslmode` otherwise, else
    /// `prefer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsMode>,
    /// A file with the certificates that are trusted, relative to the workspace; those of the machine otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_certificate: Option<PathBuf>,
}

/// Whether a connection is encrypted, and whether it is proven who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Not encrypted.
    Disable,
    /// Encrypted where the server can.
    Prefer,
    /// Encrypted; it is not proven who answers.
    Require,
    /// Encrypted, and the server's certificate is valid and names its host.
    VerifyFull,
}

/// An open connection.
pub struct Session {
    // The client is dropped before the runtime that carries its connection.
    /// What is asked.
    pub client: Client,
    /// What carries the answers.
    pub runtime: Runtime,
}

impl Session {
    /// Connects; it may take as long as `limit`.
    ///
    /// # Errors
    /// `unavailable` when nobody answers, `not-permitted` when it does not let us in.
    pub fn open(mut reach: Reach, limit: Duration) -> Result<Self> {
        let place = reach.place();
        reach.config.connect_timeout(limit);
        let tls = reach::encryption(reach.tls, reach.roots.as_deref())?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::io("cannot start talking to PostgreSQL", error))?;
        let connecting = async { tokio::time::timeout(limit, reach.config.connect(tls)).await };
        let (client, connection) = match runtime.block_on(connecting) {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => return Err(failed(&place, &error)),
            Err(_) => return Err(lost(&place, &format!("no answer within {} ms", limit.as_millis()))),
        };
        // What goes wrong with the connection is told to whoever waits for an answer on it.
        runtime.spawn(async { connection.await.ok() });
        Ok(Self { client, runtime })
    }
}

impl Reach {
    /// Where it is, without what is secret.
    pub fn place(&self) -> String {
        place(&self.config)
    }
}

fn place(config: &tokio_postgres::Config) -> String {
    use tokio_postgres::config::Host;
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "?".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let database = config.get_dbname().or(config.get_user()).unwrap_or("?");
    format!("PostgreSQL {database} at {host}:{port}")
}
