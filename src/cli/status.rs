//! Bare `irctl`: the screen for three in the morning.

use chrono::{DateTime, Utc};

use super::context::maintenance_line;
use super::output::Tone;
use super::{Context, NowArgs};
use crate::base::Result;
use crate::base::clock::{Elapsed, format_minute, format_near};
use crate::check::overlaps::Overlaps;
use crate::check::{NotGood, Overview, Pending, overview};
use crate::incident::State;
use crate::incident::deadlines::{Promise, Standing};

/// Shows what is broken, whether the harm is contained, who is acting, and the next command.
pub fn run(now: &NowArgs, context: &Context) -> Result<u8> {
    let now = context.now(now)?;
    let workspace = context.workspace()?;
    let overview = overview(workspace, &*context.store()?, now)?;
    if context.out.is_json() {
        context.out.json(&overview)?;
    } else {
        show(&overview, &workspace.settings.workspace, context)?;
    }
    Ok(overview.verdict.exit())
}

fn show(overview: &Overview, workspace: &str, context: &Context) -> Result<()> {
    let out = &context.out;
    let verdict = out.verdict(overview.verdict);
    let round = match overview.last_round {
        None => "never checked".to_owned(),
        Some(last) if overview.at - last < chrono::TimeDelta::minutes(1) => "checked just now".to_owned(),
        Some(last) => format!("last check {} ago", Elapsed(overview.at - last)),
    };
    let late = if overview.overdue && overview.last_round.is_some() { " (overdue)" } else { "" };
    out.line(&format!("{workspace}: {verdict} at {}, {round}{late}", format_minute(overview.at)))?;
    for running in &overview.running {
        out.line(&format!("{} is running", running.said(overview.at)))?;
    }
    if let Some(overlaps) = &overview.overlaps {
        out.line(&out.tone(Tone::Warning, &kept_out(overlaps, overview.at)))?;
    }
    for pending in &overview.incidents {
        show_incident(pending, overview.at, context)?;
    }
    if overview.incidents.is_empty() {
        out.line("No incident is open.")?;
    }
    show_not_good(&overview.not_good, context)?;
    for (number, left_out) in overview.left_out.iter().enumerate() {
        let between = if number == 0 { "\n" } else { "" };
        out.line(&format!("{between}{}", out.tone(Tone::Warning, left_out)))?;
    }
    for contained in overview.contained.iter().filter(|one| !told_by_incident(overview, &one.service)) {
        let since = format_minute(contained.since);
        let why = contained.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let text = format!("{} is contained since {since}, by {}{why}", contained.service, contained.by);
        out.line(&format!("\n{}", out.tone(Tone::Warning, &text)))?;
        out.line(&format!("    release    {}", contained.release))?;
    }
    for one in &overview.maintenance {
        out.line(&format!("\n{}", out.tone(Tone::Warning, &maintenance_line(one, overview.at))))?;
    }
    for watch in &overview.watches {
        let until = format_minute(watch.until);
        out.line(&format!(
            "\n{} on {} is watched until {until}; `irctl check` confirms {} or contains again",
            watch.service, watch.name, watch.operation
        ))?;
    }
    for operation in &overview.operations {
        let state = if operation.running { "is running" } else { "is unfinished" };
        let who = format!(
            "{} {} of {} {state}, by {}",
            operation.kind, operation.id, operation.service, operation.actor
        );
        out.line(&format!("\n{}: {}", out.tone(Tone::Bad, &who), operation.summary))?;
    }
    if overview.undelivered > 0 {
        out.line(&format!("\n{} messages have not got through: irctl notify outbox", overview.undelivered))?;
    }
    if let Some(next) = &overview.next {
        out.line(&format!("\nNext: {}", out.tone(Tone::Strong, next)))?;
    }
    Ok(())
}

/// So many of what was not good are named.
const NAMED: usize = 8;

