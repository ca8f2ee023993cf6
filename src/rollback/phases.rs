//! The order of phases: what builds on a phase is rolled back before it.

use std::collections::BTreeSet;
use std::path::Path;

use super::environment::Subject;
use super::guards::{self, Guard, GuardState};
use super::subject::Part;
use crate::operation::{Ending, Listed, Summary};

/// What the order of phases says of rolling this one back now; nothing where none is configured to come first.
pub fn guard(state: &Path, all: &[Listed], subject: &Subject) -> Option<Guard> {
    let phase = subject.phase_config().filter(|phase| !phase.after.is_empty())?;
    let missing: Vec<&str> = phase
        .after
        .iter()
        .map(String::as_str)
        .filter(|earlier| !is_rolled_back(state, all, subject, earlier))
        .collect();
    Some(if missing.is_empty() {
        let why = format!("rolled back before it: {}", phase.after.join(", "));
        Guard::new("order", GuardState::Passes, why)
    } else {
        let why = format!("what builds on this phase is not rolled back yet: {}", missing.join(", "));
        Guard::new("order", GuardState::Refuses, why)
    })
}

/// Whether every part of a phase is rolled back, by what was done to it since it was last taken back.
fn is_rolled_back(state: &Path, all: &[Listed], subject: &Subject, phase: &str) -> bool {
    let Some(config) = subject.rollback.phases.get(phase) else { return false };
    let mut missing = BTreeSet::new();
    missing.extend((!config.immediate.is_empty()).then_some(Part::Immediate));
    missing.extend((!config.recovery.is_empty()).then_some(Part::Recovery));
    let switched = |one: &&Summary| {
        one.service == subject.service
            && one.phase.as_deref() == Some(phase)
            && matches!(one.ending, Some(Ending::Restored | Ending::Unproven))
    };
    for one in all.iter().map(|one| &one.summary).rev().filter(switched) {
        // Of what was taken back nothing counts that came before.
        if !matches!(one.kind.as_str(), "rollback" | "redo") {
            return false;
        }
        let plan = guards::plan_of(state, &one.id);
        for part in plan.iter().flat_map(|plan| &plan.targets).filter_map(|target| target.part) {
            missing.remove(&part);
        }
        if missing.is_empty() {
            return true;
        }
    }
    false
}
