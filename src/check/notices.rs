//! What people are told of a round: one notice for each change of an incident.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::owed::{self, Owed, What};
use super::{Surroundings, held, proposal};
use crate::base::Result;
use crate::base::clock::Elapsed;
use crate::config::{ServiceConfig, maintenance};
use crate::incident::{self, Change, Incident, State};
use crate::notify::message::minute;
use crate::notify::{self, Notice};
use crate::severity::Scheme;
use crate::store::Session;

/// Queues what is to be told of a service's changes, in the order in which they happened; what an earlier round did
/// not get to is told now.
pub fn queue_owed(surroundings: &Surroundings<'_>, service: &ServiceConfig, scheme: &Scheme) -> Result<()> {
    let workspace = surroundings.workspace;
    // Most services owe nothing, and looking costs no wait for the disk.
    if !surroundings.store.view(|session| owed::is_any(session, &service.service))? {
        return Ok(());
    }
    let now = surroundings.clock.now()?;
    let silent = maintenance::active(workspace, service, now).is_some_and(|window| !window.notices);
    // Until it is queued for good it is owed for good; and nobody is told before the disk has both.
    surroundings.store.write_relaxed(&mut |session| {
        if silent {
            return owed::keep_back(session, &service.service);
        }
        let mut notices = Vec::new();
        let taken = owed::take(session, &service.service)?;
        if taken.is_empty() {
            return Ok(());
        }
        let open: Vec<String> = incident::book::open(session, Some(&service.service))?
            .into_iter()
            .map(|incident| incident.id)
            .collect();
        let is_open = |id: &str| open.iter().any(|one| one == id);
        for owed in owed::after_maintenance(session, &service.service, taken, &is_open)? {
            let incident = incident::book::get(session, &owed.incident)?;
            notices.push(owed_notice(service, scheme, &incident, &owed));
        }
        queue(session, workspace, &notices, now)
    })
}

/// Queues notices in the caller's transaction. Where it is not known whom to tell, they are kept for later.
pub fn queue(
    session: &mut dyn Session,
    workspace: &crate::config::Workspace,
    notices: &[Notice],
    now: DateTime<Utc>,
) -> Result<()> {
    if !workspace.can_notify() {
        return held::hold(session, notices);
    }
    for notice in notices {
        notify::enqueue(session, &workspace.notify, &workspace.contacts, notice, now)?;
    }
    Ok(())
}

/// `model` or `service`: the flag that names it.
pub fn kind(service: &ServiceConfig) -> &'static str {
    match service.kind {
        crate::config::ServiceKind::Model => "model",
        crate::config::ServiceKind::Service | crate::config::ServiceKind::Dataset => "service",
    }
}

/// A notice about a service that has no incident: what a person did of their own accord.
pub fn without_incident(service: &ServiceConfig, template: &str, now: DateTime<Utc>) -> Notice {
    let mut notice = Notice::new(template, &service.service, now);
    notice.scheme = Some(service.scheme.clone());
    notice.context = json!({
        "title": service.title.as_deref().unwrap_or(&service.service), "environment": service.environment,
    });
    notice
}

/// What is told of a change of an incident; nothing where nothing changed.
pub fn change(
    service: &ServiceConfig,
    scheme: &Scheme,
    incident: &Incident,
    change: &Change,
    now: DateTime<Utc>,
) -> Option<Notice> {
    let owed = Owed { incident: incident.id.clone(), what: owed::what(change)?, at: now };
    Some(owed_notice(service, scheme, incident, &owed))
}

fn owed_notice(service: &ServiceConfig, scheme: &Scheme, incident: &Incident, owed: &Owed) -> Notice {
    let (template, facts) = match &owed.what {
        What::Opened => ("incident-opened", json!({})),
        What::Raised(from) => ("incident-raised", json!({"previous_level": from})),
        What::Lowered(from) => (
            "incident-updated",
            json!({"summary": format!("lowered from {from} to {}", incident.level.name)}),
        ),
        What::Resolved if incident.state == State::Cancelled => {
            ("incident-updated", json!({"summary": "cancelled, it was none", "reason": incident.resolution}))
        }
        What::Resolved => {
            let lasted = Elapsed(owed.at - incident.episode_at).to_string();
            ("incident-resolved", json!({"duration": lasted, "reason": incident.resolution}))
        }
        What::Pattern(summary) => ("incident-updated", json!({"summary": summary})),
        What::Contained(proof) => (
            "contained",
            json!({
                "proof": proof, "reason": incident.title.raw(),
                "next": format!("irctl rollback --{} {} --to prev", kind(service), service.service),
            }),
        ),
    };
    let mut notice = about(service, scheme, incident, template, owed.at);
    if let What::Pattern(_) = owed.what {
        notice.occasion = "pattern".to_owned();
    }
    notice.context = merged(notice.context, facts);
    notice
}

/// A notice about an incident, with what every template may use.
pub fn about(
    service: &ServiceConfig,
    scheme: &Scheme,
    incident: &Incident,
    template: &str,
    now: DateTime<Utc>,
) -> Notice {
    let mut notice = Notice::new(template, &service.service, now);
    notice.scheme = Some(service.scheme.clone());
    notice.incident = Some(incident.id.clone());
    notice.level = Some(incident.level.name.clone());
    notice.rank = Some(incident.level.rank);
    notice.symptom = Some(incident.symptom.clone());
    notice.rules = incident.rules.iter().map(|rule| rule.id.clone()).collect();
    notice.audience = scheme.level(&incident.level.name).map(|level| level.roles.clone()).unwrap_or_default();
    notice.occasion = format!("{}/{}", incident.episode, incident.levels.len());
    notice.context = context(service, scheme, incident, now);
    notice
}

fn context(service: &ServiceConfig, scheme: &Scheme, incident: &Incident, now: DateTime<Utc>) -> Value {
    let instant = |at: Option<DateTime<Utc>>| at.map(minute);
    let next_update = incident.deadlines.update_every.map(|every| minute(every.after(now)));
    let reasons: Vec<&str> = incident.rules.iter().map(|rule| rule.reason.raw()).collect();
    let communication = scheme.level(&incident.level.name).and_then(|level| level.communication.clone());
    let proposal = proposal::of(service, scheme.level(&incident.level.name), incident);
    json!({
        "proposal": proposal.as_ref().map(|proposal| proposal.command.clone()),
        "evidence": proposal.as_ref().map(|proposal| {
            proposal.evidence.iter().map(|rule| rule.raw()).collect::<Vec<_>>().join("; ")
        }),
        "title": service.title.as_deref().unwrap_or(&service.service),
        "environment": service.environment,
        "summary": headline(incident, service),
        "reason": if reasons.is_empty() { incident.description.raw().to_owned() } else { reasons.join("; ") },
        "first_action": incident.first_action,
        "runbook": incident.runbook,
        "acknowledge_by": instant(incident.deadlines.acknowledge_by),
        "next_update": next_update,
        "communication": communication,
        "state": incident.state.as_str(),
        "commander": incident.roles.get("commander").or_else(|| incident.roles.get("incident-commander")),
    })
}

/// The incident's title without the service's name, which the template has already.
fn headline(incident: &Incident, service: &ServiceConfig) -> String {
    let title = incident.title.raw();
    let name = service.title.as_deref().unwrap_or(&service.service);
    title.strip_prefix(name).map_or(title, |rest| rest.trim_start_matches([':', ' '])).to_owned()
}

/// `base` with the facts of `more` in it.
pub fn merged(mut base: Value, more: Value) -> Value {
    if let (Some(base), Value::Object(more)) = (base.as_object_mut(), more) {
        base.extend(more);
    }
    base
}
