//! Everything after the yes, and everything after a crash: run, refuse, resume, abort.

use std::time::Instant;

use super::claims::{self, Claims};
use super::conclude::{Concluding, RollbackOutcome};
use super::environment::{Environment, Subject};
use super::plan::Plan;
use super::prepare::Prepared;
use super::steps::{self, StepSpec};
use crate::base::{Error, ErrorCode, Result, host};
use crate::operation::engine::Budget;
use crate::operation::{Conclusion, Directory, Ending, Journal, Progress, RecordKind};

/// Carries a prepared rollback out.
///
/// For automation a guard that does not pass is a refusal. The only error is a journal that cannot be written (code
/// `halted`); everything else is an ending.
pub fn execute(environment: &Environment<'_>, prepared: Prepared) -> Result<RollbackOutcome> {
    if !prepared.attended
        && let Some(why) = prepared.plan.binds_automation()
    {
        return refuse(environment, prepared, &format!("a guard refused: {why}"));
    }
    let Prepared { plan, subject, directory, claims, mut journal, specs, spent, .. } = prepared;
    let incident = plan.incident.clone();
    let summary =
        format!("Rollback from {} to {} started: {}", plan.served.shown(), plan.to.shown(), plan.why);
    environment.tell(
        "rollback.started",
        &subject.service,
        Some(&directory.id),
        incident.as_deref(),
        &serde_json::json!({
            "operation": directory.id, "from": plan.served, "to": plan.to, "why": plan.why, "summary": summary,
        }),
    )?;
    // A human's thinking time is not the machine's; staging is.
    let started = Instant::now().checked_sub(spent).unwrap_or_else(Instant::now);
    let budget = Some(Budget::of(plan.budget_ms, plan.undo_budget_ms));
    let built = steps::build_all(&specs, &subject, environment);
    let mut engine = steps::engine(environment, &mut journal, Progress::default(), started, budget);
    let conclusion = engine.run(&built).map_err(|error| interrupted(&directory, error))?;
    let progress = engine.progress;
    let concluding = Concluding {
        environment,
        subject: &subject,
        directory: &directory,
        plan: Some(&plan),
        specs: &specs,
        progress: &progress,
    };
    let concluded = concluding.conclude(&mut journal, &conclusion, started);
    let outcome = concluded.map_err(|error| interrupted(&directory, error))?;
    let_go(claims, conclusion.ending);
    Ok(outcome)
}

/// A journal that cannot be written stops everything where it is; that is a halt, whatever the cause.
fn interrupted(directory: &Directory, error: Error) -> Error {
    let id = &directory.id;
    Error::new(
        ErrorCode::Halted,
        format!("{id} stopped, because its journal cannot be kept: {}", error.message),
    )
    .hint(format!("when that is mended, `irctl rollback resume {id}` finishes it and `abort {id}` undoes it"))
    .source(error)
}

/// A claim is given back when nothing is left unfinished; otherwise it stays, to be found.
fn let_go(claims: Claims, ending: Ending) {
    if !ending.is_open() {
        claims.release();
    }
}

/// A no: nothing is switched, and what was contained stays contained.
pub fn refuse(environment: &Environment<'_>, prepared: Prepared, why: &str) -> Result<RollbackOutcome> {
    let Prepared { plan, subject, directory, claims, mut journal, specs, .. } = prepared;
    let conclusion = Conclusion { ending: Ending::Refused, reason: Some(why.to_owned()), step: None };
    let concluding = Concluding {
        environment,
        subject: &subject,
        directory: &directory,
        plan: Some(&plan),
        specs: &specs,
        progress: &Progress::default(),
    };
    let outcome = concluding.conclude(&mut journal, &conclusion, Instant::now())?;
    let_go(claims, conclusion.ending);
    Ok(outcome)
}

/// An operation that is taken up again.
struct Reopened {
    directory: Directory,
    subject: Subject,
    plan: Option<Plan>,
    specs: Vec<StepSpec>,
    journal: Journal,
    progress: Progress,
    claims: Claims,
}

/// Goes on with an operation that a crash, a halt or a missing proof left unfinished. The workspace is not read.
pub fn resume(environment: &Environment<'_>, id: &str) -> Result<RollbackOutcome> {
    run_again(environment, id, None)
}

