//! PostgreSQL. Every value travels as the text that the server itself writes and reads for it, so that any type comes
//! back exactly.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;
use tokio_postgres::Statement;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

use super::config::SqlTimeouts;
use super::connection::{Connection, Dialect, Shape, Touched};
use super::name::{TableName, quoted};
use super::text::Bound;
use super::value::Value;
use super::{failure, postgres_shape};
use crate::base::connect::postgres::{self as connect, PostgresConfig, Session};
use crate::base::{Digest, Error, ErrorCode, Result};

/// How much longer than the server itself it is waited for its answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// One connection, for as long as it is needed; then it waits for whoever needs one next.
pub(super) struct Postgres {
    session: Rc<Session>,
    place: String,
    timeouts: SqlTimeouts,
    prepared: HashMap<String, Statement>,
    /// Whether a transaction was begun that has not been seen to end.
    open: Cell<bool>,
    /// What was touched before it was watched; none while nothing is.
    baseline: Option<BTreeMap<TableName, Touched>>,
}

type Waiting = Vec<(PostgresConfig, Rc<Session>)>;

thread_local! {
    /// The connections of this thread, by what they were made from. Making one costs the server a process.
    static SESSIONS: RefCell<Waiting> = RefCell::default();
}

/// A connection that nobody uses and at whose other end somebody answers.
fn waiting(configured: &PostgresConfig, limit: Duration) -> Option<Rc<Session>> {
    let session = SESSIONS.with_borrow(|all| {
        let idle = |(config, session): &&(PostgresConfig, Rc<Session>)| {
            config == configured && Rc::strong_count(session) == 1
        };
        all.iter().find(idle).map(|(_, session)| Rc::clone(session))
    })?;
    let asking = async { tokio::time::timeout(limit, session.client.batch_execute("")).await };
    match session.runtime.block_on(asking) {
        Ok(Ok(())) => Some(session),
        _ => {
            forget(&session);
            None
        }
    }
}

/// Closes a connection as soon as nobody uses it.
fn forget(session: &Rc<Session>) {
    SESSIONS.with_borrow_mut(|all| all.retain(|(_, known)| !Rc::ptr_eq(known, session)));
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // What a transaction holds must not be held any longer.
        if self.open.get() {
            forget(&self.session);
        }
    }
}

/// A value as text, for a parameter of whatever type.
#[derive(Debug)]
struct Text<'a>(Option<&'a str>);

impl ToSql for Text<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match self.0 {
            None => IsNull::Yes,
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                IsNull::No
            }
        })
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

fn texts(values: &[Value]) -> Result<Vec<Text<'_>>> {
    let text = |value| match value {
        &Value::Null => Ok(Text(None)),
        Value::Text(text) => Ok(Text(Some(text))),
        other => Err(Error::new(ErrorCode::Bug, format!("{} is no value for PostgreSQL", other.shown()))),
    };
    values.iter().map(text).collect()
}

impl Postgres {
    /// Connects.
    pub fn connect(configured: &PostgresConfig, timeouts: SqlTimeouts) -> Result<Self> {
        let reach = connect::reach(configured)?;
        let limit = timeouts.connect.to_std();
        let place = reach.place();
        let with = |session| Self {
            session,
            place: place.clone(),
            timeouts,
            prepared: HashMap::new(),
            open: Cell::new(false),
            baseline: None,
        };
        if let Some(session) = waiting(configured, limit) {
            return Ok(with(session));
        }
        let session = Rc::new(Session::open(reach, limit)?);
        SESSIONS.with_borrow_mut(|all| all.push((configured.clone(), Rc::clone(&session))));
        Ok(with(session))
    }

