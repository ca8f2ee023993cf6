//! `irctl classify --replay`: what other rules would have made of the past.
//!
//! The past is what the store holds: the samples as they were known at each round, and the incidents with what people
//! did about them. Nothing is asked and no clock is read, so that the answer is the same every time.

mod incidents;
mod rounds;
mod tape;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::base::Result;
use crate::config::Workspace;
use crate::incident::deadlines::PromiseKind;
use crate::incident::{Book, Incident, Standing};
use crate::severity::{Scheme, SchemeConfig};
use crate::store::{Actor, Store};

/// The past under other rules.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Replay {
    /// The scheme.
    pub scheme: String,
    /// From when on (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Until when (UTC); deadlines are judged as of then. Without a given end it is the newest thing in the store.
    pub to: DateTime<Utc>,
    /// How many rounds were judged again.
    pub rounds: u64,
    /// The incidents of the scheme in that time, oldest first.
    pub incidents: Vec<ReplayedIncident>,
    /// What would have been incidents and was none.
    pub would_open: Vec<WouldOpen>,
    /// How many incidents of other schemes were left aside.
    pub other_schemes: usize,
    /// What cannot be replayed, and why.
    pub not_replayed: Vec<NotReplayed>,
}

/// An incident under the other rules.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ReplayedIncident {
    /// The incident.
    pub incident: String,
    /// The service.
    pub service: String,
    /// The symptom.
    pub symptom: String,
    /// When it was opened (UTC).
    pub opened_at: DateTime<Utc>,
    /// The highest level that it had.
    pub was: String,
    /// The highest level that it would have had; absent where no rule would have matched.
    pub would_be: Option<String>,
    /// Whether that is another level.
    pub changes: bool,
    /// The rules that would have matched at that level, and why.
    pub rules: Vec<Reason>,
    /// When that level would have been reached (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached_at: Option<DateTime<Utc>>,
    /// Whether an undecided rule could have made it worse.
    pub at_least: bool,
    /// What was promised under both levels and what became of it.
    pub deadlines: Vec<Deadline>,
    /// The roles that its level told.
    pub told: Vec<String>,
    /// The roles that the other level would have told.
    pub would_tell: Vec<String>,
    /// Why this is less certain than it looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
}

/// A rule that would have matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reason {
    /// The rule.
    pub rule: String,
    /// Why.
    pub reason: String,
}

/// A promise under both levels.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Deadline {
    /// What was promised.
    pub promise: PromiseKind,
    /// What became of it; absent where it was not promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<Kept>,
    /// What would have become of it, had everybody done what they did when they did it; absent where it would not
    /// have been promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_be: Option<Kept>,
}

/// A deadline and whether it was kept.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Kept {
    /// By when (UTC).
    pub due: DateTime<Utc>,
    /// What became of it.
    pub standing: Standing,
}

/// Something that would have been an incident.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WouldOpen {
    /// The service.
    pub service: String,
    /// The symptom.
    pub symptom: String,
    /// The highest level.
    pub level: String,
    /// The first round that would have seen it (UTC).
    pub first: DateTime<Utc>,
    /// The last round that would have seen it (UTC).
    pub last: DateTime<Utc>,
    /// The rules at that level, and why.
    pub rules: Vec<Reason>,
    /// The roles that would have been told.
    pub would_tell: Vec<String>,
}

/// What cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NotReplayed {
    /// The incident or service.
    pub subject: String,
    /// Why.
    pub reason: String,
}

/// Judges the past by `rules` instead of the scheme of the same name.
///
/// # Errors
/// Rules that do not compile; a store that cannot be read.
pub fn replay(
    workspace: &Workspace,
    store: &dyn Store,
    rules: &SchemeConfig,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
) -> Result<Replay> {
    let other = Scheme::compile_or_error(rules)?;
    let present = workspace.schemes.get(other.name()).map(Scheme::compile_or_error).transpose()?;
    let listed =
        store.view(|session| Book::new(session, Actor::Automation, DateTime::UNIX_EPOCH).list(None))?;
    let within = |incident: &&Incident| {
        from.is_none_or(|from| incident.opened_at >= from) && to.is_none_or(|to| incident.opened_at <= to)
    };
    let all: Vec<&Incident> = listed.iter().filter(within).collect();
    let (own, others): (Vec<&Incident>, Vec<&Incident>) =
        all.into_iter().partition(|incident| incident.scheme == other.name());
    let mut services: std::collections::BTreeSet<&str> =
        own.iter().map(|incident| incident.service.as_str()).collect();
    let judged = workspace.services.values().filter(|service| service.scheme == other.name());
    services.extend(judged.map(|service| service.service.as_str()));
    let mut past = rounds::Past { other: &other, present: present.as_ref(), from, to, services: Vec::new() };
    for service in services {
        // Also those from before: they say what was open already.
        let incidents: Vec<&Incident> = listed
            .iter()
            .filter(|incident| incident.service == service && incident.scheme == other.name())
            .collect();
        past.judge(store, service, &incidents)?;
    }
    let end = to.or_else(|| past.newest(&listed)).unwrap_or(DateTime::UNIX_EPOCH);
    let mut found = Replay {
        scheme: other.name().to_owned(),
        from,
        to: end,
        rounds: past.services.iter().map(|service| service.rounds.len() as u64).sum(),
        incidents: Vec::new(),
        would_open: Vec::new(),
        other_schemes: others.len(),
        not_replayed: Vec::new(),
    };
    for incident in &own {
        match incidents::replayed(&past, incident, end) {
            Ok(replayed) => found.incidents.push(replayed),
            Err(reason) => found.not_replayed.push(NotReplayed { subject: incident.id.clone(), reason }),
        }
    }
    for service in &past.services {
        if service.rounds.is_empty() {
            let reason = "no sample of it is stored for that time".to_owned();
            found.not_replayed.push(NotReplayed { subject: service.service.clone(), reason });
        }
        let incidents: Vec<&Incident> =
            listed.iter().filter(|incident| incident.service == service.service).collect();
        found.would_open.extend(incidents::would_open(&other, service, &incidents, end));
    }
    Ok(found)
}
