//! Guards: cooldown, daily cap, breaker. They bind automation; a human sees them and may go on.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

use super::config::GuardsConfig;
use super::plan::Plan;
use crate::base::clock::{Elapsed, format_instant};
use crate::base::{Digest, Result};
use crate::operation::directory::Directory;
use crate::operation::listing::{self, Listed};
use crate::operation::{Ending, Summary};
use crate::store::Actor;

/// What a guard says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuardState {
    /// It lets pass.
    Passes,
    /// It refuses.
    Refuses,
    /// It cannot tell; automation takes that for a no.
    Unknown,
}

/// A guard and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Guard {
    /// Its name.
    pub name: String,
    /// What it says.
    pub state: GuardState,
    /// Why.
    pub why: String,
}

impl Guard {
    /// A guard's word.
    pub fn new(name: &str, state: GuardState, why: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state, why: why.into() }
    }
}

/// A rollback of the past, as guards see it.
#[derive(Debug, Clone)]
pub struct Past {
    /// When (UTC).
    pub at: DateTime<Utc>,
    /// From which version to which.
    pub pair: Option<(Digest, Digest)>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
}

/// The rollbacks of a service that switched, of all operations that there are, oldest first; and what automation began
/// and had to undo: it must not try the same every round.
pub fn past(all: &[Listed], service: &str) -> Vec<Past> {
    let past = |one: &Listed| {
        let summary = &one.summary;
        let kind = matches!(summary.kind.as_str(), "rollback" | "undo" | "redo");
        if summary.service != service || !kind {
            return None;
        }
        let at = summary.created_at;
        match summary.ending {
            Some(Ending::Restored | Ending::Unproven) => {
                let pair = one.from.clone().zip(one.to.clone());
                Some(Past { at, pair, duration_ms: summary.duration_ms })
            }
            // One that was only planned, and left, has no duration.
            Some(Ending::Undone) if summary.actor == Actor::Automation && summary.duration_ms.is_some() => {
                Some(Past { at, pair: None, duration_ms: None })
            }
            _ => None,
        }
    };
    all.iter().filter_map(past).collect()
}

/// What a history that cannot be read says: nobody knows how often, and how lately, this service was rolled back.
pub fn history(state: &Path, service: &str) -> Result<Option<Guard>> {
    let unreadable = listing::unreadable(state, service)?;
    Ok((!unreadable.is_empty()).then(|| Guard::new("history", GuardState::Unknown, unreadable.join("; "))))
}

/// The last rollback of a service, or its undo, that got as far as changing something.
#[derive(Debug, Clone)]
pub struct Last {
    /// The operation.
    pub operation: String,
    /// When it was planned (UTC).
    pub at: DateTime<Utc>,
    /// The incident that it answered.
    pub incident: Option<String>,
    /// Whether it ended restored, which includes that its suite passed where it has one.
    pub proven: bool,
    /// The version it went to.
    pub to: Option<Digest>,
    /// What people call that version.
    pub name: String,
}

/// The last rollback of a service.
pub fn last(state: &Path, service: &str) -> Result<Option<Last>> {
    let ours = |one: &Summary| {
        let kind = matches!(one.kind.as_str(), "rollback" | "undo" | "redo");
        one.service == service && kind && one.acted && one.ending != Some(Ending::Undone)
    };
    let Some(one) = listing::list(state)?.into_iter().rfind(ours) else { return Ok(None) };
    let plan = plan_of(state, &one.id);
    Ok(Some(Last {
        at: one.created_at,
        incident: one.incident,
        proven: one.ending == Some(Ending::Restored),
        to: plan.as_ref().and_then(|plan| plan.to.digest.clone()),
        name: plan.map(|plan| plan.to.shown()).unwrap_or_default(),
        operation: one.id,
    }))
}

/// The plan of an operation, where it can be read.
pub(super) fn plan_of(state: &Path, id: &str) -> Option<Plan> {
    let (pinned, _) = Directory::open(state, id).ok()?.pinned().ok()??;
    serde_json::from_value(pinned.plan).ok()
}

/// What each guard says about going from one version to another now.
pub fn judge(
    config: &GuardsConfig,
    past: &[Past],
    from: Option<&Digest>,
    to: &Digest,
    now: DateTime<Utc>,
) -> Vec<Guard> {
    // A clock that went backwards makes every elapsed time a guess.
    if let Some(later) = past.iter().map(|one| one.at).max().filter(|at| *at > now) {
        let why = format!(
            "the clock went backwards: it is {} but a rollback is recorded at {}",
            format_instant(now),
            format_instant(later)
        );
        return vec![Guard::new("clock", GuardState::Unknown, why)];
    }
    let mut guards = Vec::new();
    if let Some(cooldown) = config.cooldown {
        guards.push(judge_cooldown(cooldown.approximate(), past, now));
    }
    if let Some(limit) = config.max_per_day {
        let today = past.iter().filter(|one| now - one.at < TimeDelta::hours(24)).count();
        let state = if today < limit as usize { GuardState::Passes } else { GuardState::Refuses };
        guards.push(Guard::new("max_per_day", state, format!("{today} of {limit} in the last 24 hours")));
    }
    guards.push(judge_breaker(config.breaker.approximate(), past, from, to, now));
    guards
}

