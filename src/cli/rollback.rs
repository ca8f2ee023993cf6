//! `irctl rollback`: back to a good version, all or nothing.

mod ask;
pub(super) mod desk;
mod folder;
pub mod inspect;
mod live;
mod screen;
pub mod search;
mod wiring;
mod words;

use std::path::PathBuf;

use super::{Context, NowArgs};
use crate::base::{Duration, Error, ErrorCode, Result, Untrusted};
use crate::rollback::targets::git::bisect::Found;
use crate::rollback::{self, Part, Request, Reversal, RollbackOutcome, SavedPlan, Selector};
use desk::{Desk, Place};
use search::BisectReport;

/// Roll a model or service back to a good version, all or nothing.
///
/// It claims what is changed, stops the consumers, finds the version, stages it, shows one plan and asks once. Then
/// it switches, proves what serves, verifies, and lets the consumers back. After a crash at any point `irctl rollback
/// resume` finishes it.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  irctl rollback --model rila_6y20b --to prev\n  irctl rollback --to last-stable --dry-run\n  \
                  irctl rollback --to backup_2026-09-28 --yes --reason \"drift confirmed\"\n  \
                  irctl rollback /srv/model --to prev     # without any configuration\n  \
                  irctl rollback /srv/app --to HEAD~1     # a git work tree\n  \
                  irctl rollback --paths tests/baselines/ --to HEAD~1\n  \
                  irctl rollback /srv/app --bisect \"python3 -m pytest -q\" --good v1.4\n  \
                  irctl rollback --service options --phase 2 --only immediate --yes\n  \
                  irctl rollback --to prev --plan-out plan.json    # look at it; then:\n  \
                  irctl rollback --plan plan.json --yes\n\n\
                  Exit status: 0 restored and proven, 10 undone, 11 halted (resume finishes it), 12 refused, 13 not \
                  known, 14 switched but not proven."
)]
pub struct Args {
    #[command(flatten)]
    folder: folder::FolderArgs,
    #[command(flatten)]
    service: ServiceArgs,
    /// Where to: prev, last-stable, a version's name, its digest (at least eight digits), or a git revision.
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    #[command(flatten)]
    work_tree: folder::WorkTreeArgs,
    #[command(flatten)]
    search: search::SearchArgs,
    /// Roll back one phase of the service: one of its named plans.
    #[arg(long, value_name = "NAME")]
    phase: Option<String>,
    /// Only one part of the phase: what stops the harm, or what restores the service then.
    #[arg(long, value_name = "PART", requires = "phase")]
    only: Option<PartArg>,
    /// The environment whose values are used, as `staging`.
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Write the plan to a file and change nothing.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["yes", "plan"])]
    plan_out: Option<PathBuf>,
    /// Carry out a plan that `--plan-out` wrote; refused when anything is not as it was then.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to", "phase", "only", "env", "service", "folder"])]
    plan: Option<PathBuf>,
    /// Show the plan and change nothing; nothing is contained either.
    #[arg(long)]
    dry_run: bool,
    /// Do it without asking.
    #[arg(long)]
    yes: bool,
    /// The incident that this answers.
    #[arg(long, value_name = "INCIDENT")]
    incident: Option<String>,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// A part of a phase.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum PartArg {
    /// What stops the harm (0 to 15 minutes).
    Immediate,
    /// What restores the service then (15 to 60 minutes).
    Recovery,
}

impl From<PartArg> for Part {
    fn from(part: PartArg) -> Self {
        match part {
            PartArg::Immediate => Part::Immediate,
            PartArg::Recovery => Part::Recovery,
        }
    }
}

