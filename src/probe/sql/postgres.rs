//! PostgreSQL is asked in a transaction that is read only, and every value comes as the text that the server writes.

use std::future::Future;
use std::path::Path;
use std::time::Duration;
use tokio_postgres::{Error as Refusal, Row};

use super::cell::Cell;
use super::{Asked, Table};
use crate::base::connect::postgres::{PostgresConfig, Reach, Session, failed, lost, reach};
use crate::base::{ErrorCode, Result};

/// How much longer than the server itself it is waited for its answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks. What fails on the way to the server is tried once more; what the server says is not.
pub(super) fn ask(config: &PostgresConfig, root: &Path, asked: &Asked<'_>) -> Result<Table> {
    let mut config = config.clone();
    config.root_certificate = config.root_certificate.map(|file| root.join(file));
    let way = reach(&config)?;
    let place = way.place();
    let unreached = match Session::open(way, asked.timeout) {
        Ok(session) => match (Asking { session, place: &place, asked }).table() {
            Ok(table) => return Ok(table),
            Err(Trouble::Said(error)) => return Err(error),
            Err(Trouble::Lost(_)) => None,
        },
        Err(error) => Some(error),
    };
    if let Some(error) = unreached
        && (error.code != ErrorCode::Unavailable || error.message.contains("no answer within"))
    {
        return Err(error);
    }
    let again: Reach = reach(&config)?;
    let session = Session::open(again, asked.timeout)?;
    Asking { session, place: &place, asked }.table().map_err(|trouble| match trouble {
        Trouble::Said(error) | Trouble::Lost(error) => error,
    })
}

/// Why there is no answer.
enum Trouble {
    /// The server says so, or it took too long.
    Said(crate::base::Error),
    /// The connection broke.
    Lost(crate::base::Error),
}

struct Asking<'a> {
    session: Session,
    place: &'a str,
    asked: &'a Asked<'a>,
}

impl Asking<'_> {
    fn table(&self) -> Result<Table, Trouble> {
        let client = &self.session.client;
        let limit = self.asked.timeout.as_millis().max(1);
        self.answer(client.batch_execute(&format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {limit}; \
             SET LOCAL lock_timeout = {limit}; SET LOCAL idle_in_transaction_session_timeout = {}; \
             SET LOCAL datestyle = 'ISO, MDY'; SET LOCAL timezone = 'UTC'; SET LOCAL bytea_output = 'hex'; \
             SET LOCAL extra_float_digits = 1",
            limit.max(10_000)
        )))?;
        if self.asked.counts {
            let rows = self.rows(&self.asked.within("count(*)::text"))?;
            return Ok(self.found(vec!["count".to_owned()], rows));
        }
        // One statement only can be prepared, and inside of a SELECT it can only be a query.
        let prepared = self.answer(client.prepare(&self.asked.within("*")))?;
        let columns: Vec<_> = prepared.columns().iter().map(|column| column.name().to_owned()).collect();
        let texts: Vec<_> =
            columns.iter().map(|name| format!("\"{}\"::text", name.replace('"', "\"\""))).collect();
        let rows =
            self.rows(&format!("{} LIMIT {}", self.asked.within(&texts.join(", ")), Asked::limit()))?;
        Ok(self.found(columns, rows))
    }

    fn found(&self, columns: Vec<String>, rows: Vec<Vec<Cell>>) -> Table {
        // Nobody waits for the answer: the transaction did nothing, and the connection ends it.
        let _ = self.answer(self.session.client.batch_execute("ROLLBACK"));
        Table { place: self.place.to_owned(), columns, rows }
    }

    fn rows(&self, sql: &str) -> Result<Vec<Vec<Cell>>, Trouble> {
        let rows = self.answer(self.session.client.query(sql, &[]))?;
        let cell = |row: &Row, at| match row.try_get::<_, Option<String>>(at) {
            Ok(text) => Ok(text.map_or(Cell::Null, Cell::Text)),
            Err(error) => Err(Trouble::Said(failed(self.place, &error))),
        };
        rows.iter().map(|row| (0..row.len()).map(|at| cell(row, at)).collect()).collect()
    }

    fn answer<T>(&self, asking: impl Future<Output = Result<T, Refusal>>) -> Result<T, Trouble> {
        let limited = async { tokio::time::timeout(self.asked.timeout + PATIENCE, asking).await };
        match self.session.runtime.block_on(limited) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if error.as_db_error().is_none() && error.is_closed() => {
                Err(Trouble::Lost(failed(self.place, &error)))
            }
            Ok(Err(error)) => Err(Trouble::Said(failed(self.place, &error))),
            Err(_) => {
                let why = format!("no answer within {} ms", self.asked.timeout.as_millis());
                Err(Trouble::Said(lost(self.place, &why)))
            }
        }
    }
}
