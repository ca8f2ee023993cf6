//! The steps people take: acknowledge, assign, level, note, mitigate, resolve, close, cancel, reopen, merge.

use chrono::{DateTime, Utc};
use std::io::Read as _;

use super::declare::parse_word;
use super::show::Shown;
use super::{levels, named, tell};
use crate::base::{Duration, Error, ErrorCode, Result, Untrusted};
use crate::cli::Context;
use crate::incident::book::Releveling;
use crate::incident::event::{ByOperation, Noted, Priority};
use crate::incident::{Book, Change, Incident, NoteKind};

/// Say that you have seen it and are on it.
#[derive(Debug, clap::Args)]
pub struct AckArgs {
    /// The incident; the only open one where it is left out.
    id: Option<String>,
}

/// Give somebody a role in the response.
#[derive(Debug, clap::Args)]
pub struct AssignArgs {
    /// The incident; the only open one where it is left out.
    id: Option<String>,
    /// The role, as `commander`.
    #[arg(long, value_name = "ROLE", value_parser = parse_word)]
    role: String,
    /// Who has it from now on.
    #[arg(long, value_name = "NAME")]
    to: String,
}

/// Set the level by hand. Evidence does not lower it again, and raises it only when it is new.
#[derive(Debug, clap::Args)]
pub struct LevelArgs {
    /// The incident (the only open one where it is left out), and the level.
    #[arg(value_names = ["ID", "LEVEL"], num_args = 1..=2, required = true)]
    words: Vec<String>,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Write something down; the postmortem puts each kind in its section.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  irctl incident note \"restarted the feed\"\n  \
                        irctl incident note INC-20261120-030700 --kind impact \"two rate decisions delayed\"\n  \
                        irctl incident note --kind action --owner data-engineering --due 7d \"alert on a silent feed\"\n  \
                        irctl incident note --corrects 14 \"it was the second feed\"")]
pub struct NoteArgs {
    /// The incident (the only open one where it is left out), and the text; `-` reads it from standard input.
    #[arg(value_names = ["ID", "TEXT"], num_args = 1..=2, required = true)]
    words: Vec<String>,
    /// What it is about.
    #[arg(long, value_enum, default_value_t = Kind::Note)]
    kind: Kind,
    /// Who owns the action: a role or a name.
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// How urgent the action is.
    #[arg(long, value_enum)]
    priority: Option<Urgency>,
    /// When the action is due: a date, or a time from now, as 7d or 3bd.
    #[arg(long, value_name = "WHEN")]
    due: Option<String>,
    /// The number of an event that this corrects; what it said stays readable.
    #[arg(long, value_name = "EVENT")]
    corrects: Option<u64>,
}

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Note,
    WhatHappened,
    RootCause,
    Contributing,
    Impact,
    BusinessImpact,
    Decision,
    WentWell,
    WentWrong,
    Lucky,
    Prevention,
    Action,
    Communication,
}

impl From<Kind> for NoteKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Note => NoteKind::Note,
            Kind::WhatHappened => NoteKind::WhatHappened,
            Kind::RootCause => NoteKind::RootCause,
            Kind::Contributing => NoteKind::Contributing,
            Kind::Impact => NoteKind::Impact,
            Kind::BusinessImpact => NoteKind::BusinessImpact,
            Kind::Decision => NoteKind::Decision,
            Kind::WentWell => NoteKind::WentWell,
            Kind::WentWrong => NoteKind::WentWrong,
            Kind::Lucky => NoteKind::Lucky,
            Kind::Prevention => NoteKind::Prevention,
            Kind::Action => NoteKind::Action,
            Kind::Communication => NoteKind::Communication,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Urgency {
    High,
    Medium,
    Low,
}

/// Say that the harm has ended; the cause may not be removed.
#[derive(Debug, clap::Args)]
pub struct MitigateArgs {
    /// The incident; the only open one where it is left out.
    id: Option<String>,
    /// How.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The operation that did it.
    #[arg(long, value_name = "OPERATION")]
    operation: Option<String>,
}

