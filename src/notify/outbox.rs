//! The outbox: a notice becomes one row for each channel, in the transaction of the event that it tells.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::claim::{self, Attempts};
use super::config::{ContactsConfig, NotifyConfig};
use super::message::identifier;
use super::notice::Notice;
use super::record;
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
    let entry = Entry { version: ENTRY_VERSION, notice: notice.clone() };
    let payload = serde_json::to_value(&entry)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("a notice cannot be stored: {error}")))?;
    let mut deliveries = Vec::new();
    for reached in &routing.channels {
        let row = NewDelivery {
            notice: identifier([notice.deduplication_key("").as_str()]),
            channel: reached.channel.clone(),
            incident: notice.incident.clone(),
            deduplication_key: notice.deduplication_key(&reached.channel),
            payload: payload.clone(),
            not_before: now,
        };
        let delivery = session.enqueue(row, now)?;
        if !seen.deliveries.contains(&delivery.number) {
            session.append(record::queued(&delivery, notice, now))?;
        }
        deliveries.push(delivery);
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

/// The events that belong with a notice.
fn about(notice: &Notice) -> EventFilter {
    EventFilter {
        incident: notice.incident.clone(),
        service: notice.incident.is_none().then(|| notice.service.clone()),
        kind_prefix: Some("notice.".to_owned()),
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
    for mut delivery in session.deliveries(None)? {
        let ambiguous = delivery.state == DeliveryState::Ambiguous;
        let wanted = match which {
            Again::Failed => delivery.state == DeliveryState::Failed,
            Again::FailedAndAmbiguous => ambiguous || delivery.state == DeliveryState::Failed,
        };
        if !wanted {
            continue;
        }
        if ambiguous {
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

/// Every row that waits to be sent, due or not, in the order of their numbers.
pub fn waiting(session: &mut dyn Session, now: DateTime<Utc>) -> Result<Vec<Delivery>> {
    let mut rows = session.deliveries(Some(now + claim::FAR))?;
    rows.retain(|row| row.state == DeliveryState::Queued);
    rows.sort_by_key(|row| row.number);
    Ok(rows)
}
