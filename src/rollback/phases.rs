//! The order of phases: what builds on a phase is rolled back before it.

use super::environment::Subject;
use super::guards::{Guard, GuardState};
use crate::operation::{Ending, Listed};

/// What the order of phases says of rolling this one back now; nothing where none is configured to come first.
pub fn guard(all: &[Listed], subject: &Subject) -> Option<Guard> {
    let phase = subject.phase_config().filter(|phase| !phase.after.is_empty())?;
    let missing: Vec<&str> = phase
        .after
        .iter()
        .map(String::as_str)
        .filter(|earlier| !is_rolled_back(all, &subject.service, earlier))
        .collect();
    Some(if missing.is_empty() {
        let why = format!("rolled back before it: {}", phase.after.join(", "));
        Guard::new("order", GuardState::Passes, why)
    } else {
        let why = format!("what builds on this phase is not rolled back yet: {}", missing.join(", "));
        Guard::new("order", GuardState::Refuses, why)
    })
}

/// Whether the newest operation on a phase left it rolled back.
fn is_rolled_back(all: &[Listed], service: &str, phase: &str) -> bool {
    let switched = |one: &&Listed| {
        let one = &one.summary;
        one.service == service
            && one.phase.as_deref() == Some(phase)
            && matches!(one.ending, Some(Ending::Restored | Ending::Unproven))
    };
    all.iter().rfind(switched).is_some_and(|one| matches!(one.summary.kind.as_str(), "rollback" | "redo"))
}
