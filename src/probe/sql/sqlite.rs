//! SQLite is opened for reading only, on a connection that refuses to write.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode as Kind, OpenFlags};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use super::cell::Cell;
use super::{Asked, Table};
use crate::base::{Error, ErrorCode, Result, Untrusted};

/// Asks.
pub(super) fn ask(file: &Path, shown: &Path, asked: &Asked<'_>) -> Result<Table> {
    let place = format!("SQLite {}", shown.display());
    if !file.is_file() {
        return Err(Error::new(ErrorCode::NotFound, format!("{place}: there is no such file"))
            .hint("`sqlite: {file: …}` is relative to the workspace"));
    }
    let found = open(file, asked.timeout).and_then(|connection| {
        let _alarm = alarm(&connection, asked.timeout);
        table(&connection, asked)
    });
    let (columns, rows) = found.map_err(|error| explain(&place, &error, asked.timeout))?;
    Ok(Table { place, columns, rows })
}

fn open(file: &Path, timeout: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(timeout)?;
    connection
        .execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF")?;
    Ok(connection)
}

/// Interrupts what takes longer than it may, until it is dropped.
fn alarm(connection: &Connection, limit: Duration) -> mpsc::Sender<()> {
    let (sender, receiver) = mpsc::channel();
    let interrupt = connection.get_interrupt_handle();
    std::thread::spawn(move || {
        if receiver.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            interrupt.interrupt();
        }
    });
    sender
}

fn table(connection: &Connection, asked: &Asked<'_>) -> rusqlite::Result<(Vec<String>, Vec<Vec<Cell>>)> {
    let columns = if asked.counts { "count(*)" } else { "*" };
    let mut statement = connection.prepare(&format!("{} LIMIT {}", asked.within(columns), Asked::limit()))?;
    let columns: Vec<String> = statement.column_names().iter().map(|name| (*name).to_owned()).collect();
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((0..columns.len()).map(|at| row.get_ref(at).map(cell)).collect::<rusqlite::Result<_>>()?);
    }
    Ok((columns, found))
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        #[expect(clippy::cast_precision_loss, reason = "a metric is a floating-point number")]
        ValueRef::Integer(number) => Cell::Number(number as f64),
        ValueRef::Real(number) => Cell::Number(number),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Cell::Text(text.to_owned()),
            Err(_) => Cell::Bytes(text.len()),
        },
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.len()),
    }
}

fn explain(place: &str, error: &rusqlite::Error, timeout: Duration) -> Error {
    let words = Untrusted::from(error.to_string()).to_string();
    let milliseconds = timeout.as_millis();
    let (code, words, hint) = match error.sqlite_error_code() {
        Some(Kind::OperationInterrupted) => (
            ErrorCode::TimedOut,
            format!("the query took longer than {milliseconds} ms"),
            "raise `timeout`, or make the query faster",
        ),
        Some(Kind::DatabaseBusy | Kind::DatabaseLocked) => (
            ErrorCode::Busy,
            format!("another program has had the file locked for {milliseconds} ms"),
            "wait for it to end",
        ),
        Some(Kind::PermissionDenied | Kind::CannotOpen) => {
            (ErrorCode::NotPermitted, words, "the file must be readable for whoever runs irctl")
        }
        Some(Kind::ReadOnly) => {
            (ErrorCode::NotPermitted, words, "a probe only reads; it runs queries, and nothing that writes")
        }
        Some(Kind::DatabaseCorrupt | Kind::NotADatabase) => {
            (ErrorCode::InvalidData, words, "the file is damaged, or no SQLite database")
        }
        _ => {
            (ErrorCode::InvalidConfiguration, words, "the query has to be one SELECT that SQLite understands")
        }
    };
    Error::new(code, format!("{place}: {words}")).hint(hint)
}
