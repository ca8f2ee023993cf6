//! SQLite. What a transaction touches is counted by temporary triggers, which only this connection sees.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection as Handle, OpenFlags};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use super::config::SqlTimeouts;
use super::connection::{Connection, Dialect, Shape, Touched};
use super::failure;
use super::name::{TableName, quoted};
use super::postgres_shape::check_key;
use super::text::Bound;
use super::value::{Value, hex, unhex};
use crate::base::{Error, ErrorCode, Result};

/// One open file.
pub(super) struct Sqlite {
    handle: Handle,
    file: PathBuf,
    place: String,
    limit: Duration,
    /// Dropped when the transaction ends; what waits at the other end interrupts one that takes too long.
    alarm: Option<mpsc::Sender<()>>,
    watching: bool,
}

impl Sqlite {
    /// Opens a file that exists.
    pub fn open(file: &Path, timeouts: SqlTimeouts) -> Result<Self> {
        let place = format!("SQLite {}", file.display());
        if !file.is_file() {
            return Err(Error::new(ErrorCode::NotFound, format!("{place}: there is no such file"))
                .hint("`sqlite: {file: …}` is relative to the workspace"));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || -> rusqlite::Result<Handle> {
            let handle = Handle::open_with_flags(file, flags)?;
            handle.busy_timeout(timeouts.lock.to_std())?;
            // What is committed must be there after a power cut, the folder's entry of the journal included.
            handle.execute_batch(
                "PRAGMA synchronous = EXTRA; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY",
            )?;
            Ok(handle)
        };
        let handle = open().map_err(|error| failure::sqlite(&place, &error))?;
        let file = file.to_path_buf();
        Ok(Self { handle, file, place, limit: timeouts.statement.to_std(), alarm: None, watching: false })
    }

    fn failed(&self, error: rusqlite::Error) -> Error {
        failure::sqlite(&self.place, &error)
    }

    fn batch(&self, text: &str) -> Result<()> {
        self.handle.execute_batch(text).map_err(|error| self.failed(error))
    }

    fn set_alarm(&mut self) {
        let (sender, receiver) = mpsc::channel();
        let (interrupt, limit) = (self.handle.get_interrupt_handle(), self.limit);
        std::thread::spawn(move || {
            if receiver.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                interrupt.interrupt();
            }
        });
        self.alarm = Some(sender);
    }

    fn run(&self, statement: &Bound, limit: Option<usize>) -> Result<(u64, Vec<Vec<Value>>)> {
        let parameters = statement.values.iter().map(parameter).collect::<Result<Vec<_>>>()?;
        let mut prepared = self.handle.prepare_cached(&statement.sql).map_err(|error| self.failed(error))?;
        let columns = prepared.column_count();
        let changing = !prepared.readonly();
        let mut rows =
            prepared.query(rusqlite::params_from_iter(parameters)).map_err(|error| self.failed(error))?;
        let (mut count, mut kept) = (0, Vec::new());
        while let Some(row) = rows.next().map_err(|error| self.failed(error))? {
            count += 1;
            if limit.is_none_or(|limit| kept.len() < limit) {
                let value = |at| value(row.get_ref(at).map_err(|error| self.failed(error))?);
                kept.push((0..columns).map(value).collect::<Result<_>>()?);
            }
        }
        drop(rows);
        drop(prepared);
        if changing {
            count = self.handle.changes();
        }
        Ok((count, kept))
    }

    fn names(&self, sql: &str) -> Result<Vec<String>> {
        let rows = self.query_only(&Bound::plain(sql))?;
        Ok(rows.into_iter().flatten().filter_map(|value| value.as_text().map(str::to_owned)).collect())
    }

    fn query_only(&self, statement: &Bound) -> Result<Vec<Vec<Value>>> {
        self.run(statement, None).map(|(_, rows)| rows)
    }

