//! What PostgreSQL's catalogs say of a table.

use super::connection::Shape;
use super::name::TableName;
use super::postgres::Postgres;
use super::value::Value;
use crate::base::{Error, ErrorCode, Result};

/// Whether this transaction wrote the row.
pub(super) const WRITTEN: &str = "xmin::text = (pg_catalog.txid_current() % 4294967296)::text";

/// Rows touched in this transaction, by whatever means; a partition counts as its table.
pub(super) const TOUCHED: &str = "SELECT n.nspname::text, c.relname::text, s.n_tup_ins::text, s.n_tup_upd::text, \
     s.n_tup_del::text FROM pg_catalog.pg_stat_xact_user_tables s JOIN pg_catalog.pg_class c ON c.oid = \
     COALESCE(pg_catalog.pg_partition_root(s.relid), s.relid) JOIN pg_catalog.pg_namespace n ON n.oid = \
     c.relnamespace WHERE s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 0";

/// Sessions that hold locks on a table against writers.
pub(super) const HOLDERS: &str = "SELECT DISTINCT 'process ' || a.pid || ' (' || COALESCE(NULLIF(a.application_name, \
     ''), 'a program') || COALESCE(' of ' || a.usename, '') || COALESCE(', ' || a.state, '') || COALESCE(', for ' || \
     round(extract(epoch FROM clock_timestamp() - a.xact_start))::text || ' s', '') || ')' FROM pg_catalog.pg_locks l \
     JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid WHERE l.relation = pg_catalog.to_regclass($1) AND l.granted \
     AND l.mode <> 'AccessShareLock' AND l.pid <> pg_catalog.pg_backend_pid() ORDER BY 1 LIMIT 3";

/// Everything about a table in one question: what it is, its columns, its primary key, and what writes to it.
const SHAPE: &str = "SELECT part, a, b, c, d, e FROM (\
     SELECT 'table' AS part, 0 AS place, n.nspname::text AS a, c.relname::text AS b, c.relkind::text AS c, NULL AS d, \
     NULL AS e FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = \
     pg_catalog.to_regclass($1) \
     UNION ALL SELECT 'column', a.attnum, a.attname::text, t.typname::text, a.attgenerated::text, \
     a.attidentity::text, pg_catalog.pg_get_serial_sequence($1, a.attname) FROM pg_catalog.pg_attribute a JOIN \
     pg_catalog.pg_type t ON t.oid = a.atttypid WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT \
     a.attisdropped \
     UNION ALL SELECT 'key', k.place, a.attname::text, NULL, NULL, NULL, NULL FROM pg_catalog.pg_index i CROSS JOIN \
     LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place) JOIN pg_catalog.pg_attribute a ON a.attrelid \
     = i.indrelid AND a.attnum = k.number WHERE i.indrelid = pg_catalog.to_regclass($1) AND i.indisprimary \
     UNION ALL SELECT 'writer', 0, 'the trigger ' || tgname, NULL, NULL, NULL, NULL FROM pg_catalog.pg_trigger WHERE \
     tgrelid = pg_catalog.to_regclass($1) AND NOT tgisinternal AND tgenabled <> 'D' \
     UNION ALL SELECT 'writer', 0, 'the rule ' || rulename, NULL, NULL, NULL, NULL FROM pg_catalog.pg_rewrite WHERE \
     ev_class = pg_catalog.to_regclass($1) AND rulename <> '_RETURN' \
     UNION ALL SELECT 'writer', 0, 'the subscription that replicates into it', NULL, NULL, NULL, NULL FROM \
     pg_catalog.pg_subscription_rel WHERE srrelid = pg_catalog.to_regclass($1)) AS known \
     ORDER BY part, place, a COLLATE \"C\"";

/// Looks a table up.
pub(super) fn shape(connection: &mut Postgres, table: &TableName, key: &[String]) -> Result<Shape> {
    let (mut named, mut columns, mut primary, mut triggers) = (None, Vec::new(), Vec::new(), Vec::new());
    for row in connection.rows(SHAPE, &[Value::text(table.quoted())])? {
        let mut row = row.into_iter();
        match (row.next().flatten().as_deref(), row.next().flatten()) {
            (Some("table"), schema) => named = Some((schema, row.next().flatten(), row.next().flatten())),
            (Some("column"), Some(column)) => columns.push((column, row)),
            (Some("key"), Some(column)) => primary.push(column),
            (_, writer) => triggers.extend(writer),
        }
    }
    let Some((Some(schema), Some(relation), Some(kind))) = named else {
        return Err(Error::new(ErrorCode::InvalidConfiguration, format!("there is no table {table}"))
            .hint("spell it as the database does, with its schema where it is not the default one"));
    };
    if kind != "r" && kind != "p" {
        return Err(Error::new(ErrorCode::InvalidConfiguration, format!("{table} is no table"))
            .hint("name the tables behind it"));
    }
    let mut shape = Shape {
        table: TableName { schema: Some(schema), table: relation },
        columns: Vec::new(),
        key: if key.is_empty() { primary } else { key.to_vec() },
        padded: Vec::new(),
        identity: false,
        sequences: Vec::new(),
        triggers,
    };
    for (column, mut row) in columns {
        let (kind, generated, identity) = (row.next().flatten(), row.next().flatten(), row.next().flatten());
        shape.sequences.extend(row.next().flatten());
        shape.identity |= identity.as_deref() == Some("a");
        if kind.as_deref() == Some("bpchar") {
            shape.padded.push(column.clone());
        }
        if generated.is_none_or(|generated| generated.is_empty()) {
            shape.columns.push(column);
        }
    }
    check_key(&shape)?;
    Ok(shape)
}

/// A table must have a key, and the key its columns.
pub(super) fn check_key(shape: &Shape) -> Result<()> {
    if shape.key.is_empty() {
        return Err(Error::new(
            ErrorCode::InvalidConfiguration,
            format!("{} has no primary key", shape.table),
        )
        .hint("name the columns that tell its rows apart: `key: [model_name, deployed_at]`"));
    }
    match shape.key.iter().find(|name| !shape.columns.contains(name)) {
        None => Ok(()),
        Some(name) => Err(Error::new(
            ErrorCode::InvalidConfiguration,
            format!("{} has no column `{}`", shape.table, name.escape_debug()),
        )
        .hint(format!("it has {}", shape.columns.join(", ")))),
    }
}
