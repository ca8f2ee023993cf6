//! The store on SQLite: one file in the state directory, write-ahead log, every commit forced to disk.

mod deliveries;
mod events;
mod migrations;
mod place;
mod samples;
mod values;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Session, Store};
use crate::base::{Error, ErrorCode, Result};

/// The name of the database file inside the state directory.
pub const FILE_NAME: &str = "irctl.sqlite";

/// How long a process waits for another one's transaction.
const BUSY: std::time::Duration = std::time::Duration::from_secs(20);

/// A commit returns when its pages are on disk.
const SYNCHRONOUS: &str = "FULL";

/// At how many pages the log is moved into the main file; reading it anew, which the first process does, stays below
/// a millisecond.
const LOG_PAGES: i64 = 256;

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Mutex<Connection>,
    path: PathBuf,
}

impl SqliteStore {
    /// Opens the store in `directory`, making both if they are not there.
    ///
    /// Fails where the directory is readable by everybody or on a network file system, and where the file was
    /// written by a newer irctl.
    pub fn open(directory: &Path) -> Result<Self> {
        place::prepare(directory)?;
        let path = directory.join(FILE_NAME);
        place::create_private(directory, &path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection =
            Connection::open_with_flags(&path, flags).map_err(|error| failed(&path, error))?;
        connection.busy_timeout(BUSY).map_err(|error| failed(&path, error))?;
        connection.set_prepared_statement_cache_capacity(64);
        if !migrations::current(&connection, &path)? {
            // Two processes that find a fresh file must not both lay out the schema or switch the journal mode.
            let _exclusive = place::lock(directory)?;
            configure(&connection).map_err(|error| failed(&path, error))?;
            migrations::apply(&mut connection, &path)?;
        }
        configure(&connection).map_err(|error| failed(&path, error))?;
        Ok(Self { connection: Mutex::new(connection), path })
    }

    /// Opens an existing store without changing anything; `None` where there is none yet.
    pub fn open_existing(directory: &Path) -> Result<Option<Self>> {
        if directory.join(FILE_NAME).try_exists().unwrap_or(true) {
            Self::open(directory).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic in another thread rolled its transaction back; the connection itself is sound.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(
        &self,
        connection: &mut Connection,
        behavior: TransactionBehavior,
        work: &mut dyn FnMut(&mut dyn Session) -> Result<()>,
    ) -> Result<()> {
        let transaction =
            connection.transaction_with_behavior(behavior).map_err(|error| failed(&self.path, error))?;
        let mut session = SqliteSession { transaction, path: &self.path };
        work(&mut session)?;
        session.transaction.commit().map_err(|error| failed(&self.path, error))
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", SYNCHRONOUS)?;
    // What is committed is in the log and on disk. Moving it into the main file whenever a process ends, and making
    // the log anew for the next, would force the disk five times more for each command that writes.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)
}

impl Store for SqliteStore {
    fn write(&self, work: &mut dyn FnMut(&mut dyn Session) -> Result<()>) -> Result<()> {
        self.run(&mut self.connection(), TransactionBehavior::Immediate, work)
    }

    fn write_relaxed(&self, work: &mut dyn FnMut(&mut dyn Session) -> Result<()>) -> Result<()> {
        let mut connection = self.connection();
        let set = |connection: &Connection, value| {
            connection.pragma_update(None, "synchronous", value).map_err(|error| failed(&self.path, error))
        };
        set(&connection, "NORMAL")?;
        let done = self.run(&mut connection, TransactionBehavior::Immediate, work);
        set(&connection, SYNCHRONOUS)?;
        done
    }

    fn read(&self, work: &mut dyn FnMut(&mut dyn Session) -> Result<()>) -> Result<()> {
        self.run(&mut self.connection(), TransactionBehavior::Deferred, work)
    }
}

/// One transaction.
pub(super) struct SqliteSession<'a> {
    transaction: Transaction<'a>,
    path: &'a Path,
}

impl SqliteSession<'_> {
    fn check<T>(&self, outcome: rusqlite::Result<T>) -> Result<T> {
        outcome.map_err(|error| failed(self.path, error))
    }
}

/// A database failure as the user should read it.
fn failed(path: &Path, error: rusqlite::Error) -> Error {
    use rusqlite::ffi::ErrorCode as Sqlite;
    let place = path.display();
    match error.sqlite_error_code() {
        Some(Sqlite::DatabaseBusy | Sqlite::DatabaseLocked) => Error::new(
            ErrorCode::StoreUnavailable,
            format!("{place} has been locked by another process for too long"),
        )
        .hint("see which process holds it: fuser -v on the file"),
        Some(Sqlite::DiskFull) => {
            Error::new(ErrorCode::StoreUnavailable, format!("the disk is full: {place}"))
                .hint("free some space; nothing was half-written")
        }
        Some(Sqlite::ReadOnly | Sqlite::PermissionDenied | Sqlite::CannotOpen) => {
            Error::new(ErrorCode::StoreUnavailable, format!("{place} cannot be opened or written: {error}"))
                .hint("check the owner and the permissions of the state directory")
        }
        Some(Sqlite::DatabaseCorrupt | Sqlite::NotADatabase) => Error::new(
            ErrorCode::StoreUnavailable,
            format!("{place} is damaged: {error}"),
        )
        .hint(
            "move it and the files beside it (-wal, -shm) away together and restore a backup, which `irctl \
                     audit` checks; `irctl rollback` works without it",
        ),
        _ => Error::new(ErrorCode::StoreUnavailable, format!("{place}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn passes_the_conformance_suite() {
        let directory = tempfile::tempdir().unwrap();
        crate::store::conformance::run(&mut |name| {
            Box::new(SqliteStore::open(&directory.path().join(name)).unwrap())
        });
    }

    #[test]
    fn refuses_what_everybody_can_read_and_makes_private_files() {
        let directory = tempfile::tempdir().unwrap();
        let open = directory.path().join("open");
        fs_err::create_dir(&open).unwrap();
        fs_err::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(SqliteStore::open(&open).unwrap_err().code, ErrorCode::StateDirectory);
        let fresh = directory.path().join("a/b");
        let store = SqliteStore::open(&fresh).unwrap();
        let mode = |path: &Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&fresh), mode(store.path())), (0o700, 0o600));
    }

    #[test]
    fn what_was_committed_is_there_after_a_crash_that_left_only_the_log() {
        let directory = tempfile::tempdir().unwrap();
        let (state, copy) = (directory.path().join("s"), directory.path().join("c"));
        let store = SqliteStore::open(&state).unwrap();
        let store: &dyn Store = &store;
        store.with(|session| session.set_value("durable", "1")).unwrap();
        store.write_relaxed(&mut |session| session.set_value("relaxed", "1")).unwrap();
        store.with(|session| session.set_value("after", "1")).unwrap();
        // As the files lie on disk while the process lives: nothing was closed.
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&copy).unwrap();
        for name in [FILE_NAME.to_owned(), format!("{FILE_NAME}-wal")] {
            fs_err::copy(state.join(&name), copy.join(&name)).unwrap();
        }
        let found = SqliteStore::open(&copy).unwrap();
        let found: &dyn Store = &found;
        for key in ["durable", "relaxed", "after"] {
            assert!(found.view(|session| session.value(key)).unwrap().is_some(), "{key}");
        }
        let again: i64 = store_synchronous(&state);
        assert_eq!(again, 2, "every other transaction waits for the disk");
    }

    fn store_synchronous(state: &Path) -> i64 {
        let store = SqliteStore::open(state).unwrap();
        (&store as &dyn Store).write_relaxed(&mut |session| session.set_value("relaxed", "2")).unwrap();
        store.connection().pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap()
    }

    #[test]
    fn refuses_a_newer_schema() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("s");
        drop(SqliteStore::open(&state).unwrap());
        Connection::open(state.join(FILE_NAME)).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert_eq!(SqliteStore::open(&state).unwrap_err().code, ErrorCode::StoreTooNew);
    }

    #[test]
    fn says_what_is_wrong_with_a_file_that_is_no_database() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("s");
        drop(SqliteStore::open(&state).unwrap());
        // What is committed may still lie in the log alone, and is read from there whatever the main file holds.
        fs_err::remove_file(state.join(format!("{FILE_NAME}-wal"))).unwrap();
        fs_err::write(state.join(FILE_NAME), vec![b'x'; 4096]).unwrap();
        let error = SqliteStore::open(&state).unwrap_err();
        assert_eq!(error.code, ErrorCode::StoreUnavailable);
        assert!(error.message.contains("damaged"), "{error}");
    }
}
