//! The outbox: a notice becomes one row for each channel, in the transaction of the event that it tells.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::claim::{self, Attempts};
use super::config::{ContactsConfig, NotifyConfig};
use super::message::identifier;
use super::notice::Notice;
use super::record::{self, Seen};
use super::route;
use crate::base::{Error, ErrorCode, Result};
use crate::store::{Delivery, DeliveryState, EventFilter, NewDelivery, Session, Store};

/// The version of [`Entry`] that this irctl writes.
const ENTRY_VERSION: u32 = 1;

/// What a row of the outbox holds: facts only. The words are chosen when it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The version of this form.
    pub version: u32,
    /// What is to be told.
    pub notice: Notice,
    /// The newest event about it when it was queued, as `NUMBER:HASH`.
    #[serde(default)]
    pub witness: Option<String>,
}

impl Entry {
    /// Reads a row's payload.
    pub fn of(delivery: &Delivery) -> Result<Self> {
        let broken = |why: String| {
            Error::new(ErrorCode::InvalidData, format!("delivery {} cannot be read: {why}", delivery.number))
        };
        let version = delivery.payload.get("version").and_then(serde_json::Value::as_u64);
        if version.is_some_and(|version| version > u64::from(ENTRY_VERSION)) {
            return Err(
                broken("a newer irctl wrote it".into()).hint("update irctl, then `irctl notify flush`")
            );
        }
        Entry::deserialize(&delivery.payload).map_err(|error| broken(error.to_string()))
    }
}

/// Queues a notice: routing decides the channels, each gets one row, and each row that is new an event
/// `notice.queued`. The same notice (incident, message, level, occasion) is queued once however often this is called.
pub fn enqueue(
    session: &mut dyn Session,
    config: &NotifyConfig,
    contacts: &ContactsConfig,
    notice: &Notice,
    now: DateTime<Utc>,
) -> Result<Vec<Delivery>> {
    let routing = route::explain(config, contacts, notice);
    let seen = record::seen(session, &about(notice))?;
    let mut deliveries = Vec::new();
    for reached in &routing.channels {
        deliveries.push(put(session, &reached.channel, notice, &seen, now)?);
    }
    let silenced = routing.routes.iter().any(|route| route.matched);
    if deliveries.is_empty() && !silenced {
        let key = notice.deduplication_key("");
        if !seen.unrouted.contains(&key) {
            session.append(record::unrouted(notice, key, now))?;
        }
    }
    Ok(deliveries)
}

/// Queues a notice for one channel, whatever the routes say.
pub fn enqueue_to(
    session: &mut dyn Session,
    channel: &str,
    notice: &Notice,
    now: DateTime<Utc>,
) -> Result<Delivery> {
    let seen = record::seen(session, &about(notice))?;
    put(session, channel, notice, &seen, now)
}

fn put(
    session: &mut dyn Session,
    channel: &str,
    notice: &Notice,
    seen: &Seen,
    now: DateTime<Utc>,
) -> Result<Delivery> {
    let entry = Entry { version: ENTRY_VERSION, notice: notice.clone(), witness: seen.witness.clone() };
    let payload = serde_json::to_value(&entry)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("a notice cannot be stored: {error}")))?;
    let row = NewDelivery {
        notice: identifier([notice.deduplication_key("").as_str()]),
        channel: channel.to_owned(),
        incident: notice.incident.clone(),
        deduplication_key: notice.deduplication_key(channel),
        payload,
        not_before: now,
    };
    let delivery = session.enqueue(row, now)?;
    if !seen.deliveries.contains(&delivery.number) {
        session.append(record::queued(&delivery, notice, now))?;
    }
    Ok(delivery)
}

/// The events that belong with a notice.
fn about(notice: &Notice) -> EventFilter {
    EventFilter {
        incident: notice.incident.clone(),
        service: notice.incident.is_none().then(|| notice.service.clone()),
        ..EventFilter::default()
    }
}

/// What came of queueing a notice, for those whom a broken store must not stop.
#[derive(Debug)]
pub struct Announced {
    /// The rows.
    pub deliveries: Vec<Delivery>,
    /// Why there are none.
    pub problem: Option<Error>,
}

/// [`enqueue`] in a transaction of its own; a failure is a value, so that a rollback goes on.
pub fn announce(
    store: &dyn Store,
    config: &NotifyConfig,
    contacts: &ContactsConfig,
    notice: &Notice,
    now: DateTime<Utc>,
) -> Announced {
    match store.with(|session| enqueue(session, config, contacts, notice, now)) {
        Ok(deliveries) => Announced { deliveries, problem: None },
        Err(problem) => Announced { deliveries: Vec::new(), problem: Some(problem) },
    }
}

/// Which settled deliveries are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Those that failed.
    Failed,
    /// Those that failed, and those that may have arrived: they may come twice.
    FailedAndAmbiguous,
}

/// Queues settled deliveries again, due at `now`, with all their tries before them. Returns how many.
pub fn requeue(session: &mut dyn Session, which: Again, now: DateTime<Utc>) -> Result<usize> {
    let mut attempts = Attempts::load(session)?;
    let mut count = 0;
    let wanted: &[DeliveryState] = match which {
        Again::Failed => &[DeliveryState::Failed],
        Again::FailedAndAmbiguous => &[DeliveryState::Failed, DeliveryState::Ambiguous],
    };
    for mut delivery in session.deliveries_in(wanted)? {
        if delivery.state == DeliveryState::Ambiguous {
            attempts.may_have_arrived(&delivery);
        }
        delivery.state = DeliveryState::Queued;
        delivery.attempts = 0;
        delivery.next_attempt_at = now;
        delivery.changed_at = now;
        session.update_delivery(&delivery)?;
        count += 1;
    }
    attempts.save(session)?;
    Ok(count)
}

/// Stops trying a delivery, such as a test message that nobody waits for any more, and returns its row.
pub fn give_up(session: &mut dyn Session, number: u64, now: DateTime<Utc>) -> Result<Delivery> {
    let found = session.deliveries(None)?.into_iter().find(|row| row.number == number);
    let mut row =
        found.ok_or_else(|| Error::new(ErrorCode::NotFound, format!("there is no delivery {number}")))?;
    if row.state == DeliveryState::Queued {
        let mut attempts = Attempts::load(session)?;
        let doubt = attempts.in_doubt(number);
        row.state = if doubt { DeliveryState::Ambiguous } else { DeliveryState::Failed };
        row.changed_at = now;
        attempts.settle(number);
        attempts.save(session)?;
        session.update_delivery(&row)?;
    }
    Ok(row)
}

/// Makes every waiting row due at `now`. Returns how many.
pub fn hasten(session: &mut dyn Session, now: DateTime<Utc>) -> Result<usize> {
    let rows = waiting(session, now)?;
    for row in &rows {
        session
            .update_delivery(&Delivery { next_attempt_at: row.next_attempt_at.min(now), ..row.clone() })?;
    }
    Ok(rows.len())
}

/// Every row that waits to be sent, due or not, in the order of their numbers.
pub fn waiting(session: &mut dyn Session, now: DateTime<Utc>) -> Result<Vec<Delivery>> {
    let mut rows = session.deliveries(Some(now + claim::FAR))?;
    rows.retain(|row| row.state == DeliveryState::Queued);
    rows.sort_by_key(|row| row.number);
    Ok(rows)
}
