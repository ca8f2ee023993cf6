//! `irctl incident`: declare, list, show, acknowledge, note, resolve.

mod declare;
mod levels;
pub(super) mod screen;
pub mod show;
mod work;

use clap::Subcommand;

use super::Context;
use crate::base::{Error, ErrorCode, Result};
use crate::check::after::Hand;
use crate::incident::{Change, Incident, book};
use crate::store::Session;

/// Declare incidents and work on them.
///
/// Where exactly one incident is open, its identifier can be left out; elsewhere a beginning or an end that only
/// it has is enough (`irctl incident show 030700`).
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  irctl incident                        # what is open\n  irctl incident ack                    \
                  # the one that is open\n  irctl incident note --kind root-cause \"the feed stopped on Tuesday\"\n  \
                  irctl incident resolve --reason \"rolled back to v2, verified\""
)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    list: show::ListArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Declare(declare::DeclareArgs),
    List(show::ListArgs),
    Show(show::ShowArgs),
    Timeline(show::TimelineArgs),
    #[command(visible_alias = "acknowledge")]
    Ack(work::AckArgs),
    Assign(work::AssignArgs),
    Level(work::LevelArgs),
    Note(work::NoteArgs),
    Mitigate(work::MitigateArgs),
    Resolve(work::ReasonArgs),
    Close(work::CloseArgs),
    Cancel(work::CancelArgs),
    Reopen(work::ReopenArgs),
    Merge(work::MergeArgs),
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    match &args.verb {
        None => show::list(&args.list, context),
        Some(Verb::Declare(args)) => declare::run(args, context),
        Some(Verb::List(args)) => show::list(args, context),
        Some(Verb::Show(args)) => show::show(args, context),
        Some(Verb::Timeline(args)) => show::timeline(args, context),
        Some(Verb::Ack(args)) => work::acknowledge(args, context),
        Some(Verb::Assign(args)) => work::assign(args, context),
        Some(Verb::Level(args)) => work::level(args, context),
        Some(Verb::Note(args)) => work::note(args, context),
        Some(Verb::Mitigate(args)) => work::mitigate(args, context),
        Some(Verb::Resolve(args)) => work::resolve(args, context),
        Some(Verb::Close(args)) => work::close(args, context),
        Some(Verb::Cancel(args)) => work::cancel(args, context),
        Some(Verb::Reopen(args)) => work::reopen(args, context),
        Some(Verb::Merge(args)) => work::merge(args, context),
    }
}

/// Tells people what a person changed about an incident. That it could not be told is a warning: it is changed.
fn tell(incident: &Incident, change: &Change, context: &Context) -> Result<()> {
    let hand = Hand {
        workspace: context.workspace()?,
        store: Some(context.store()?),
        clock: &context.clock,
        actor: context.actor.clone(),
    };
    for told in [hand.changed(incident, change), hand.deliver()] {
        if let Err(error) = told {
            context.out.warning(&format!("nobody was told yet: {}", error.message));
        }
    }
    Ok(())
}

/// The incident that was named, or the only open one.
pub(super) fn named(session: &mut dyn Session, name: Option<&str>) -> Result<Incident> {
    match name {
        Some(name) => book::get(session, name),
        None => only_open(session),
    }
}

fn only_open(session: &mut dyn Session) -> Result<Incident> {
    let incidents = book::open(session, None)?;
    match incidents.as_slice() {
        [incident] => book::get(session, &incident.id),
        [] => Err(Error::new(ErrorCode::NotFound, "no incident is open")
            .hint("name one that is over: irctl incident list --all")),
        several => {
            let ids: Vec<_> = several.iter().map(|incident| incident.id.as_str()).collect();
            Err(Error::new(ErrorCode::Usage, format!("{} incidents are open: which one?", ids.len()))
                .hint(format!("name one: {}", ids.join(", "))))
        }
    }
}