fn judge_cooldown(cooldown: TimeDelta, past: &[Past], now: DateTime<Utc>) -> Guard {
    let Some(last) = past.iter().map(|one| one.at).max() else {
        return Guard::new("cooldown", GuardState::Passes, "no rollback before this one");
    };
    let state = if now - last >= cooldown { GuardState::Passes } else { GuardState::Refuses };
    let why =
        format!("the last rollback was {} ago, the cooldown is {}", Elapsed(now - last), Elapsed(cooldown));
    Guard::new("cooldown", state, why)
}

fn judge_breaker(
    within: TimeDelta,
    past: &[Past],
    from: Option<&Digest>,
    to: &Digest,
    now: DateTime<Utc>,
) -> Guard {
    let same = |one: &&Past| {
        let Some((a, b)) = &one.pair else { return false };
        let Some(from) = from else { return false };
        now - one.at < within && ((a, b) == (from, to) || (b, a) == (from, to))
    };
    match past.iter().rev().find(same) {
        None => Guard::new("breaker", GuardState::Passes, "these two versions were not switched lately"),
        Some(one) => Guard::new(
            "breaker",
            GuardState::Refuses,
            format!("these two versions were switched {} ago already", Elapsed(now - one.at)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Duration;
    use crate::base::clock::parse_instant;

    fn states(guards: &[Guard]) -> Vec<(&str, GuardState)> {
        guards.iter().map(|guard| (guard.name.as_str(), guard.state)).collect()
    }

    #[test]
    fn guards_refuse_what_comes_too_soon_too_often_or_back_again() {
        use GuardState::{Passes, Refuses, Unknown};
        let now = parse_instant("2026-11-20T03:07:00Z").unwrap();
        let (a, b, c) = (Digest::of(b"a"), Digest::of(b"b"), Digest::of(b"c"));
        let config = GuardsConfig {
            cooldown: Some(Duration::minutes(15)),
            max_per_day: Some(2),
            ..GuardsConfig::default()
        };
        let at = |minutes| Past {
            at: now - TimeDelta::minutes(minutes),
            pair: Some((a.clone(), b.clone())),
            duration_ms: None,
        };
        let judge = |past: &[Past], from: &Digest, to: &Digest| judge(&config, past, Some(from), to, now);
        let of = |past: &[Past], from, to| {
            states(&judge(past, from, to)).into_iter().map(|(_, state)| state).collect::<Vec<_>>()
        };
        assert_eq!(of(&[], &a, &b), [Passes, Passes, Passes]);
        assert_eq!(of(&[at(15)], &a, &c), [Passes, Passes, Passes], "exactly the cooldown is over");
        assert_eq!(of(&[at(14)], &a, &c), [Refuses, Passes, Passes]);
        assert_eq!(of(&[at(600), at(60)], &a, &c), [Passes, Refuses, Passes]);
        assert_eq!(of(&[at(60)], &b, &a), [Passes, Passes, Refuses], "back again");
        assert_eq!(of(&[at(24 * 60)], &b, &a), [Passes, Passes, Passes]);
        assert_eq!(states(&judge(&[at(-1)], &a, &b)), [("clock", Unknown)]);
    }

    fn record(state: &Path, actor: Actor, ended: bool) -> Directory {
        use crate::operation::{Pinned, RecordKind};
        let at = parse_instant("2026-11-20T03:07:00Z").unwrap();
        let directory = Directory::create(state, at).unwrap();
        let pinned = Pinned {
            format: Pinned::format(),
            id: directory.id.clone(),
            kind: "rollback".into(),
            service: "s".into(),
            created_at: at,
            actor,
            incident: None,
            reason: None,
            host: "example.org".into(),
            claims: Vec::new(),
            plan: serde_json::Value::Null,
            steps: Vec::new(),
            configuration: serde_json::Value::Null,
        };
        let mut journal = directory.pin(&pinned).unwrap();
        if ended {
            let (ending, summary) = (Ending::Undone, "undone".to_owned());
            journal.append(at, RecordKind::Ended { ending, summary, duration_ms: 5 }).unwrap();
        }
        directory
    }

    #[test]
    fn what_automation_had_to_undo_counts_and_what_cannot_be_read_is_unknown() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        record(state, Actor::Automation, false);
        record(state, Actor::Human("kim".into()), true);
        assert!(
            past(&listing::list_all(state).unwrap(), "s").is_empty(),
            "a plan that was left, and a human's own try"
        );
        let tried = record(state, Actor::Automation, true);
        assert_eq!(past(&listing::list_all(state).unwrap(), "s").len(), 1);
        assert!(history(state, "s").unwrap().is_none());
        fs_err::write(tried.path.join("journal.jsonl"), "rubbish\nrubbish\n").unwrap();
        assert!(past(&listing::list_all(state).unwrap(), "s").is_empty());
        let guard = history(state, "s").unwrap().unwrap();
        assert_eq!(guard.state, GuardState::Unknown);
        assert!(guard.why.contains(&tried.id), "{}", guard.why);
        assert!(history(state, "other").unwrap().is_none(), "it is known to be of another service");
    }
}
