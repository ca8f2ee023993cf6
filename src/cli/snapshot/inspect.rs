//! Snapshots that are there: listed, shown, hashed again, removed.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::screen;
use crate::base::clock::format_minute;
use crate::base::error::exit;
use crate::base::{Digest, Error, ErrorCode, Result, Untrusted};
use crate::check::after::Hand;
use crate::cli::Context;
use crate::cli::output::Tone;
use crate::operation::Stop;
use crate::rollback::snapshot::{self, Found};

/// A snapshot as it is listed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Row {
    /// Its identifier.
    snapshot: String,
    /// The service.
    service: String,
    /// The phase, where it is of one.
    phase: Option<String>,
    /// What people call it.
    name: Option<Untrusted>,
    /// When it was taken (UTC).
    at: Option<DateTime<Utc>>,
    /// Who took it.
    actor: Option<String>,
    /// The version that served.
    version: Option<Untrusted>,
    /// Whether that version counts as adopted for it.
    adopted: bool,
    /// The digest over all of it.
    digest: Option<Digest>,
    /// How many files it keeps.
    files: usize,
    /// How many bytes those have.
    bytes: u64,
    /// Why it cannot be read.
    problem: Option<Untrusted>,
}

impl Row {
    fn of(found: Found) -> Self {
        let empty = Self {
            snapshot: found.id,
            service: found.service,
            phase: None,
            name: None,
            at: None,
            actor: None,
            version: None,
            adopted: false,
            digest: None,
            files: 0,
            bytes: 0,
            problem: None,
        };
        match found.snapshot {
            Err(error) => Self { problem: Some(error.message.into()), ..empty },
            Ok(snapshot) => Self {
                files: snapshot.kept().count(),
                bytes: snapshot.kept().map(|(_, file)| file.size).sum(),
                phase: snapshot.phase,
                name: snapshot.name,
                at: Some(snapshot.at),
                actor: Some(snapshot.actor),
                adopted: snapshot.not_adopted.is_none(),
                version: snapshot.served.map(|served| served.name.into()),
                digest: Some(snapshot.digest),
                ..empty
            },
        }
    }
}

/// Every snapshot, oldest first.
pub fn list(context: &Context, service: Option<&str>) -> Result<u8> {
    let found = snapshot::list(&context.workspace()?.state, service)?;
    let rows: Vec<_> = found.into_iter().map(Row::of).collect();
    if context.out.is_json() {
        context.out.json(&rows)?;
    } else if rows.is_empty() {
        context.out.line("There are no snapshots. Next: irctl snapshot")?;
    } else {
        let cells = rows.iter().map(|row| {
            let text = |text: &Option<Untrusted>| text.as_ref().map(ToString::to_string).unwrap_or_default();
            let state = match (&row.problem, row.adopted) {
                (Some(problem), _) => format!("CANNOT BE READ: {problem}"),
                (None, true) => "adopted".to_owned(),
                (None, false) => "not adopted".to_owned(),
            };
            vec![
                row.snapshot.clone(),
                row.service.clone(),
                row.at.map(format_minute).unwrap_or_default(),
                text(&row.name),
                text(&row.version),
                row.digest.as_ref().map(|digest| digest.short().to_owned()).unwrap_or_default(),
                state,
            ]
        });
        let headers = ["SNAPSHOT", "SERVICE", "TAKEN", "NAME", "VERSION", "DIGEST", "STATE"];
        context.out.table(&headers, &cells.collect::<Vec<_>>())?;
    }
    Ok(exit::OK)
}

/// What one recorded.
pub fn show(context: &Context, service: Option<&str>, named: Option<&str>) -> Result<u8> {
    let found = snapshot::find(&context.workspace()?.state, service, named)?;
    let snapshot = found.snapshot?;
    if context.out.is_json() {
        context.out.json(&snapshot)?;
        return Ok(exit::OK);
    }
    let name = snapshot.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
    context.out.line(&format!(
        "{}{name} of {}, taken {} by {} ({})",
        context.out.tone(Tone::Strong, &snapshot.id),
        snapshot.service,
        format_minute(snapshot.at),
        Untrusted::from(snapshot.actor.as_str()),
        snapshot.digest
    ))?;
    screen::contents(context, &snapshot)?;
    let rows: Vec<_> = snapshot
        .kept()
        .map(|(owner, file)| {
            vec![
                owner.to_owned(),
                file.name.to_string(),
                file.digest.short().to_owned(),
                file.size.to_string(),
            ]
        })
        .collect();
    context.out.table(&["OF", "FILE", "DIGEST", "BYTES"], &rows)?;
    Ok(exit::OK)
}

/// Hashes again what one keeps; the exit status is the verdict's.
pub fn verify(context: &Context, service: Option<&str>, named: Option<&str>) -> Result<u8> {
    let state = &context.workspace()?.state;
    let found = snapshot::find(state, service, named)?;
    let verification = {
        let _progress = context.out.progress("hashing everything again");
        snapshot::verify(state, &found)?
    };
    if context.out.is_json() {
        context.out.json(&verification)?;
        return Ok(verification.verdict.exit());
    }
    context.out.line(&format!(
        "{} {}: {} files, {} bytes hashed again, {} not as kept",
        verification.snapshot,
        context.out.verdict(verification.verdict),
        verification.files,
        verification.bytes,
        verification.faults.len()
    ))?;
    for fault in &verification.faults {
        context.out.line(&format!("  {}", context.out.tone(Tone::Bad, &fault.to_string())))?;
    }
    Ok(verification.verdict.exit())
}

/// Removes one.
pub fn remove(context: &Context, service: Option<&str>, named: &str, yes: bool) -> Result<u8> {
    let workspace = context.workspace()?;
    let found = snapshot::find(&workspace.state, service, Some(named))?;
    if !yes {
        match context.out.confirm(&format!("Remove {} of {}?", found.id, found.service))? {
            Some(true) => {}
            Some(false) => {
                return Err(Error::new(ErrorCode::Refused, "a human said no").hint("nothing was removed"));
            }
            None => {
                return Err(Error::new(
                    ErrorCode::Usage,
                    "this removes a snapshot, and there is no terminal to ask on",
                )
                .hint("say `--yes`"));
            }
        }
    }
    let store = match context.store() {
        Ok(store) => Some(store),
        Err(error) => {
            context.out.warning(&format!("events are kept in a file for now: {}", error.message));
            None
        }
    };
    let hand = Hand { workspace, store, clock: &context.clock, actor: context.actor.clone() };
    let removed = hand.with_environment(&Stop::default(), &|_| {}, &mut |environment| {
        snapshot::remove(environment, Some(&found.service), &found.id)
    })?;
    if context.out.is_json() {
        context.out.json(&removed)?;
    } else {
        context.out.line(&format!("{} was removed; {} left", removed.snapshot, removed.left))?;
    }
    Ok(exit::OK)
}
