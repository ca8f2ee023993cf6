//! A pattern: so many incidents of one service and symptom within so long a time. It asks for a review, once.

use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

use super::owed::{Owed, What};
use crate::base::Result;
use crate::incident::event::{Noted, Priority};
use crate::incident::pattern::{KIND, Pattern};
use crate::incident::{Book, Change, Incident, NoteKind, Observed, State, book};
use crate::severity::{RecurrenceConfig, Scheme};
use crate::store::{Actor, EventFilter, NewEvent, Session};

/// Writes down each pattern that a round's new incidents make, with the review as an action item; what people have to be
/// told of it is returned.
pub fn record(
    session: &mut dyn Session,
    scheme: &Scheme,
    observed: &[Observed],
    now: DateTime<Utc>,
) -> Result<Vec<Owed>> {
    let config = scheme.config().recurrence;
    let opened = observed.iter().filter(|one| one.change == Change::Opened);
    let mut owed = Vec::new();
    for incident in opened.filter_map(|one| one.incident.as_ref()) {
        let Some(pattern) = pattern(session, incident, config, now)? else { continue };
        session.append(NewEvent {
            kind: KIND.to_owned(),
            occurred_at: now,
            recorded_at: now,
            actor: Actor::Automation,
            service: Some(incident.service.clone()),
            incident: Some(incident.id.clone()),
            operation: None,
            payload: serde_json::to_value(&pattern).unwrap_or_default(),
        })?;
        let note = Noted {
            text: format!("Review: {}", pattern.summary).into(),
            kind: NoteKind::Action,
            owner: None,
            priority: Some(Priority::Medium),
            due: Some(pattern.review_by),
        };
        Book::new(session, Actor::Automation, now).note(&incident.id, note)?;
        owed.push(Owed { incident: incident.id.clone(), what: What::Pattern(pattern.summary), at: now });
    }
    Ok(owed)
}

fn pattern(
    session: &mut dyn Session,
    incident: &Incident,
    config: RecurrenceConfig,
    now: DateTime<Utc>,
) -> Result<Option<Pattern>> {
    let since = now - config.within.approximate();
    let counted = reviewed(session, incident)?;
    let all = book::own(session, &incident.service)?;
    let counts = |one: &&Incident| {
        one.symptom == incident.symptom
            && one.opened_at >= since
            && !matches!(one.state, State::Cancelled | State::Merged)
            && !counted.contains(&one.id)
    };
    let incidents: Vec<String> = all.iter().filter(counts).map(|one| one.id.clone()).collect();
    if incidents.len() < config.incidents as usize {
        return Ok(None);
    }
    let summary = format!(
        "a pattern emerges: {} incidents of {} at {} within {} ({})",
        incidents.len(),
        incident.symptom,
        incident.service,
        config.within,
        incidents.join(", ")
    );
    let review_by = config.review_within.after(now);
    Ok(Some(Pattern {
        symptom: incident.symptom.clone(),
        incidents,
        within: config.within,
        review_by,
        summary,
    }))
}

/// The incidents that an earlier pattern counted: one review is asked for each.
fn reviewed(session: &mut dyn Session, incident: &Incident) -> Result<BTreeSet<String>> {
    let filter = EventFilter {
        service: Some(incident.service.clone()),
        kind_prefix: Some(KIND.to_owned()),
        ..EventFilter::default()
    };
    let events = session.events(&filter)?;
    let patterns =
        events.iter().filter_map(|event| serde_json::from_value::<Pattern>(event.payload.clone()).ok());
    Ok(patterns.filter(|one| one.symptom == incident.symptom).flat_map(|one| one.incidents).collect())
}
