//! Makes one image of rows out of another: rows that are too many go, changed ones are set, missing ones come back.

use std::collections::BTreeMap;

use super::connection::{Connection, Shape};
use super::image::{Image, Key, Row, TableImage};
use super::name::{list, quoted};
use super::scope::{BATCH, by_keys};
use super::text::{Bound, placeholder};
use super::value::Value;
use crate::base::{Error, ErrorCode, Result};

/// How many parameters a statement may have: SQLite allows 32,766, PostgreSQL 65,535.
const PARAMETERS: usize = 30_000;

/// Turns `from`, which is in place, into `to`. What refers to other tables is checked at the end where the database
/// can.
pub(super) fn replace(
    connection: &mut dyn Connection,
    shapes: &[Shape],
    from: &Image,
    to: &Image,
) -> Result<()> {
    same_columns(shapes, from)?;
    same_columns(shapes, to)?;
    let tables: Vec<_> = shapes.iter().zip(from.tables.iter().zip(&to.tables)).collect();
    // Rows that refer to others are kept after those, so they go first and come last.
    for (shape, (from, to)) in tables.iter().rev() {
        let wanted = to.by_key();
        let gone: Vec<_> = from.rows.iter().filter(|row| !wanted.contains_key(&row.key)).collect();
        for batch in gone.chunks(BATCH) {
            delete(connection, shape, batch)?;
        }
    }
    for (shape, (from, to)) in &tables {
        let present = from.by_key();
        for (sets, rows) in changes(&present, to) {
            for batch in rows.chunks(BATCH) {
                update(connection, shape, &sets, batch)?;
            }
        }
        let missing: Vec<_> = to.rows.iter().filter(|row| !present.contains_key(&row.key)).collect();
        for batch in missing.chunks((PARAMETERS / shape.columns.len().max(1)).clamp(1, BATCH)) {
            insert(connection, shape, batch)?;
        }
    }
    Ok(())
}

/// Columns, by their place, and what they are set to.
type Sets<'a> = Vec<(usize, &'a Value)>;

/// What is set in rows that are there; rows in which the same is set go together.
fn changes<'a>(present: &BTreeMap<&Key, &Row>, to: &'a TableImage) -> BTreeMap<Sets<'a>, Vec<&'a Row>> {
    let mut changes: BTreeMap<Sets<'a>, Vec<&'a Row>> = BTreeMap::new();
    for row in &to.rows {
        let Some(old) = present.get(&row.key) else { continue };
        let both = row.values.iter().zip(&old.values).enumerate();
        let sets: Sets<'_> =
            both.filter(|(_, (new, old))| new != old).map(|(at, (new, _))| (at, new)).collect();
        if !sets.is_empty() {
            changes.entry(sets).or_default().push(row);
        }
    }
    changes
}

fn same_columns(shapes: &[Shape], image: &Image) -> Result<()> {
    let same = |(shape, table): (&Shape, &TableImage)| {
        shape.table == table.table && shape.columns == table.columns && shape.key == table.key
    };
    if shapes.len() == image.tables.len() && shapes.iter().zip(&image.tables).all(same) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Drifted, "the tables have other columns than when their rows were kept")
        .hint("somebody migrated the database since; put the rows back by hand, from the before-image"))
}

fn exactly(connection: &mut dyn Connection, shape: &Shape, statement: &Bound, rows: usize) -> Result<()> {
    let touched = connection.execute(statement)?;
    if touched == rows as u64 {
        return Ok(());
    }
    let what = format!("{}: a statement for {rows} rows touched {touched}", shape.table);
    Err(Error::new(ErrorCode::Refused, what)
        .hint("a trigger or a rule of the table keeps its rows from being put back"))
}

fn delete(connection: &mut dyn Connection, shape: &Shape, rows: &[&Row]) -> Result<()> {
    let mut values = Vec::new();
    let keys = rows.iter().map(|row| &row.key);
    let condition = by_keys(connection.dialect(), shape, keys, &mut values);
    let sql = format!("DELETE FROM {} WHERE {condition}", shape.table.quoted());
    exactly(connection, shape, &Bound { sql, values }, rows.len())
}

fn update(connection: &mut dyn Connection, shape: &Shape, sets: &Sets<'_>, rows: &[&Row]) -> Result<()> {
    let dialect = connection.dialect();
    let mut values = Vec::new();
    let mut set = Vec::new();
    for (at, value) in sets {
        let Some(column) = shape.columns.get(*at) else { continue };
        values.push((*value).clone());
        set.push(format!("{} = {}", quoted(column), placeholder(dialect, values.len())));
    }
    let condition = by_keys(dialect, shape, rows.iter().map(|row| &row.key), &mut values);
    let sql = format!("UPDATE {} SET {} WHERE {condition}", shape.table.quoted(), set.join(", "));
    exactly(connection, shape, &Bound { sql, values }, rows.len())
}

fn insert(connection: &mut dyn Connection, shape: &Shape, rows: &[&Row]) -> Result<()> {
    let dialect = connection.dialect();
    let mut values = Vec::new();
    let mut lines = Vec::new();
    for row in rows {
        let first = values.len() + 1;
        values.extend(row.values.iter().cloned());
        let numbers: Vec<_> = (first..=values.len()).map(|number| placeholder(dialect, number)).collect();
        lines.push(format!("({})", numbers.join(", ")));
    }
    let overriding = if shape.identity { " OVERRIDING SYSTEM VALUE" } else { "" };
    let (table, columns) = (shape.table.quoted(), list(&shape.columns));
    let sql = format!("INSERT INTO {table} ({columns}){overriding} VALUES {}", lines.join(", "));
    exactly(connection, shape, &Bound { sql, values }, rows.len())
}
