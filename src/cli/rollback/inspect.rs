//! `irctl rollback status`, `history`, `versions`, `attach`.

use schemars::JsonSchema;
use serde::Serialize;
use std::collections::HashMap;
use std::path::Path;

use super::desk::{Desk, Place, states_of};
use crate::base::clock::{Elapsed, format_instant};
use crate::base::{Error, ErrorCode, Result, Untrusted};
use crate::cli::{Context, NowArgs};
use crate::operation::{Ending, Record, RecordKind, Stop, Summary, list};
use crate::rollback::digests::DigestCache;
use crate::rollback::{self, candidates, evidence, plan::VersionView, versions as on_disk};

/// The newest operation that can be resumed: one that is unfinished, else a last one that is switched but not proven.
pub fn newest_unfinished(state: &Path, service: Option<&str>) -> Result<String> {
    let status = rollback::status(state, service)?;
    let resumable = |one: &&Summary| one.resumable;
    if let Some(one) = status.unfinished.iter().rfind(resumable) {
        return Ok(one.id.clone());
    }
    let switches = |one: &Summary| {
        let ours = service.is_none_or(|service| one.service == service);
        ours && one.acted && matches!(one.kind.as_str(), "rollback" | "undo" | "redo")
    };
    let last = list(state)?.into_iter().rfind(switches);
    last.filter(|one| one.ending == Some(Ending::Unproven)).map(|one| one.id).ok_or_else(|| {
        Error::new(ErrorCode::NotFound, "nothing is unfinished")
            .hint("`irctl rollback history` lists all operations")
    })
}

fn words(summary: &Summary) -> Vec<String> {
    let state = match summary.ending {
        Some(Ending::Restored) if summary.kind == "contain" => "contained".to_owned(),
        Some(Ending::Restored) if summary.kind == "release" => "released".to_owned(),
        Some(ending) => ending.to_string(),
        None if summary.running => "running".to_owned(),
        None => "unfinished".to_owned(),
    };
    let took = summary.duration_ms.map(|ms| {
        Elapsed(chrono::TimeDelta::milliseconds(i64::try_from(ms).unwrap_or(i64::MAX))).to_string()
    });
    vec![
        summary.id.clone(),
        summary.kind.clone(),
        Untrusted::from(summary.service.as_str()).to_string(),
        state,
        took.unwrap_or_default(),
        summary.actor.to_string(),
        Untrusted::from(summary.summary.as_str()).to_string(),
    ]
}

const HEADERS: [&str; 7] = ["OPERATION", "KIND", "SERVICE", "STATE", "TOOK", "BY", "SUMMARY"];

/// What is unfinished, and what was last. Exits 11 when something can be resumed.
pub fn status(context: &Context, place: &Place, now: &NowArgs) -> Result<u8> {
    let mut all = rollback::follow::Status { unfinished: Vec::new(), last: None };
    for state in states_of(context, place)? {
        let mut one = rollback::follow::status_by(&state, place.service.as_deref(), now.now)?;
        all.unfinished.append(&mut one.unfinished);
        all.last = [all.last, one.last].into_iter().flatten().max_by_key(|one| one.created_at);
    }
    if all.unfinished.is_empty() && all.last.is_none() {
        known(context, place)?;
    }
    let exit = if all.unfinished.iter().any(|one| one.resumable) { ErrorCode::Halted.exit() } else { 0 };
    if context.out.is_json() {
        context.out.json(&all)?;
        return Ok(exit);
    }
    if all.unfinished.is_empty() {
        context.out.line("Nothing is unfinished.")?;
    } else {
        context.out.table(&HEADERS, &all.unfinished.iter().map(words).collect::<Vec<_>>())?;
    }
    for one in all.unfinished.iter().filter(|one| one.resumable) {
        context
            .out
            .line(&format!("irctl rollback resume {0}    finishes it; abort {0} undoes it", one.id))?;
    }
    for one in all.unfinished.iter().filter(|one| one.running) {
        context.out.line(&format!("irctl rollback attach {}    watches it", one.id))?;
    }
    if let Some(last) = &all.last {
        context.out.line(&format!(
            "Last: {} {}: {}",
            last.id,
            words(last).get(3).cloned().unwrap_or_default(),
            Untrusted::from(last.summary.as_str())
        ))?;
    }
    Ok(exit)
}

/// A service of which nothing is known at all is a typing error.
///
/// # Errors
/// `not-found` for a name that no service has.
fn known(context: &Context, place: &Place) -> Result<()> {
    let Some(name) = place.service.as_deref() else { return Ok(()) };
    match context.workspace() {
        Ok(workspace) => workspace.service(name).map(|_| ()),
        Err(error) if error.code == ErrorCode::NoConfiguration => {
            let text = format!("no operation is known of a service `{}`", name.escape_debug());
            Err(Error::new(ErrorCode::NotFound, text).hint("`irctl rollback history` lists all operations"))
        }
        Err(error) => Err(error),
    }
}

