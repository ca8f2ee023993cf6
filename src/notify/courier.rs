//! The courier: takes what is due from the outbox to the channels, one message at a time.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::channels::http::Transport;
use super::channels::{self, Outcome, Parcel, Surroundings};
use super::claim::{self, Attempts, Claimed, Pass};
use super::config::NotifyConfig;
use super::crowd;
use super::message::{Composed, Composer, Dispatch, identifier};
use super::outbox::{self, Entry};
use super::record::{self, Ended};
use crate::base::{Clock, Result, Secret, SecretReference, fault, host};
use crate::store::{Delivery, DeliveryState, Store};

/// How long to leave a lane alone that is due and cannot be claimed.
const PAUSE: TimeDelta = TimeDelta::milliseconds(50);

/// Everything that delivering needs.
pub struct Courier<'a> {
    /// Where the outbox is.
    pub store: &'a dyn Store,
    /// Channels and templates.
    pub config: &'a NotifyConfig,
    /// The workspace's own templates, by name.
    pub overrides: &'a BTreeMap<String, String>,
    /// The workspace: files are inside it.
    pub root: &'a Path,
    /// Fetches secrets.
    pub resolver: &'a dyn Fn(&SecretReference) -> Result<Secret>,
    /// The clock.
    pub clock: &'a Clock,
    /// Numbers in [0, 1) that spread retries.
    pub jitter: &'a dyn Fn() -> f64,
    /// How long to stay for retries that come due; zero tries what is due and leaves.
    pub patience: std::time::Duration,
}

/// How a round of deliveries went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// How many were delivered.
    pub delivered: u32,
    /// How many failed for good.
    pub failed: u32,
    /// How many may or may not have arrived.
    pub ambiguous: u32,
    /// How many wait to be sent, now or later.
    pub waiting: u32,
    /// What went wrong, and for which delivery.
    pub problems: Vec<Problem>,
}

/// A delivery that did not go well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// The delivery's number.
    pub delivery: u64,
    /// The channel.
    pub channel: String,
    /// Where it stands now.
    pub state: DeliveryState,
    /// Why.
    pub error: String,
}

impl Summary {
    /// Whether everything that was in the outbox has been told.
    pub fn is_clear(&self) -> bool {
        self.waiting == 0 && self.failed == 0 && self.ambiguous == 0
    }

    fn count(&mut self, row: &Delivery) {
        match row.state {
            DeliveryState::Delivered => self.delivered += 1,
            DeliveryState::Failed => self.failed += 1,
            DeliveryState::Ambiguous => self.ambiguous += 1,
            DeliveryState::Queued | DeliveryState::Sending => {}
        }
        self.problems.retain(|problem| problem.delivery != row.number);
        self.problems.extend(row.last_error.as_ref().map(|error| Problem {
            delivery: row.number,
            channel: row.channel.clone(),
            state: row.state,
            error: error.clone(),
        }));
    }
}