    fn answer<T>(
        &self,
        asking: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Option<tokio_postgres::Error>> {
        let limit = self.timeouts.statement.to_std().max(self.timeouts.lock.to_std()) + PATIENCE;
        let asking = async { tokio::time::timeout(limit, asking).await };
        match self.session.runtime.block_on(asking) {
            Ok(answer) => answer.map_err(Some),
            Err(_) => Err(None),
        }
    }

    fn failed(&self, error: Option<tokio_postgres::Error>) -> Error {
        match error {
            Some(error) => failure::postgres(&self.place, &error),
            None => failure::lost(&self.place, "it does not answer any more"),
        }
    }

    fn batch(&self, text: &str) -> Result<()> {
        self.answer(self.session.client.batch_execute(text)).map_err(|error| self.failed(error))
    }

    fn prepare(&mut self, sql: &str) -> Result<Statement> {
        if let Some(statement) = self.prepared.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.answer(self.session.client.prepare(sql)).map_err(|error| self.failed(error))?;
        self.prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Rows of text columns. The statement is not kept: one journey there and back, and nothing that a pooler between
    /// us and the server could lose.
    pub fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Vec<Option<String>>>> {
        let texts = texts(values)?;
        let typed: Vec<_> = texts.iter().map(|text| (text as &(dyn ToSql + Sync), Type::UNKNOWN)).collect();
        let rows =
            self.answer(self.session.client.query_typed(sql, &typed)).map_err(|error| self.failed(error))?;
        let read = |row: &tokio_postgres::Row| {
            (0..row.len())
                .map(|at| row.try_get(at).map_err(|error| failure::postgres(&self.place, &error)))
                .collect::<Result<Vec<Option<String>>>>()
        };
        rows.iter().map(read).collect()
    }

    /// The first column of a query.
    pub fn column_of(&mut self, sql: &str, values: &[Value]) -> Result<Vec<String>> {
        let rows = self.rows(sql, values)?;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
    }

    fn counts(&mut self) -> Result<BTreeMap<TableName, Touched>> {
        let mut counts: BTreeMap<TableName, Touched> = BTreeMap::new();
        for row in self.rows(postgres_shape::TOUCHED, &[])? {
            let mut row = row.into_iter();
            let mut next = || row.next().flatten().unwrap_or_default();
            let table = TableName { schema: Some(next()), table: next() };
            let mut number = || next().parse::<u64>().unwrap_or_default();
            let count = counts.entry(table).or_default();
            count.inserted += number();
            count.updated += number();
            count.deleted += number();
        }
        Ok(counts)
    }
}

/// The number under which PostgreSQL knows a name.
fn number(name: &str) -> i64 {
    let digits = Digest::of(name.as_bytes());
    digits.hex().get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or_default().cast_signed()
}

impl Connection for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    /// Read committed, so that what was waited for is seen; that nothing came in between is checked before the
    /// commit. A session that nobody hears of any more is ended by the server itself.
    fn begin(&mut self, _writes: bool) -> Result<()> {
        self.baseline = None;
        self.open.set(true);
        let (statement, lock) =
            (self.timeouts.statement.to_std().as_millis(), self.timeouts.lock.to_std().as_millis());
        self.batch(&format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {statement}; \
             SET LOCAL lock_timeout = {lock}; SET LOCAL idle_in_transaction_session_timeout = {}; \
             SET LOCAL datestyle = 'ISO, MDY'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL timezone = 'UTC'; \
             SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; SET LOCAL lc_monetary = 'C'; \
             SET LOCAL row_security = off; \
             SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'",
            statement.max(10_000)
        ))
    }

