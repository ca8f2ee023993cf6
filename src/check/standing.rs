//! What each service, and the round as a whole, said last. It is kept in the store: a later process must not say it
//! again, and whoever asks what stands now must hear of what could not be decided.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::shard::Shard;
use crate::base::{Error, ErrorCode, Result, Untrusted, Verdict};
use crate::config::Workspace;
use crate::store::Session;

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

/// Notes that a round could not judge a service: what was said of it before does not stand any more.
pub(super) fn not_judged(session: &mut dyn Session, service: &str, why: &str) -> Result<()> {
    let key = of_service(service);
    let known = read(session, &key)?;
    let facts = known.as_ref().map(|known| known.facts.clone()).unwrap_or_default();
    let now = Standing { verdict: Verdict::Unknown, why: Some(why.to_owned()), facts };
    write(session, &key, known.as_ref(), &now)
}

/// What the last look could not decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Undecided {
    /// The service.
    pub service: String,
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
        found.extend(gap(service, standing));
    }
    Ok(found)
}

fn gap(service: &str, standing: Standing) -> Option<Undecided> {
    let Standing { verdict, why, .. } = standing;
    matches!(verdict, Verdict::Unknown | Verdict::Blocked).then(|| Undecided {
        service: service.to_owned(),
        verdict,
        why: why.unwrap_or_else(|| "the last round could not tell".to_owned()).into(),
    })
}
