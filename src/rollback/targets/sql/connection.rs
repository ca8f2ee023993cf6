//! What is asked of a database, whichever it is.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::config::SqlTimeouts;
use super::name::TableName;
use super::text::Bound;
use super::value::Value;
use super::{postgres, sqlite};
use crate::base::Result;
use crate::base::connect::postgres::PostgresConfig;

/// Which language it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Postgres,
    Sqlite,
}

/// A database, as a pinned plan names it: with references to secrets only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Database {
    /// A PostgreSQL server.
    Postgres(PostgresConfig),
    /// A SQLite file, absolute.
    Sqlite(PathBuf),
}

impl Database {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Database::Postgres(_) => Dialect::Postgres,
            Database::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// Connects.
    ///
    /// # Errors
    /// `unavailable` when nobody answers, `not-permitted` when it does not let us in.
    pub(super) fn connect(&self, timeouts: SqlTimeouts) -> Result<Box<dyn Connection>> {
        match self {
            Database::Postgres(config) => Ok(Box::new(postgres::Postgres::connect(config, timeouts)?)),
            Database::Sqlite(file) => Ok(Box::new(sqlite::Sqlite::open(file, timeouts)?)),
        }
    }

    /// Lets the database take away what a transaction of ours left that was killed before it wrote a page. A server
    /// does so by itself.
    pub(super) fn settle(&self, timeouts: SqlTimeouts) -> Result<()> {
        match self {
            Database::Postgres(_) => Ok(()),
            Database::Sqlite(file) => sqlite::settle(file, timeouts),
        }
    }
}

/// What a table is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// The table, with its schema where the database has some.
    pub table: TableName,
    /// The columns that hold something, in their order. What the database reckons itself is not among them.
    pub columns: Vec<String>,
    /// The columns that tell its rows apart.
    pub key: Vec<String>,
    /// Those of its columns that are padded with blanks.
    pub padded: Vec<String>,
    /// Whether a value for its identity column must be insisted on.
    pub identity: bool,
    /// What numbers its new rows and does not go back.
    pub sequences: Vec<String>,
    /// What writes to it behind our back.
    pub triggers: Vec<String>,
}

/// How many rows of a table a transaction has touched so far, by whatever means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Touched {
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
}

/// One connection. What fails inside a transaction leaves it to be rolled back.
pub(super) trait Connection {
    fn dialect(&self) -> Dialect;

    /// Opens a transaction: one that writes holds what SQLite has for a lock at once.
    fn begin(&mut self, writes: bool) -> Result<()>;

    /// Commits. The code `outcome-unknown` says that it cannot be told whether it did.
    fn commit(&mut self) -> Result<()>;

    /// Rolls back; a connection that is lost has done so.
    fn rollback(&mut self);

    /// Waits until no other process of this name is in a transaction, and keeps others out until this one ends.
    fn lock(&mut self, name: &str) -> Result<()>;

    /// Keeps everybody else from writing to a table until the transaction ends.
    fn lock_table(&mut self, table: &TableName) -> Result<()>;

    /// Runs a statement; how many rows it touched, or gave.
    fn execute(&mut self, statement: &Bound) -> Result<u64>;

    /// Runs a query whose columns are all text in PostgreSQL.
    fn query(&mut self, statement: &Bound) -> Result<Vec<Vec<Value>>>;

    /// Whether there is such a table.
    fn exists(&mut self, table: &TableName) -> Result<bool>;

    /// What a table is like; `key` tells its rows apart, or its primary key where that is empty.
    fn shape(&mut self, table: &TableName, key: &[String]) -> Result<Shape>;

    /// Counts from here on what is touched.
    fn watch(&mut self, shapes: &[Shape]) -> Result<()>;

    /// How many rows of which tables were touched since [`Connection::watch`].
    fn touched(&mut self) -> Result<BTreeMap<TableName, Touched>>;

    /// How many rows that are in a table now were written since [`Connection::watch`].
    fn written(&mut self, shape: &Shape) -> Result<u64>;

    /// A column of its own for a query of a table: whether the row was written since [`Connection::watch`].
    fn written_column(&self, shape: &Shape) -> String;

    /// A column of a query, in a form from which it comes back exactly.
    fn column(&self, shape: &Shape, column: &str) -> String;

    /// Why nothing can be changed here.
    fn refusals(&mut self) -> Result<Vec<String>>;

    /// Who else holds locks on a table, for people.
    fn holders(&mut self, table: &TableName) -> Vec<String>;
}
