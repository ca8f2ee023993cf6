//! Which rows a switch may touch: they are read under lock, and nothing else may have been touched when it commits.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use super::connection::{Connection, Dialect, Shape, Touched};
use super::image::{Image, Key, Row, TableImage};
use super::name::{TableName, quoted};
use super::text::{Bound, placeholder};
use super::value::Value;
use crate::base::{Error, ErrorCode, Result};

/// How many rows can be kept.
const LIMIT: usize = 200_000;

/// How many rows are named by their keys at once.
pub(super) const BATCH: usize = 200;

/// Rows of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The table.
    pub table: TableName,
    /// The columns that tell its rows apart; the primary key where empty.
    pub key: Vec<String>,
    /// Which rows; all where absent.
    pub filter: Option<Bound>,
    /// Whether a row of somebody else that comes to match is a change to what was switched.
    pub exclusive: bool,
}

/// Which rows of a scope are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Those that match, and those of the keys.
    All,
    /// Those of the keys; those that match too where the scope is exclusive.
    Ours,
    /// Those of the keys alone.
    Keys,
}

/// What is read of several scopes.
pub(super) struct Captured {
    pub image: Image,
    /// How many of the rows of each table were written in this transaction.
    pub written: Vec<u64>,
}

/// What the tables of the scopes are like.
pub(super) fn shapes(connection: &mut dyn Connection, scopes: &[Scope]) -> Result<Vec<Shape>> {
    let shapes: Vec<_> =
        scopes.iter().map(|scope| connection.shape(&scope.table, &scope.key)).collect::<Result<_>>()?;
    let distinct: BTreeSet<_> = shapes.iter().map(|shape| &shape.table).collect();
    if distinct.len() < shapes.len() {
        return Err(Error::new(ErrorCode::InvalidConfiguration, "`keep` names a table twice")
            .hint("join the two conditions with OR"));
    }
    Ok(shapes)
}

/// Reads rows; `lock` keeps others from changing them until the transaction ends.
pub(super) fn capture(
    connection: &mut dyn Connection,
    scopes: &[Scope],
    shapes: &[Shape],
    which: Which,
    keys: &[BTreeSet<Key>],
    lock: bool,
) -> Result<Captured> {
    let mut captured = Captured { image: Image::default(), written: Vec::new() };
    let none = BTreeSet::new();
    for (index, (scope, shape)) in scopes.iter().zip(shapes).enumerate() {
        let keys = keys.get(index).unwrap_or(&none);
        let (rows, written) = table(connection, scope, shape, which, keys, lock)?;
        captured.written.push(written);
        captured.image.tables.push(TableImage {
            table: shape.table.clone(),
            key: shape.key.clone(),
            columns: shape.columns.clone(),
            rows,
        });
    }
    Ok(captured)
}

fn table(
    connection: &mut dyn Connection,
    scope: &Scope,
    shape: &Shape,
    which: Which,
    keys: &BTreeSet<Key>,
    lock: bool,
) -> Result<(Vec<Row>, u64)> {
    let mut found: BTreeMap<Key, (Row, bool)> = BTreeMap::new();
    let matching = which == Which::All || (which == Which::Ours && scope.exclusive);
    if matching {
        let all = Bound::plain("");
        let filter = scope.filter.as_ref().unwrap_or(&all);
        for (row, written) in select(connection, shape, &filter.sql, filter.values.clone(), lock)? {
            let place = row.key.clone();
            if found.insert(place, (row, written)).is_some() {
                return Err(ambiguous(shape));
            }
        }
    }
    let missing: Vec<_> = keys.iter().filter(|key| !found.contains_key(*key)).collect();
    for batch in missing.chunks(BATCH) {
        let mut values = Vec::new();
        let condition = by_keys(connection.dialect(), shape, batch.iter().copied(), &mut values);
        for (row, written) in select(connection, shape, &condition, values, lock)? {
            if found.insert(row.key.clone(), (row, written)).is_some() {
                return Err(ambiguous(shape));
            }
        }
    }
    let written = found.values().filter(|(_, written)| *written).count() as u64;
    Ok((found.into_values().map(|(row, _)| row).collect(), written))
}

fn ambiguous(shape: &Shape) -> Error {
    let what = format!("{}: {} does not tell its rows apart", shape.table, shape.key.join(", "));
    Error::new(ErrorCode::InvalidConfiguration, what)
        .hint("name columns under `key:` that do, and hold no NULL")
}

/// The condition that names several rows.
pub(super) fn by_keys<'a>(
    dialect: Dialect,
    shape: &Shape,
    keys: impl IntoIterator<Item = &'a Key>,
    values: &mut Vec<Value>,
) -> String {
    let mut conditions = Vec::new();
    for key in keys {
        conditions.push(format!("({})", key_condition(dialect, shape, key, values)));
    }
    conditions.join(" OR ")
}