/// Say that it is over.
#[derive(Debug, clap::Args)]
pub struct ReasonArgs {
    /// The incident; the only open one where it is left out.
    id: Option<String>,
    /// Why it is over.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Close a resolved incident: the postmortem is done.
#[derive(Debug, clap::Args)]
pub struct CloseArgs {
    /// The incident.
    id: String,
    /// Where the postmortem is, or why there is none.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Say that it was none: a false alarm, a test.
#[derive(Debug, clap::Args)]
pub struct CancelArgs {
    /// The incident; the only open one where it is left out.
    id: Option<String>,
    /// Why it was none.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Begin a new episode of an incident that was not over.
#[derive(Debug, clap::Args)]
pub struct ReopenArgs {
    /// The incident.
    id: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Let an incident go on as another one.
#[derive(Debug, clap::Args)]
pub struct MergeArgs {
    /// The incident that ends.
    id: String,
    /// The incident that goes on.
    #[arg(long, value_name = "ID")]
    into: String,
}

/// Takes one step on the named incident in one transaction, and shows it afterwards.
fn step(
    name: Option<&str>,
    context: &Context,
    work: impl FnMut(&mut Book, &Incident, DateTime<Utc>) -> Result<Incident>,
) -> Result<u8> {
    step_and_tell(name, context, work, |_, _| None)
}

/// The same, and tells people of the change that `told` makes of the incident before and after.
fn step_and_tell(
    name: Option<&str>,
    context: &Context,
    mut work: impl FnMut(&mut Book, &Incident, DateTime<Utc>) -> Result<Incident>,
    told: impl Fn(&Incident, &Incident) -> Option<Change>,
) -> Result<u8> {
    let now = context.clock.now()?;
    let store = context.store()?;
    let (before, incident) = store.with(|session| {
        let incident = named(session, name)?;
        let after = work(&mut Book::new(session, context.actor.clone(), now), &incident, now)?;
        Ok((incident, after))
    })?;
    if let Some(change) = told(&before, &incident) {
        tell(&incident, &change, context)?;
    }
    Shown::new(&incident, context, now)?.print(context)
}

/// Acknowledges.
pub fn acknowledge(args: &AckArgs, context: &Context) -> Result<u8> {
    step(args.id.as_deref(), context, |book, incident, _| book.acknowledge(&incident.id))
}

/// Assigns a role.
pub fn assign(args: &AssignArgs, context: &Context) -> Result<u8> {
    step(args.id.as_deref(), context, |book, incident, _| {
        book.assign(&incident.id, &args.role, args.to.as_str().into())
    })
}

/// Sets the level.
pub fn level(args: &LevelArgs, context: &Context) -> Result<u8> {
    let (name, level) = id_and_rest(&args.words, "the level")?;
    let workspace = context.workspace()?;
    let work = |book: &mut Book, incident: &Incident, now| {
        let (level, timings) = levels::find(workspace, &incident.scheme, level)?;
        let start = if level.is_worse_than(&incident.level) { now } else { incident.episode_at };
        let to = Releveling {
            level,
            reason: args.reason.as_str().into(),
            rules: Vec::new(),
            runbook: None,
            deadlines: timings.from(start),
        };
        book.change_level(&incident.id, to)
    };
    step_and_tell(name, context, work, |before, after| {
        let raised = after.level.is_worse_than(&before.level);
        let from = before.level.clone();
        Some(if raised { Change::Raised(from) } else { Change::Lowered(from) })
    })
}

/// Writes a note, or corrects one.
pub fn note(args: &NoteArgs, context: &Context) -> Result<u8> {
    let (name, text) = id_and_rest(&args.words, "the text")?;
    let text: Untrusted = read_text(text)?.into();
    if args.kind != Kind::Action && (args.owner.is_some() || args.priority.is_some() || args.due.is_some()) {
        return Err(Error::new(ErrorCode::Usage, "only an action has an owner, a priority and a due date")
            .hint("add --kind action"));
    }
    let due = args.due.as_deref().map(|due| parse_due(due, context.clock.now()?)).transpose()?;
    let note = Noted {
        text: text.clone(),
        kind: args.kind.into(),
        owner: args.owner.as_deref().map(Into::into),
        priority: args.priority.map(|priority| match priority {
            Urgency::High => Priority::High,
            Urgency::Medium => Priority::Medium,
            Urgency::Low => Priority::Low,
        }),
        due,
    };
    step(name, context, |book, incident, _| match args.corrects {
        Some(sequence) => book.supersede(&incident.id, sequence, text.clone()),
        None => book.note(&incident.id, note.clone()),
    })
}

/// Mitigates.
pub fn mitigate(args: &MitigateArgs, context: &Context) -> Result<u8> {
    let by =
        ByOperation { operation: args.operation.clone(), reason: args.reason.as_deref().map(Into::into) };
    step(args.id.as_deref(), context, |book, incident, _| book.mitigate(&incident.id, by.clone()))
}

/// Resolves.
pub fn resolve(args: &ReasonArgs, context: &Context) -> Result<u8> {
    let work =
        |book: &mut Book, incident: &Incident, _| book.resolve(&incident.id, args.reason.as_str().into());
    step_and_tell(args.id.as_deref(), context, work, |_, _| Some(Change::Resolved))
}

/// Closes.
pub fn close(args: &CloseArgs, context: &Context) -> Result<u8> {
    step(Some(&args.id), context, |book, incident, _| {
        book.close(&incident.id, args.reason.as_deref().map(Into::into))
    })
}

/// Cancels.
pub fn cancel(args: &CancelArgs, context: &Context) -> Result<u8> {
    let work =
        |book: &mut Book, incident: &Incident, _| book.cancel(&incident.id, args.reason.as_str().into());
    step_and_tell(args.id.as_deref(), context, work, |_, _| Some(Change::Resolved))
}

/// Reopens.
pub fn reopen(args: &ReopenArgs, context: &Context) -> Result<u8> {
    let workspace = context.workspace()?;
    let work = |book: &mut Book, incident: &Incident, now| {
        let (_, timings) = levels::find(workspace, &incident.scheme, &incident.level.name)?;
        book.reopen(&incident.id, args.reason.as_str().into(), timings.from(now))
    };
    step_and_tell(Some(&args.id), context, work, |_, _| Some(Change::Reopened))
}

/// Merges, and shows the incident that goes on.
pub fn merge(args: &MergeArgs, context: &Context) -> Result<u8> {
    step(Some(&args.id), context, |book, incident, _| {
        book.merge(&incident.id, &args.into)?;
        book.get(&args.into)
    })
}

/// `[ID] REST`: the identifier may be left out. An identifier alone is a forgotten rest.
fn id_and_rest<'a>(words: &'a [String], rest_name: &str) -> Result<(Option<&'a str>, &'a str)> {
    match words {
        [id, rest] => Ok((Some(id), rest)),
        [only] if !is_like_an_identifier(only) => Ok((None, only)),
        _ => Err(Error::new(ErrorCode::Usage, format!("{rest_name} is missing"))
            .hint(format!("write {rest_name} after the incident, in quotes where it has spaces"))),
    }
}

/// `INC-…`, or the digits at its end.
fn is_like_an_identifier(word: &str) -> bool {
    let digits = word.len() >= 4 && word.chars().all(|c| c.is_ascii_digit() || c == '-');
    digits || word.to_ascii_uppercase().starts_with("INC-")
}

/// The largest note read from standard input, in bytes.
const NOTE_LIMIT: u64 = 64 * 1024;

fn read_text(text: &str) -> Result<String> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let mut read = String::new();
    std::io::stdin()
        .lock()
        .take(NOTE_LIMIT + 1)
        .read_to_string(&mut read)
        .map_err(|error| Error::io("cannot read the note from standard input", error))?;
    if read.len() as u64 > NOTE_LIMIT {
        return Err(Error::new(ErrorCode::Usage, "the note is longer than 64 KiB")
            .hint("write a summary, and say where the rest is"));
    }
    Ok(read.trim().to_owned())
}

/// A date (its end, UTC), an instant, or a length of time from now.
fn parse_due(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>> {
    if let Ok(date) = text.parse::<chrono::NaiveDate>() {
        return Ok(date.and_hms_opt(23, 59, 59).map_or(now, |end| end.and_utc()));
    }
    if let Ok(instant) = crate::base::clock::parse_instant(text) {
        return Ok(instant);
    }
    let duration: Duration = text.parse().map_err(|error: Error| {
        Error::new(ErrorCode::Usage, format!("--due: {}", error.message))
            .hint("write a date (2026-12-01) or a time from now (7d, 3bd)")
    })?;
    Ok(duration.after(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_instant;

    #[test]
    fn due_dates_are_dates_instants_or_lengths_of_time() {
        let friday = parse_instant("2026-11-20T03:07:00Z").unwrap();
        let due = |text| parse_due(text, friday).map(|at| at.to_rfc3339());
        assert_eq!(due("2026-12-01").unwrap(), "2026-12-01T23:59:59+00:00");
        assert_eq!(due("7d").unwrap(), "2026-11-27T03:07:00+00:00");
        assert_eq!(due("1bd").unwrap(), "2026-11-23T03:07:00+00:00");
        assert!(due("soon").unwrap_err().hint.unwrap().contains("date"));
    }

    #[test]
    fn an_identifier_alone_is_a_forgotten_text() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(id_and_rest(&words(&["text"]), "the text").unwrap(), (None, "text"));
        assert_eq!(id_and_rest(&words(&["INC-1", "text"]), "the text").unwrap(), (Some("INC-1"), "text"));
        assert!(id_and_rest(&words(&["inc-1"]), "the text").is_err());
        assert!(id_and_rest(&words(&["030700"]), "the text").is_err());
    }
}
