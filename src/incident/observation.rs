//! What a check round found about a symptom, and what that changed.

use std::collections::BTreeMap;

use super::event::{DetectedBy, EvidenceInput, Level, Reading, RuleReason};
use super::policy::Finding;
use super::state::Incident;
use crate::base::{Digest, Untrusted};

/// What a round found about one symptom of one service.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The service.
    pub service: String,
    /// The symptom.
    pub symptom: String,
    /// What it says.
    pub finding: Finding,
    /// The rules that matched.
    pub rules: Vec<RuleReason>,
    /// What was looked at: for a bucketed metric its newest closed bucket, for a file its digest. Naming a file
    /// whose bytes change without saying anything new would make old evidence look new.
    pub inputs: Vec<EvidenceInput>,
    /// The version that serves.
    pub version: Option<Digest>,
    /// One line for people, with the values.
    pub summary: Untrusted,
    /// The title of an incident that this opens.
    pub title: Untrusted,
    /// Its description.
    pub description: Untrusted,
    /// The scheme that judged.
    pub scheme: String,
    /// The runbook of the rule that decided.
    pub runbook: Option<String>,
    /// What to do first.
    pub first_action: Option<Untrusted>,
    /// The values.
    pub metrics: BTreeMap<String, Reading>,
    /// What is affected besides the service.
    pub affected_services: Vec<Untrusted>,
    /// A check round or an alert.
    pub detected_by: DetectedBy,
}

/// What an observation changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing is open, and nothing has to be.
    Quiet,
    /// An incident was opened.
    Opened,
    /// The last one began again.
    Reopened,
    /// The level rose from this one.
    Raised(Level),
    /// The level fell from this one.
    Lowered(Level),
    /// It is over.
    Resolved,
    /// An incident is open and stays as it is.
    Unchanged,
    /// The version that serves has no evidence of its own yet; the open incident waits for it.
    Warming,
    /// A person ended the incident, and the same evidence is still there: it is not opened again.
    Settled,
}

/// What an observation led to.
#[derive(Debug, Clone)]
pub struct Observed {
    /// What changed.
    pub change: Change,
    /// The incident concerned, as it is now.
    pub incident: Option<Incident>,
    /// Whether the evidence was recorded as an event.
    pub recorded: bool,
}