/// The condition that names one row.
fn key_condition(dialect: Dialect, shape: &Shape, key: &Key, values: &mut Vec<Value>) -> String {
    let mut parts = Vec::new();
    for (column, value) in shape.key.iter().zip(key) {
        values.push(value.clone());
        parts.push(format!("{} = {}", quoted(column), placeholder(dialect, values.len())));
    }
    parts.join(" AND ")
}

fn select(
    connection: &mut dyn Connection,
    shape: &Shape,
    condition: &str,
    values: Vec<Value>,
    lock: bool,
) -> Result<Vec<(Row, bool)>> {
    let mut columns: Vec<_> = shape.columns.iter().map(|column| connection.column(shape, column)).collect();
    columns.push(connection.written_column(shape));
    let mut sql = format!("SELECT {} FROM {}", columns.join(", "), shape.table.quoted());
    if !condition.trim().is_empty() {
        sql.push_str(&format!(" WHERE ({condition})"));
    }
    sql.push_str(&format!(" LIMIT {}", LIMIT + 1));
    if lock && connection.dialect() == Dialect::Postgres {
        sql.push_str(" FOR UPDATE");
    }
    let rows = connection.query(&Bound { sql, values })?;
    if rows.len() > LIMIT {
        let what = format!("{}: more than {LIMIT} rows would have to be kept", shape.table);
        return Err(Error::new(ErrorCode::Refused, what).hint("narrow `where:` down"));
    }
    rows.into_iter().map(|values| row(shape, values)).collect()
}

fn row(shape: &Shape, mut values: Vec<Value>) -> Result<(Row, bool)> {
    let written = !matches!(values.pop(), None | Some(Value::Null | Value::Integer(0)))
        && values.len() == shape.columns.len();
    let mut key = Vec::new();
    for name in &shape.key {
        let at = shape.columns.iter().position(|column| column == name);
        match at.and_then(|at| values.get(at)) {
            None | Some(Value::Null) => return Err(ambiguous(shape)),
            Some(value) => key.push(value.clone()),
        }
    }
    Ok((Row { key, values }, written))
}

/// Refuses when anything was touched that is not kept: by a statement that reaches further than its scope, by a
/// trigger, or because somebody else's row came in between.
pub(super) fn nothing_else(
    connection: &mut dyn Connection,
    shapes: &[Shape],
    before: &Image,
    after: &Captured,
    ignored: &[TableName],
) -> Result<()> {
    let touched = connection.touched()?;
    for (table, counts) in &touched {
        let kept = shapes.iter().any(|shape| shape.table == *table);
        let ignored = ignored
            .iter()
            .any(|name| name.table == table.table && (name.schema.is_none() || name.schema == table.schema));
        if !kept && !ignored {
            let rows = counts.inserted + counts.updated + counts.deleted;
            let what = format!("{table} would be changed too ({rows} rows), and its rows are not kept");
            return Err(Error::new(ErrorCode::Refused, what).hint(
                "name it under `keep:`, or under `side_effects:` if a trigger writes to it and nobody wants it back",
            ));
        }
    }
    for (index, shape) in shapes.iter().enumerate() {
        let (Some(was), Some(is)) = (before.tables.get(index), after.image.tables.get(index)) else {
            continue;
        };
        let counts = touched.get(&shape.table).copied().unwrap_or_default();
        let written = after.written.get(index).copied().unwrap_or_default();
        within(connection, shape, was, is, counts, written)?;
    }
    Ok(())
}

fn within(
    connection: &mut dyn Connection,
    shape: &Shape,
    was: &TableImage,
    is: &TableImage,
    counts: Touched,
    written: u64,
) -> Result<()> {
    let (was, is) = (was.by_key(), is.by_key());
    let appeared = is.keys().filter(|key| !was.contains_key(*key)).count() as u64;
    let gone = was.keys().filter(|key| !is.contains_key(*key)).count() as u64;
    let outside = |what: String| {
        let what = format!("{}: {what}", shape.table);
        Error::new(ErrorCode::Refused, what)
            .hint("`keep:` must match every row that is touched, before it is touched")
    };
    if counts.deleted != gone {
        let what = format!("{} rows are deleted, but only {gone} of them are kept", counts.deleted);
        return Err(outside(what));
    }
    if counts.inserted != appeared {
        let what = format!("{} rows are inserted, but {appeared} came to match `where`", counts.inserted);
        return Err(outside(what));
    }
    if counts.inserted + counts.updated > written {
        let all = connection.written(shape)?;
        if all != written {
            return Err(outside(format!("{all} rows are written, but only {written} of them are kept")));
        }
    }
    Ok(())
}
