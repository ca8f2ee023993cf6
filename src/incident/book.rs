//! Incidents by hand: open, find, and take the steps that people take, each inside the caller's transaction.

use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

use super::codec::KIND_PREFIX;
use super::deadlines::Deadlines;
use super::event::{
    Assigned, Because, ByOperation, IncidentEvent, Level, LevelChanged, Merged, Noted, Opened, Reopened,
    RuleReason, Superseded,
};
use super::fold::fold;
use super::state::{Incident, Step, after};
use crate::base::{Error, ErrorCode, Result, Untrusted, identity};
use crate::store::{Actor, Event, EventFilter, Session};

/// What an incident is opened with: its key and everything its first event says.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The service.
    pub service: String,
    /// The first event.
    pub opened: Opened,
}

/// A change of level by hand.
#[derive(Debug, Clone)]
pub struct Releveling {
    /// The new level.
    pub level: Level,
    /// Why.
    pub reason: Untrusted,
    /// The rules that matched, where rules did.
    pub rules: Vec<RuleReason>,
    /// The new rule's runbook.
    pub runbook: Option<String>,
    /// What the new level promises.
    pub deadlines: Deadlines,
}

/// Incidents inside one transaction, as one actor at one instant.
pub struct Book<'a> {
    session: &'a mut dyn Session,
    actor: Actor,
    now: DateTime<Utc>,
}

impl<'a> Book<'a> {
    /// The book in this transaction.
    pub fn new(session: &'a mut dyn Session, actor: Actor, now: DateTime<Utc>) -> Self {
        Self { session, actor, now }
    }

    /// Every incident, oldest first; of one service where one is given.
    pub fn list(&mut self, service: Option<&str>) -> Result<Vec<Incident>> {
        list(self.session, service)
    }

    /// An incident by its identifier, or by a beginning or an end that only it has.
    pub fn get(&mut self, name: &str) -> Result<Incident> {
        get(self.session, name)
    }

    /// The open incident of a service with this symptom; one that was merged leads to what it was merged into.
    pub fn find_open(&mut self, service: &str, symptom: &str) -> Result<Option<Incident>> {
        let incidents = list_own(self.session, service)?;
        Ok(open_among(&incidents, symptom).cloned())
    }

    /// Opens an incident, unless one is open for the same service and symptom: that one is returned, with `false`.
    pub fn open(&mut self, opening: &Opening) -> Result<(Incident, bool)> {
        if let Some(incident) = self.find_open(&opening.service, &opening.opened.symptom)? {
            return Ok((incident, false));
        }
        let id = self.session.reserve_identifier(&identity::stamped("INC", self.now))?;
        let event = IncidentEvent::Opened(Box::new(opening.opened.clone()));
        let stored =
            self.session.append(event.enveloped(&id, &opening.service, self.actor.clone(), self.now)?)?;
        let incident = fold(&[stored])
            .ok_or_else(|| Error::new(ErrorCode::Bug, format!("{id} was opened and cannot be read")))?;
        Ok((incident, true))
    }

    /// A person has seen it.
    pub fn acknowledge(&mut self, id: &str) -> Result<Incident> {
        self.take(id, Step::Acknowledge, IncidentEvent::Acknowledged(Because::default()))
    }

    /// Writes something down; allowed in every state, since a postmortem comes last.
    pub fn note(&mut self, id: &str, note: Noted) -> Result<Incident> {
        if note.text.raw().trim().is_empty() {
            return Err(Error::new(ErrorCode::Usage, "the note is empty").hint("say what you saw or did"));
        }
        self.take(id, Step::Record, IncidentEvent::Noted(note))
    }

    /// Gives a role to a person.
    pub fn assign(&mut self, id: &str, role: &str, person: Untrusted) -> Result<Incident> {
        let assigned = Assigned { role: role.to_owned(), person };
        self.take(id, Step::Record, IncidentEvent::Assigned(assigned))
    }

    /// Changes the level; the same level again is refused.
    pub fn change_level(&mut self, id: &str, to: Releveling) -> Result<Incident> {
        let incident = self.get(id)?;
        if incident.level.name == to.level.name {
            let message = format!("{} is already {}", incident.id, incident.level.name);
            return Err(Error::new(ErrorCode::InvalidTransition, message).hint("name another level"));
        }
        let change = LevelChanged {
            from: incident.level.name.clone(),
            to: to.level.name,
            rank: to.level.rank,
            verdict: to.level.verdict,
            reason: to.reason,
            rules: to.rules,
            runbook: to.runbook,
            deadlines: to.deadlines,
        };
        self.take(&incident.id, Step::ChangeLevel, IncidentEvent::LevelChanged(change))
    }

    /// What consumes the service is stopped.
    pub fn contained(&mut self, id: &str, by: ByOperation) -> Result<Incident> {
        self.take(id, Step::Contain, IncidentEvent::Contained(by))
    }

