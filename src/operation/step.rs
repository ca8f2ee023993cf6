//! What an operation is made of: steps that can be looked at, done, and undone.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::journal::Journal;
use super::record::RecordKind;
use crate::base::process::{Invocation, Output};
use crate::base::{Clock, Digest, Result};

/// Which part of an operation a step belongs to; that decides what its failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing is switched yet: a failure undoes everything.
    Prepare,
    /// Switching: a failure switches back what was switched.
    Switch,
    /// Everything is switched and is to be shown to be good: a failure leaves it switched, and contained.
    Prove,
    /// Proven; what is left is to let consumers back: a failure halts.
    Finish,
}

/// What stands in a step's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// What the plan says was there: the step has not acted. Also said by a step that may be repeated.
    Before(Option<Digest>),
    /// What the step makes of it.
    After,
    /// Neither.
    Other {
        /// What the plan expects before the step.
        before: String,
        /// What the step would leave.
        after: String,
        /// What is there.
        found: String,
    },
}

/// What a step may use while it acts.
pub struct StepContext<'a> {
    pub(super) step: &'a str,
    pub(super) journal: &'a mut Journal,
    pub(super) clock: &'a Clock,
}

impl<'a> StepContext<'a> {
    /// For a step that writes to this journal.
    pub fn new(step: &'a str, journal: &'a mut Journal, clock: &'a Clock) -> Self {
        Self { step, journal, clock }
    }

    /// The current instant.
    pub fn now(&self) -> Result<DateTime<Utc>> {
        self.clock.now()
    }

    /// Writes a note to the journal.
    pub fn note(&mut self, text: impl Into<String>) -> Result<()> {
        let at = self.clock.now()?;
        self.journal.append(at, RecordKind::Note { text: text.into() })
    }

    /// Runs a child; who it is stands in the journal before it is waited for.
    pub fn run(&mut self, program: &str, invocation: Invocation) -> Result<Output> {
        let step = self.step.to_owned();
        let mut pid = 0;
        let (clock, journal) = (self.clock, &mut *self.journal);
        let output = invocation.run_recorded(|process| {
            pid = process.pid;
            let (process, program) = (process.clone(), program.to_owned());
            journal.append(clock.now()?, RecordKind::Child { step, process, program })
        })?;
        let ending = output.ending.to_string();
        self.journal.append(self.clock.now()?, RecordKind::ChildEnded { pid, ending })?;
        Ok(output)
    }
}

/// One step. It is rebuilt from the pinned plan when another process resumes the operation.
pub trait Step {
    /// Its name in the journal; unique in the operation.
    fn id(&self) -> String;

    /// What it does, for people: `put model.json in place`.
    fn describe(&self) -> String;

    /// Which part of the operation it belongs to.
    fn phase(&self) -> Phase;

    /// What stands in its place now.
    fn observe(&self) -> Result<Observation>;

    /// Acts; returns what there is to say about it.
    fn act(&self, context: &mut StepContext<'_>) -> Result<Option<String>>;

    /// Takes the act back. Called whatever is in place; what is not its own it must refuse to touch.
    fn undo(&self, context: &mut StepContext<'_>) -> Result<Option<String>>;
}
