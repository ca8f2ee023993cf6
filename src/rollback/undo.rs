//! Undo and redo: a new operation that takes the switches of an earlier one back, byte for byte and row for row.
//!
//! They form one stack for each service: undo takes the newest rollback back that still stands, redo the newest undo.

use std::path::Path;

use super::environment::{Environment, Request, Subject};
use super::evidence::Tier;
use super::plan::{Plan, TargetPlan};
use super::planning::Aim;
use super::prepare::{Made, Prepared, Work, prepare_with};
use super::serving;
use super::steps::StepSpec;
use super::targets::{Prediction, Staging, SwitchSpec};
use super::versions::Version;
use crate::base::{Error, ErrorCode, Result, host};
use crate::operation::directory::Pinned;
use crate::operation::{Directory, Ending, Progress, Summary, listing};

/// Which way along the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reversal {
    /// Takes a rollback back.
    Undo,
    /// Does again what was taken back.
    Redo,
}

impl Reversal {
    /// The kind of its operations.
    pub fn kind(self) -> &'static str {
        match self {
            Reversal::Undo => "undo",
            Reversal::Redo => "redo",
        }
    }
}

/// Operations that stand, and undos that could be done again; the newest last.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stack {
    standing: Vec<String>,
    undone: Vec<String>,
}

impl Stack {
    fn of<'a>(operations: impl Iterator<Item = &'a Summary>) -> Self {
        let mut stack = Stack::default();
        for one in operations {
            if !matches!(one.ending, Some(Ending::Restored | Ending::Unproven)) {
                continue;
            }
            match one.kind.as_str() {
                // What was done since cannot be done again on top of something else.
                "rollback" => {
                    stack.standing.push(one.id.clone());
                    stack.undone.clear();
                }
                "undo" => {
                    stack.standing.retain(|id| Some(id) != one.reverts.as_ref());
                    stack.undone.push(one.id.clone());
                }
                "redo" => {
                    stack.undone.retain(|id| Some(id) != one.reverts.as_ref());
                    stack.standing.push(one.id.clone());
                }
                _ => {}
            }
        }
        stack
    }
}

/// The operation that an undo or a redo without a name means; of any service where none is named.
pub fn newest(state: &Path, service: Option<&str>, reversal: Reversal) -> Result<String> {
    let all = listing::list(state)?;
    let mut services: Vec<&str> = all.iter().rev().map(|one| one.service.as_str()).collect();
    services.retain(|own| service.is_none_or(|service| service == *own));
    let newest = services.first().and_then(|service| {
        let stack = Stack::of(all.iter().filter(|one| one.service == *service));
        match reversal {
            Reversal::Undo => stack.standing.last().cloned(),
            Reversal::Redo => stack.undone.last().cloned(),
        }
    });
    newest.ok_or_else(|| {
        Error::new(ErrorCode::NotFound, format!("there is nothing to {}", reversal.kind()))
            .hint("`irctl rollback history`")
    })
}

/// An earlier operation, read again.
struct Earlier {
    id: String,
    pinned: Pinned,
    plan: Plan,
    done: Vec<(usize, SwitchSpec)>,
    versions: (Version, Version),
}

/// Prepares taking an earlier operation back. The configuration is the one that it was made with.
pub fn prepare_reversal(
    environment: &Environment<'_>,
    id: &str,
    reversal: Reversal,
    reason: Option<&str>,
    attended: bool,
) -> Result<Prepared> {
    let (earlier, subject) = read(environment.state, id, reversal)?;
    let request = Request {
        to: super::Selector::Named(earlier.plan.served.shown()),
        incident: earlier.pinned.incident.clone(),
        reason: reason.map(str::to_owned),
        attended,
        failing: None,
        saved: None,
    };
    prepare_with(environment, &subject, &request, reversal.kind(), &|work| earlier.reversed(work))
}

