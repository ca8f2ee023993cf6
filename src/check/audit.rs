//! The audit event of every rollback, for the service that `audit:` in config/irctl.yaml names.
//!
//! It goes through the outbox like every other message: nobody waits for it, and what does not get through is tried
//! again by the next round.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::notices;
use crate::base::Result;
use crate::config::{ServiceConfig, Workspace};
use crate::notify::{self, AUDIT_CHANNEL};
use crate::operation::{self, Ending};
use crate::rollback::RollbackOutcome;
use crate::store::Session;

/// Queues the event of a rollback that switched, in the caller's transaction; once for each operation and ending.
pub fn queue(
    session: &mut dyn Session,
    workspace: &Workspace,
    service: &ServiceConfig,
    incident: Option<&str>,
    outcome: &RollbackOutcome,
    now: DateTime<Utc>,
) -> Result<()> {
    let switched = matches!(outcome.ending, Ending::Restored | Ending::Unproven);
    if workspace.settings.audit.is_none() || !switched {
        return Ok(());
    }
    let at = ended_at(workspace, outcome).unwrap_or(now).min(now);
    let mut notice = notices::without_incident(service, "rolled-back", at);
    // The incident is a fact of it and not what it belongs to: it is one event, however late that is known.
    notice.occasion = outcome.operation.clone();
    let facts = json!({
        "incident_id": incident, "version": outcome.to.as_ref().map(|to| to.name.clone()),
        "duration": null, "operation": outcome.operation,
    });
    notice.context = notices::merged(notice.context, facts);
    notify::enqueue_to(session, AUDIT_CHANNEL, &notice, now)?;
    Ok(())
}

/// When the operation ended, which may be long before anybody could write it down.
fn ended_at(workspace: &Workspace, outcome: &RollbackOutcome) -> Option<DateTime<Utc>> {
    let all = operation::list(&workspace.state).ok()?;
    let one = all.into_iter().find(|one| one.id == outcome.operation)?;
    let took = TimeDelta::try_milliseconds(i64::try_from(one.duration_ms?).ok()?)?;
    one.created_at.checked_add_signed(took)
}