    /// What consumes the service runs again.
    pub fn released(&mut self, id: &str, by: ByOperation) -> Result<Incident> {
        self.take(id, Step::Record, IncidentEvent::Released(by))
    }

    /// The harm has ended.
    pub fn mitigate(&mut self, id: &str, by: ByOperation) -> Result<Incident> {
        self.take(id, Step::Mitigate, IncidentEvent::Mitigated(by))
    }

    /// It is over.
    pub fn resolve(&mut self, id: &str, reason: Untrusted) -> Result<Incident> {
        let because = Because { reason: Some(reason) };
        self.take(id, Step::Resolve, IncidentEvent::Resolved(because))
    }

    /// It is written up.
    pub fn close(&mut self, id: &str, reason: Option<Untrusted>) -> Result<Incident> {
        self.take(id, Step::Close, IncidentEvent::Closed(Because { reason }))
    }

    /// It was none.
    pub fn cancel(&mut self, id: &str, reason: Untrusted) -> Result<Incident> {
        let because = Because { reason: Some(reason) };
        self.take(id, Step::Cancel, IncidentEvent::Cancelled(because))
    }

    /// It came back, or was not over: a new episode begins, with the promises of its level from now on.
    pub fn reopen(&mut self, id: &str, reason: Untrusted, deadlines: Deadlines) -> Result<Incident> {
        let incident = self.get(id)?;
        if !incident.is_open()
            && let Some(other) = self.find_open(&incident.service, &incident.symptom)?
        {
            let message = format!("{} is open for the same service and symptom", other.id);
            return Err(Error::new(ErrorCode::InvalidTransition, message)
                .hint(format!("work on it: irctl incident show {}", other.id)));
        }
        let reopened = Reopened { episode: incident.episode + 1, reason, deadlines };
        self.take(&incident.id, Step::Reopen, IncidentEvent::Reopened(reopened))
    }

    /// It goes on as another, open incident.
    pub fn merge(&mut self, id: &str, into: &str) -> Result<Incident> {
        let (incident, into) = (self.get(id)?, self.get(into)?);
        if incident.id == into.id || !into.is_open() {
            let why = if incident.id == into.id { "itself" } else { "an incident that is not open" };
            let message = format!("{} cannot be merged into {why}", incident.id);
            return Err(Error::new(ErrorCode::InvalidTransition, message)
                .hint("name an open incident: irctl incident list"));
        }
        let merged =
            self.take(&incident.id, Step::Merge, IncidentEvent::Merged(Merged { into: into.id.clone() }))?;
        let text = format!("{} ({}) was merged into this incident", incident.id, incident.symptom);
        let note =
            Noted { text: text.into(), kind: Default::default(), owner: None, priority: None, due: None };
        self.note(&into.id, note)?;
        Ok(merged)
    }

    /// Corrects an earlier event of the incident; what it said stays readable.
    pub fn supersede(&mut self, id: &str, sequence: u64, correction: Untrusted) -> Result<Incident> {
        let incident = self.get(id)?;
        let events = self.events(&incident.id)?;
        if !events.iter().any(|event| event.sequence == sequence) {
            let message = format!("event {sequence} does not belong to {}", incident.id);
            return Err(Error::new(ErrorCode::NotFound, message)
                .hint(format!("see the numbers: irctl incident timeline {}", incident.id)));
        }
        let event = IncidentEvent::Superseded(Superseded { sequence, correction });
        self.take(&incident.id, Step::Record, event)
    }

    /// Appends an event, if the incident's state allows its step, and returns the incident after it.
    pub(super) fn take(&mut self, name: &str, step: Step, event: IncidentEvent) -> Result<Incident> {
        let incident = self.get(name)?;
        if after(incident.state, step).is_none() {
            return Err(refused(&incident, &event));
        }
        let envelope = event.enveloped(&incident.id, &incident.service, self.actor.clone(), self.now)?;
        self.session.append(envelope)?;
        self.get(&incident.id)
    }

    /// All events of an incident.
    pub fn events(&mut self, id: &str) -> Result<Vec<Event>> {
        self.session.events(&EventFilter { incident: Some(id.to_owned()), ..EventFilter::default() })
    }
}

fn refused(incident: &Incident, event: &IncidentEvent) -> Error {
    let id = &incident.id;
    let done = event.kind().trim_start_matches(KIND_PREFIX).replace('_', " ");
    let error =
        Error::new(ErrorCode::InvalidTransition, format!("{id} is {} and cannot be {done}", incident.state));
    match (&incident.merged_into, incident.state) {
        (Some(into), _) => error.hint(format!("it goes on as {into}")),
        (None, super::State::Cancelled) => error.hint("declare a new one: irctl incident declare"),
        (None, state) if state.is_open() => {
            error.hint(format!("see where it stands: irctl incident show {id}"))
        }
        (None, _) => error.hint(format!("reopen it first: irctl incident reopen {id} --reason …")),
    }
}