fn read(state: &Path, id: &str, reversal: Reversal) -> Result<(Earlier, Subject)> {
    let directory = Directory::open(state, id)?;
    let none =
        || Error::new(ErrorCode::Refused, format!("{id} switched nothing, so there is nothing to undo"));
    let (pinned, digest) = directory.pinned()?.ok_or_else(none)?;
    let progress = Progress::of(&directory.records(&digest)?);
    match progress.ended.as_ref().map(|(ending, _)| *ending) {
        Some(Ending::Restored | Ending::Unproven) => {}
        _ if listing::summary(&pinned, &progress).resumable => {
            return Err(Error::new(ErrorCode::Refused, format!("{id} is unfinished"))
                .hint(format!("`irctl rollback abort {id}` undoes it")));
        }
        _ => return Err(none()),
    }
    if pinned.host != host::host_name() {
        return Err(Error::new(ErrorCode::NotPermitted, format!("{id} was made on {}", pinned.host)));
    }
    let fits = matches!(
        (reversal, pinned.kind.as_str()),
        (Reversal::Undo, "rollback" | "redo") | (Reversal::Redo, "undo")
    );
    if !fits {
        let (text, hint) = match pinned.kind.as_str() {
            "undo" => ("is an undo", format!("`irctl rollback redo {id}` does again what it took back")),
            _ => ("is no undo", format!("`irctl rollback undo {id}` takes it back")),
        };
        return Err(Error::new(ErrorCode::Refused, format!("{id} {text}")).hint(hint));
    }
    let wrong = |error: serde_json::Error| {
        Error::new(ErrorCode::InvalidData, format!("the plan of {id} cannot be read: {error}"))
    };
    let subject: Subject = serde_json::from_value(pinned.configuration.clone()).map_err(wrong)?;
    let plan: Plan = serde_json::from_value(pinned.plan.clone()).map_err(wrong)?;
    let mut done = Vec::new();
    let mut versions = None;
    for step in pinned.steps.iter().cloned() {
        match serde_json::from_value(step).map_err(wrong)? {
            StepSpec::Switch { target, key, spec } if progress.done.contains(&steps_id(&key)) => {
                done.push((target, spec));
            }
            StepSpec::Prove { version, before } => versions = Some((before, version)),
            _ => {}
        }
    }
    let versions = versions.ok_or_else(none)?;
    Ok((Earlier { id: id.to_owned(), pinned, plan, done, versions }, subject))
}

fn steps_id(key: &str) -> String {
    super::steps::switch_id(key)
}

impl Earlier {
    /// The switches that take this operation back, and the plan that shows them.
    fn reversed(&self, work: &Work<'_>) -> Result<Made> {
        let mut switches = Vec::new();
        for (number, spec) in self.done.iter().rev() {
            let images = work.images(*number)?;
            let staging = Staging { images: &images, operation: &work.directory.id };
            let reversed = spec.switch().reverse(&staging).map_err(|error| self.drifted(error))?;
            switches.push((*number, reversed));
        }
        // What keeps what serves comes first, whatever it kept then.
        switches.sort_by_key(|(_, spec)| spec.switch().phase());
        let (to, from) = self.versions.clone();
        let served = serving::served(work.subject)?;
        let aim = Aim {
            to: to.clone(),
            tier: Tier::Unproven,
            why: format!("it is what {} displaced", self.id),
            skipped: Vec::new(),
            evaluated: Vec::new(),
        };
        let looked = self.plan.targets.iter().enumerate().rev().map(|(number, target)| {
            let own = switches.iter().filter(|(own, _)| *own == number);
            let changes = own.flat_map(|(_, spec)| spec.switch().changes()).collect();
            // What the rollback kept, its undo takes away.
            let prediction = Prediction { mixed: target.meanwhile.is_some(), ..Prediction::default() };
            let target = TargetPlan { changes, observed: None, kept: None, ..target.clone() };
            (target, prediction)
        });
        let scene = if self.pinned.kind == "undo" { work.scene() } else { work.scene().taking_back() };
        let mut plan = scene.finish(work.contained.clone(), &served, aim, looked.collect())?;
        plan.reverts = Some(self.id.clone());
        Ok(Made { plan, to, from, switches })
    }

    fn drifted(&self, mut error: Error) -> Error {
        if error.code == ErrorCode::Drifted {
            error.message = format!("what is there is not what {} left: {}", self.id, error.message);
            error.hint.get_or_insert_with(|| {
                "roll back to a version by name instead: `irctl rollback versions`".to_owned()
            });
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Actor;

    fn one(id: &str, kind: &str, reverts: Option<&str>) -> Summary {
        Summary {
            id: id.into(),
            kind: kind.into(),
            service: "s".into(),
            actor: Actor::Automation,
            incident: None,
            created_at: chrono::DateTime::UNIX_EPOCH,
            ending: Some(Ending::Restored),
            running: false,
            resumable: false,
            summary: String::new(),
            duration_ms: None,
            acted: true,
            phase: None,
            reverts: reverts.map(str::to_owned),
        }
    }

    fn stack(all: &[Summary]) -> (Vec<String>, Vec<String>) {
        let stack = Stack::of(all.iter());
        (stack.standing, stack.undone)
    }

    #[test]
    fn undo_and_redo_walk_one_line() {
        let mut all = vec![one("1", "rollback", None), one("2", "rollback", None)];
        assert_eq!(stack(&all).0, ["1", "2"]);
        all.push(one("3", "undo", Some("2")));
        assert_eq!(stack(&all), (vec!["1".into()], vec!["3".into()]));
        all.push(one("4", "redo", Some("3")));
        assert_eq!(stack(&all), (vec!["1".into(), "4".into()], vec![]));
        all.push(one("5", "undo", Some("4")));
        all.push(one("6", "undo", Some("1")));
        assert_eq!(stack(&all), (vec![], vec!["5".into(), "6".into()]));
        all.push(one("7", "rollback", None));
        assert_eq!(stack(&all), (vec!["7".into()], vec![]), "a new rollback forgets what could be redone");
    }
}
