//! State that outlives a process: events, samples, leases and the outbox, behind one trait.
//!
//! [`sqlite`] is the implementation for one machine. Everything a store must do is written down as code in
//! `conformance.rs`, which runs against each implementation.

pub mod chain;
#[cfg(test)]
mod conformance;
pub mod event;
pub mod lease;
pub mod outbox;
pub mod sample;
pub mod sqlite;

pub use event::{Actor, ChainHead, Event, EventFilter, NewEvent};
pub use lease::{Lease, LeaseOutcome};
pub use outbox::{Delivery, DeliveryState, NewDelivery};
pub use sample::{Bucket, Measurement, Sample, SampleFilter};

use chrono::{DateTime, Utc};

use crate::base::Result;

/// What can be done inside one transaction. All of it becomes durable together, or none of it.
pub trait Session {
    /// Appends an event to this writer's chain and returns it as stored.
    fn append(&mut self, event: NewEvent) -> Result<Event>;

    /// Events in the order of their sequence numbers.
    fn events(&mut self, filter: &EventFilter) -> Result<Vec<Event>>;

    /// Events as they lie in the store, for an audit: at most `limit` after the sequence number `after`.
    fn sealed(&mut self, after: u64, limit: usize) -> Result<Vec<chain::Sealed>>;

    /// The newest event of every writer's chain.
    fn chain_heads(&mut self) -> Result<Vec<ChainHead>>;

    /// Makes an identifier nobody else has: `base`, else `base-2`, `base-3` and so on.
    fn reserve_identifier(&mut self, base: &str) -> Result<String>;

    /// Stores samples. The same sample (service, probe, metric, labels, event time, version, input) is stored once.
    fn put_samples(&mut self, samples: &[Sample]) -> Result<usize>;

    /// Samples by event time, oldest first; of a corrected one only what was recorded last, at or before
    /// `filter.as_of`.
    fn samples(&mut self, filter: &SampleFilter) -> Result<Vec<Sample>>;

    /// Every sample of a service with its number, corrected ones too, in the order in which they were recorded; of two
    /// that were recorded at one instant the one with the larger number corrects the other.
    fn each_sample(&mut self, service: &str, take: &mut dyn FnMut(u64, Sample)) -> Result<()>;

    /// Queues a delivery; the same `deduplication_key` is queued once and the stored row is returned.
    fn enqueue(&mut self, delivery: NewDelivery, now: DateTime<Utc>) -> Result<Delivery>;

    /// Deliveries, oldest first; `due` keeps those that may be tried at that instant.
    fn deliveries(&mut self, due: Option<DateTime<Utc>>) -> Result<Vec<Delivery>>;

    /// Deliveries in these states, oldest first.
    fn deliveries_in(&mut self, states: &[DeliveryState]) -> Result<Vec<Delivery>>;

    /// A delivery by its number.
    fn delivery(&mut self, number: u64) -> Result<Option<Delivery>>;

    /// Replaces the state of a delivery.
    fn update_delivery(&mut self, delivery: &Delivery) -> Result<()>;

    /// Takes or renews a lease, unless another holder has it and it has not run out.
    fn acquire_lease(
        &mut self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<LeaseOutcome>;

    /// Gives a lease back, if `holder` has it.
    fn release_lease(&mut self, name: &str, holder: &str) -> Result<()>;

    /// A small named value (a cursor, the time of the last round).
    fn value(&mut self, key: &str) -> Result<Option<String>>;

    /// Sets a small named value.
    fn set_value(&mut self, key: &str, value: &str) -> Result<()>;
}

/// A store: transactions that exclude each other across processes.
pub trait Store: Send + Sync {
    /// Runs `work` in one exclusive, durable transaction; an error rolls everything back.
    fn write(&self, work: &mut dyn FnMut(&mut dyn Session) -> Result<()>) -> Result<()>;

    /// Like [`Store::write`], but without waiting for the disk: until the next durable transaction a power failure
    /// may take it back, whole. Only for what is safe to forget.
    fn write_relaxed(&self, work: &mut dyn FnMut(&mut dyn Session) -> Result<()>) -> Result<()> {
        self.write(work)
    }

    /// Runs `work` on one consistent view, without waiting for writers. Writing in it is an error.
    fn read(&self, work: &mut dyn FnMut(&mut dyn Session) -> Result<()>) -> Result<()>;
}

impl dyn Store + '_ {
    /// [`Store::write`] with a result.
    pub fn with<T>(&self, mut work: impl FnMut(&mut dyn Session) -> Result<T>) -> Result<T> {
        let mut result = None;
        self.write(&mut |session| {
            result = Some(work(session)?);
            Ok(())
        })?;
        finished(result)
    }

    /// [`Store::read`] with a result.
    pub fn view<T>(&self, mut work: impl FnMut(&mut dyn Session) -> Result<T>) -> Result<T> {
        let mut result = None;
        self.read(&mut |session| {
            result = Some(work(session)?);
            Ok(())
        })?;
        finished(result)
    }
}

fn finished<T>(result: Option<T>) -> Result<T> {
    use crate::base::{Error, ErrorCode};
    result.ok_or_else(|| Error::new(ErrorCode::Bug, "a transaction ended without running its work"))
}