impl Courier<'_> {
    /// Delivers what is due, and what comes due within [`Courier::patience`]. What a channel answers is in the
    /// summary; an error means that the store could not be used.
    pub fn deliver_due(&self) -> Result<Summary> {
        let mut now = self.clock.now()?;
        let mut summary = Summary::default();
        if self.nothing_to_do(now)? {
            summary.waiting = self.waiting(now)?;
            return Ok(summary);
        }
        let until = now + TimeDelta::from_std(self.patience).unwrap_or(TimeDelta::zero());
        let transport = Transport::default();
        self.bury_orphans(&mut summary, now)?;
        loop {
            self.pass(&transport, &mut summary, now)?;
            match self.next(now)?.filter(|next| *next <= until) {
                Some(next) => now = self.wait(now, next)?,
                None => break,
            }
        }
        summary.waiting = self.waiting(now)?;
        Ok(summary)
    }

    fn nothing_to_do(&self, now: DateTime<Utc>) -> Result<bool> {
        self.store.view(|session| {
            Ok(session.deliveries(Some(now))?.is_empty() && Attempts::load(session)?.is_empty())
        })
    }

    fn waiting(&self, now: DateTime<Utc>) -> Result<u32> {
        let waiting = self.store.view(|session| outbox::waiting(session, now))?;
        Ok(u32::try_from(waiting.len()).unwrap_or(u32::MAX))
    }

    /// When it is worth looking again: when the first of some lane comes due, and not at once, so that a lane in
    /// which somebody else is sending does not spin.
    fn next(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
        let waiting = self.store.view(|session| outbox::waiting(session, now))?;
        let mut lanes = BTreeSet::new();
        let first = waiting.iter().filter(|row| lanes.insert(claim::lane(row)));
        Ok(first.map(|row| row.next_attempt_at.max(now + PAUSE)).min())
    }

    /// Sleeps until `at`; a clock that stands still (in tests) is taken to have arrived there.
    fn wait(&self, now: DateTime<Utc>, at: DateTime<Utc>) -> Result<DateTime<Utc>> {
        std::thread::sleep((at - now).to_std().unwrap_or_default());
        Ok(self.clock.now()?.max(at))
    }

    fn bury_orphans(&self, summary: &mut Summary, now: DateTime<Utc>) -> Result<()> {
        let ambiguous = self.store.with(|session| {
            let rows = claim::orphans(session, self.config, now)?;
            for event in rows.iter().filter_map(|row| record::settled(row, None, now)) {
                session.append(event)?;
            }
            Ok(rows)
        })?;
        ambiguous.iter().for_each(|row| summary.count(row));
        Ok(())
    }

    /// Sends everything that is due, until each channel is done or does not answer.
    fn pass(&self, transport: &Transport, summary: &mut Summary, floor: DateTime<Utc>) -> Result<()> {
        let sender = host::current();
        let mut pass = Pass::default();
        loop {
            let now = self.clock.now()?.max(floor);
            let claimed =
                self.store.with(|session| claim::claim(session, self.config, &mut pass, &sender, now))?;
            let Some(claimed) = claimed else { return Ok(()) };
            fault::point("notify.claimed");
            let (outcome, fallback) = self.send(transport, &claimed, now);
            fault::point("notify.sent");
            let now = self.clock.now()?.max(floor);
            let jitter = (self.jitter)();
            let ended = Ended { outcome: &outcome, fallback: fallback.as_deref(), jitter };
            let rows =
                self.store.with(|session| record::settle(session, self.config, &claimed, &ended, now))?;
            rows.iter().for_each(|row| summary.count(row));
            remember(&mut pass, &claimed, &outcome);
        }
    }

    fn send(
        &self,
        transport: &Transport,
        claimed: &Claimed,
        now: DateTime<Utc>,
    ) -> (Outcome, Option<String>) {
        let failed = |error: String| (Outcome::Failed { error }, None);
        let Some(first) = claimed.rows.first() else { return failed("nothing to send".into()) };
        let Some(channel) = self.config.channels.get(&first.channel) else {
            let channel = first.channel.escape_debug();
            return failed(format!("there is no channel `{channel}` in config/notify.yaml"));
        };
        let composer = Composer { config: self.config, overrides: self.overrides };
        let (id, composed) = match compose_rows(&composer, &claimed.rows, now) {
            Ok(Some(composed)) => composed,
            Ok(None) => return failed("nothing to send".into()),
            Err(error) => return failed(error.message),
        };
        let parcel =
            Parcel { id: &id, message: &composed.message, possibly_arrived: claimed.possibly_arrived };
        let around = Surroundings {
            root: self.root,
            resolver: self.resolver,
            transport,
            now,
            timeout: channel.delivery(&self.config.delivery).timeout.to_std(),
        };
        (channels::send(channel, &parcel, &around), composed.fallback)
    }
}

/// The message that says these rows, and its identifier: one row as itself, several as a digest.
pub fn compose_rows(
    composer: &Composer<'_>,
    rows: &[Delivery],
    now: DateTime<Utc>,
) -> Result<Option<(String, Composed)>> {
    let Some(first) = rows.first() else { return Ok(None) };
    let Some(kind) = composer.config.channels.get(&first.channel).map(super::ChannelConfig::kind) else {
        return Ok(None);
    };
    let id = identifier(rows.iter().map(|row| row.deduplication_key.as_str()));
    let entries = rows.iter().map(Entry::of).collect::<Result<Vec<_>>>()?;
    let witness = entries.last().and_then(|entry| entry.witness.clone());
    let dispatch =
        Dispatch { id: &id, queued_at: first.queued_at, sent_at: now, witness: witness.as_deref() };
    let composed = match entries.as_slice() {
        [only] => Some(composer.compose(&only.notice, kind, &dispatch)),
        _ => {
            let notices: Vec<_> = entries
                .into_iter()
                .map(|entry| entry.notice)
                .zip(rows.iter().map(|row| row.queued_at))
                .collect();
            if crowd::is_one(&notices) {
                crowd::compose(composer, notices, kind, &dispatch)
            } else {
                composer.digest(&notices, kind, &dispatch)
            }
        }
    };
    Ok(composed.map(|composed| (id, composed)))
}

fn remember(pass: &mut Pass, claimed: &Claimed, outcome: &Outcome) {
    let Some(first) = claimed.rows.first() else { return };
    match outcome {
        Outcome::Delivered { .. } => {
            *pass.told.entry((first.channel.clone(), first.incident.clone())).or_default() += 1;
        }
        Outcome::Failed { .. } => {}
        Outcome::Retry { .. } | Outcome::Ambiguous { .. } => {
            pass.resting.insert(first.channel.clone());
        }
    }
}
