//! The `sql` probe: what one query finds in PostgreSQL or SQLite. It only reads.
//!
//! The query stands inside of a SELECT of irctl's own, in a transaction that may not write: whatever it is, it cannot
//! be a statement that changes something.

mod cell;
mod postgres;
mod reading;
mod sqlite;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use super::server::{about, explained};
use super::{Outcome, Request, Zone};
use crate::base::connect::postgres::PostgresConfig;
use crate::base::{Duration, Error, Unit, path, process};
use cell::Cell;

/// How long connecting, and the query, may each take, where nothing else is said.
const TIMEOUT: Duration = Duration::seconds(10);

/// How many rows are taken at most; more than that is a query that forgot to aggregate.
const MOST_ROWS: usize = 1000;

/// What one query finds in PostgreSQL or SQLite. It runs in a transaction that cannot write.
///
/// NULL, NaN, infinity, a text that is no number, no row, several rows where one is expected, a time in the future, and
/// every error of the database are undecided.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SqlProbe")]
pub struct SqlConfig {
    /// Which database.
    pub database: SqlSource,
    /// The query: one SELECT (or VALUES, or WITH … SELECT).
    pub query: String,
    /// What is made of the rows that it finds.
    pub read: SqlRead,
    /// How long connecting, and the query, may each take; 10s otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// Which database is asked.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SqlSource {
    /// A PostgreSQL server.
    Postgres(PostgresConfig),
    /// A SQLite file.
    Sqlite(SqliteFile),
}

/// A SQLite file that is read.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqliteFile {
    /// The file, relative to the workspace.
    pub file: PathBuf,
}

/// What is made of the rows that a query finds.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SqlRead {
    /// One row with one column: its number.
    Scalar(ScalarRead),
    /// Rows: a number each, told apart by labels.
    Rows(RowsRead),
    /// How many rows there are; none is a number as well.
    Count(CountRead),
    /// One row with one column: a time, and how long ago it was.
    Newest(NewestRead),
}

/// One number.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScalarRead {
    /// The metric's name; the probe's name otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The unit that the query gives the number in; a bare number otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
}

/// A number for each row.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowsRead {
    /// The metric's name; the probe's name otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The unit that the query gives the numbers in; a bare number otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// The column with the number.
    pub value: String,
    /// The columns that tell the rows apart; without them there has to be exactly one row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The column with the time at which the number was true; the instant of the round otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// How old a row may be before it no longer counts. It needs `time`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// The zone of times without one; UTC otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<Zone>,
    /// The column that names the version a row belongs to, by label or digest; the served version otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// How many rows there are.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CountRead {
    /// The metric's name; `NAME_rows` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
}

/// How long ago the newest thing happened.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewestRead {
    /// The metric's name; `NAME_age` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The zone of times without one; UTC otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<Zone>,
}

impl SqlConfig {
    fn timeout(&self) -> std::time::Duration {
        process::within(self.timeout.unwrap_or(TIMEOUT).to_std())
    }

    fn metric(&self, name: &str) -> (String, Unit) {
        let called = |metric: &Option<String>, usual: String| metric.clone().unwrap_or(usual);
        match &self.read {
            SqlRead::Scalar(read) => {
                (called(&read.metric, name.to_owned()), read.unit.unwrap_or(Unit::Number))
            }
            SqlRead::Rows(read) => (called(&read.metric, name.to_owned()), read.unit.unwrap_or(Unit::Number)),
            SqlRead::Count(read) => (called(&read.metric, format!("{name}_rows")), Unit::Count),
            SqlRead::Newest(read) => (called(&read.metric, format!("{name}_age")), Unit::Days),
        }
    }

    /// The query without what ends a statement.
    fn trimmed(&self) -> &str {
        self.query.trim().trim_end_matches(|c: char| c == ';' || c.is_whitespace())
    }

    fn ask(&self, root: &Path) -> Result<Table, Error> {
        let asked = Asked {
            query: self.trimmed(),
            counts: matches!(self.read, SqlRead::Count(_)),
            timeout: self.timeout(),
        };
        match &self.database {
            SqlSource::Postgres(config) => postgres::ask(config, root, &asked),
            SqlSource::Sqlite(config) => {
                let file = path::inside(root, &config.file)?;
                sqlite::ask(&file, &config.file, &asked)
            }
        }
    }
}

/// What is asked of a database.
struct Asked<'a> {
    /// The query, without a semicolon.
    query: &'a str,
    /// Whether only the number of its rows is wanted.
    counts: bool,
    /// How long connecting, and the query, may each take.
    timeout: std::time::Duration,
}

impl Asked<'_> {
    /// The query inside of a SELECT, in which it can be nothing but a query itself.
    fn within(&self, columns: &str) -> String {
        // The line break ends a comment in which the query may end.
        format!("SELECT {columns} FROM (\n{}\n) AS asked", self.query)
    }

    /// One more than is taken, to see that there are more.
    fn limit() -> usize {
        MOST_ROWS + 1
    }
}

/// What was found.
struct Table {
    /// Where.
    place: String,
    /// The names of the columns.
    columns: Vec<String>,
    /// The rows, in their order.
    rows: Vec<Vec<Cell>>,
}

/// The metrics that it emits.
pub(super) fn metrics(name: &str, config: &SqlConfig) -> Vec<(String, Unit)> {
    vec![config.metric(name)]
}

/// Measures.
pub(super) fn measure(name: &str, config: &SqlConfig, request: &Request<'_>) -> Outcome {
    let facts = [("query", config.query.trim().to_owned())];
    let table = match config.ask(request.root) {
        Ok(table) => table,
        Err(error) => {
            let all = metrics(name, config);
            return about(Outcome::undecided(name, &all, request, explained(&error)), &facts);
        }
    };
    let place = ("database", table.place.clone());
    let [query] = facts;
    match reading::read(name, config, request, &table) {
        Ok(outcome) => about(outcome, &[place, query]),
        Err(why) => {
            let all = metrics(name, config);
            about(Outcome::undecided(name, &all, request, why), &[place, query])
        }
    }
}
