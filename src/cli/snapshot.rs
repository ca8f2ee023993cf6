//! `irctl snapshot`: records a known-good version before a deploy.

pub mod inspect;
mod screen;

use schemars::JsonSchema;
use serde::Serialize;

use super::Context;
use super::rollback::ServiceArgs;
use super::rollback::desk::{Desk, Place};
use crate::base::error::exit;
use crate::base::{Result, Verdict};
use crate::check::readiness::checklist;
use crate::config::Kind;
use crate::rollback::snapshot::readiness::Readiness;
use crate::rollback::snapshot::{self, Asked, Snapshot};

/// Record what serves as known to be good, before a deploy.
///
/// One bundle over all targets of a service, with one digest: which commit and tags, the settings, the declared rows,
/// the files that no version folder keeps anyway. What serves counts as adopted from then on: a rollback to `prev` and
/// automation may use it. Values of secrets are left out.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(flatten)]
    service: ServiceArgs,
    /// Only one phase of the service: one of its named plans.
    #[arg(long, value_name = "NAME")]
    phase: Option<String>,
    /// What people call it, as `before 2.4`.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// The environment whose values are used, as `staging`.
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Record nothing: judge whether everything that a rollback needs is ready, and exit with that verdict.
    #[arg(long, conflicts_with = "name")]
    check: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List snapshots.
    List(ServiceArgs),
    /// Show what a snapshot recorded.
    Show(OneArgs),
    /// Hash again everything that a snapshot keeps.
    Verify(OneArgs),
    /// Remove a snapshot and what only it keeps; not the last one.
    Remove(RemoveArgs),
}

#[derive(Debug, clap::Args)]
struct OneArgs {
    /// The snapshot: its identifier, name or digest; the newest otherwise.
    snapshot: Option<String>,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Debug, clap::Args)]
struct RemoveArgs {
    /// The snapshot: its identifier, name or digest.
    snapshot: String,
    #[command(flatten)]
    service: ServiceArgs,
    /// Do it without asking.
    #[arg(long)]
    yes: bool,
}

/// A snapshot that was taken.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Taken {
    /// What was recorded.
    pub snapshot: Snapshot,
    /// Whether the version that serves counts as adopted from now on.
    pub adopted: bool,
    /// What else is ready, and what is not.
    pub readiness: Readiness,
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    match &args.verb {
        None if args.check => check(args, context),
        None => take(args, context),
        Some(Verb::List(args)) => inspect::list(context, args.service.as_deref()),
        Some(Verb::Show(args)) => {
            inspect::show(context, args.service.service.as_deref(), args.snapshot.as_deref())
        }
        Some(Verb::Verify(args)) => {
            inspect::verify(context, args.service.service.as_deref(), args.snapshot.as_deref())
        }
        Some(Verb::Remove(args)) => {
            inspect::remove(context, args.service.service.as_deref(), &args.snapshot, args.yes)
        }
    }
}

fn place(args: &Args) -> Place {
    Place {
        service: args.service.service.clone(),
        phase: args.phase.clone(),
        environment: args.env.clone(),
        ..Place::default()
    }
}

fn check(args: &Args, context: &Context) -> Result<u8> {
    let desk = Desk::open(context, &place(args))?;
    let readiness = readiness(context, &desk)?;
    if context.out.is_json() {
        context.out.json(&readiness)?;
    } else {
        screen::readiness(context, &readiness)?;
    }
    Ok(readiness.verdict.exit())
}

fn readiness(context: &Context, desk: &Desk<'_>) -> Result<Readiness> {
    let workspace = context.workspace()?;
    let subject = desk.subject()?;
    let service = workspace.service(&subject.service)?;
    Ok(checklist(workspace, service, subject, context.clock.now()?))
}

fn take(args: &Args, context: &Context) -> Result<u8> {
    let desk = Desk::open(context, &place(args))?;
    let subject = desk.subject()?;
    let workspace = context.workspace()?;
    let mut files = Vec::new();
    if let Some(path) = workspace.source(Kind::Service, Some(&subject.service)) {
        let name = path.strip_prefix(&workspace.root).unwrap_or(&path).display().to_string();
        files.push((name, path));
    }
    let incident = match desk.wiring() {
        Some(wiring) => wiring.incident(&subject.service, None)?,
        None => None,
    };
    let incident = incident.filter(|incident| incident.is_open() && incident.level.verdict == Verdict::Crit);
    let asked = Asked {
        name: args.name.as_deref(),
        files: &files,
        blamed: incident.as_ref().map(|incident| (incident.version.as_ref(), incident.id.as_str())),
    };
    let snapshot = desk.with(|environment| {
        let _progress = context.out.progress("recording what serves");
        snapshot::take(environment, subject, &asked)
    })?;
    let taken =
        Taken { adopted: snapshot.not_adopted.is_none(), snapshot, readiness: readiness(context, &desk)? };
    if context.out.is_json() {
        context.out.json(&taken)?;
    } else {
        screen::taken(context, &taken)?;
    }
    Ok(exit::OK)
}
