//! `irctl report`: exports of the events for other programs and for the record.

mod digest;

use chrono::{DateTime, Utc};
use clap::Subcommand;
use serde::Serialize;
use std::path::{Path, PathBuf};

use super::incident::named;
use super::{Context, NowArgs};
use crate::base::clock::Elapsed;
use crate::base::{Duration, Error, ErrorCode, Result, Untrusted, file};
use crate::incident::book;
use crate::report::decision::Decision;
use crate::report::history::history;
use crate::report::metrics::{LevelMetrics, Times, metrics};
use crate::report::record::{IncidentRecord, LogEntry};
use crate::report::tracking::{TrackingRecord, tracking};
use crate::store::EventFilter;

/// Export incidents, rollbacks and response metrics, all from the same events.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  irctl report incident-log --write incident-log.json\n  irctl report rollback-history\n  irctl report rollback-tracking --output json\n  irctl report decision-log 030700 --write .tracking/decisions.md\n  irctl report metrics --last 90d"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Every incident as JSON, oldest first: `incident-log.json`.
    IncidentLog(LogArgs),
    Incident(IncidentArgs),
    DecisionLog(DecisionArgs),
    /// Every rollback as JSON, oldest first, in Protocol 25's fields: `rollback-history.json`.
    RollbackHistory(LogArgs),
    /// What became of every rollback, oldest first: trigger, duration, impact, cause, prevention.
    RollbackTracking(LogArgs),
    Metrics(MetricsArgs),
    Digest(digest::Args),
}

// What it says of itself is said of each command that takes it.
#[derive(Debug, clap::Args)]
struct LogArgs {
    /// Only those of this service.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Write it to this file, replacing what stands there.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    #[command(flatten)]
    now: NowArgs,
}

/// One incident as Protocol 25's JSON: id, severity, title, description, detected_at, affected_services, metrics.
#[derive(Debug, clap::Args)]
struct IncidentArgs {
    /// The incident; the only open one where it is left out.
    id: Option<String>,
    /// Write it to this file, replacing what stands there.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// One incident as an entry of a decision log (`.tracking/decisions.md`).
#[derive(Debug, clap::Args)]
struct DecisionArgs {
    /// The incident; the only open one where it is left out.
    id: Option<String>,
    /// Append it to this file.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// How fast incidents are noticed, acknowledged, mitigated and resolved, and what was promised.
#[derive(Debug, clap::Args)]
struct MetricsArgs {
    /// Only incidents of this last stretch of time, as 90d.
    #[arg(long, value_name = "DURATION")]
    last: Option<Duration>,
    /// Only those of this service.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    #[command(flatten)]
    now: NowArgs,
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    match &args.verb {
        Verb::IncidentLog(args) => incident_log(args, context),
        Verb::Incident(args) => incident(args, context),
        Verb::DecisionLog(args) => decision_log(args, context),
        Verb::RollbackHistory(args) => rollback_history(args, context),
        Verb::RollbackTracking(args) => rollback_tracking(args, context),
        Verb::Metrics(args) => response_metrics(args, context),
        Verb::Digest(args) => digest::run(args, context),
    }
}

fn incident_log(args: &LogArgs, context: &Context) -> Result<u8> {
    let now = context.now(&args.now)?;
    let store = context.store()?;
    let incidents = store.view(|session| book::list(session, args.service.as_deref()))?;
    let entries: Vec<_> = incidents.iter().map(|incident| LogEntry::of(incident, now)).collect();
    deliver(&entries, args.write.as_deref(), context)
}

fn incident(args: &IncidentArgs, context: &Context) -> Result<u8> {
    let store = context.store()?;
    let incident = store.view(|session| named(session, args.id.as_deref()))?;
    deliver(&IncidentRecord::of(&incident), args.write.as_deref(), context)
}

fn rollback_history(args: &LogArgs, context: &Context) -> Result<u8> {
    let store = context.store()?;
    let filter = rollback_filter(args.service.clone(), args.now.now);
    let events = store.view(|session| session.events(&filter))?;
    deliver(&history(&events), args.write.as_deref(), context)
}

fn rollback_tracking(args: &LogArgs, context: &Context) -> Result<u8> {
    let store = context.store()?;
    // Containing and letting back belong to it as well.
    let filter = EventFilter { service: args.service.clone(), until: args.now.now, ..EventFilter::default() };
    let (events, incidents) = store.view(|session| {
        let incidents = book::list(session, args.service.as_deref())?;
        Ok((session.events(&filter)?, incidents))
    })?;
    let records = tracking(&events, &incidents);
    if context.out.is_json() || args.write.is_some() {
        return deliver(&records, args.write.as_deref(), context);
    }
    if records.is_empty() {
        context.out.line("No rollback is recorded.")?;
        return Ok(0);
    }
    let rows: Vec<_> = records.iter().map(tracking_row).collect();
    let headers = ["ROLLBACK", "PHASE", "TRIGGER", "START (UTC)", "MINUTES", "IMPACT", "DATA LOSS"];
    context.out.table(&headers, &rows)?;
    for record in &records {
        let id = record.rollback_id.as_deref().unwrap_or("-");
        if let Some(cause) = &record.root_cause {
            context.out.line(&format!("{id} root cause: {cause}"))?;
        }
        for measure in record.prevention_measures.iter().flatten() {
            context.out.line(&format!("{id} prevention: {measure}"))?;
        }
    }
    context
        .out
        .line("\nMinutes of the rollback, and of its impact on the service; - where no event tells it.")?;
    Ok(0)
}

fn tracking_row(record: &TrackingRecord) -> Vec<String> {
    let dash = || "-".to_owned();
    let text = |text: &Option<Untrusted>| text.as_ref().map_or_else(dash, Untrusted::to_string);
    let number = |number: Option<f64>| number.map_or_else(dash, |number| number.to_string());
    vec![
        record.rollback_id.clone().unwrap_or_else(dash),
        text(&record.phase),
        text(&record.trigger),
        record.start_time.format("%Y-%m-%d %H:%M").to_string(),
        number(record.duration_minutes),
        number(record.service_impact_minutes),
        record.data_loss.map_or_else(dash, |lost| if lost { "yes" } else { "no" }.to_owned()),
    ]
}

fn rollback_filter(service: Option<String>, until: Option<DateTime<Utc>>) -> EventFilter {
    EventFilter { service, kind_prefix: Some("rollback.".to_owned()), until, ..EventFilter::default() }
}

/// JSON, whatever `--output` says: that is what these exports are.
fn deliver(value: &impl Serialize, path: Option<&Path>, context: &Context) -> Result<u8> {
    let Some(path) = path else {
        context.out.json(value)?;
        return Ok(0);
    };
    let text = serde_json::to_string_pretty(value).map_err(|error| {
        Error::new(ErrorCode::Bug, format!("a report cannot be written as JSON: {error}"))
    })?;
    let path = context.directory.join(path);
    file::write_atomic(&path, format!("{text}\n").as_bytes(), 0o644)?;
    context.out.note(&format!("{} written.", path.display()));
    Ok(0)
}

fn decision_log(args: &DecisionArgs, context: &Context) -> Result<u8> {
    let store = context.store()?;
    let (incident, events) = store.view(|session| {
        let incident = named(session, args.id.as_deref())?;
        let filter = EventFilter { incident: Some(incident.id.clone()), ..EventFilter::default() };
        let events = session.events(&filter)?;
        Ok((incident, events))
    })?;
    let decision = Decision::of(&incident, &events);
    match &args.write {
        Some(path) => append(&context.directory.join(path), &decision, context),
        None if context.out.is_json() => context.out.json(&decision).map(|()| 0),
        None => context.out.text(&decision.markdown()).map(|()| 0),
    }
}

/// The largest decision log that is appended to, in bytes.
const LOG_LIMIT: u64 = 64 * 1024 * 1024;

/// Appends the entry, unless the log has one of this incident: people may have edited that one.
fn append(path: &Path, decision: &Decision, context: &Context) -> Result<u8> {
    let before = match file::read_limited(path, LOG_LIMIT) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| {
            Error::new(ErrorCode::InvalidData, format!("{} is not UTF-8", path.display()))
                .hint("name a Markdown file")
        })?,
        Err(error) if error.code == ErrorCode::NotFound => "# Decisions\n".to_owned(),
        Err(error) => return Err(error),
    };
    let mark = format!("({})", decision.incident_id);
    if before.lines().any(|line| line.starts_with("## ") && line.ends_with(&mark)) {
        let message = format!("{} has an entry of {} already", path.display(), decision.incident_id);
        return Err(Error::new(ErrorCode::Refused, message).hint("edit that entry, or remove it first"));
    }
    let text = format!("{}\n\n{}", before.trim_end(), decision.markdown());
    file::write_atomic(path, text.as_bytes(), 0o644)?;
    context.out.note(&format!("{}: entry of {} appended.", path.display(), decision.incident_id));
    Ok(0)
}

