//! What each service, and the round as a whole, said last. It is kept in the store: a later process must not say it
//! again, and whoever asks what stands now must hear of what could not be decided.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::shard::Shard;
use crate::base::{Error, ErrorCode, Result, Untrusted, Verdict};
use crate::config::Workspace;
use crate::store::Session;

/// The value that holds in how many parts the services were looked at last; empty where in one.
const PARTS: &str = "check.parts";

/// What was said of a service, or of the round as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    /// Its verdict.
    pub verdict: Verdict,
    /// Why, where it is not OK.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Each fact that stood, by a name of its own, as far as a difference in it is news.
    pub facts: BTreeMap<String, String>,
}

impl Default for Standing {
    fn default() -> Self {
        Self { verdict: Verdict::Ok, why: None, facts: BTreeMap::new() }
    }
}

/// The value of a service.
pub(super) fn of_service(service: &str) -> String {
    format!("check.standing.{service}")
}

/// The value of a round, or of one over a part of the services.
pub(super) fn of_round(shard: Option<Shard>) -> String {
    match shard {
        Some(shard) => format!("check.round.{shard}"),
        None => "check.round".to_owned(),
    }
}

/// None before anything was said.
pub(super) fn read(session: &mut dyn Session, key: &str) -> Result<Option<Standing>> {
    // What cannot be read is said again.
    Ok(session.value(key)?.and_then(|text| serde_json::from_str(&text).ok()))
}

pub(super) fn write(
    session: &mut dyn Session,
    key: &str,
    before: Option<&Standing>,
    now: &Standing,
) -> Result<()> {
    if before == Some(now) {
        return Ok(());
    }
    let text = serde_json::to_string(now)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("what was said: {error}")))?;
    session.set_value(key, &text)
}

/// Notes in how many parts the services are looked at.
pub(super) fn write_parts(session: &mut dyn Session, shard: Option<Shard>) -> Result<()> {
    let parts = shard.map(|shard| shard.of.to_string()).unwrap_or_default();
    if session.value(PARTS)?.unwrap_or_default() == parts {
        return Ok(());
    }
    session.set_value(PARTS, &parts)
}

/// What the last look could not decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Undecided {
    /// The service; absent where it concerns the round as a whole.
    pub service: Option<String>,
    /// UNKNOWN or BLOCKED.
    pub verdict: Verdict,
    /// Why.
    pub why: Untrusted,
}

/// What could not be decided when each service was last looked at. Nothing of what was never looked at is OK.
pub fn undecided(session: &mut dyn Session, workspace: &Workspace) -> Result<Vec<Undecided>> {
    let mut found = Vec::new();
    for service in workspace.services.keys() {
        let standing = read(session, &of_service(service))?.unwrap_or_else(|| Standing {
            verdict: Verdict::Unknown,
            why: Some("it was not looked at yet".to_owned()),
            ..Standing::default()
        });
        found.extend(gap(Some(service), standing));
    }
    let parts: u32 = session.value(PARTS)?.and_then(|parts| parts.parse().ok()).unwrap_or(0);
    let shards = (1..=parts).map(|number| Some(Shard { number, of: parts }));
    let rounds: Vec<_> = if parts == 0 { vec![None] } else { shards.collect() };
    for shard in rounds {
        // What a round says as a whole is told by its services, but where it lost one.
        let standing = read(session, &of_round(shard))?.filter(|standing| standing.why.is_some());
        found.extend(standing.and_then(|standing| gap(None, standing)));
    }
    Ok(found)
}

fn gap(service: Option<&String>, standing: Standing) -> Option<Undecided> {
    let Standing { verdict, why, .. } = standing;
    matches!(verdict, Verdict::Unknown | Verdict::Blocked).then(|| Undecided {
        service: service.cloned(),
        verdict,
        why: why.unwrap_or_else(|| "the last round could not tell".to_owned()).into(),
    })
}