    fn named(&self, sql: &str, table: &str) -> Result<Vec<Vec<Value>>> {
        self.query_only(&Bound { sql: sql.to_owned(), values: vec![Value::text(table)] })
    }
}

fn parameter(value: &Value) -> Result<ToSqlOutput<'_>> {
    Ok(match value {
        Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
        Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        Value::Integer(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
        Value::Real(bits) => ToSqlOutput::Borrowed(ValueRef::Real(f64::from_bits(*bits))),
        Value::Blob(hex) => {
            let bytes =
                unhex(hex).ok_or_else(|| Error::new(ErrorCode::InvalidData, "bytes that are none"))?;
            ToSqlOutput::Owned(rusqlite::types::Value::Blob(bytes))
        }
    })
}

fn value(value: ValueRef<'_>) -> Result<Value> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number.to_bits()),
        ValueRef::Blob(bytes) => Value::Blob(hex(bytes)),
        ValueRef::Text(bytes) => Value::Text(String::from_utf8(bytes.to_vec()).map_err(|_| {
            Error::new(
                ErrorCode::InvalidData,
                "a text in the database is not UTF-8, and could not be put back",
            )
            .hint("keep such rows out of `where`, or repair them first")
        })?),
    })
}

/// Lets SQLite take away a journal that nobody needs. One that stands there with pages in it is played back by whoever
/// opens the file; one without any, of a transaction that was killed before it came to its first, counts for nothing
/// and would stay until the next who writes. So something is written that changes nothing.
pub(super) fn settle(file: &Path, timeouts: SqlTimeouts) -> Result<()> {
    let mut journal = file.as_os_str().to_owned();
    journal.push("-journal");
    let journal = PathBuf::from(journal);
    if !journal.exists() {
        return Ok(());
    }
    let mut connection = Sqlite::open(file, timeouts)?;
    connection.begin(true)?;
    if journal.exists() {
        let version = connection.names("SELECT CAST(user_version AS TEXT) FROM pragma_user_version")?;
        let same = version.first().map_or("0", String::as_str);
        connection.batch(&format!("PRAGMA user_version = {same}"))?;
    }
    connection.commit()
}