fn response_metrics(args: &MetricsArgs, context: &Context) -> Result<u8> {
    let now = context.now(&args.now)?;
    let since = args.last.map(|last| now - last.approximate());
    let store = context.store()?;
    let (incidents, events) = store.view(|session| {
        let incidents = book::list(session, args.service.as_deref())?;
        Ok((incidents, session.events(&rollback_filter(args.service.clone(), args.now.now))?))
    })?;
    let found = metrics(&incidents, &events, since, now);
    if context.out.is_json() {
        context.out.json(&found)?;
        return Ok(0);
    }
    if found.all.incidents == 0 {
        context.out.line("No incident to measure.")?;
        return Ok(0);
    }
    let mut rows = vec![level_row("all", &found.all)];
    rows.extend(found.by_level.iter().map(|(name, level)| level_row(name, level)));
    let headers = ["LEVEL", "INCIDENTS", "OPEN", "DETECT", "ACKNOWLEDGE", "MITIGATE", "RESOLVE"];
    context.out.table(&headers, &rows)?;
    context.out.line("\nTimes are medians, with the longest in brackets; - where nothing was measured.")?;
    for promise in &found.promises {
        let (met, missed, pending) = (promise.met, promise.missed, promise.pending);
        let deed = promise.kind.deed();
        context.out.line(&format!("Promised to {deed}: {met} met, {missed} missed, {pending} pending"))?;
    }
    let [ended, restored] = found.rollbacks;
    context
        .out
        .line(&format!("Rollbacks: {ended} ended, {restored} restored, {}", times(&found.rollback)))?;
    for (reason, count) in &found.rollbacks_by_reason {
        context.out.line(&format!("  {count} by automation for {reason}"))?;
    }
    Ok(0)
}

fn level_row(name: &str, level: &LevelMetrics) -> Vec<String> {
    let mut row = vec![name.to_owned(), level.incidents.to_string(), level.open.to_string()];
    row.extend([&level.detect, &level.acknowledge, &level.mitigate, &level.resolve].map(times));
    row
}

fn times(times: &Times) -> String {
    let show = |seconds: f64| Elapsed(chrono::TimeDelta::milliseconds((seconds * 1000.0) as i64)).to_string();
    match (times.median, times.longest) {
        (Some(median), Some(longest)) => format!("{} ({})", show(median), show(longest)),
        _ => "-".to_owned(),
    }
}
