//! The table in which an operation's transaction leaves its mark, so that whoever comes after a crash can tell for
//! certain whether it was committed.

use chrono::{DateTime, Utc};

use super::connection::{Connection, Dialect};
use super::name::TableName;
use super::text::{Bound, placeholder};
use super::value::Value;
use crate::base::{Digest, Error, ErrorCode, Result, clock};

/// What it is called where nobody says otherwise.
pub(super) const NAME: &str = "irctl_operations";

/// What an operation's transaction left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// The digest of the rows as they were.
    pub before: Digest,
    /// The digest of the rows as it left them.
    pub after: Digest,
    /// Whether it was undone since.
    pub undone: bool,
}

/// Whose mark.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whose<'a> {
    pub table: &'a TableName,
    pub operation: &'a str,
    pub step: &'a str,
}

impl Whose<'_> {
    /// The name under which other processes of the same step wait for each other.
    pub fn lock(&self) -> String {
        format!("irctl/{}/{}", self.operation, self.step)
    }

    fn values(&self) -> Vec<Value> {
        vec![Value::text(self.operation), Value::text(self.step)]
    }
}

/// Makes the table where it is missing.
pub(super) fn ensure(connection: &mut dyn Connection, table: &TableName) -> Result<()> {
    if connection.exists(table)? {
        return Ok(());
    }
    connection.lock(&format!("irctl/{table}"))?;
    let instant = match connection.dialect() {
        Dialect::Postgres => "timestamptz",
        Dialect::Sqlite => "text",
    };
    let definition = format!(
        "CREATE TABLE IF NOT EXISTS {} (operation text NOT NULL, step text NOT NULL, applied_at {instant} NOT NULL, \
         undone_at {instant}, before_rows text NOT NULL, after_rows text NOT NULL, PRIMARY KEY (operation, step))",
        table.quoted()
    );
    connection.execute(&Bound::plain(definition.clone())).map(|_| ()).map_err(|error| {
        let what = format!(
            "the table {table}, in which irctl records what it did, cannot be made: {}",
            error.message
        );
        Error::new(error.code, what).hint(format!("make it once, as who may: {definition}"))
    })
}

/// What is recorded; none where the transaction was not committed.
pub(super) fn read(connection: &mut dyn Connection, whose: Whose<'_>) -> Result<Option<Mark>> {
    if !connection.exists(whose.table)? {
        return Ok(None);
    }
    let dialect = connection.dialect();
    let sql = format!(
        "SELECT before_rows, after_rows, CASE WHEN undone_at IS NULL THEN 'applied' ELSE 'undone' END FROM {} \
         WHERE operation = {} AND step = {}",
        whose.table.quoted(),
        placeholder(dialect, 1),
        placeholder(dialect, 2)
    );
    let rows = connection.query(&Bound { sql, values: whose.values() })?;
    let Some([before, after, state]) = rows.first().map(Vec::as_slice) else { return Ok(None) };
    let digest = |value: &Value| -> Result<Digest> {
        value.as_text().unwrap_or_default().parse().map_err(|_| {
            Error::new(
                ErrorCode::InvalidData,
                format!("{}: the row of {} is damaged", whose.table, whose.operation),
            )
        })
    };
    Ok(Some(Mark {
        before: digest(before)?,
        after: digest(after)?,
        undone: state.as_text() == Some("undone"),
    }))
}

/// Records that the transaction switches.
pub(super) fn applied(
    connection: &mut dyn Connection,
    whose: Whose<'_>,
    before: &Digest,
    after: &Digest,
    now: DateTime<Utc>,
) -> Result<()> {
    let mut values = whose.values();
    values.extend([
        Value::text(clock::format_instant(now)),
        Value::text(before.to_string()),
        Value::text(after.to_string()),
    ]);
    let numbers: Vec<_> = (1..=5).map(|number| placeholder(connection.dialect(), number)).collect();
    let sql = format!(
        "INSERT INTO {} (operation, step, applied_at, before_rows, after_rows) VALUES ({}) ON CONFLICT \
         (operation, step) DO UPDATE SET applied_at = excluded.applied_at, undone_at = NULL, \
         before_rows = excluded.before_rows, after_rows = excluded.after_rows",
        whose.table.quoted(),
        numbers.join(", ")
    );
    connection.execute(&Bound { sql, values }).map(|_| ())
}

/// Records that it was undone.
pub(super) fn undone(connection: &mut dyn Connection, whose: Whose<'_>, now: DateTime<Utc>) -> Result<()> {
    let mut values = whose.values();
    values.push(Value::text(clock::format_instant(now)));
    let number = |at| placeholder(connection.dialect(), at);
    let sql = format!(
        "UPDATE {} SET undone_at = {} WHERE operation = {} AND step = {}",
        whose.table.quoted(),
        number(3),
        number(1),
        number(2)
    );
    connection.execute(&Bound { sql, values }).map(|_| ())
}