/// The values of a key as one text, for the list of rows that were written.
fn key_text(shape: &Shape, prefix: &str) -> String {
    shape
        .key
        .iter()
        .map(|name| format!("quote({prefix}{})", quoted(name)))
        .collect::<Vec<_>>()
        .join(" || ',' || ")
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Connection for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn begin(&mut self, writes: bool) -> Result<()> {
        self.set_alarm();
        self.watching = false;
        self.batch(if writes { "BEGIN IMMEDIATE; PRAGMA defer_foreign_keys = ON" } else { "BEGIN" })
    }

    fn commit(&mut self) -> Result<()> {
        // From here on it is up to the disk; an interruption could not be told from a failure.
        self.alarm = None;
        let Err(error) = self.handle.execute_batch("COMMIT") else { return Ok(()) };
        let lost = matches!(
            error.sqlite_error_code(),
            Some(rusqlite::ErrorCode::SystemIoFailure | rusqlite::ErrorCode::DiskFull)
        );
        let known = self.failed(error);
        Err(if lost { Error::new(ErrorCode::OutcomeUnknown, known.message) } else { known })
    }

    fn rollback(&mut self) {
        self.alarm = None;
        self.watching = false;
        // It fails only when there is no transaction any more.
        let _ = self.handle.execute_batch("ROLLBACK");
    }

    fn lock(&mut self, _: &str) -> Result<()> {
        Ok(())
    }

    fn lock_table(&mut self, _: &TableName) -> Result<()> {
        Ok(())
    }

    fn execute(&mut self, statement: &Bound) -> Result<u64> {
        self.run(statement, Some(0)).map(|(count, _)| count)
    }

    fn query(&mut self, statement: &Bound) -> Result<Vec<Vec<Value>>> {
        self.query_only(statement)
    }

    fn exists(&mut self, table: &TableName) -> Result<bool> {
        let sql = "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
        Ok(!self.named(sql, &table.table)?.is_empty())
    }

    fn shape(&mut self, table: &TableName, key: &[String]) -> Result<Shape> {
        shape(self, table, key)
    }

    fn watch(&mut self, shapes: &[Shape]) -> Result<()> {
        watch(self, shapes)?;
        self.watching = true;
        Ok(())
    }

    fn touched(&mut self) -> Result<BTreeMap<TableName, Touched>> {
        let sql = "SELECT irctl_place, inserted, updated, deleted FROM temp.irctl_touched \
                   WHERE inserted + updated + deleted > 0";
        let mut counts = BTreeMap::new();
        for row in self.query_only(&Bound::plain(sql))? {
            if let [Value::Text(table), Value::Integer(a), Value::Integer(b), Value::Integer(c)] =
                row.as_slice()
            {
                let [inserted, updated, deleted] = [a, b, c].map(|count| count.cast_unsigned());
                counts.insert(TableName::plain(table), Touched { inserted, updated, deleted });
            }
        }
        Ok(counts)
    }

    fn written(&mut self, shape: &Shape) -> Result<u64> {
        let rows =
            self.named("SELECT count(*) FROM temp.irctl_written WHERE irctl_place = ?1", &shape.table.table)?;
        match rows.first().map(Vec::as_slice) {
            Some([Value::Integer(count)]) => Ok(count.cast_unsigned()),
            _ => Err(Error::new(ErrorCode::Bug, "no count")),
        }
    }

    fn written_column(&self, shape: &Shape) -> String {
        if !self.watching {
            return "0".to_owned();
        }
        format!(
            "EXISTS (SELECT 1 FROM temp.irctl_written WHERE irctl_place = {} AND irctl_key = {})",
            literal(&shape.table.table),
            key_text(shape, "")
        )
    }

    fn column(&self, _: &Shape, column: &str) -> String {
        quoted(column)
    }

    fn refusals(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn holders(&mut self, _: &TableName) -> Vec<String> {
        holders(&self.file)
    }
}

/// Who else holds a lock on a file, as Linux lists them. It only explains a failure; without it the failure stands.
fn holders(file: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt as _;
    let beside = ["", "-wal", "-shm"].map(|suffix| PathBuf::from(format!("{}{suffix}", file.display())));
    let places: Vec<_> =
        beside.iter().filter_map(|path| Some(path.metadata().ok()?.ino().to_string())).collect();
    let own = std::process::id().to_string();
    let mut holders = Vec::new();
    for line in fs_err::read_to_string("/proc/locks").unwrap_or_default().lines() {
        // 4: POSIX ADVISORY WRITE 2263 fe:00:131 1073741824 1073742335
        let words: Vec<_> = line.split_whitespace().collect();
        let [_, _, _, _, process, place, ..] = words.as_slice() else { continue };
        let inode = place.rsplit(':').next().unwrap_or_default();
        if *process == own || !places.iter().any(|place| place == inode) {
            continue;
        }
        let program = fs_err::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        holders.push(format!("process {process} ({})", program.trim()));
    }
    holders.sort();
    holders.dedup();
    holders
}

fn shape(connection: &Sqlite, table: &TableName, key: &[String]) -> Result<Shape> {
    let named = |sql: &str| connection.named(sql, &table.table);
    let missing =
        |why: &str| Error::new(ErrorCode::InvalidConfiguration, format!("{}: {why}", connection.place));
    if table.schema.as_deref().is_some_and(|schema| schema != "main") {
        return Err(missing(&format!("{table} names a schema")).hint("SQLite has none; name the table alone"));
    }
    let found =
        named("SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE")?;
    let Some([Value::Text(name), Value::Text(definition)]) = found.first().map(Vec::as_slice) else {
        return Err(missing(&format!("there is no table {table}")).hint("`.tables` of sqlite3 lists them"));
    };
    let mut shape = Shape {
        table: TableName::plain(name),
        columns: Vec::new(),
        key: key.to_vec(),
        padded: Vec::new(),
        identity: false,
        sequences: Vec::new(),
        triggers: Vec::new(),
    };
    let mut primary = BTreeMap::new();
    for row in named("SELECT name, hidden, pk FROM pragma_table_xinfo(?1, 'main')")? {
        let [Value::Text(column), Value::Integer(hidden), Value::Integer(place)] = row.as_slice() else {
            continue;
        };
        if *place > 0 {
            primary.insert(*place, column.clone());
        }
        if *hidden == 0 {
            shape.columns.push(column.clone());
        }
    }
    if key.is_empty() {
        shape.key =
            if primary.is_empty() { vec!["rowid".to_owned()] } else { primary.into_values().collect() };
    }
    // A table without a primary key has a number for each row all the same; it comes back with the row.
    if shape.key == ["rowid"] && !shape.columns.iter().any(|column| column == "rowid") {
        shape.columns.insert(0, "rowid".to_owned());
    }
    if definition.to_ascii_uppercase().contains("AUTOINCREMENT") {
        shape.sequences.push(format!("sqlite_sequence of {}", shape.table));
    }
    for row in
        named("SELECT name FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE")?
    {
        shape.triggers.extend(row.first().and_then(Value::as_text).map(|name| format!("the trigger {name}")));
    }
    check_key(&shape)?;
    Ok(shape)
}

/// Lays a temporary trigger on everything that can happen to every table.
fn watch(connection: &Sqlite, shapes: &[Shape]) -> Result<()> {
    let mut text = String::from(
        "CREATE TEMP TABLE IF NOT EXISTS irctl_touched (irctl_place TEXT PRIMARY KEY, inserted INTEGER DEFAULT 0, \
         updated INTEGER DEFAULT 0, deleted INTEGER DEFAULT 0); DELETE FROM temp.irctl_touched; \
         CREATE TEMP TABLE IF NOT EXISTS irctl_written (irctl_place TEXT, irctl_key TEXT, \
         PRIMARY KEY (irctl_place, irctl_key)) WITHOUT ROWID; DELETE FROM temp.irctl_written;",
    );
    let tables = connection.names(
        "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         AND sql NOT LIKE 'CREATE VIRTUAL%'",
    )?;
    for (number, table) in tables.iter().enumerate() {
        let place = literal(table);
        text.push_str(&format!("INSERT INTO temp.irctl_touched (irctl_place) VALUES ({place});"));
        let kept = shapes.iter().find(|shape| shape.table.table == *table);
        for (event, column) in [("INSERT", "inserted"), ("UPDATE", "updated"), ("DELETE", "deleted")] {
            let mut body =
                format!("UPDATE irctl_touched SET {column} = {column} + 1 WHERE irctl_place = {place};");
            if let Some(shape) = kept {
                if event != "INSERT" {
                    let key = key_text(shape, "OLD.");
                    body.push_str(&format!(
                        "DELETE FROM irctl_written WHERE irctl_place = {place} AND irctl_key = {key};"
                    ));
                }
                if event != "DELETE" {
                    let key = key_text(shape, "NEW.");
                    body.push_str(&format!("INSERT OR IGNORE INTO irctl_written VALUES ({place}, {key});"));
                }
            }
            text.push_str(&format!(
                "CREATE TEMP TRIGGER IF NOT EXISTS irctl_{column}_{number} AFTER {event} ON main.{} BEGIN {body} END;",
                quoted(table)
            ));
        }
    }
    // A row that REPLACE pushes out counts as deleted only so; where there are triggers already it could wake them.
    if connection.names("SELECT name FROM main.sqlite_schema WHERE type = 'trigger'")?.is_empty() {
        text.push_str("PRAGMA recursive_triggers = ON;");
    }
    connection.batch(&text)
}
