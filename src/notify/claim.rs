//! Claiming: which rows are sent next, with the intent on disk before a socket opens.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::channels::ChannelKind;
use super::config::NotifyConfig;
use super::message::LATE;
use super::outbox::{self, Entry};
use crate::base::host::{Liveness, ProcessIdentity};
use crate::base::{Error, ErrorCode, Result};
use crate::store::{Delivery, DeliveryState, Session};

/// Further than any retry: what may be tried by then is everything that waits.
pub const FAR: TimeDelta = TimeDelta::days(3650);

/// A sender of whom nothing can be learnt is given up after this long; no try takes that long.
const GIVEN_UP: TimeDelta = TimeDelta::minutes(30);

/// At most this many messages are told in one digest.
const DIGEST_LIMIT: usize = 50;

/// Where so many messages are due over one channel at once, they are told as one.
const CROWD: usize = 25;

/// At most this many.
const CROWD_LIMIT: usize = 20_000;

/// Where the attempts are kept.
const KEY: &str = "notify.attempts";

/// What is known of a delivery beyond its row while it is not settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Attempt {
    /// The process that is sending it now.
    sender: Option<ProcessIdentity>,
    channel: String,
    incident: Option<String>,
    /// Sent together with others.
    digest: bool,
    /// A try was written and not answered.
    possibly_arrived: bool,
}

/// The attempts under way or in doubt, by delivery number.
#[derive(Debug, Default)]
pub struct Attempts(BTreeMap<u64, Attempt>);

impl Attempts {
    /// Reads them.
    pub fn load(session: &mut dyn Session) -> Result<Self> {
        match session.value(KEY)?.filter(|text| !text.is_empty()) {
            None => Ok(Self::default()),
            Some(text) => serde_json::from_str(&text).map(Self).map_err(|error| {
                Error::new(ErrorCode::InvalidData, format!("the state of deliveries cannot be read: {error}"))
            }),
        }
    }

    /// Writes them.
    pub fn save(&self, session: &mut dyn Session) -> Result<()> {
        let text = serde_json::to_string(&self.0).map_err(|error| {
            Error::new(ErrorCode::Bug, format!("the state of deliveries cannot be written: {error}"))
        })?;
        session.set_value(KEY, &text)
    }

    /// Whether nothing is under way or in doubt.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an earlier try of this delivery may have arrived.
    pub fn in_doubt(&self, number: u64) -> bool {
        self.0.get(&number).is_some_and(|attempt| attempt.possibly_arrived)
    }

    /// Notes that a try of this delivery may have arrived, and that nobody is sending it.
    pub fn may_have_arrived(&mut self, delivery: &Delivery) {
        let attempt = Attempt {
            sender: None,
            channel: delivery.channel.clone(),
            incident: delivery.incident.clone(),
            digest: false,
            possibly_arrived: true,
        };
        self.0.insert(delivery.number, attempt);
    }

    /// Notes that nobody is sending it any more; whether it may have arrived stays known.
    pub fn put_down(&mut self, number: u64) {
        match self.0.get_mut(&number) {
            Some(attempt) if attempt.possibly_arrived => attempt.sender = None,
            _ => self.settle(number),
        }
    }

    /// Forgets a delivery: its row says all there is to say.
    pub fn settle(&mut self, number: u64) {
        self.0.remove(&number);
    }

    fn sending(&self) -> BTreeSet<Lane> {
        let under_way = self.0.values().filter(|attempt| attempt.sender.is_some());
        under_way.map(|attempt| (attempt.channel.clone(), attempt.incident.clone())).collect()
    }
}

/// Messages about one incident over one channel: told in order, one at a time.
pub type Lane = (String, Option<String>);

/// The lane of a row.
pub fn lane(row: &Delivery) -> Lane {
    (row.channel.clone(), row.incident.clone())
}

/// What one run of the courier remembers.
#[derive(Debug, Default)]
pub struct Pass {
    /// Channels that just did not answer: they rest until the next pass.
    pub resting: BTreeSet<String>,
    /// How many messages of each lane were told one by one.
    pub told: BTreeMap<Lane, u32>,
    /// What waited when it was last read, in order: of thousands of rows each is read once, not once for every other.
    waiting: Option<VecDeque<Delivery>>,
}

