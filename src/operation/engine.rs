//! Runs steps so that a crash at any instant leaves old, new, or something that can be resumed.
//!
//! Each step is journalled before and after: intent, act, outcome. After a crash an intent without an outcome is
//! *looked at*: already so → recorded; as before → done again; neither → halted, with what was expected and found.

use schemars::JsonSchema;
use serde::Serialize;
use std::time::{Duration, Instant};

use super::ending::Ending;
use super::journal::{Journal, Progress};
use super::record::RecordKind;
use super::signal::Stop;
use super::step::{Observation, Phase, Step, StepContext};
use crate::base::{Clock, Digest, Error, ErrorCode, Result, fault};

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// It begins to act.
    Started,
    /// It has acted.
    Done,
    /// It was found done.
    AlreadyDone,
    /// It failed.
    Failed,
    /// It was undone.
    Undone,
    /// The operation takes longer than its budget, and is beyond the point where that stops it.
    OverBudget,
}

/// Told to whoever watches, as it happens.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct StepUpdate {
    /// The step.
    pub step: String,
    /// What it does, for people.
    pub text: String,
    /// What became of it.
    pub state: StepState,
    /// Since the operation was begun or resumed, in milliseconds.
    pub elapsed_ms: u64,
    /// How long it all may take, in milliseconds; absent where nothing limits it, or not any more.
    pub budget_ms: Option<u64>,
    /// What there is to say about it.
    pub detail: Option<String>,
}

/// How the steps ended.
#[derive(Debug, Clone)]
pub struct Conclusion {
    /// How.
    pub ending: Ending,
    /// Why, in one sentence; absent when everything was done.
    pub reason: Option<String>,
    /// The step it ended at.
    pub step: Option<String>,
}

/// How long an operation may take.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// In all.
    pub whole: Duration,
    /// The part of it that is kept for undoing: a switch that does not begin before that does not begin.
    pub undo: Duration,
}

impl Budget {
    /// From milliseconds.
    pub fn of(whole_ms: u64, undo_ms: u64) -> Self {
        Self { whole: Duration::from_millis(whole_ms), undo: Duration::from_millis(undo_ms) }
    }
}

/// Runs the steps of one operation.
pub struct Engine<'a> {
    /// The journal.
    pub journal: &'a mut Journal,
    /// What the journal says was done before.
    pub progress: Progress,
    /// The clock of the records.
    pub clock: &'a Clock,
    /// Whether somebody asks to stop.
    pub stop: &'a Stop,
    /// Told what happens.
    pub watch: &'a dyn Fn(&StepUpdate),
    /// When the operation was begun or resumed.
    pub started: Instant,
    /// How long it may take.
    pub budget: Option<Budget>,
}

type Steps<'s> = [Box<dyn Step + 's>];

