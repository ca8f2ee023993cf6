//! The schema, forward only. A step that has been released is never changed; a new one is added.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};
use std::path::Path;

use crate::base::{Error, ErrorCode, Result};

const STEPS: &[M<'_>] = &[M::up(
    "CREATE TABLE event (
        sequence INTEGER PRIMARY KEY,
        writer TEXT NOT NULL,
        writer_sequence INTEGER NOT NULL,
        kind TEXT NOT NULL,
        service TEXT,
        incident TEXT,
        operation TEXT,
        recorded_at INTEGER NOT NULL,
        body TEXT NOT NULL,
        hash TEXT NOT NULL,
        UNIQUE (writer, writer_sequence)
    ) STRICT;
    CREATE INDEX event_incident ON event (incident, sequence) WHERE incident IS NOT NULL;
    CREATE INDEX event_service ON event (service, sequence) WHERE service IS NOT NULL;
    CREATE INDEX event_operation ON event (operation, sequence) WHERE operation IS NOT NULL;
    CREATE INDEX event_kind ON event (kind, sequence);
    CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event BEGIN
        SELECT RAISE(ABORT, 'events are append-only');
    END;
    CREATE TRIGGER event_is_never_removed BEFORE DELETE ON event BEGIN
        SELECT RAISE(ABORT, 'events are append-only');
    END;
    CREATE TABLE identifier (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE TABLE sample (
        number INTEGER PRIMARY KEY,
        service TEXT NOT NULL,
        metric TEXT NOT NULL,
        event_time INTEGER NOT NULL,
        series TEXT NOT NULL,
        recorded_at INTEGER NOT NULL,
        evidence TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX sample_series ON sample (series, number);
    CREATE INDEX sample_time ON sample (service, event_time);
    CREATE TABLE delivery (
        number INTEGER PRIMARY KEY,
        deduplication_key TEXT NOT NULL UNIQUE,
        state TEXT NOT NULL,
        next_attempt_at INTEGER NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX delivery_due ON delivery (state, next_attempt_at);
    CREATE TABLE lease (
        name TEXT PRIMARY KEY,
        holder TEXT NOT NULL,
        until INTEGER NOT NULL,
        fence INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;",
)];

/// Whether the schema is the newest that this irctl knows. A newer one is refused.
pub fn current(connection: &Connection, path: &Path) -> Result<bool> {
    let known = STEPS.len();
    let version: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| super::failed(path, error))?;
    if usize::try_from(version).map_or(true, |version| version > known) {
        return Err(Error::new(
            ErrorCode::StoreTooNew,
            format!("{} has schema {version}; this irctl knows up to {known}", path.display()),
        )
        .hint("update irctl on this machine; schemas only go forward"));
    }
    Ok(usize::try_from(version).ok() == Some(known))
}

/// Brings the schema up to date.
pub fn apply(connection: &mut Connection, path: &Path) -> Result<()> {
    Migrations::from_slice(STEPS).to_latest(connection).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => super::failed(path, err),
        other => Error::new(ErrorCode::StoreUnavailable, format!("{}: {other}", path.display())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_sound() {
        Migrations::from_slice(STEPS).validate().unwrap();
    }

    #[test]
    fn events_cannot_be_changed_or_removed() {
        let mut connection = Connection::open_in_memory().unwrap();
        apply(&mut connection, Path::new("x")).unwrap();
        connection
            .execute("INSERT INTO event VALUES (1, 'w', 1, 'k', NULL, NULL, NULL, 0, '{}', 'h')", [])
            .unwrap();
        assert!(connection.execute("UPDATE event SET kind = 'x'", []).is_err());
        assert!(connection.execute("DELETE FROM event", []).is_err());
    }
}