/// Which service is meant.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServiceArgs {
    /// The service.
    #[arg(long, value_name = "NAME", visible_alias = "model")]
    pub service: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Take a rollback back, byte for byte.
    Undo(UndoArgs),
    /// Do again what an undo took back.
    Redo(UndoArgs),
    /// Finish an operation that a crash, a halt or a missing proof left unfinished.
    Resume(OperationArgs),
    /// Undo an unfinished operation.
    Abort(OperationArgs),
    /// Show what is unfinished, and what was last.
    Status(InspectArgs),
    /// Watch an operation of somebody else until it ends.
    Attach(OperationArgs),
    /// List versions and what is known about each.
    Versions(InspectArgs),
    /// List operations.
    History(InspectArgs),
    /// Keep a version from being gone back to, or lift that.
    Quarantine(QuarantineArgs),
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  irctl rollback quarantine backup_2026-10-26 --reason \"trained on leaked data\"\n  irctl rollback quarantine 2026.10.26 --for 7d --reason \"until it is retrained\"\n  irctl rollback quarantine 2026.10.26 --lift"
)]
struct QuarantineArgs {
    /// The version: its name or its digest.
    version: String,
    #[command(flatten)]
    service: ServiceArgs,
    /// How long, as 7d; until it is lifted otherwise.
    #[arg(long = "for", value_name = "DURATION", conflicts_with = "lift")]
    length: Option<Duration>,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT", required_unless_present = "lift")]
    reason: Option<String>,
    /// Let it be gone back to again.
    #[arg(long)]
    lift: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  irctl rollback undo\n  irctl rollback undo OP-20261120-031200 --yes")]
struct UndoArgs {
    /// The operation; the newest rollback otherwise.
    operation: Option<String>,
    #[command(flatten)]
    service: ServiceArgs,
    /// Do it without asking.
    #[arg(long)]
    yes: bool,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  irctl rollback status      # names what is unfinished; resume finishes it, abort undoes it, attach watches it"
)]
struct OperationArgs {
    /// The operation; the newest unfinished one otherwise.
    operation: Option<String>,
    #[command(flatten)]
    service: ServiceArgs,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  irctl rollback versions --model rila_6y20b\n  irctl rollback history --output json\n  irctl rollback status /srv/model     # a folder without configuration"
)]
struct InspectArgs {
    #[command(flatten)]
    folder: folder::FolderArgs,
    #[command(flatten)]
    service: ServiceArgs,
    /// The phase that is meant.
    #[arg(long, value_name = "NAME")]
    phase: Option<String>,
    /// The environment whose values are used.
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    #[command(flatten)]
    now: NowArgs,
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    match &args.verb {
        None => roll_back(args, context),
        Some(Verb::Undo(args)) => reverse(args, context, Reversal::Undo),
        Some(Verb::Redo(args)) => reverse(args, context, Reversal::Redo),
        Some(Verb::Resume(args)) => again(args, context, false),
        Some(Verb::Abort(args)) => again(args, context, true),
        Some(Verb::Status(args)) => inspect::status(context, &place(args), &args.now),
        Some(Verb::Attach(args)) => {
            inspect::attach(context, args.operation.as_deref(), args.service.service.as_deref())
        }
        Some(Verb::Versions(args)) => inspect::versions(context, &place(args), &args.now),
        Some(Verb::History(args)) => inspect::history(context, &place(args), &args.now),
        Some(Verb::Quarantine(args)) => quarantine(args, context),
    }
}

fn place(args: &InspectArgs) -> Place {
    let (directory, wanted) = args.folder.wanted();
    Place {
        directory,
        wanted,
        service: args.service.service.clone(),
        phase: args.phase.clone(),
        environment: args.env.clone(),
        only: None,
    }
}

/// What is asked for: on the command line, or by a saved plan.
struct Asked {
    place: Place,
    /// Absent where it is still to be found.
    to: Option<Selector>,
    saved: Option<SavedPlan>,
}

impl Asked {
    fn of(args: &Args, context: &Context) -> Result<Self> {
        let (directory, wanted) = args.work_tree.apply(args.folder.wanted());
        let place = Place {
            directory,
            wanted,
            service: args.service.service.clone(),
            phase: args.phase.clone(),
            only: args.only.map(Part::from),
            environment: args.env.clone(),
        };
        if let Some(file) = &args.plan {
            let saved = SavedPlan::read(&context.directory.join(file))?;
            let plan = &saved.plan;
            let place = Place {
                service: Some(plan.service.clone()),
                phase: plan.phase.clone(),
                only: plan.only(),
                environment: plan.environment.clone(),
                ..place
            };
            let digest = plan.to.digest.as_ref().map(ToString::to_string).unwrap_or_default();
            return Ok(Self { place, to: Some(Selector::Named(digest)), saved: Some(saved) });
        }
        if args.search.bisect.is_some() {
            return Ok(Self { place, to: None, saved: None });
        }
        // A phase declares where it goes to; everything else must be told.
        let to = match (&args.to, &args.phase) {
            (Some(to), _) => to.as_str(),
            (None, Some(_)) => "prev",
            (None, None) => {
                return Err(Error::new(ErrorCode::Usage, "where to go back to is missing: --to VERSION")
                    .hint(
                        "`--to prev` takes the best earlier version; `irctl rollback versions` lists them",
                    ));
            }
        };
        let Ok(to) = to.parse::<Selector>();
        Ok(Self { place, to: Some(to), saved: None })
    }
}

