//! Trying programs on a throw-away thing: does each do what the contract says?

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

use super::target::{CommandTarget, folder};
use super::{run, values};
use crate::base::{Error, Result, Untrusted, Verdict};
use crate::rollback::adapters::{Predicted, Request, State, Verb};
use crate::rollback::targets::Goal;

/// How one check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// As the contract says.
    Pass,
    /// Not as the contract says.
    Fail,
    /// Not tried.
    NotRun,
}

/// One check of a trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TrialCheck {
    /// What must hold.
    pub check: String,
    /// How it went.
    pub mark: Mark,
    /// What was found, or why it was not tried.
    pub detail: Option<Untrusted>,
}

/// How a trial went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TrialReport {
    /// What was tried.
    pub target: String,
    /// Whether only those programs were called that change nothing.
    pub dry_run: bool,
    /// Each check, in the order in which they were made.
    pub checks: Vec<TrialCheck>,
    /// OK where everything that was asked for holds, CRIT where something does not, UNKNOWN where nothing could be
    /// changed, so that applying and undoing were not tried.
    pub verdict: Verdict,
}

/// Looks, predicts, applies, looks, undoes, looks; `images` is an empty folder for what is kept.
///
/// What is applied is undone whatever else goes wrong.
///
/// # Errors
/// Only what keeps the trial from beginning; everything that a program does wrong is in the report.
pub fn trial(
    target: &CommandTarget<'_>,
    goal: &Goal<'_>,
    images: &Path,
    dry_run: bool,
) -> Result<TrialReport> {
    let request = Request { keep: None, ..target.request(Some(goal))? };
    let mut trial = Trial { target, request, checks: Vec::new(), tried: false };
    let keep = folder(images, "keep")?;
    trial.run(&keep, dry_run);
    let failed = trial.checks.iter().any(|check| check.mark == Mark::Fail);
    let verdict = match (failed, trial.tried || dry_run) {
        (true, _) => Verdict::Crit,
        (false, true) => Verdict::Ok,
        (false, false) => Verdict::Unknown,
    };
    Ok(TrialReport { target: target.config.title(), dry_run, checks: trial.checks, verdict })
}

struct Trial<'a> {
    target: &'a CommandTarget<'a>,
    request: Request,
    checks: Vec<TrialCheck>,
    tried: bool,
}

impl Trial<'_> {
    fn run(&mut self, keep: &Path, dry_run: bool) {
        let lacks = self.target.lacks();
        self.judge("the programs it needs are there", lacks.is_empty(), lacks.join(", "));
        if !lacks.is_empty() {
            return;
        }
        let looking = Request { keep: Some(keep.to_path_buf()), ..self.request.clone() };
        let observed = run::observe(self.target.config, &looking);
        let Some(before) = self.answered("observe answers", observed, |state| Some(state.shown.clone()))
        else {
            return;
        };
        self.stays("observe says the same of the same state", &before.state);
        let predicted = run::predict(self.target.config, &self.request, &before.state);
        let detail = |predicted: &Option<Predicted>| {
            predicted.is_none().then(|| "there is no predict program".to_owned())
        };
        let Some(predicted) = self.answered("predict answers", predicted, detail) else { return };
        self.stays("predict changes nothing", &before.state);
        let Some(after) = self.worth_applying(predicted.as_ref()) else { return };
        if dry_run {
            return self.skip("apply, undo and what they leave", "this is a dry run");
        }
        self.request.before = Some(before.state.clone());
        self.request.after = after.clone();
        self.request.keep = Some(keep.to_path_buf());
        self.change(&before, after.as_ref());
    }

    /// The state after, as far as it is known; `None` where there is nothing to apply.
    fn worth_applying(&mut self, predicted: Option<&Predicted>) -> Option<Option<Value>> {
        const CHECK: &str = "there is something to change";
        let Some(predicted) = predicted else { return Some(None) };
        if let Some(why) = predicted.refusals.first() {
            self.skip(CHECK, &format!("predict refuses: {why}"));
            return None;
        }
        if predicted.changes.is_empty() {
            self.skip(CHECK, "it is so already: choose other parameters, or change the thing first");
            return None;
        }
        let places: Vec<_> = predicted.changes.iter().map(|change| change.place.as_str()).collect();
        self.judge(CHECK, true, places.join(", "));
        Some(predicted.after.clone())
    }

    fn change(&mut self, before: &State, after: Option<&Value>) {
        self.tried = true;
        let applied = self.call(Verb::Apply);
        let applied = self.answered("apply answers", applied, |applied| applied.detail.clone());
        if applied.is_some() {
            let now = self.look();
            match (after, now) {
                (Some(after), Ok(now)) => {
                    let good = values::same(&now, after);
                    self.judge("apply leaves what predict said", good, wanted(after, &now, good));
                }
                (None, Ok(now)) => {
                    let good = !values::same(&now, &before.state);
                    self.judge("apply changes something", good, values::brief(&now));
                }
                (_, Err(error)) => self.judge("observe answers after apply", false, error.message),
            }
            self.repeated(Verb::Apply);
        }
        let undone = self.call(Verb::Undo);
        self.answered("undo answers", undone, |undone| undone.detail.clone());
        self.stays("undo puts back what was", &before.state);
        self.repeated(Verb::Undo);
    }

    /// After a crash irctl may ask twice.
    fn repeated(&mut self, verb: Verb) {
        let check = format!("{verb} a second time changes nothing");
        let Ok(first) = self.look() else { return };
        // It may also refuse: what counts is that nothing changes.
        let _ = self.call(verb);
        self.stays(&check, &first);
    }

    fn call(&self, verb: Verb) -> Result<crate::rollback::adapters::Applied> {
        run::change(self.target.config, &Request { verb, ..self.request.clone() }, None)
    }

    fn look(&self) -> Result<Value> {
        let request = Request { keep: None, before: None, after: None, ..self.request.clone() };
        run::observe(self.target.config, &request).map(|state| state.state)
    }

    fn stays(&mut self, check: &str, expected: &Value) {
        match self.look() {
            Ok(now) => {
                let good = values::same(&now, expected);
                self.judge(check, good, wanted(expected, &now, good));
            }
            Err(error) => self.judge(check, false, error.message),
        }
    }

    fn answered<T>(
        &mut self,
        check: &str,
        answer: Result<T>,
        detail: impl Fn(&T) -> Option<String>,
    ) -> Option<T> {
        match answer {
            Ok(answer) => {
                self.judge(check, true, detail(&answer).unwrap_or_default());
                Some(answer)
            }
            Err(Error { message, .. }) => {
                self.judge(check, false, message);
                None
            }
        }
    }

    fn judge(&mut self, check: &str, good: bool, detail: String) {
        let mark = if good { Mark::Pass } else { Mark::Fail };
        let detail = (!detail.is_empty()).then(|| detail.into());
        self.checks.push(TrialCheck { check: check.to_owned(), mark, detail });
    }

    fn skip(&mut self, check: &str, why: &str) {
        self.checks.push(TrialCheck {
            check: check.to_owned(),
            mark: Mark::NotRun,
            detail: Some(why.into()),
        });
    }
}

fn wanted(expected: &Value, found: &Value, good: bool) -> String {
    if good {
        return String::new();
    }
    format!("expected {}, found {}", values::brief(expected), values::brief(found))
}