impl Engine<'_> {
    /// Runs what is left to run, or goes on undoing if that is what was being done.
    pub fn run(&mut self, steps: &Steps<'_>) -> Result<Conclusion> {
        if let Some(reason) = self.progress.undoing.clone() {
            return self.undo_all(steps, &reason, None);
        }
        for step in steps {
            if self.progress.done.contains(&step.id()) {
                continue;
            }
            if let Some(conclusion) = self.boundary(steps, step.as_ref())? {
                return Ok(conclusion);
            }
            if let Err(error) = self.forward(step.as_ref())? {
                return self.failed(steps, step.as_ref(), &error);
            }
        }
        Ok(Conclusion { ending: Ending::Restored, reason: None, step: None })
    }

    /// Undoes everything that was done, newest first.
    pub fn undo_all(&mut self, steps: &Steps<'_>, reason: &str, at: Option<&str>) -> Result<Conclusion> {
        if self.progress.undoing.is_none() {
            self.append(RecordKind::Undoing { reason: reason.to_owned() })?;
            self.progress.undoing = Some(reason.to_owned());
        }
        for step in steps.iter().rev() {
            let id = step.id();
            if !self.progress.touched.contains(&id) {
                continue;
            }
            if let Err(error) = self.backward(step.as_ref())? {
                let reason =
                    format!("{reason}; then undoing `{}` failed: {}", step.describe(), with_hint(&error));
                return Ok(Conclusion { ending: Ending::Halted, reason: Some(reason), step: Some(id) });
            }
        }
        Ok(Conclusion {
            ending: Ending::Undone,
            reason: Some(reason.to_owned()),
            step: at.map(str::to_owned),
        })
    }

    /// Between two steps: somebody may have asked to stop, or the budget may be used up.
    fn boundary(&mut self, steps: &Steps<'_>, next: &dyn Step) -> Result<Option<Conclusion>> {
        let switching = self.has_touched(steps, Phase::Switch);
        if let Some(budget) = self.budget {
            let elapsed = self.started.elapsed();
            if !switching
                && next.phase() <= Phase::Switch
                && elapsed > budget.whole.saturating_sub(budget.undo)
            {
                let reason = format!(
                    "its budget of {} s, less {} s that are kept for undoing, was used up before the first switch",
                    budget.whole.as_secs_f64(),
                    budget.undo.as_secs_f64()
                );
                return self.undo_all(steps, &reason, Some(&next.id())).map(Some);
            }
            if elapsed > budget.whole {
                self.budget = None;
                self.tell(next, StepState::OverBudget, None);
                let text = format!("over its budget of {} s", budget.whole.as_secs_f64());
                self.append(RecordKind::Note { text })?;
            }
        }
        if !self.stop.is_requested() {
            return Ok(None);
        }
        let reason = "somebody asked to stop";
        match next.phase() {
            // The seconds between the first and the last switch are no place to stop.
            Phase::Switch if switching => Ok(None),
            Phase::Prepare | Phase::Switch => self.undo_all(steps, reason, Some(&next.id())).map(Some),
            Phase::Prove | Phase::Finish => Ok(Some(Conclusion {
                ending: Ending::Halted,
                reason: Some(format!("{reason} before `{}`", next.describe())),
                step: Some(next.id()),
            })),
        }
    }

    fn has_touched(&self, steps: &Steps<'_>, phase: Phase) -> bool {
        steps.iter().any(|step| step.phase() == phase && self.progress.touched.contains(&step.id()))
    }

    /// One step forward. The outer error is a journal that cannot be written; the inner one is the step's.
    fn forward(&mut self, step: &dyn Step) -> Result<Result<()>> {
        let id = step.id();
        let resumed = self.progress.intended.contains(&id);
        let observation = match step.observe() {
            Ok(observation) => observation,
            Err(error) => return Ok(Err(error)),
        };
        match observation {
            Observation::After => {
                if !resumed {
                    self.intent(&id, false, None)?;
                }
                self.outcome(&id, false, None, Some("it was so already".to_owned()))?;
                self.tell(step, StepState::AlreadyDone, None);
                Ok(Ok(()))
            }
            Observation::Other { before, after, found } => Ok(Err(drifted(step, &before, &after, &found))),
            Observation::Before(before) => self.act(step, &id, before),
        }
    }

    fn act(&mut self, step: &dyn Step, id: &str, before: Option<Digest>) -> Result<Result<()>> {
        self.tell(step, StepState::Started, None);
        self.intent(id, false, before)?;
        fault::point(&format!("{id}:before-act"));
        let mut context = StepContext { step: id, journal: &mut *self.journal, clock: self.clock };
        let acted = step.act(&mut context);
        fault::point(&format!("{id}:after-act"));
        match acted {
            Ok(detail) => {
                self.outcome(id, false, None, detail.clone())?;
                self.tell(step, StepState::Done, detail);
                Ok(Ok(()))
            }
            Err(error) => {
                self.outcome(id, false, Some(error.message.clone()), None)?;
                Ok(Err(error))
            }
        }
    }

    fn backward(&mut self, step: &dyn Step) -> Result<Result<()>> {
        let id = step.id();
        self.intent(&id, true, None)?;
        fault::point(&format!("{id}:before-undo"));
        let mut context = StepContext { step: &id, journal: &mut *self.journal, clock: self.clock };
        let undone = step.undo(&mut context);
        fault::point(&format!("{id}:after-undo"));
        match undone {
            Ok(detail) => {
                self.outcome(&id, true, None, detail.clone())?;
                self.tell(step, StepState::Undone, detail);
                Ok(Ok(()))
            }
            Err(error) => {
                self.outcome(&id, true, Some(error.message.clone()), None)?;
                self.tell(step, StepState::Failed, Some(error.message.clone()));
                Ok(Err(error))
            }
        }
    }

    /// What a step's failure means depends on where it stands.
    fn failed(&mut self, steps: &Steps<'_>, step: &dyn Step, error: &Error) -> Result<Conclusion> {
        self.tell(step, StepState::Failed, Some(error.message.clone()));
        let reason = format!("`{}` failed: {}", step.describe(), with_hint(error));
        let stays = |ending| Ok(Conclusion { ending, reason: Some(reason.clone()), step: Some(step.id()) });
        match step.phase() {
            Phase::Prepare | Phase::Switch => self.undo_all(steps, &reason, Some(&step.id())),
            // Never back to the known bad: it stays switched, and contained, until it is proved or released.
            Phase::Prove => stays(Ending::Unproven),
            Phase::Finish => stays(Ending::Halted),
        }
    }

    fn intent(&mut self, step: &str, undo: bool, before: Option<Digest>) -> Result<()> {
        fault::point(&format!("{step}:before-intent"));
        self.append(RecordKind::Intent { step: step.to_owned(), undo, before })?;
        fault::point(&format!("{step}:after-intent"));
        Ok(())
    }

    fn outcome(
        &mut self,
        step: &str,
        undo: bool,
        failure: Option<String>,
        detail: Option<String>,
    ) -> Result<()> {
        let elapsed_ms = self.elapsed_ms();
        fault::point(&format!("{step}:before-outcome"));
        self.append(RecordKind::Outcome { step: step.to_owned(), undo, failure, detail, elapsed_ms })?;
        fault::point(&format!("{step}:after-outcome"));
        Ok(())
    }

    fn append(&mut self, kind: RecordKind) -> Result<()> {
        let at = self.clock.now()?;
        self.progress.take(&kind, at);
        self.journal.append(at, kind)
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn tell(&self, step: &dyn Step, state: StepState, detail: Option<String>) {
        (self.watch)(&StepUpdate {
            step: step.id(),
            text: step.describe(),
            state,
            elapsed_ms: self.elapsed_ms(),
            budget_ms: self.budget.map(|budget| u64::try_from(budget.whole.as_millis()).unwrap_or(u64::MAX)),
            detail,
        });
    }
}

fn drifted(step: &dyn Step, before: &str, after: &str, found: &str) -> Error {
    Error::new(
        ErrorCode::Drifted,
        format!(
            "what is there is not what the plan was made for (step `{}`): expected {before}, would become \
             {after}, found {found}",
            step.describe()
        ),
    )
    .hint("somebody else changed it; look at it, then make a new plan, or `irctl rollback resume` or `abort`")
}

fn with_hint(error: &Error) -> String {
    match &error.hint {
        Some(hint) => format!("{} ({hint})", error.message),
        None => error.message.clone(),
    }
}