/// Every operation, oldest first.
pub fn history(context: &Context, place: &Place, now: &NowArgs) -> Result<u8> {
    let mut all = Vec::new();
    for state in states_of(context, place)? {
        all.extend(list(&state)?);
    }
    all.retain(|one| place.service.as_deref().is_none_or(|service| one.service == service));
    if all.is_empty() {
        known(context, place)?;
    }
    all.retain(|one| now.now.is_none_or(|now| one.created_at <= now));
    all.sort_by_key(|one| one.created_at);
    if context.out.is_json() {
        context.out.json(&all)?;
    } else if all.is_empty() {
        context.out.line("There are no operations.")?;
    } else {
        context.out.table(&HEADERS, &all.iter().map(words).collect::<Vec<_>>())?;
    }
    Ok(0)
}

/// A version and what is known about it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct VersionRow {
    /// The version.
    version: VersionView,
    /// What it is now: `serves`, `candidate`, or why it is none.
    state: Untrusted,
    /// How good the evidence for it is.
    tier: Option<evidence::Tier>,
    /// Whether it served 24 hours without an incident.
    stable: bool,
}

/// Every version and what is known about it.
pub fn versions(context: &Context, place: &Place, now: &NowArgs) -> Result<u8> {
    let desk = Desk::open(context, place)?;
    let subject = desk.subject()?;
    let served = rollback::served(subject)?;
    let known = evidence::load(desk.state(), &subject.service)?;
    let ground = subject.ground();
    let digests = DigestCache::open(desk.state());
    let all = subject.lead(&ground)?.versions_with(&digests)?;
    digests.save();
    let sorted = candidates::sort(all.clone(), &served, &known, context.now(now)?);
    let row = |version: &on_disk::Version, state: String| VersionRow {
        version: VersionView::from(version),
        state: state.into(),
        tier: version.digest.as_ref().map(|digest| known.tier(digest)),
        stable: version.digest.as_ref().is_some_and(|digest| known.is_stable(digest)),
    };
    let why: HashMap<&str, &str> =
        sorted.skipped.iter().rev().map(|one| (one.name.raw(), one.why.as_str())).collect();
    let mut rows = vec![row(&served.on_disk, format!("serves: {}", served.proof))];
    for version in &all {
        rows.push(row(version, why.get(version.name.as_str()).copied().unwrap_or("candidate").to_owned()));
    }
    if context.out.is_json() {
        context.out.json(&rows)?;
        return Ok(0);
    }
    let cells = rows.iter().map(|row| {
        let dated = row.version.dated.map(|dated| dated.at.format("%Y-%m-%d %H:%M").to_string());
        let source = row.version.dated.map(|dated| dated.source.to_string());
        vec![
            row.version.name.to_string(),
            row.version.label.as_ref().map(ToString::to_string).unwrap_or_default(),
            row.version.short().to_owned(),
            dated.unwrap_or_default(),
            source.unwrap_or_default(),
            row.tier.map(|tier| tier.to_string()).unwrap_or_default(),
            row.state.to_string().replace(": proven to serve", ", proven"),
        ]
    });
    let headers = ["NAME", "VERSION", "DIGEST", "DATED (UTC)", "BY", "EVIDENCE", "STATE"];
    context.out.table(&headers, &cells.collect::<Vec<_>>())?;
    Ok(0)
}

/// Follows an operation until it ends; the exit status is the operation's.
pub fn attach(context: &Context, id: Option<&str>, service: Option<&str>) -> Result<u8> {
    let desk = Desk::with_operation(context, id, service)?;
    let id = match id {
        Some(id) => id.to_owned(),
        None => {
            let unfinished = rollback::status(desk.state(), service)?.unfinished;
            let newest = unfinished.last().map(|one| one.id.clone());
            newest.ok_or_else(|| Error::new(ErrorCode::NotFound, "nothing runs that could be watched"))?
        }
    };
    let out = &context.out;
    let mut told = |record: &Record| {
        if let Some(text) = said(record) {
            out.note(&format!("  {} {}", format_instant(record.at), Untrusted::from(text)));
        }
    };
    let summary = rollback::attach(desk.state(), &id, &Stop::default(), &mut told)?;
    if out.is_json() {
        out.json(&summary)?;
    } else {
        let ending = summary.ending.map(|ending| ending.to_string()).unwrap_or_default();
        out.line(&format!("{ending}: {}", Untrusted::from(summary.summary.as_str())))?;
    }
    Ok(summary.ending.map_or(ErrorCode::OutcomeUnknown.exit(), |ending| ending.exit()))
}

fn said(record: &Record) -> Option<String> {
    match &record.kind {
        RecordKind::Began { actor, process } => Some(format!("begun by {actor} on {}", process.host)),
        RecordKind::Resumed { actor, process } => Some(format!("resumed by {actor} on {}", process.host)),
        RecordKind::Outcome { step, failure: Some(failure), .. } => Some(format!("{step} failed: {failure}")),
        RecordKind::Outcome { step, undo: true, .. } => Some(format!("{step} undone")),
        RecordKind::Outcome { step, detail, .. } => {
            Some(detail.as_ref().map_or_else(|| step.clone(), |detail| format!("{step}: {detail}")))
        }
        RecordKind::Undoing { reason } => Some(format!("undoing: {reason}")),
        RecordKind::Note { text } => Some(text.clone()),
        _ => None,
    }
}
