//! What people still have to be told, written together with the change itself: a crash between the two loses nothing.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::base::{Error, ErrorCode, Result};
use crate::incident::{Change, Observed};
use crate::store::Session;

/// One thing to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// The incident.
    pub incident: String,
    /// What happened to it.
    pub what: What,
    /// When (UTC).
    pub at: DateTime<Utc>,
}

/// What happened to an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// It was opened, or opened again.
    Opened,
    /// Its level rose from this one.
    Raised(String),
    /// Its level fell from this one.
    Lowered(String),
    /// It is over.
    Resolved,
    /// The service was contained, with this proof.
    Contained(Option<String>),
    /// It makes a pattern with earlier ones, in one sentence.
    Pattern(String),
}

/// What a change of an incident makes to be told.
pub fn what(change: &Change) -> Option<What> {
    Some(match change {
        Change::Opened | Change::Reopened => What::Opened,
        Change::Raised(from) => What::Raised(from.name.clone()),
        Change::Lowered(from) => What::Lowered(from.name.clone()),
        Change::Resolved => What::Resolved,
        Change::Quiet | Change::Unchanged | Change::Warming | Change::Settled => return None,
    })
}

/// What an observation makes to be told.
pub fn of(observed: &Observed, at: DateTime<Utc>) -> Option<Owed> {
    let what = what(&observed.change)?;
    Some(Owed { incident: observed.incident.as_ref()?.id.clone(), what, at })
}

fn key(service: &str) -> String {
    format!("check.owed.{service}")
}

fn kept_back(service: &str) -> String {
    format!("check.owed_kept_back.{service}")
}

/// Keeps what is to be told of a service for when its maintenance is over.
pub fn keep_back(session: &mut dyn Session, service: &str) -> Result<()> {
    if read(session, service)?.is_empty() {
        return Ok(());
    }
    session.set_value(&kept_back(service), "yes")
}

/// What is left to be told after a maintenance: nothing of what began and ended in it, and where something lasts, that
/// it does. Without one, everything.
pub fn after_maintenance(
    session: &mut dyn Session,
    service: &str,
    all: Vec<Owed>,
    is_open: &dyn Fn(&str) -> bool,
) -> Result<Vec<Owed>> {
    if session.value(&kept_back(service))?.is_none_or(|text| text.is_empty()) {
        return Ok(all);
    }
    session.set_value(&kept_back(service), "")?;
    let opened: Vec<String> =
        all.iter().filter(|one| one.what == What::Opened).map(|one| one.incident.clone()).collect();
    let passing = |one: &Owed| opened.contains(&one.incident) && !is_open(&one.incident);
    Ok(all.into_iter().filter(|one| !passing(one)).collect())
}

/// Adds to what is to be told of a service, in the transaction of the change.
pub fn owe(session: &mut dyn Session, service: &str, more: Vec<Owed>) -> Result<()> {
    if more.is_empty() {
        return Ok(());
    }
    let mut all = read(session, service)?;
    all.extend(more);
    let text = serde_json::to_string(&all)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("what is to be told: {error}")))?;
    session.set_value(&key(service), &text)
}

/// Whether anything is to be told of a service.
pub fn is_any(session: &mut dyn Session, service: &str) -> Result<bool> {
    Ok(session.value(&key(service))?.is_some_and(|text| !text.is_empty()))
}

/// Takes what is to be told of a service, an incident at a time, in the transaction that queues it.
pub fn take(session: &mut dyn Session, service: &str) -> Result<Vec<Owed>> {
    let all = read(session, service)?;
    if !all.is_empty() {
        session.set_value(&key(service), "")?;
    }
    let first = |id: &str| all.iter().position(|owed| owed.incident == id);
    let mut sorted = all.clone();
    sorted.sort_by_key(|owed| first(&owed.incident));
    Ok(sorted)
}

fn read(session: &mut dyn Session, service: &str) -> Result<Vec<Owed>> {
    let text = session.value(&key(service))?.filter(|text| !text.is_empty());
    // What a newer irctl owes must not keep this one from checking; it is told by that one.
    Ok(text.map_or_else(Vec::new, |text| {
        serde_json::from_str(&text).unwrap_or_else(|error| {
            tracing::warn!("what is to be told of {service} cannot be read: {error}");
            Vec::new()
        })
    }))
}
