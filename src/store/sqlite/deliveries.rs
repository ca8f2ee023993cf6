//! The outbox in SQLite.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, params};

use super::SqliteSession;
use super::events::{signed, unsigned};
use crate::base::{Error, ErrorCode, Result};
use crate::store::outbox::{Delivery, DeliveryState, NewDelivery};

const BY_KEY: &str = "SELECT body FROM delivery WHERE deduplication_key = ?1";
const BY_NUMBER: &str = "SELECT body FROM delivery WHERE number = ?1";
const NEXT: &str = "SELECT COALESCE(MAX(number), 0) + 1 FROM delivery";
const INSERT: &str = "INSERT INTO delivery (number, deduplication_key, state, next_attempt_at, body) VALUES (?1, ?2, ?3, ?4, ?5)";
const UPDATE: &str = "UPDATE delivery SET state = ?2, next_attempt_at = ?3, body = ?4 WHERE number = ?1";
const ALL: &str = "SELECT body FROM delivery WHERE ?1 IS NULL OR ?1 >= 0 ORDER BY number";
const IN: &str = "SELECT body FROM delivery WHERE state IN (SELECT value FROM json_each(?1)) ORDER BY number";
const DUE: &str =
    "SELECT body FROM delivery WHERE state = 'queued' AND next_attempt_at <= ?1 ORDER BY number";

const fn word(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Queued => "queued",
        DeliveryState::Sending => "sending",
        DeliveryState::Delivered => "delivered",
        DeliveryState::Failed => "failed",
        DeliveryState::Ambiguous => "ambiguous",
    }
}

fn write(delivery: &Delivery) -> Result<String> {
    serde_json::to_string(delivery)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("a delivery cannot be written as JSON: {error}")))
}

fn read(body: &str) -> Result<Delivery> {
    serde_json::from_str(body).map_err(|error| {
        Error::new(ErrorCode::StoreUnavailable, format!("a stored delivery cannot be read: {error}"))
    })
}

impl SqliteSession<'_> {
    pub(super) fn queue(&mut self, new: NewDelivery, now: DateTime<Utc>) -> Result<Delivery> {
        let known: Option<String> =
            self.check(self.transaction.prepare_cached(BY_KEY).and_then(|mut query| {
                query.query_row([&new.deduplication_key], |row| row.get(0)).optional()
            }))?;
        if let Some(body) = known {
            return read(&body);
        }
        let number: i64 = self.check(
            self.transaction.prepare_cached(NEXT).and_then(|mut query| query.query_row([], |row| row.get(0))),
        )?;
        let delivery = Delivery {
            number: unsigned(number),
            notice: new.notice,
            channel: new.channel,
            incident: new.incident,
            deduplication_key: new.deduplication_key,
            payload: new.payload,
            state: DeliveryState::Queued,
            attempts: 0,
            queued_at: now,
            next_attempt_at: new.not_before,
            changed_at: now,
            last_error: None,
            receipt: None,
        };
        let values = params![
            number,
            delivery.deduplication_key,
            word(delivery.state),
            delivery.next_attempt_at.timestamp_millis(),
            write(&delivery)?,
        ];
        self.check(self.transaction.prepare_cached(INSERT).and_then(|mut insert| insert.execute(values)))?;
        Ok(delivery)
    }

    pub(super) fn find_deliveries(&mut self, due: Option<DateTime<Utc>>) -> Result<Vec<Delivery>> {
        let query = if due.is_some() { DUE } else { ALL };
        let instant = due.map(|due| due.timestamp_millis());
        let rows = self.transaction.prepare_cached(query).and_then(|mut query| {
            let rows = query.query_map([instant], |row| row.get::<_, String>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        self.check(rows)?.iter().map(|body| read(body)).collect()
    }

    pub(super) fn find_deliveries_in(&mut self, states: &[DeliveryState]) -> Result<Vec<Delivery>> {
        let words: Vec<_> = states.iter().map(|state| word(*state)).collect();
        let words = serde_json::json!(words).to_string();
        let rows = self.transaction.prepare_cached(IN).and_then(|mut query| {
            let rows = query.query_map([words], |row| row.get::<_, String>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        self.check(rows)?.iter().map(|body| read(body)).collect()
    }

    pub(super) fn find_delivery(&mut self, number: u64) -> Result<Option<Delivery>> {
        let body: Option<String> = self.check(
            self.transaction
                .prepare_cached(BY_NUMBER)
                .and_then(|mut query| query.query_row([signed(number)], |row| row.get(0)).optional()),
        )?;
        body.as_deref().map(read).transpose()
    }

    pub(super) fn replace_delivery(&mut self, delivery: &Delivery) -> Result<()> {
        let values = params![
            signed(delivery.number),
            word(delivery.state),
            delivery.next_attempt_at.timestamp_millis(),
            write(delivery)?
        ];
        let changed = self
            .check(self.transaction.prepare_cached(UPDATE).and_then(|mut update| update.execute(values)))?;
        if changed == 1 {
            return Ok(());
        }
        Err(Error::new(ErrorCode::NotFound, format!("there is no delivery {}", delivery.number)))
    }
}
