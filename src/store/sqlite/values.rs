//! Leases and small values in SQLite, and the session that brings all tables together.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, params};

use super::SqliteSession;
use super::events::{signed, unsigned};
use crate::base::{Error, ErrorCode, Result};
use crate::store::chain::Sealed;
use crate::store::{
    ChainHead, Delivery, DeliveryState, Event, EventFilter, Lease, LeaseOutcome, NewDelivery, NewEvent,
    Sample, SampleFilter, Session,
};

const GET: &str = "SELECT value FROM setting WHERE key = ?1";
const PUT: &str =
    "INSERT INTO setting (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
const LEASE: &str = "SELECT holder, until, fence FROM lease WHERE name = ?1";
const TAKE: &str = "INSERT INTO lease (name, holder, until, fence) VALUES (?1, ?2, ?3, ?4) \
                    ON CONFLICT (name) DO UPDATE SET holder = ?2, until = ?3, fence = ?4";
const GIVE: &str = "UPDATE lease SET holder = '', until = 0 WHERE name = ?1 AND holder = ?2";

impl SqliteSession<'_> {
    pub(super) fn setting(&mut self, key: &str) -> Result<Option<String>> {
        self.check(
            self.transaction
                .prepare_cached(GET)
                .and_then(|mut query| query.query_row([key], |row| row.get(0)).optional()),
        )
    }

    pub(super) fn put_setting(&mut self, key: &str, value: &str) -> Result<()> {
        self.check(self.transaction.prepare_cached(PUT).and_then(|mut put| put.execute([key, value])))
            .map(|_| ())
    }

    fn lease(&mut self, name: &str) -> Result<Option<Lease>> {
        let row: Option<(String, i64, i64)> =
            self.check(self.transaction.prepare_cached(LEASE).and_then(|mut query| {
                query.query_row([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
            }))?;
        row.map(|(holder, until, fence)| {
            let until = DateTime::from_timestamp_millis(until).ok_or_else(|| {
                Error::new(ErrorCode::StoreUnavailable, format!("the lease `{name}` has no readable end"))
            })?;
            Ok(Lease { name: name.to_owned(), holder, until, fence: unsigned(fence) })
        })
        .transpose()
    }

    fn take_lease(
        &mut self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<LeaseOutcome> {
        let fence = match self.lease(name)? {
            Some(lease) if lease.holder == holder => lease.fence,
            Some(lease) if !lease.holder.is_empty() && lease.until > now => {
                return Ok(LeaseOutcome::Held(lease));
            }
            Some(lease) => lease.fence + 1,
            None => 1,
        };
        let values = params![name, holder, until.timestamp_millis(), signed(fence)];
        self.check(self.transaction.prepare_cached(TAKE).and_then(|mut take| take.execute(values)))?;
        Ok(LeaseOutcome::Acquired(Lease { name: name.to_owned(), holder: holder.to_owned(), until, fence }))
    }
}

impl Session for SqliteSession<'_> {
    fn append(&mut self, event: NewEvent) -> Result<Event> {
        self.append_event(event)
    }

    fn events(&mut self, filter: &EventFilter) -> Result<Vec<Event>> {
        self.find_events(filter)
    }

    fn sealed(&mut self, after: u64, limit: usize) -> Result<Vec<Sealed>> {
        self.sealed_after(after, limit)
    }

    fn chain_heads(&mut self) -> Result<Vec<ChainHead>> {
        self.heads()
    }

    fn reserve_identifier(&mut self, base: &str) -> Result<String> {
        self.reserve(base)
    }

    fn put_samples(&mut self, samples: &[Sample]) -> Result<usize> {
        self.insert_samples(samples)
    }

    fn samples(&mut self, filter: &SampleFilter) -> Result<Vec<Sample>> {
        self.find_samples(filter)
    }

    fn each_sample(&mut self, service: &str, take: &mut dyn FnMut(u64, Sample)) -> Result<()> {
        self.walk_samples(service, take)
    }

    fn enqueue(&mut self, delivery: NewDelivery, now: DateTime<Utc>) -> Result<Delivery> {
        self.queue(delivery, now)
    }

    fn deliveries(&mut self, due: Option<DateTime<Utc>>) -> Result<Vec<Delivery>> {
        self.find_deliveries(due)
    }

    fn deliveries_in(&mut self, states: &[DeliveryState]) -> Result<Vec<Delivery>> {
        self.find_deliveries_in(states)
    }

    fn delivery(&mut self, number: u64) -> Result<Option<Delivery>> {
        self.find_delivery(number)
    }

    fn update_delivery(&mut self, delivery: &Delivery) -> Result<()> {
        self.replace_delivery(delivery)
    }

    fn acquire_lease(
        &mut self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<LeaseOutcome> {
        self.take_lease(name, holder, now, until)
    }

    fn release_lease(&mut self, name: &str, holder: &str) -> Result<()> {
        self.check(self.transaction.prepare_cached(GIVE).and_then(|mut give| give.execute([name, holder])))
            .map(|_| ())
    }

    fn value(&mut self, key: &str) -> Result<Option<String>> {
        self.setting(key)
    }

    fn set_value(&mut self, key: &str, value: &str) -> Result<()> {
        self.put_setting(key, value)
    }
}
