//! Protocol 25's incident record, and `incident-log.json`: a list of them with what became of each.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

use crate::base::Untrusted;
use crate::incident::deadlines::{PromiseKind, promises};
use crate::incident::{Incident, Standing, State};

/// An incident in the seven fields of Protocol 25.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct IncidentRecord {
    /// The identifier, `INC-YYYYMMDD-HHMMSS`.
    pub incident_id: String,
    /// The worst level it had.
    pub severity: String,
    /// One line for people.
    pub title: Untrusted,
    /// More than the title.
    pub description: Untrusted,
    /// When it was noticed (UTC).
    pub detected_at: DateTime<Utc>,
    /// The services affected, its own first.
    pub affected_services: Vec<Untrusted>,
    /// The values at opening, in their units' own numbers: 25 % is 0.25.
    pub metrics: BTreeMap<String, f64>,
}

/// What people wrote, else what the rules said.
fn described(incident: &Incident) -> Untrusted {
    if !incident.description.raw().trim().is_empty() {
        return incident.description.clone();
    }
    let reasons: Vec<&str> = incident.rules.iter().map(|rule| rule.reason.raw()).collect();
    reasons.join("; ").into()
}

impl IncidentRecord {
    /// The record of an incident.
    pub fn of(incident: &Incident) -> Self {
        let mut services: Vec<Untrusted> = vec![incident.service.as_str().into()];
        services
            .extend(incident.affected_services.iter().filter(|name| name.raw() != incident.service).cloned());
        Self {
            incident_id: incident.id.clone(),
            severity: incident.peak.name.clone(),
            title: incident.title.clone(),
            description: described(incident),
            detected_at: incident.detected_at.unwrap_or(incident.opened_at),
            affected_services: services,
            metrics: incident.metrics.iter().map(|(name, reading)| (name.clone(), reading.value)).collect(),
        }
    }
}

/// An entry of `incident-log.json`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LogEntry {
    /// The identifier.
    pub incident_id: String,
    /// The worst level it had.
    pub severity: String,
    /// One line for people.
    pub title: Untrusted,
    /// More than the title.
    pub description: Untrusted,
    /// When it was noticed (UTC).
    pub detected_at: DateTime<Utc>,
    /// The services affected, its own first.
    pub affected_services: Vec<Untrusted>,
    /// The values at opening.
    pub metrics: BTreeMap<String, f64>,
    /// Where it stands.
    pub status: State,
    /// What was wrong, in one word.
    pub symptom: String,
    /// The scheme that judged.
    pub scheme: String,
    /// The rules that matched last.
    pub rules: Vec<String>,
    /// How often it began.
    pub episodes: u32,
    /// When it was acknowledged (UTC).
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// When the harm ended (UTC).
    pub mitigated_at: Option<DateTime<Utc>>,
    /// When it was over (UTC).
    pub resolved_at: Option<DateTime<Utc>>,
    /// Why it was over.
    pub resolution: Option<Untrusted>,
    /// When the postmortem is due (UTC).
    pub postmortem_due: Option<DateTime<Utc>>,
    /// What its level promised and was missed.
    pub missed: Vec<PromiseKind>,
    /// The number of its first and of its newest event.
    pub events: [u64; 2],
}

impl LogEntry {
    /// The entry of an incident at an instant.
    pub fn of(incident: &Incident, now: DateTime<Utc>) -> Self {
        let record = IncidentRecord::of(incident);
        let at = |moment: &Option<crate::incident::state::Moment>| moment.as_ref().map(|moment| moment.at);
        let resolved_at = at(&incident.resolved);
        Self {
            incident_id: record.incident_id,
            severity: record.severity,
            title: record.title,
            description: record.description,
            detected_at: record.detected_at,
            affected_services: record.affected_services,
            metrics: record.metrics,
            status: incident.state,
            symptom: incident.symptom.clone(),
            scheme: incident.scheme.clone(),
            rules: incident.rules.iter().map(|rule| rule.id.clone()).collect(),
            episodes: incident.episode,
            acknowledged_at: at(&incident.acknowledged),
            mitigated_at: at(&incident.mitigated),
            resolved_at,
            resolution: incident.resolution.clone(),
            postmortem_due: resolved_at.and_then(|at| incident.deadlines.postmortem_due(at)),
            missed: promises(incident, now)
                .into_iter()
                .filter(|promise| promise.standing == Standing::Missed)
                .map(|promise| promise.kind)
                .collect(),
            events: [incident.opened.sequence, incident.last_sequence],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::fixtures::{at, night, opened_incident};
    use crate::incident::fold;

    #[test]
    fn the_record_is_protocol_25s() {
        let text = serde_json::to_string_pretty(&IncidentRecord::of(&opened_incident())).unwrap();
        assert_eq!(text + "\n", include_str!("../../tests/golden/protocol-25-incident.json"));
    }

    #[test]
    fn the_log_says_what_became_of_it() {
        let incident = fold(&night()).unwrap();
        insta::assert_json_snapshot!(vec![LogEntry::of(&incident, at(600))]);
    }
}