fn roll_back(args: &Args, context: &Context) -> Result<u8> {
    let asked = Asked::of(args, context)?;
    let desk = Desk::open(context, &asked.place)?;
    let subject = desk.subject()?;
    let incident = match desk.wiring() {
        Some(wiring) => wiring.incident(&subject.service, args.incident.as_deref())?,
        None => None,
    };
    let failing = incident.as_ref().and_then(|incident| desk.wiring()?.failing(incident));
    let fails = |value| failing.as_ref().and_then(|failing| failing.fails(value));
    desk.with(|environment| {
        if !args.dry_run && args.plan_out.is_none() {
            ask::before_acting(context, args.yes)?;
        }
        let found = args.search.run(context, subject, environment.stop)?;
        let parent = found.as_ref().map(|found| Selector::Named(found.parent.clone()));
        let to = parent.or_else(|| asked.to.clone()).unwrap_or(Selector::Prev);
        let request = Request {
            incident: incident.map(|incident| incident.id).or_else(|| args.incident.clone()),
            reason: args.reason.clone(),
            failing: failing.as_ref().map(|failing| failing.rule(&fails)),
            saved: asked.saved.as_ref(),
            ..Request::human(to)
        };
        if args.dry_run || args.plan_out.is_some() {
            let status = look(args, context, environment, (subject, found.as_ref()), &request)?;
            if let Some(wiring) = desk.wiring() {
                wiring.opened_plan(&subject.service);
            }
            return Ok(status);
        }
        let prepared = rollback::prepare(environment, subject, &request)?;
        let outcome = ask::then_execute(context, environment, prepared, args.yes, desk.wiring())?;
        finished(context, &desk, &outcome, found.as_ref())
    })
}

/// Shows the plan, and saves it where that is asked for. Changes nothing.
fn look(
    args: &Args,
    context: &Context,
    environment: &rollback::Environment<'_>,
    (subject, found): (&rollback::Subject, Option<&Found>),
    request: &Request<'_>,
) -> Result<u8> {
    let plan = rollback::dry_run(environment, subject, request)?;
    if let (true, Some(bisect)) = (context.out.is_json(), found) {
        context.out.json(&BisectReport { bisect, plan: Some(&plan), outcome: None })?;
    } else if context.out.is_json() {
        context.out.json(&plan)?;
    } else {
        screen::plan(context, &plan)?;
    }
    let possible = plan.refusals.is_empty();
    if let Some(file) = &args.plan_out {
        SavedPlan::new(subject, plan)?.write(&context.directory.join(file))?;
        if !context.out.is_json() {
            context.out.line(&format!("Saved. irctl rollback --plan {} carries it out.", file.display()))?;
        }
    }
    Ok(if possible { 0 } else { ErrorCode::Refused.exit() })
}

fn reverse(args: &UndoArgs, context: &Context, reversal: Reversal) -> Result<u8> {
    let desk = Desk::with_operation(context, args.operation.as_deref(), args.service.service.as_deref())?;
    desk.with(|environment| {
        let id = match &args.operation {
            Some(id) => id.clone(),
            None => rollback::undo::newest(environment.state, args.service.service.as_deref(), reversal)?,
        };
        ask::before_acting(context, args.yes)?;
        let prepared = rollback::prepare_reversal(environment, &id, reversal, args.reason.as_deref(), true)?;
        let outcome = ask::then_execute(context, environment, prepared, args.yes, desk.wiring())?;
        finished(context, &desk, &outcome, None)
    })
}

fn quarantine(args: &QuarantineArgs, context: &Context) -> Result<u8> {
    let place = Place { service: args.service.service.clone(), ..Place::default() };
    let desk = Desk::open(context, &place)?;
    let subject = desk.subject()?;
    desk.with(|environment| {
        let outcome = match (&args.reason, args.lift) {
            (Some(reason), false) => {
                rollback::quarantine::put(environment, subject, &args.version, args.length, reason)?
            }
            _ => rollback::quarantine::lift(environment, subject, &args.version)?,
        };
        if context.out.is_json() {
            context.out.json(&outcome)?;
        } else {
            context.out.line(&Untrusted::from(outcome.summary).to_string())?;
        }
        Ok(0)
    })
}

fn again(args: &OperationArgs, context: &Context, abort: bool) -> Result<u8> {
    let service = args.service.service.as_deref();
    let desk = Desk::with_operation(context, args.operation.as_deref(), service)?;
    desk.with(|environment| {
        let id = match &args.operation {
            Some(id) => id.clone(),
            None => inspect::newest_unfinished(environment.state, service)?,
        };
        let outcome = if abort {
            rollback::abort(environment, &id, args.reason.as_deref())?
        } else {
            rollback::resume(environment, &id)?
        };
        finished(context, &desk, &outcome, None)
    })
}

/// Shows how it ended. A terminal that is gone must not change what the exit status says.
fn finished(
    context: &Context,
    desk: &Desk<'_>,
    outcome: &RollbackOutcome,
    found: Option<&Found>,
) -> Result<u8> {
    if let Some(wiring) = desk.wiring() {
        wiring.rolled_back(outcome);
    }
    let shown = match found {
        _ if !context.out.is_json() => screen::outcome(context, outcome),
        Some(bisect) => context.out.json(&BisectReport { bisect, plan: None, outcome: Some(outcome) }),
        None => context.out.json(outcome),
    };
    if let Err(error) = shown {
        tracing::warn!("the outcome could not be shown: {error}");
    }
    Ok(outcome.ending.exit())
}
