//! Events and identifiers in SQLite.

use rusqlite::{OptionalExtension as _, params, params_from_iter, types::Value};

use super::SqliteSession;
use crate::base::{Digest, Error, ErrorCode, Result, host, identity};
use crate::store::chain::{self, Sealed};
use crate::store::event::{ChainHead, Event, EventFilter, NewEvent};

const INSERT: &str = "INSERT INTO event (sequence, writer, writer_sequence, kind, service, incident, operation, \
                      recorded_at, body, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
const NEWEST: &str =
    "SELECT writer_sequence, hash FROM event WHERE writer = ?1 ORDER BY writer_sequence DESC LIMIT 1";
const NEXT: &str = "SELECT COALESCE(MAX(sequence), 0) + 1 FROM event";
const HEADS: &str = "SELECT writer, writer_sequence, hash FROM event e WHERE writer_sequence = \
                     (SELECT MAX(writer_sequence) FROM event WHERE writer = e.writer) ORDER BY writer";
const RESERVED: &str = "SELECT 1 FROM identifier WHERE name = ?1";
const RESERVE: &str = "INSERT OR IGNORE INTO identifier (name) VALUES (?1)";

impl SqliteSession<'_> {
    pub(super) fn append_event(&mut self, event: NewEvent) -> Result<Event> {
        let writer = self.writer()?;
        let newest = self.check(self.transaction.prepare_cached(NEWEST).and_then(|mut query| {
            query.query_row([&writer], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        }))?;
        let previous = newest
            .map(|(count, hash): (i64, String)| Ok::<_, Error>((unsigned(count), hash.parse::<Digest>()?)))
            .transpose()?;
        let sequence: i64 = self.check(
            self.transaction.prepare_cached(NEXT).and_then(|mut query| query.query_row([], |row| row.get(0))),
        )?;
        let (sealed, event) = chain::seal(event, &writer, previous, unsigned(sequence))?;
        let values = params![
            sequence,
            writer,
            signed(event.writer_sequence),
            event.kind,
            event.service,
            event.incident,
            event.operation,
            event.recorded_at.timestamp_millis(),
            sealed.body,
            sealed.hash.to_string(),
        ];
        self.check(self.transaction.prepare_cached(INSERT).and_then(|mut insert| insert.execute(values)))?;
        Ok(event)
    }

    /// Whose chain this is: made once for each state directory.
    fn writer(&mut self) -> Result<String> {
        if let Some(writer) = self.setting("writer")? {
            return Ok(writer);
        }
        let writer = format!("{}-{}", host::host_name(), identity::random_hex(4)?);
        self.put_setting("writer", &writer)?;
        Ok(writer)
    }

    pub(super) fn find_events(&mut self, filter: &EventFilter) -> Result<Vec<Event>> {
        let mut clauses = vec!["sequence > ?".to_owned()];
        let mut values = vec![Value::from(signed(filter.after.unwrap_or(0)))];
        let mut also = |clause: &str, value: Value| {
            clauses.push(clause.to_owned());
            values.push(value);
        };
        for (column, wanted) in
            [("incident", &filter.incident), ("service", &filter.service), ("operation", &filter.operation)]
        {
            if let Some(wanted) = wanted {
                also(&format!("{column} = ?"), Value::from(wanted.clone()));
            }
        }
        if let Some(prefix) = &filter.kind_prefix {
            also("kind >= ?", Value::from(prefix.clone()));
            // Kinds are ASCII words and dots, so the highest character bounds everything that begins so.
            also("kind < ?", Value::from(format!("{prefix}\u{10ffff}")));
        }
        if let Some(until) = filter.until {
            also("recorded_at <= ?", Value::from(until.timestamp_millis()));
        }
        let query = format!(
            "SELECT sequence, body, hash FROM event WHERE {} ORDER BY sequence",
            clauses.join(" AND ")
        );
        self.sealed_rows(&query, values)?.iter().map(chain::open).collect()
    }

    pub(super) fn sealed_after(&mut self, after: u64, limit: usize) -> Result<Vec<Sealed>> {
        let query = "SELECT sequence, body, hash FROM event WHERE sequence > ? ORDER BY sequence LIMIT ?";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.sealed_rows(query, vec![Value::from(signed(after)), Value::from(limit)])
    }

    fn sealed_rows(&mut self, query: &str, values: Vec<Value>) -> Result<Vec<Sealed>> {
        let rows = self.transaction.prepare_cached(query).and_then(|mut query| {
            let rows = query.query_map(params_from_iter(values), |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        let rows = self.check(rows)?;
        rows.into_iter()
            .map(|(sequence, body, hash)| {
                let hash = hash.parse().map_err(|_| {
                    Error::new(ErrorCode::ChainBroken, format!("event {sequence} has no readable hash"))
                })?;
                Ok(Sealed { sequence: unsigned(sequence), body, hash })
            })
            .collect()
    }

    pub(super) fn heads(&mut self) -> Result<Vec<ChainHead>> {
        let rows = self.transaction.prepare_cached(HEADS).and_then(|mut query| {
            let rows = query.query_map([], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        self.check(rows)?
            .into_iter()
            .map(|(writer, count, hash)| {
                Ok(ChainHead { writer, writer_sequence: unsigned(count), hash: hash.parse()? })
            })
            .collect()
    }

    pub(super) fn reserve(&mut self, base: &str) -> Result<String> {
        for number in self.first_free(base)?.. {
            let name = numbered(base, number);
            let made = self.check(
                self.transaction.prepare_cached(RESERVE).and_then(|mut insert| insert.execute([&name])),
            )?;
            if made == 1 {
                return Ok(name);
            }
        }
        Err(Error::new(ErrorCode::Bug, "there are no identifiers left"))
    }

    /// The first number that nobody has: numbers are given in order and never given back, and thousands of incidents may
    /// begin in one second.
    fn first_free(&mut self, base: &str) -> Result<u64> {
        if !self.is_reserved(base, 1)? {
            return Ok(1);
        }
        let (mut taken, mut free) = (1, 2);
        while self.is_reserved(base, free)? {
            (taken, free) = (free, free.saturating_mul(2));
        }
        while free - taken > 1 {
            let middle = taken + (free - taken) / 2;
            if self.is_reserved(base, middle)? { taken = middle } else { free = middle }
        }
        Ok(free)
    }

    fn is_reserved(&mut self, base: &str, number: u64) -> Result<bool> {
        let name = numbered(base, number);
        let query = self.transaction.prepare_cached(RESERVED);
        self.check(query.and_then(|mut query| query.exists([name])))
    }
}

/// `NAME`, `NAME-2`, `NAME-3` …
fn numbered(base: &str, number: u64) -> String {
    if number == 1 { base.to_owned() } else { format!("{base}-{number}") }
}

/// SQLite has signed integers only; sequence numbers never come near the sign.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