/// Rows to be sent as one message.
#[derive(Debug)]
pub struct Claimed {
    /// The rows, in order; more than one make a digest.
    pub rows: Vec<Delivery>,
    /// An earlier try may have arrived.
    pub possibly_arrived: bool,
}

/// Takes the next rows that are due and marks them as being sent. A row waits while one before it in its lane does.
pub fn claim(
    session: &mut dyn Session,
    config: &NotifyConfig,
    pass: &mut Pass,
    sender: &ProcessIdentity,
    now: DateTime<Utc>,
) -> Result<Option<Claimed>> {
    let mut attempts = Attempts::load(session)?;
    let Some(mut rows) = next(session, config, pass, &attempts, now)? else { return Ok(None) };
    let possibly_arrived = rows.first().is_some_and(|first| attempts.in_doubt(first.number));
    let digest = rows.len() > 1;
    for row in &mut rows {
        row.state = DeliveryState::Sending;
        row.attempts = row.attempts.saturating_add(1);
        row.changed_at = now;
        session.update_delivery(row)?;
        let attempt = Attempt {
            sender: Some(sender.clone()),
            channel: row.channel.clone(),
            incident: row.incident.clone(),
            digest,
            possibly_arrived,
        };
        attempts.0.insert(row.number, attempt);
    }
    attempts.save(session)?;
    Ok(Some(Claimed { rows, possibly_arrived }))
}

/// The rows that are told next, as they are now; none where nothing can be told.
fn next(
    session: &mut dyn Session,
    config: &NotifyConfig,
    pass: &mut Pass,
    attempts: &Attempts,
    now: DateTime<Utc>,
) -> Result<Option<Vec<Delivery>>> {
    if let Some(mut known) = pass.waiting.take() {
        let chosen = choose(&known, config, pass, attempts, now);
        // Somebody else may have taken or changed one of them since they were read.
        if !chosen.is_empty() && are_as_they_were(session, &chosen)? {
            leave(&mut known, &chosen);
            pass.waiting = Some(known);
            return Ok(Some(chosen));
        }
    }
    let mut known = VecDeque::from(outbox::waiting(session, now)?);
    let chosen = choose(&known, config, pass, attempts, now);
    leave(&mut known, &chosen);
    pass.waiting = Some(known);
    Ok((!chosen.is_empty()).then_some(chosen))
}

