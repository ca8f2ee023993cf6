//! Makes one image of rows out of another: rows that are too many go, changed ones are set, missing ones come back.

use super::connection::{Connection, Shape};
use super::image::{Image, Row, TableImage};
use super::name::{list, quoted};
use super::scope::key_condition;
use super::text::{Bound, placeholder};
use crate::base::{Error, ErrorCode, Result};

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
        for row in from.rows.iter().filter(|row| !wanted.contains_key(&row.key)) {
            delete(connection, shape, row)?;
        }
    }
    for (shape, (from, to)) in &tables {
        let present = from.by_key();
        for row in &to.rows {
            if let Some(old) = present.get(&row.key)
                && **old != *row
            {
                update(connection, shape, old, row)?;
            }
        }
        for row in to.rows.iter().filter(|row| !present.contains_key(&row.key)) {
            insert(connection, shape, row)?;
        }
    }
    Ok(())
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

fn once(connection: &mut dyn Connection, shape: &Shape, statement: &Bound) -> Result<()> {
    match connection.execute(statement)? {
        1 => Ok(()),
        rows => Err(Error::new(
            ErrorCode::Refused,
            format!("{}: a statement for one row touched {rows}", shape.table),
        )
        .hint("a trigger or a rule of the table keeps it from being put back")),
    }
}

fn delete(connection: &mut dyn Connection, shape: &Shape, row: &Row) -> Result<()> {
    let mut values = Vec::new();
    let condition = key_condition(connection.dialect(), shape, &row.key, &mut values);
    let sql = format!("DELETE FROM {} WHERE {condition}", shape.table.quoted());
    once(connection, shape, &Bound { sql, values })
}

/// Sets the columns that differ.
pub(super) fn update(connection: &mut dyn Connection, shape: &Shape, old: &Row, new: &Row) -> Result<()> {
    let dialect = connection.dialect();
    let mut values = Vec::new();
    let mut sets = Vec::new();
    for (column, (old, new)) in shape.columns.iter().zip(old.values.iter().zip(&new.values)) {
        if old != new {
            values.push(new.clone());
            sets.push(format!("{} = {}", quoted(column), placeholder(dialect, values.len())));
        }
    }
    let condition = key_condition(dialect, shape, &new.key, &mut values);
    let sql = format!("UPDATE {} SET {} WHERE {condition}", shape.table.quoted(), sets.join(", "));
    once(connection, shape, &Bound { sql, values })
}

fn insert(connection: &mut dyn Connection, shape: &Shape, row: &Row) -> Result<()> {
    let numbers: Vec<_> =
        (1..=row.values.len()).map(|number| placeholder(connection.dialect(), number)).collect();
    let overriding = if shape.identity { " OVERRIDING SYSTEM VALUE" } else { "" };
    let sql = format!(
        "INSERT INTO {} ({}){overriding} VALUES ({})",
        shape.table.quoted(),
        list(&shape.columns),
        numbers.join(", ")
    );
    once(connection, shape, &Bound { sql, values: row.values.clone() })
}
