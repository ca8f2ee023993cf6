//! The order of phases: what builds on a phase is rolled back before it.

use std::path::Path;

use super::environment::Subject;
use super::guards::{Guard, GuardState};
use crate::base::Result;
use crate::operation::{Ending, Summary, listing};

/// What the order of phases says of rolling this one back now; nothing where none is configured to come first.
pub fn guard(state: &Path, subject: &Subject) -> Result<Option<Guard>> {
    let Some(phase) = subject.phase_config().filter(|phase| !phase.after.is_empty()) else {
        return Ok(None);
    };
    let all = listing::list(state)?;
    let missing: Vec<&str> = phase
        .after
        .iter()
        .map(String::as_str)
        .filter(|earlier| !is_rolled_back(&all, &subject.service, earlier))
        .collect();
    Ok(Some(if missing.is_empty() {
        let why = format!("rolled back before it: {}", phase.after.join(", "));
        Guard::new("order", GuardState::Passes, why)
    } else {
        let why = format!("what builds on this phase is not rolled back yet: {}", missing.join(", "));
        Guard::new("order", GuardState::Refuses, why)
    }))
}

/// Whether the newest operation on a phase left it rolled back.
fn is_rolled_back(all: &[Summary], service: &str, phase: &str) -> bool {
    let switched = |one: &&Summary| {
        one.service == service
            && one.phase.as_deref() == Some(phase)
            && matches!(one.ending, Some(Ending::Restored | Ending::Unproven))
    };
    all.iter().rfind(switched).is_some_and(|one| matches!(one.kind.as_str(), "rollback" | "redo"))
}