    fn commit(&mut self) -> Result<()> {
        match self.answer(self.session.client.batch_execute("COMMIT")) {
            Ok(()) => {
                self.open.set(false);
                Ok(())
            }
            Err(error) if error.as_ref().is_none_or(failure::is_lost) => {
                let known = self.failed(error);
                let what = format!("{}; it was committing just then", known.message);
                Err(Error::new(ErrorCode::OutcomeUnknown, what))
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    fn rollback(&mut self) {
        // Where this fails the connection is lost, and the server rolls back itself.
        if self.batch("ROLLBACK").is_ok() {
            self.open.set(false);
        }
    }

    fn lock(&mut self, name: &str) -> Result<()> {
        let number = Value::text(number(name).to_string());
        self.rows("SELECT pg_catalog.pg_advisory_xact_lock($1)::text", &[number]).map(|_| ()).map_err(
            |error| {
                if error.code != ErrorCode::Busy {
                    return error;
                }
                let what =
                    format!("{}: another session of this operation is still in its transaction", self.place);
                Error::new(ErrorCode::Busy, what).hint("wait for it to end, then `irctl rollback resume`")
            },
        )
    }

    fn lock_table(&mut self, table: &TableName) -> Result<()> {
        self.batch(&format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table.quoted()))
    }

    fn execute(&mut self, statement: &Bound) -> Result<u64> {
        let prepared = self.prepare(&statement.sql)?;
        let texts = texts(&statement.values)?;
        let parameters: Vec<_> = texts.iter().map(|text| text as &(dyn ToSql + Sync)).collect();
        self.answer(self.session.client.execute(&prepared, &parameters)).map_err(|error| self.failed(error))
    }

    fn query(&mut self, statement: &Bound) -> Result<Vec<Vec<Value>>> {
        let value = |text: Option<String>| text.map_or(Value::Null, Value::Text);
        let rows = self.rows(&statement.sql, &statement.values)?;
        Ok(rows.into_iter().map(|row| row.into_iter().map(value).collect()).collect())
    }

    fn exists(&mut self, table: &TableName) -> Result<bool> {
        let name = Value::text(table.quoted());
        Ok(!self.column_of("SELECT pg_catalog.to_regclass($1)::text", &[name])?.is_empty())
    }

    fn shape(&mut self, table: &TableName, key: &[String]) -> Result<Shape> {
        postgres_shape::shape(self, table, key)
    }

    fn watch(&mut self, _: &[Shape]) -> Result<()> {
        self.baseline = Some(self.counts()?);
        Ok(())
    }

    fn touched(&mut self) -> Result<BTreeMap<TableName, Touched>> {
        let mut counts = self.counts()?;
        for (table, before) in self.baseline.iter().flatten() {
            if let Some(count) = counts.get_mut(table) {
                count.inserted -= before.inserted.min(count.inserted);
                count.updated -= before.updated.min(count.updated);
                count.deleted -= before.deleted.min(count.deleted);
            }
        }
        counts.retain(|_, count| *count != Touched::default());
        Ok(counts)
    }

    fn written(&mut self, shape: &Shape) -> Result<u64> {
        let sql =
            format!("SELECT count(*)::text FROM {} WHERE {}", shape.table.quoted(), postgres_shape::WRITTEN);
        let count = self.column_of(&sql, &[])?;
        count
            .first()
            .and_then(|count| count.parse().ok())
            .ok_or_else(|| Error::new(ErrorCode::Bug, "no count"))
    }

    fn written_column(&self, _: &Shape) -> String {
        // Asking for it gives the transaction a number, which one that only reads does not need.
        if self.baseline.is_none() {
            return "NULL::text".to_owned();
        }
        format!("CASE WHEN {} THEN '1' END", postgres_shape::WRITTEN)
    }

    fn column(&self, shape: &Shape, column: &str) -> String {
        let quoted = quoted(column);
        // The cast to text would take the blanks away.
        if shape.padded.iter().any(|padded| padded == column) {
            return format!("pg_catalog.textin(pg_catalog.bpcharout({quoted}))");
        }
        format!("{quoted}::text")
    }

    fn refusals(&mut self) -> Result<Vec<String>> {
        let mut refusals = Vec::new();
        let asked = "SELECT pg_catalog.pg_is_in_recovery()::text, pg_catalog.current_setting('track_counts')";
        let says: Vec<_> = self.rows(asked, &[])?.into_iter().flatten().flatten().collect();
        if says.first().map(String::as_str) != Some("false") {
            refusals.push(format!("{} is a replica, which only reads; connect to the primary", self.place));
        }
        if says.get(1).map(String::as_str) != Some("on") {
            refusals.push(format!(
                "{} does not count what a transaction touches (`track_counts` is off), so it cannot be shown that \
                 nothing else is changed",
                self.place
            ));
        }
        Ok(refusals)
    }

    fn holders(&mut self, table: &TableName) -> Vec<String> {
        let name = Value::text(table.quoted());
        // It only explains a failure; without it the failure still stands.
        self.column_of(postgres_shape::HOLDERS, &[name]).unwrap_or_default()
    }
}
