//! What a rollback is handed: values and closures, never a terminal.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

use super::saved::SavedPlan;
pub use super::subject::Subject;
use crate::base::{Clock, Result, Unit, Verdict};
use crate::operation::{Recorder, StepUpdate, Stop};
use crate::store::{Actor, NewEvent};

/// What everything in this room works with.
pub struct Environment<'a> {
    /// The state directory.
    pub state: &'a Path,
    /// The clock.
    pub clock: &'a Clock,
    /// Takes events.
    pub recorder: &'a dyn Recorder,
    /// Who acts.
    pub actor: Actor,
    /// Runs a suite by name; the second value is what [`Subject::suites`] pinned.
    pub verify: &'a dyn Fn(&str, &serde_json::Value) -> VerifyOutcome,
    /// Told what happens, as it happens.
    pub progress: &'a dyn Fn(&StepUpdate),
    /// Whether somebody asks to stop.
    pub stop: &'a Stop,
}

/// What a suite said.
#[derive(Debug, Clone)]
pub struct VerifyOutcome {
    /// The verdict. OK and WARN pass; UNKNOWN does not.
    pub verdict: Verdict,
    /// In one sentence.
    pub summary: String,
}

impl VerifyOutcome {
    /// Whether it is good enough to let consumers back.
    pub fn passes(&self) -> bool {
        matches!(self.verdict, Verdict::Ok | Verdict::Warn)
    }
}

/// The rule that fails, handed in as a value.
pub struct FailingRule<'a> {
    /// Its identifier.
    pub rule: String,
    /// The metric it looks at.
    pub metric: String,
    /// That metric's unit.
    pub unit: Unit,
    /// The rule as written, as `mape_weekly > 25%`.
    pub expression: String,
    /// Whether it fails at a value; `None` where that cannot be decided.
    pub fails: &'a dyn Fn(f64) -> Option<bool>,
}

/// What is asked for.
pub struct Request<'a> {
    /// Where to.
    pub to: super::candidates::Selector,
    /// The incident it answers.
    pub incident: Option<String>,
    /// Why, in the words of who asks.
    pub reason: Option<String>,
    /// Whether a human asks: guards then warn and do not bind.
    pub attended: bool,
    /// The rule that fails now.
    pub failing: Option<FailingRule<'a>>,
    /// A plan that was saved: nothing else may be done than what it says.
    pub saved: Option<&'a SavedPlan>,
}

impl Request<'_> {
    /// A human's plain request.
    pub fn human(to: super::candidates::Selector) -> Self {
        Self { to, incident: None, reason: None, attended: true, failing: None, saved: None }
    }
}

/// How an event speaks of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VersionName {
    /// What people call it.
    pub name: String,
    /// What it is; absent where something of it is missing.
    pub digest: Option<crate::base::Digest>,
}

impl Environment<'_> {
    /// Records an event of this moment.
    pub fn tell(
        &self,
        kind: &str,
        service: &str,
        operation: Option<&str>,
        incident: Option<&str>,
        payload: &impl Serialize,
    ) -> Result<()> {
        let now = self.clock.now()?;
        let payload = serde_json::to_value(payload).unwrap_or(serde_json::Value::Null);
        self.recorder.record(NewEvent {
            kind: kind.to_owned(),
            occurred_at: now,
            recorded_at: now,
            actor: self.actor.clone(),
            service: Some(service.to_owned()),
            incident: incident.map(str::to_owned),
            operation: operation.map(str::to_owned),
            payload,
        });
        Ok(())
    }
}
