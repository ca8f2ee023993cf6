//! `irctl postmortem`: events become a document.

use chrono::TimeDelta;
use clap::Subcommand;
use std::path::PathBuf;

use super::incident::named;
use super::{Context, NowArgs};
use crate::base::{Error, ErrorCode, Result, file};
use crate::incident::{Incident, book};
use crate::postmortem::{Document, Facts, draft, markdown};
use crate::store::EventFilter;

/// Write up what happened, from the events.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Draft(DraftArgs),
}

/// Draft the postmortem: every line names the events behind it, and what no event tells is a question.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  irctl postmortem draft INC-20261120-030700\n  \
                        irctl postmortem draft 030700 --write postmortems/INC-20261120-030700.md")]
struct DraftArgs {
    /// The incident; the only open one, or else the newest, where it is left out.
    id: Option<String>,
    /// Write it to this file, which must not exist yet.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Replace the file that stands there.
    #[arg(long, requires = "write")]
    force: bool,
    #[command(flatten)]
    now: NowArgs,
}

/// Incidents of the same service that began within this time before or after are named as related.
const RELATED_WITHIN: TimeDelta = TimeDelta::days(90);

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    match &args.verb {
        Verb::Draft(args) => run_draft(args, context),
    }
}

fn run_draft(args: &DraftArgs, context: &Context) -> Result<u8> {
    let document = drafted(args, context)?;
    let Some(path) = &args.write else {
        if context.out.is_json() {
            context.out.json(&document)?;
        } else {
            context.out.text(&markdown(&document))?;
        }
        return Ok(0);
    };
    let path = context.directory.join(path);
    if path.exists() && !args.force {
        let message = format!("{} exists already; somebody may have edited it", path.display());
        return Err(Error::new(ErrorCode::Refused, message).hint("name another file, or add --force"));
    }
    file::write_atomic(&path, markdown(&document).as_bytes(), 0o644)?;
    let open = document.open_questions();
    context.out.line(&format!("{} written; {open} questions are open.", path.display()))?;
    Ok(0)
}

fn drafted(args: &DraftArgs, context: &Context) -> Result<Document> {
    let now = context.now(&args.now)?;
    let store = context.store()?;
    let until = args.now.now;
    let (events, related) = store.view(|session| {
        let all = book::list(session, None)?;
        let incident = match (&args.id, all.iter().filter(|incident| incident.is_open()).count(), all.last())
        {
            (None, 0, Some(newest)) => newest.clone(),
            _ => named(session, args.id.as_deref())?,
        };
        let filter = EventFilter { incident: Some(incident.id.clone()), until, ..EventFilter::default() };
        let related: Vec<_> = all.into_iter().filter(|other| is_related(other, &incident)).collect();
        Ok((session.events(&filter)?, related))
    })?;
    draft(&events, &Facts { now, related }).ok_or_else(|| {
        Error::new(ErrorCode::NotFound, "the incident had not begun at that instant").hint("leave out --now")
    })
}

fn is_related(other: &Incident, incident: &Incident) -> bool {
    let near = (other.opened_at - incident.opened_at).abs() <= RELATED_WITHIN;
    let merged = other.merged_into.as_deref() == Some(incident.id.as_str());
    other.id != incident.id && (merged || (near && other.service == incident.service))
}
