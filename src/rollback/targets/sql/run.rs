//! What happens inside a transaction: statements forward, kept rows back, and nothing else.

use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use std::time::Instant;

use super::compile::{Compiled, Counted};
use super::connection::{Connection, Shape};
use super::image::{Image, Key, three_way};
use super::marker::{self, Whose};
use super::name::TableName;
use super::replace::replace;
use super::scope::{Captured, Scope, Which, capture, nothing_else, shapes};
use crate::base::{Digest, Error, ErrorCode, Result};

/// Runs statements; each must touch as many rows as it is allowed to.
pub(super) fn statements(connection: &mut dyn Connection, statements: &[Counted]) -> Result<()> {
    for statement in statements {
        let rows = connection.execute(&statement.bound)?;
        if let Some(expected) = statement.rows
            && !expected.accepts(rows)
        {
            let shown: String = statement.bound.sql.split_whitespace().collect::<Vec<_>>().join(" ");
            let shown: String = shown.chars().take(100).collect();
            let what = format!("`{}` concerns {rows} rows, not {expected}", shown.escape_debug());
            return Err(Error::new(ErrorCode::Refused, what)
                .hint("nothing was changed; look at the rows, and correct them or `rows:`"));
        }
    }
    Ok(())
}

/// The keys of two images, table by table.
pub(super) fn both_keys(a: &Image, b: &Image) -> Vec<BTreeSet<Key>> {
    a.keys().into_iter().zip(b.keys()).map(|(a, b)| a.union(&b).cloned().collect()).collect()
}

/// Runs statements over rows that were captured, and captures what they leave.
pub(super) fn change(
    connection: &mut dyn Connection,
    work: &[Counted],
    scopes: &[Scope],
    known: &[Shape],
    before: &Image,
    side_effects: &[TableName],
) -> Result<Captured> {
    connection.watch(known)?;
    statements(connection, work)?;
    let after = capture(connection, scopes, known, Which::All, &before.keys(), false)?;
    nothing_else(connection, known, before, &after, side_effects)?;
    Ok(after)
}

/// Turns rows that are in place into others, and shows that they are exactly those.
pub(super) fn put(
    connection: &mut dyn Connection,
    scopes: &[Scope],
    known: &[Shape],
    from: &Image,
    to: &Image,
    side_effects: &[TableName],
) -> Result<()> {
    connection.watch(known)?;
    replace(connection, known, from, to)?;
    let keys = both_keys(from, to);
    let found = capture(connection, scopes, known, Which::Keys, &keys, false)?;
    if let Some(told) = three_way(to, from, to, &found.image) {
        let what = format!("rows do not come back as they were: {told}");
        return Err(Error::new(ErrorCode::Refused, what).hint(
            "a trigger or a rule of the table changes what is put back; see what could be switched off",
        ));
    }
    nothing_else(connection, known, from, &found, side_effects)
}

/// What a trial showed.
pub(super) struct Trial {
    pub before: Image,
    pub after: Image,
    pub shapes: Vec<Shape>,
    /// How long the way there took, in milliseconds.
    pub forward_ms: u64,
    /// How long the way back took, in milliseconds.
    pub backward_ms: u64,
    /// Why there is no way back.
    pub backward: Option<Error>,
}

/// Does everything, there and back, in a transaction that is rolled back. None when there is nothing to do.
pub(super) fn trial(
    connection: &mut dyn Connection,
    compiled: &Compiled,
    marker: &TableName,
    side_effects: &[TableName],
    now: DateTime<Utc>,
) -> Result<Option<Trial>> {
    connection.begin(true)?;
    let outcome = tried(connection, compiled, marker, side_effects, now);
    connection.rollback();
    outcome
}

fn tried(
    connection: &mut dyn Connection,
    compiled: &Compiled,
    marker: &TableName,
    side_effects: &[TableName],
    now: DateTime<Utc>,
) -> Result<Option<Trial>> {
    let known = shapes(connection, &compiled.scopes)?;
    for table in &compiled.locks {
        connection.lock_table(table)?;
    }
    if let Some(query) = &compiled.settled
        && !connection.query(query)?.is_empty()
    {
        return Ok(None);
    }
    let begun = Instant::now();
    let before = capture(connection, &compiled.scopes, &known, Which::All, &[], true)?.image;
    let after =
        change(connection, &compiled.statements, &compiled.scopes, &known, &before, side_effects)?.image;
    // Whether the mark can be left is better known now than when it is needed.
    marker::ensure(connection, marker)?;
    let whose = Whose { table: marker, operation: "trial", step: "trial" };
    marker::applied(connection, whose, &Digest::of(b""), &Digest::of(b""), now)?;
    let forward_ms = millis(begun);
    let begun = Instant::now();
    let backward = put(connection, &compiled.scopes, &known, &after, &before, side_effects).err();
    let backward_ms = millis(begun);
    Ok(Some(Trial { before, after, shapes: known, forward_ms, backward_ms, backward }))
}

fn millis(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
