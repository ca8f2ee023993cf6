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
    /// The verdict that was said, where a round found this one and did not get to say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Verdict>,
    /// Why, where it is not OK.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Each fact that stood, by a name of its own, as far as a difference in it is news.
    pub facts: BTreeMap<String, String>,
}

impl Default for Standing {
    fn default() -> Self {
        Self { verdict: Verdict::Ok, told: None, why: None, facts: BTreeMap::new() }
    }
}

impl Standing {
    /// The verdict that was said.
    pub fn told(&self) -> Verdict {
        self.told.unwrap_or(self.verdict)
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

/// Notes what a round found, together with its samples: the round may not get to say it.
pub(super) fn judged(
    session: &mut dyn Session,
    service: &str,
    verdict: Verdict,
    why: Option<&str>,
) -> Result<()> {
    let key = of_service(service);
    let known = read(session, &key)?;
    let before = known.clone().unwrap_or_default();
    if before.verdict == verdict {
        return Ok(());
    }
    let told = Some(before.told());
    let now = Standing { verdict, told, why: why.map(str::to_owned), facts: before.facts };
    write(session, &key, known.as_ref(), &now)
}

/// Notes that a round could not judge a service: what was said of it before does not stand any more.
pub(super) fn not_judged(session: &mut dyn Session, service: &str, why: &str) -> Result<()> {
    judged(session, service, Verdict::Unknown, Some(why))
}

/// What the last look at a service found, where that was not good and no open incident says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NotGood {
    /// The service.
    pub service: String,
    /// Anything but OK.
    pub verdict: Verdict,
    /// Why.
    pub why: Untrusted,
}

/// What was not good when each service was last looked at. Nothing of what was never looked at is OK. What harms is left
/// out where an open incident is about the service, as `has_incident` knows; what is not known is not.
pub fn not_good(
    session: &mut dyn Session,
    workspace: &Workspace,
    has_incident: &dyn Fn(&str) -> bool,
) -> Result<Vec<NotGood>> {
    let mut found = Vec::new();
    for service in workspace.services.keys() {
        let standing = read(session, &of_service(service))?.unwrap_or_else(|| Standing {
            verdict: Verdict::Unknown,
            why: Some("it was not looked at yet".to_owned()),
            ..Standing::default()
        });
        let said = match standing.verdict {
            Verdict::Ok => true,
            Verdict::Warn | Verdict::Crit => has_incident(service),
            Verdict::Unknown | Verdict::Blocked => false,
        };
        if !said {
            let why = standing.why.unwrap_or_else(|| "the last round did not say why".to_owned()).into();
            found.push(NotGood { service: service.clone(), verdict: standing.verdict, why });
        }
    }
    Ok(found)
}
