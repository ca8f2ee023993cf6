//! `irctl rollback`: back to a good version, all or nothing.

mod ask;
pub(super) mod desk;
pub mod inspect;
mod screen;
mod wiring;

use std::path::PathBuf;

use super::Context;
use crate::base::{Error, ErrorCode, Result};
use crate::rollback::{self, Request, RollbackOutcome, Selector};
use desk::{Desk, Place};

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
                  irctl rollback /srv/model --to prev     # without any configuration\n\n\
                  Exit status: 0 restored and proven, 10 undone, 11 halted (resume finishes it), 12 refused, 13 not \
                  known, 14 switched but not proven."
)]
pub struct Args {
    /// A folder that serves, with backup_* folders in it: rolls back without any configuration.
    #[arg(value_name = "DIR", conflicts_with = "service")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    service: ServiceArgs,
    /// Where to: prev, last-stable, a version's name, or its digest (at least eight digits).
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
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
    /// A folder that serves, where there is no configuration.
    #[arg(value_name = "DIR", conflicts_with = "service")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    service: ServiceArgs,
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    match &args.verb {
        None => roll_back(args, context),
        Some(Verb::Undo(args)) => undo(args, context),
        Some(Verb::Resume(args)) => again(args, context, false),
        Some(Verb::Abort(args)) => again(args, context, true),
        Some(Verb::Status(args)) => inspect::status(context, &place(args)),
        Some(Verb::Attach(args)) => {
            inspect::attach(context, args.operation.as_deref(), args.service.service.as_deref())
        }
        Some(Verb::Versions(args)) => inspect::versions(context, &place(args)),
        Some(Verb::History(args)) => inspect::history(context, &place(args)),
    }
}

fn place(args: &InspectArgs) -> Place {
    Place { directory: args.folder.clone(), service: args.service.service.clone() }
}

fn roll_back(args: &Args, context: &Context) -> Result<u8> {
    let Some(to) = &args.to else {
        return Err(Error::new(ErrorCode::Usage, "where to go back to is missing: --to VERSION")
            .hint("`--to prev` takes the best earlier version; `irctl rollback versions` lists them"));
    };
    let place = Place { directory: args.folder.clone(), service: args.service.service.clone() };
    let desk = Desk::open(context, &place)?;
    let subject = desk.subject()?;
    let Ok(to) = to.parse::<Selector>();
    let incident = match desk.wiring() {
        Some(wiring) => wiring.incident(&subject.service, args.incident.as_deref())?,
        None => None,
    };
    let failing = incident.as_ref().and_then(|incident| desk.wiring()?.failing(incident));
    let fails = |value| failing.as_ref().and_then(|failing| failing.fails(value));
    let request = Request {
        incident: incident.map(|incident| incident.id).or_else(|| args.incident.clone()),
        reason: args.reason.clone(),
        failing: failing.as_ref().map(|failing| failing.rule(&fails)),
        ..Request::human(to)
    };
    desk.with(|environment| {
        if args.dry_run {
            let plan = rollback::dry_run(environment, subject, &request)?;
            if let Some(wiring) = desk.wiring() {
                wiring.opened_plan(&plan.service);
            }
            if context.out.is_json() {
                context.out.json(&plan)?;
            } else {
                screen::plan(context, &plan)?;
            }
            return Ok(0);
        }
        ask::before_acting(context, args.yes)?;
        let prepared = rollback::prepare(environment, subject, &request)?;
        let outcome = ask::then_execute(context, environment, prepared, args.yes, desk.wiring())?;
        finished(context, &desk, &outcome)
    })
}

fn undo(args: &UndoArgs, context: &Context) -> Result<u8> {
    let desk = Desk::with_operation(context, args.operation.as_deref(), args.service.service.as_deref())?;
    desk.with(|environment| {
        let id = match &args.operation {
            Some(id) => id.clone(),
            None => rollback::undo::last_switched(environment.state, args.service.service.as_deref())?,
        };
        ask::before_acting(context, args.yes)?;
        let prepared = rollback::prepare_undo(environment, &id, args.reason.as_deref(), true)?;
        let outcome = ask::then_execute(context, environment, prepared, args.yes, desk.wiring())?;
        finished(context, &desk, &outcome)
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
        finished(context, &desk, &outcome)
    })
}

/// Shows how it ended. A terminal that is gone must not change what the exit status says.
fn finished(context: &Context, desk: &Desk<'_>, outcome: &RollbackOutcome) -> Result<u8> {
    if let Some(wiring) = desk.wiring() {
        wiring.rolled_back(outcome);
    }
    let shown =
        if context.out.is_json() { context.out.json(outcome) } else { screen::outcome(context, outcome) };
    if let Err(error) = shown {
        tracing::warn!("the outcome could not be shown: {error}");
    }
    Ok(outcome.ending.exit())
}
