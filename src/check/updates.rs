//! The updates that a level promises while an incident is open: "hourly updates until resolved".

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{Surroundings, findings, notices};
use crate::base::Result;
use crate::base::clock::format_instant;
use crate::config::{ServiceConfig, maintenance};
use crate::incident::{self, Incident, State};
use crate::severity::Scheme;
use crate::store::{EventFilter, Session};

/// Rounds come at about their time: an update that is due before the next one could send it is not put off.
const EARLY: TimeDelta = TimeDelta::minutes(1);

/// Queues an update about every open incident of a service of which people have heard nothing for as long as its
/// level allows.
pub fn queue_due(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    now: DateTime<Utc>,
) -> Result<()> {
    if maintenance::active(surroundings.workspace, service, now).is_some_and(|window| !window.notices) {
        return Ok(());
    }
    let promises = |incident: &Incident| {
        incident.deadlines.update_every.or(findings::timings(scheme, None, &incident.level.name).update_every)
    };
    let due = surroundings.store.view(|session| {
        let mut due = Vec::new();
        for incident in incident::book::open(session, Some(&service.service))? {
            let Some(every) = promises(&incident) else { continue };
            let last = last_told(session, &incident)?.unwrap_or(incident.episode_at);
            if every.after(last) <= now + EARLY && last < now {
                due.push(incident);
            }
        }
        Ok(due)
    })?;
    if due.is_empty() {
        return Ok(());
    }
    let told: Vec<_> = due
        .iter()
        .map(|incident| {
            let mut notice = notices::about(service, scheme, incident, "incident-updated", now);
            notice.occasion = format!("update/{}", format_instant(now));
            notice.context = notices::merged(notice.context, json!({"summary": standing(incident)}));
            notice
        })
        .collect();
    surroundings
        .store
        .write_relaxed(&mut |session| notices::queue(session, surroundings.workspace, &told, now))
}

/// When people were last told of an incident.
fn last_told(session: &mut dyn Session, incident: &Incident) -> Result<Option<DateTime<Utc>>> {
    let filter = EventFilter {
        incident: Some(incident.id.clone()),
        kind_prefix: Some("notice.queued".to_owned()),
        ..EventFilter::default()
    };
    Ok(session.events(&filter)?.last().map(|event| event.occurred_at))
}

/// Where it stands: harm, and who is acting.
fn standing(incident: &Incident) -> String {
    let harm = match (&incident.contained, incident.state) {
        (Some(_), _) => "contained",
        (None, State::Mitigated) => "the harm has ended",
        (None, _) => "NOT contained",
    };
    let acting = match &incident.acknowledged {
        Some(moment) => format!("{} is on it", moment.by),
        None => "nobody has acknowledged it yet".to_owned(),
    };
    format!("still {}: {harm}, {acting}", incident.state)
}
