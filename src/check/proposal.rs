//! What a level proposes that automation never does by itself: a rollback that a human has to weigh.

use schemars::JsonSchema;
use serde::Serialize;

use super::notices::kind;
use crate::base::Untrusted;
use crate::config::ServiceConfig;
use crate::incident::{Incident, State};
use crate::severity::{LevelConfig, Proposes};

/// A command that is proposed, with what speaks for it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Proposal {
    /// The command.
    pub command: String,
    /// The command that shows the plan, and whether it would have helped, without changing anything.
    pub look: String,
    /// The rules that matched, and why.
    pub evidence: Vec<Untrusted>,
}

/// What the level of an incident proposes for its service.
pub fn of(service: &ServiceConfig, level: Option<&LevelConfig>, incident: &Incident) -> Option<Proposal> {
    let asks = level.is_some_and(|level| level.proposes == Some(Proposes::Rollback));
    if !asks || service.rollback.is_none() || !matches!(incident.state, State::Triage | State::Active) {
        return None;
    }
    let command = format!("irctl rollback --{} {} --to prev", kind(service), service.service);
    Some(Proposal {
        look: format!("{command} --dry-run"),
        command,
        evidence: incident.rules.iter().map(|rule| rule.reason.clone()).collect(),
    })
}
