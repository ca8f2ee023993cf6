//! What is written down about notices: the outcome in the row, and an event that the timeline shows.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

use super::channels::Outcome;
use super::claim::{self, Attempts, Claimed};
use super::config::{DeliveryConfig, NotifyConfig};
use super::notice::Notice;
use super::outbox::Entry;
use super::retry;
use crate::base::Result;
use crate::store::{Actor, Delivery, DeliveryState, EventFilter, NewEvent, Session};

/// The payload of `notice.*` events. No secret and no address stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeEvent {
    /// One line for the timeline.
    pub summary: String,
    /// The channel; absent where nobody is told.
    pub channel: Option<String>,
    /// The message.
    pub template: String,
    /// The level it was told at.
    pub level: Option<String>,
    /// The delivery's number in the outbox.
    pub delivery: Option<u64>,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The receiver's receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// Why the plain form was used instead of the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// The notice, where nobody is told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What earlier events say was queued, or had nowhere to go.
#[derive(Debug, Default)]
pub struct Seen {
    /// Numbers of the deliveries.
    pub deliveries: BTreeSet<u64>,
    /// Keys of the notices.
    pub unrouted: BTreeSet<String>,
}

/// Reads what was queued already.
pub fn seen(session: &mut dyn Session, filter: &EventFilter) -> Result<Seen> {
    let mut seen = Seen::default();
    for event in session.events(filter)? {
        let Ok(payload) = NoticeEvent::deserialize(&event.payload) else { continue };
        seen.deliveries.extend(payload.delivery);
        seen.unrouted.extend(payload.key);
    }
    Ok(seen)
}

fn event(kind: &str, notice: &Notice, payload: &NoticeEvent, now: DateTime<Utc>) -> NewEvent {
    NewEvent {
        kind: format!("notice.{kind}"),
        occurred_at: now,
        recorded_at: now,
        actor: Actor::Automation,
        service: Some(notice.service.clone()),
        incident: notice.incident.clone(),
        operation: None,
        payload: serde_json::to_value(payload).unwrap_or_default(),
    }
}

fn payload(delivery: &Delivery, notice: &Notice, said: &str) -> NoticeEvent {
    let level = notice.level.as_deref().map(|level| format!(" ({level})")).unwrap_or_default();
    NoticeEvent {
        summary: format!("Notice {}{level} {said} {}", notice.template, delivery.channel),
        channel: Some(delivery.channel.clone()),
        template: notice.template.clone(),
        level: notice.level.clone(),
        delivery: Some(delivery.number),
        attempts: delivery.attempts,
        error: None,
        receipt: None,
        fallback: None,
        key: None,
    }
}

/// `notice.queued`.
pub fn queued(delivery: &Delivery, notice: &Notice, now: DateTime<Utc>) -> NewEvent {
    event("queued", notice, &payload(delivery, notice, "queued for"), now)
}

/// `notice.unrouted`: nobody is told.
pub fn unrouted(notice: &Notice, key: String, now: DateTime<Utc>) -> NewEvent {
    let payload = NoticeEvent {
        summary: format!("Notice {} goes nowhere: no route and no default has a channel", notice.template),
        channel: None,
        template: notice.template.clone(),
        level: notice.level.clone(),
        delivery: None,
        attempts: 0,
        error: None,
        receipt: None,
        fallback: None,
        key: Some(key),
    };
    event("unrouted", notice, &payload, now)
}

/// How a claimed message ended.
pub struct Ended<'a> {
    /// What the channel said.
    pub outcome: &'a Outcome,
    /// Why the plain form was used.
    pub fallback: Option<&'a str>,
    /// A number in [0, 1) that spreads retries.
    pub jitter: f64,
}

/// Writes the outcome into the claimed rows and appends the events of those that are settled.
pub fn settle(
    session: &mut dyn Session,
    config: &NotifyConfig,
    claimed: &Claimed,
    ended: &Ended<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<Delivery>> {
    let mut attempts = Attempts::load(session)?;
    let mut rows = claimed.rows.clone();
    for row in &mut rows {
        let doubt = claimed.possibly_arrived;
        let may_repeat = rows_can_repeat(config, claimed, row);
        apply(row, &tries(config, row), ended, Doubt { doubt, may_repeat }, now);
        match (row.state, ended.outcome) {
            (DeliveryState::Queued, Outcome::Ambiguous { .. }) => attempts.may_have_arrived(row),
            (DeliveryState::Queued, _) => attempts.put_down(row.number),
            _ => attempts.settle(row.number),
        }
        session.update_delivery(row)?;
        if let Some(event) = settled(row, ended.fallback, now) {
            session.append(event)?;
        }
    }
    attempts.save(session)?;
    Ok(rows)
}

/// A digest is never repeated on a guess: its parts would come again under another identifier.
fn rows_can_repeat(config: &NotifyConfig, claimed: &Claimed, row: &Delivery) -> bool {
    claimed.rows.len() == 1 && claim::deduplicates(config, row)
}

fn tries(config: &NotifyConfig, row: &Delivery) -> DeliveryConfig {
    let channel = config.channels.get(&row.channel);
    channel.map_or_else(|| config.delivery.clone(), |channel| channel.delivery(&config.delivery))
}

struct Doubt {
    /// An earlier try may have arrived.
    doubt: bool,
    /// One that may have arrived can be sent again.
    may_repeat: bool,
}

fn apply(row: &mut Delivery, tries: &DeliveryConfig, ended: &Ended<'_>, known: Doubt, now: DateTime<Utc>) {
    row.changed_at = now;
    let wait = retry::backoff(&tries.backoff, row.attempts, ended.jitter);
    let again = row.attempts < tries.attempts;
    let lost = if known.doubt { DeliveryState::Ambiguous } else { DeliveryState::Failed };
    let (state, next, error) = match ended.outcome {
        Outcome::Delivered { receipt } => {
            row.receipt = Some(receipt.clone());
            (DeliveryState::Delivered, now, None)
        }
        Outcome::Retry { after, error } if again => {
            (DeliveryState::Queued, now + after.map_or(wait, |after| after.max(wait)), Some(error))
        }
        Outcome::Ambiguous { error } if again && known.may_repeat => {
            (DeliveryState::Queued, now + wait, Some(error))
        }
        Outcome::Ambiguous { error } => (DeliveryState::Ambiguous, now, Some(error)),
        Outcome::Retry { error, .. } | Outcome::Failed { error } => (lost, now, Some(error)),
    };
    row.state = state;
    row.next_attempt_at = next;
    row.last_error = error.cloned();
}

/// The event of a row that is settled.
pub fn settled(row: &Delivery, fallback: Option<&str>, now: DateTime<Utc>) -> Option<NewEvent> {
    let (kind, said) = match row.state {
        DeliveryState::Delivered => ("delivered", "was delivered over"),
        DeliveryState::Failed => ("failed", "could not be delivered over"),
        DeliveryState::Ambiguous => ("ambiguous", "may or may not have arrived over"),
        DeliveryState::Queued | DeliveryState::Sending => return None,
    };
    let notice = Entry::of(row).map(|entry| entry.notice).unwrap_or_else(|_| {
        let mut notice = Notice::new("unreadable", "unknown", row.queued_at);
        notice.incident = row.incident.clone();
        notice
    });
    let mut payload = payload(row, &notice, said);
    payload.error = row.last_error.clone();
    payload.receipt = row.receipt.clone();
    payload.fallback = fallback.map(str::to_owned);
    if let Some(error) = &payload.error {
        payload.summary = format!("{}: {error}", payload.summary);
    }
    Some(event(kind, &notice, &payload, now))
}