fn are_as_they_were(session: &mut dyn Session, rows: &[Delivery]) -> Result<bool> {
    for row in rows {
        if session.delivery(row.number)?.as_ref() != Some(row) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn leave(known: &mut VecDeque<Delivery>, chosen: &[Delivery]) {
    match chosen {
        [one] if known.front().is_some_and(|first| first.number == one.number) => drop(known.pop_front()),
        _ => {
            let numbers: BTreeSet<u64> = chosen.iter().map(|row| row.number).collect();
            known.retain(|row| !numbers.contains(&row.number));
        }
    }
}

/// The first row that is due and free, and those that are told with it.
fn choose(
    waiting: &VecDeque<Delivery>,
    config: &NotifyConfig,
    pass: &Pass,
    attempts: &Attempts,
    now: DateTime<Utc>,
) -> Vec<Delivery> {
    let mut blocked = attempts.sending();
    let next = waiting.iter().position(|row| {
        let due = row.next_attempt_at <= now;
        let free = !pass.resting.contains(&row.channel) && !blocked.contains(&lane(row));
        if !due {
            blocked.insert(lane(row));
        }
        due && free
    });
    let Some((at, first)) = next.and_then(|at| Some((at, waiting.get(at)?))) else { return Vec::new() };
    let rest = || waiting.iter().skip(at + 1);
    let mut with = crowd(first, rest(), config, attempts, blocked, now);
    if with.is_empty() {
        with = companions(first, rest(), config, pass, attempts, now);
    }
    let mut rows = vec![first.clone()];
    rows.append(&mut with);
    rows
}

/// Everything else that is due over the channel of `first`, where that is so much that nobody could read it one by one:
/// when thousands of services fail at once, people are told once.
fn crowd<'r>(
    first: &Delivery,
    rest: impl Iterator<Item = &'r Delivery>,
    config: &NotifyConfig,
    attempts: &Attempts,
    mut blocked: BTreeSet<Lane>,
    now: DateTime<Utc>,
) -> Vec<Delivery> {
    let kind = config.channels.get(&first.channel).map(|channel| channel.kind());
    // What cannot be read fails by itself, and nobody with it.
    let readable = |row: &Delivery| Entry::of(row).is_ok();
    if !kind.is_some_and(ChannelKind::takes_crowds) || attempts.in_doubt(first.number) || !readable(first) {
        return Vec::new();
    }
    let free = rest.filter(|row| row.channel == first.channel).filter(|row| {
        let free = row.next_attempt_at <= now && !attempts.in_doubt(row.number) && readable(row);
        if !free {
            blocked.insert(lane(row));
        }
        free && !blocked.contains(&lane(row))
    });
    let found: Vec<Delivery> = free.take(CROWD_LIMIT).cloned().collect();
    if found.len() >= CROWD { found } else { Vec::new() }
}

/// The late rows that are told together with `first`, once enough of the lane were told one by one.
fn companions<'r>(
    first: &Delivery,
    rest: impl Iterator<Item = &'r Delivery>,
    config: &NotifyConfig,
    pass: &Pass,
    attempts: &Attempts,
    now: DateTime<Utc>,
) -> Vec<Delivery> {
    let Some(channel) = config.channels.get(&first.channel) else { return Vec::new() };
    let told = pass.told.get(&lane(first)).copied().unwrap_or(0);
    let late = |row: &Delivery| {
        now - row.queued_at >= LATE && !attempts.in_doubt(row.number) && Entry::of(row).is_ok()
    };
    if !channel.kind().takes_digests()
        || told < channel.delivery(&config.delivery).digest_over
        || !late(first)
    {
        return Vec::new();
    }
    let same = rest.filter(|row| lane(row) == lane(first));
    same.take_while(|row| late(row)).take(DIGEST_LIMIT - 1).cloned().collect()
}

/// Rows whose sender is gone: nobody knows whether they arrived. Those that the receiver can tell apart are queued
/// again; the others are returned for the record, as ambiguous.
pub fn orphans(
    session: &mut dyn Session,
    config: &NotifyConfig,
    now: DateTime<Utc>,
) -> Result<Vec<Delivery>> {
    let mut attempts = Attempts::load(session)?;
    if attempts.0.values().all(|attempt| attempt.sender.is_none()) {
        return Ok(Vec::new());
    }
    let mut ambiguous = Vec::new();
    for mut row in session.deliveries_in(&[DeliveryState::Sending])? {
        let Some(attempt) = attempts.0.get(&row.number) else { continue };
        let gone = match attempt.sender.as_ref().map(ProcessIdentity::liveness) {
            None | Some(Liveness::Dead) => true,
            Some(Liveness::Alive | Liveness::Elsewhere) => now - row.changed_at >= GIVEN_UP,
        };
        if !gone {
            continue;
        }
        let again = !attempt.digest && deduplicates(config, &row);
        row.last_error = Some("its sender ended before the outcome was known".to_owned());
        row.changed_at = now;
        row.next_attempt_at = now;
        row.state = if again { DeliveryState::Queued } else { DeliveryState::Ambiguous };
        session.update_delivery(&row)?;
        if again {
            attempts.may_have_arrived(&row);
        } else {
            attempts.settle(row.number);
            ambiguous.push(row);
        }
    }
    attempts.save(session)?;
    Ok(ambiguous)
}

/// Whether the receiver of this row can tell a repeated message.
pub fn deduplicates(config: &NotifyConfig, row: &Delivery) -> bool {
    config.channels.get(&row.channel).map(|channel| channel.kind()).is_some_and(ChannelKind::deduplicates)
}
