//! Services that need nothing at once, written down together: a transaction for each of thousands of them would write
//! the same pages of the store over and over.

use chrono::{DateTime, Utc};

use super::course::Stopped;
use super::measure::Measured;
use super::{Surroundings, blind, notices, owed, record};
use crate::base::{Error, ErrorCode, Result, fault};
use crate::config::{ServiceConfig, ServiceKind};
use crate::incident::{self, Observed};
use crate::severity::Outcome;

/// How many services are written down in one transaction: enough to write each page once, few enough to keep no other
/// process waiting.
const MOST: usize = 1000;

/// Services that were measured and judged, and are still to be written down.
#[derive(Default)]
pub struct Together<'a> {
    waiting: Vec<(usize, Stopped<'a>)>,
}

/// Whether nothing that a round found about a service has to be acted upon: no rule matches, not even one that is
/// blocked, and no incident is open.
pub fn can_wait(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    measured: &Measured,
) -> Result<bool> {
    let mut rules = measured.classification.rules.iter();
    let acts = rules.any(|rule| rule.outcome == Outcome::Matched || rule.holds_though_blocked);
    // Who needs a dataset is judged by what its incidents are.
    if acts || service.kind == ServiceKind::Dataset {
        return Ok(false);
    }
    surroundings.store.view(|session| Ok(incident::book::open(session, Some(&service.service))?.is_empty()))
}

impl<'a> Together<'a> {
    /// Takes a service in. Says whether there are enough to write down.
    pub fn add(&mut self, number: usize, one: Stopped<'a>) -> bool {
        self.waiting.push((number, one));
        self.waiting.len() >= MOST
    }

    /// Writes all of them down.
    ///
    /// Samples are safe to forget in a power failure, as if the round had been missed: nobody waits for the disk.
    pub fn write(&mut self, surroundings: &Surroundings<'_>, now: DateTime<Utc>) -> Result<Vec<Written<'a>>> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(Vec::new());
        }
        let stopped: Vec<&Stopped<'a>> = waiting.iter().map(|(_, one)| one).collect();
        let recorded: Vec<Result<Recorded>> = match record_all(surroundings, &stopped, now) {
            Ok(all) => all.into_iter().map(Ok).collect(),
            Err(error) if blind::is_state(error.code) => return Err(error),
            // What is wrong with one of them is no reason to write down none.
            Err(_) => stopped.iter().map(|one| record_one(surroundings, one, now)).collect(),
        };
        fault::point("check:recorded");
        let mut written = Vec::new();
        for ((number, mut one), recorded) in waiting.into_iter().zip(recorded) {
            let queued = recorded.and_then(|((observed, warming), owes)| {
                (one.observed, one.warming) = (observed, warming);
                one.let_go();
                if owes { notices::queue_owed(surroundings, one.service, &one.scheme) } else { Ok(()) }
            });
            match queued {
                Err(error) if blind::is_state(error.code) => return Err(error),
                queued => written.push((number, one, queued.err())),
            }
        }
        Ok(written)
    }
}

/// A service with its number, and what kept it from being written down.
pub type Written<'a> = (usize, Stopped<'a>, Option<Error>);

/// What it means for incidents, whether that it warms is news, and whether anybody has still to be told something.
type Recorded = ((Vec<Observed>, bool), bool);

fn record_all(
    surroundings: &Surroundings<'_>,
    all: &[&Stopped<'_>],
    now: DateTime<Utc>,
) -> Result<Vec<Recorded>> {
    let mut found = Vec::new();
    surroundings.store.write_relaxed(&mut |session| {
        found.clear();
        for one in all {
            let recorded = record::within(session, one.service, &one.scheme, &one.measured, now)?;
            found.push((recorded, owed::is_any(session, &one.service.service)?));
        }
        Ok(())
    })?;
    Ok(found)
}

fn record_one(surroundings: &Surroundings<'_>, one: &Stopped<'_>, now: DateTime<Utc>) -> Result<Recorded> {
    let mut found = record_all(surroundings, &[one], now)?;
    found.pop().ok_or_else(|| Error::new(ErrorCode::Bug, "a service was not written down"))
}