fn show_not_good(not_good: &[NotGood], context: &Context) -> Result<()> {
    let out = &context.out;
    for (number, one) in not_good.iter().take(NAMED).enumerate() {
        let between = if number == 0 { "\n" } else { "" };
        out.line(&format!("{between}{} {}: {}", one.service, out.verdict(one.verdict), one.why))?;
    }
    match not_good.len().saturating_sub(NAMED) {
        0 => Ok(()),
        more => out.line(&format!("and {more} more; `irctl check` shows all")),
    }
}

/// Rounds that did nothing because another one was running: cron runs them too often, or one of them hangs.
fn kept_out(overlaps: &Overlaps, now: DateTime<Utc>) -> String {
    let count = overlaps.count;
    let (rounds, were) = if count == 1 { ("round", "was") } else { ("rounds", "were") };
    let by = overlaps.holder.as_ref().map(|holder| format!(" by {}", holder.said(now))).unwrap_or_default();
    format!("{count} {rounds} {were} kept out{by}, last at {}", format_near(overlaps.last, now))
}

/// Whether an incident on the screen says already that the service is contained.
fn told_by_incident(overview: &Overview, service: &str) -> bool {
    let mut incidents = overview.incidents.iter().map(|pending| &pending.incident);
    incidents.any(|incident| incident.service == service && incident.contained.is_some())
}

fn show_incident(pending: &Pending, now: DateTime<Utc>, context: &Context) -> Result<()> {
    let out = &context.out;
    let incident = &pending.incident;
    let tone = if incident.state == State::Mitigated { Tone::Warning } else { Tone::Bad };
    let at_least = if incident.at_least { " at least" } else { "" };
    let head = format!("{}{at_least}  {}", incident.level.name, incident.title);
    out.line(&format!("\n{}  ({}, {})", out.tone(tone, &head), incident.id, incident.state.as_str()))?;
    let harm = match (&incident.contained, incident.state) {
        (Some(moment), _) => {
            out.tone(Tone::Good, &format!("contained since {}", format_near(moment.at, now)))
        }
        (None, State::Mitigated) => out.tone(Tone::Good, "ended; what consumes it runs"),
        (None, _) => out.tone(Tone::Bad, "NOT contained"),
    };
    out.line(&format!("    harm       {harm}"))?;
    let acting = match &incident.acknowledged {
        Some(moment) => format!("{}, since {}", moment.by, format_near(moment.at, now)),
        None => {
            format!("{} yet: irctl incident ack {}", out.tone(Tone::Warning, "nobody"), incident.id)
        }
    };
    out.line(&format!("    acting     {acting}"))?;
    for promise in pending.promises.iter().filter(|promise| is_pressing(promise)) {
        out.line(&format!("    due        {}", due(promise, now)))?;
    }
    for (number, rule) in incident.rules.iter().enumerate() {
        let label = if number == 0 { "why" } else { "" };
        out.line(&format!("    {label:<10} {}", rule.reason))?;
    }
    if !incident.affected_services.is_empty() && incident.affected_services.len() > 1 {
        let names: Vec<String> = incident.affected_services.iter().map(ToString::to_string).collect();
        out.line(&format!("    affects    {} services: {}", names.len(), names.join(", ")))?;
    }
    let working = matches!(incident.state, State::Triage | State::Active);
    if let Some(first) = incident.first_action.as_ref().filter(|_| working) {
        out.line(&format!("    first      {first}"))?;
    }
    if let Some(runbook) = &incident.runbook {
        out.line(&format!("    runbook    {runbook}"))?;
    }
    if let Some(proposal) = &pending.proposal {
        out.line(&format!("    proposed   {}", proposal.command))?;
        out.line("               never by itself; with --dry-run it shows whether it would have helped")?;
    }
    Ok(())
}

/// What is still to be done, or was not done in time.
fn is_pressing(promise: &Promise) -> bool {
    promise.standing == Standing::Pending || (promise.standing == Standing::Missed && promise.done.is_none())
}

fn due(promise: &Promise, now: DateTime<Utc>) -> String {
    let left = promise.left(now);
    let when = if left < chrono::TimeDelta::zero() {
        format!("{} late", Elapsed(-left))
    } else {
        format!("in {}", Elapsed(left))
    };
    format!("{} by {} ({when})", promise.kind.as_str(), format_near(promise.due, now))
}