/// Every incident, oldest first; of one service where one is given.
pub fn list(session: &mut dyn Session, service: Option<&str>) -> Result<Vec<Incident>> {
    let mut groups = own_events(session, service)?;
    for prefix in NEIGHBOURS {
        let kind_prefix = Some((*prefix).to_owned());
        for event in session.events(&EventFilter { kind_prefix, ..EventFilter::default() })? {
            if let Some(group) = event.incident.as_ref().and_then(|id| groups.get_mut(id)) {
                group.push(event);
            }
        }
    }
    Ok(folded(&groups))
}

/// Those that are open, oldest first; of one service where one is given.
///
/// What other rooms wrote is read of these alone: incidents that are over gather more of it every year.
pub fn open(session: &mut dyn Session, service: Option<&str>) -> Result<Vec<Incident>> {
    let own = own_events(session, service)?;
    let open = folded(&own).into_iter().filter(Incident::is_open);
    open.filter_map(|incident| by_id(session, &incident.id).transpose()).collect()
}

/// Those of one service from this room's events alone: when they were opened and where they stand, not who was told and
/// when the response began. What other rooms wrote of all services need not be read for it.
pub fn own(session: &mut dyn Session, service: &str) -> Result<Vec<Incident>> {
    list_own(session, service)
}

/// The same from this room's events alone: enough to decide, not to say who was told and when the response began.
pub(super) fn list_own(session: &mut dyn Session, service: &str) -> Result<Vec<Incident>> {
    Ok(folded(&own_events(session, Some(service))?))
}

/// The kinds of other rooms that [`fold`] looks at.
const NEIGHBOURS: &[&str] = &["notice.delivered", "contain.", "operation.", "rollback."];

fn own_events(session: &mut dyn Session, service: Option<&str>) -> Result<BTreeMap<String, Vec<Event>>> {
    let events = session.events(&EventFilter {
        service: service.map(str::to_owned),
        kind_prefix: Some(KIND_PREFIX.to_owned()),
        ..EventFilter::default()
    })?;
    let mut groups: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for event in events {
        if let Some(id) = event.incident.clone() {
            groups.entry(id).or_default().push(event);
        }
    }
    Ok(groups)
}

fn folded(groups: &BTreeMap<String, Vec<Event>>) -> Vec<Incident> {
    let mut incidents: Vec<_> = groups.values().filter_map(|events| fold(events)).collect();
    incidents.sort_by_key(|incident| incident.opened.sequence);
    incidents
}

/// An incident by its identifier, or by a beginning or an end that only it has, folded from all its events.
pub fn get(session: &mut dyn Session, name: &str) -> Result<Incident> {
    let exact = by_id(session, name)?;
    if let Some(incident) = exact {
        return Ok(incident);
    }
    let wanted = name.to_ascii_uppercase();
    let all = list(session, None)?;
    let ids: Vec<&str> = all.iter().map(|incident| incident.id.as_str()).collect();
    let fits = |id: &&&str| {
        let id = id.to_ascii_uppercase();
        !wanted.is_empty() && (id.starts_with(&wanted) || id.ends_with(&wanted))
    };
    let found: Vec<&&str> = ids.iter().filter(fits).collect();
    match found.as_slice() {
        [id] => by_id(session, id)?.ok_or_else(|| not_found(name, &ids)),
        [] => Err(not_found(name, &ids)),
        several => {
            let several: Vec<_> = several.iter().map(|id| **id).collect();
            let message = format!("`{}` fits several incidents: {}", name.escape_debug(), several.join(", "));
            Err(Error::new(ErrorCode::Usage, message).hint("write more of it"))
        }
    }
}

fn by_id(session: &mut dyn Session, id: &str) -> Result<Option<Incident>> {
    let filter = EventFilter { incident: Some(id.to_owned()), ..EventFilter::default() };
    Ok(fold(&session.events(&filter)?))
}

fn not_found(name: &str, ids: &[&str]) -> Error {
    let error = Error::new(ErrorCode::NotFound, format!("there is no incident `{}`", name.escape_debug()));
    let newest: Vec<_> = ids.iter().rev().take(5).copied().collect();
    if newest.is_empty() {
        return error.hint("none was ever opened: irctl incident declare opens one");
    }
    error.hint(format!("the newest are {}", newest.join(", ")))
}

/// The open incident that stands for a symptom, among those of one service.
pub(super) fn open_among<'i>(incidents: &'i [Incident], symptom: &str) -> Option<&'i Incident> {
    let own = incidents.iter().rev().filter(|incident| incident.symptom == symptom);
    for incident in own {
        if incident.is_open() {
            return Some(incident);
        }
        // Follow where it was merged to; a chain of merges is short, and never longer than the list.
        let mut next = incident.merged_into.as_deref();
        for _ in 0..incidents.len() {
            let Some(target) = next.and_then(|id| incidents.iter().find(|other| other.id == id)) else {
                break;
            };
            if target.is_open() {
                return Some(target);
            }
            next = target.merged_into.as_deref();
        }
    }
    None
}