/// Undoes an unfinished operation.
pub fn abort(environment: &Environment<'_>, id: &str, reason: Option<&str>) -> Result<RollbackOutcome> {
    run_again(environment, id, Some(reason.unwrap_or("aborted by hand")))
}

fn run_again(environment: &Environment<'_>, id: &str, abort: Option<&str>) -> Result<RollbackOutcome> {
    let mut reopened = reopen(environment, id, abort.is_some())?;
    let actor = environment.actor.clone();
    let resumed = RecordKind::Resumed { actor, process: host::current() };
    let now = environment.clock.now()?;
    reopened.progress.take(&resumed, now);
    reopened.journal.append(now, resumed)?;
    let Reopened { directory, subject, plan, specs, mut journal, progress, claims } = reopened;
    let started = Instant::now();
    let built = steps::build_all(&specs, &subject, environment);
    let mut engine = steps::engine(environment, &mut journal, progress, started, None);
    let conclusion = match abort {
        Some(reason) => engine.undo_all(&built, reason, None),
        None => engine.run(&built),
    }
    .map_err(|error| interrupted(&directory, error))?;
    let progress = engine.progress;
    let concluding = Concluding {
        environment,
        subject: &subject,
        directory: &directory,
        plan: plan.as_ref(),
        specs: &specs,
        progress: &progress,
    };
    let concluded = concluding.conclude(&mut journal, &conclusion, started);
    let outcome = concluded.map_err(|error| interrupted(&directory, error))?;
    let_go(claims, conclusion.ending);
    Ok(outcome)
}

fn reopen(environment: &Environment<'_>, id: &str, aborting: bool) -> Result<Reopened> {
    let directory = Directory::open(environment.state, id)?;
    let Some((pinned, digest)) = directory.pinned()? else {
        return Err(Error::new(
            ErrorCode::NotFound,
            format!("{id} ended before it had a plan: nothing was changed"),
        ));
    };
    if pinned.host != host::host_name() {
        return Err(Error::new(
            ErrorCode::NotPermitted,
            format!("{id} was begun on {} and can only be resumed there", pinned.host),
        ));
    }
    // Nothing that stands in the plan is believed before its chain is checked: claims are files that are written.
    directory.records(&digest)?;
    let claims = claims::retake(environment, &pinned.service, &pinned.claims, id)?;
    // Only now is nobody else writing to the journal.
    let (journal, records) = directory.reopen(&digest)?;
    let progress = Progress::of(&records);
    if let Err(error) = refuse_if_over(id, &progress, aborting) {
        // What is over holds nothing; what a child of it still works on stays claimed.
        if !progress.is_open() && progress.living_child().is_none() {
            claims.release();
        }
        return Err(error);
    }
    let wrong = |error: serde_json::Error| {
        Error::new(ErrorCode::InvalidData, format!("the plan of {id} cannot be read: {error}"))
    };
    let specs = pinned.steps.iter().cloned().map(serde_json::from_value);
    Ok(Reopened {
        subject: serde_json::from_value(pinned.configuration).map_err(wrong)?,
        plan: serde_json::from_value(pinned.plan).map_err(wrong)?,
        specs: specs.collect::<std::result::Result<_, _>>().map_err(wrong)?,
        directory,
        journal,
        progress,
        claims,
    })
}

fn refuse_if_over(id: &str, progress: &Progress, aborting: bool) -> Result<()> {
    if let Some((child, program)) = progress.living_child() {
        return Err(Error::new(
            ErrorCode::Busy,
            format!("`{program}` of {id} still runs as process {} on {}", child.pid, child.host),
        )
        .hint("wait for it, or end it; then try again"));
    }
    let Some((ending, summary)) = &progress.ended else { return Ok(()) };
    let again = *ending == Ending::Unproven && !aborting;
    if ending.is_open() || again {
        return Ok(());
    }
    let hint = match ending {
        Ending::Restored | Ending::Unproven => format!("`irctl rollback undo {id}` takes it back"),
        _ => "make a new plan with `irctl rollback --to prev`".to_owned(),
    };
    Err(Error::new(ErrorCode::Refused, format!("{id} is over: {ending} ({summary})")).hint(hint))
}
