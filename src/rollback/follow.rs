//! Looking on: what is unfinished, what was last, and an operation as it happens.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

use super::conclude::{NextCommand, RollbackOutcome};
use crate::base::{Error, ErrorCode, Result};
use crate::operation::{Directory, Ending, Progress, Record, Stop, Summary, list, listing};

/// What is unfinished, and what was last.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Status {
    /// Operations that run or can be resumed.
    pub unfinished: Vec<Summary>,
    /// The newest that ended.
    pub last: Option<Summary>,
}

/// What is unfinished in a state directory, and what was last.
pub fn status(state: &Path, service: Option<&str>) -> Result<Status> {
    status_by(state, service, None)
}

/// [`status`], without what was begun after an instant.
pub fn status_by(state: &Path, service: Option<&str>, by: Option<DateTime<Utc>>) -> Result<Status> {
    let mut all = list(state)?;
    all.retain(|one| service.is_none_or(|service| one.service == service));
    all.retain(|one| by.is_none_or(|by| one.created_at <= by));
    let (unfinished, ended): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.running || one.resumable);
    Ok(Status { unfinished, last: ended.into_iter().next_back() })
}

/// Follows an operation until it ends, without touching it; `told` gets each record once.
pub fn attach(state: &Path, id: &str, stop: &Stop, told: &mut dyn FnMut(&Record)) -> Result<Summary> {
    let directory = Directory::open(state, id)?;
    let mut seen = 0;
    loop {
        let Some((pinned, digest)) = directory.pinned()? else {
            wait(stop, id)?;
            continue;
        };
        let records = directory.records(&digest)?;
        for record in records.iter().skip(seen) {
            told(record);
        }
        seen = records.len();
        let summary = listing::summary(&pinned, &Progress::of(&records));
        if summary.ending.is_some() {
            return Ok(summary);
        }
        if !summary.running {
            return Err(Error::new(ErrorCode::Halted, format!("nobody works on {id}: {}", summary.summary))
                .hint(format!("`irctl rollback resume {id}` finishes it")));
        }
        wait(stop, id)?;
    }
}

fn wait(stop: &Stop, id: &str) -> Result<()> {
    if stop.is_requested() {
        return Err(Error::new(ErrorCode::OutcomeUnknown, format!("stopped watching {id}; it goes on")));
    }
    std::thread::sleep(Duration::from_millis(50));
    Ok(())
}

/// What to type after an operation ended like this.
pub(super) fn next_commands(outcome: &RollbackOutcome) -> Vec<NextCommand> {
    let command = |command: String, purpose: &str| NextCommand { command, purpose: purpose.to_owned() };
    let (id, service) = (&outcome.operation, &outcome.service);
    let release = |reason: &str| format!("irctl release --service {service}{reason}");
    let mut next = Vec::new();
    match outcome.ending {
        Ending::Restored if outcome.from.is_some() => {
            next.push(command(format!("irctl rollback undo {id}"), "takes it back"));
            if outcome.contained {
                next.push(command(release(""), "lets its consumers back"));
            }
        }
        Ending::Unproven => {
            next.push(command(format!("irctl rollback resume {id}"), "tries to prove it again"));
            next.push(command(
                format!("irctl rollback --service {service} --to prev"),
                "goes to the next candidate",
            ));
            next.push(command(release(" --reason WHY"), "lets its consumers back all the same"));
        }
        Ending::Halted | Ending::Unknown => {
            next.push(command(format!("irctl rollback resume {id}"), "finishes it"));
            next.push(command(format!("irctl rollback abort {id}"), "undoes it"));
        }
        Ending::Undone | Ending::Refused if outcome.contained => {
            next.push(command(release(""), "lets its consumers back"));
        }
        _ => {}
    }
    next
}
