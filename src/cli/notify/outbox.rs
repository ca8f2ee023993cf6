//! `irctl notify outbox` and `irctl notify flush`: what was told, what was not, and trying again.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::deliver;
use crate::base::error::exit;
use crate::base::untrusted::{Sink, escape};
use crate::base::{Duration, ErrorCode, Result};
use crate::cli::Context;
use crate::notify::outbox::Entry;
use crate::notify::{Again, Summary, hasten, requeue};
use crate::store::{Delivery, DeliveryState};

/// List what waits to be sent, failed, or may not have arrived.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  irctl notify outbox\n  irctl notify outbox --all --incident INC-20261120-030700"
)]
pub struct OutboxArgs {
    /// Also what was delivered.
    #[arg(long)]
    all: bool,
    /// Only of this incident.
    #[arg(long, value_name = "INCIDENT")]
    incident: Option<String>,
}

/// Deliver what is due.
///
/// Exit status: 0 when nothing is left to deliver, 69 otherwise.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  irctl notify flush\n  irctl notify flush --all --ignore-backoff --wait 2m"
)]
pub struct FlushArgs {
    /// Also try again what failed.
    #[arg(long)]
    all: bool,
    /// Also try again what may have arrived: it may come twice.
    #[arg(long)]
    ambiguous: bool,
    /// Do not wait for the next try that was set.
    #[arg(long)]
    ignore_backoff: bool,
    /// Stay this long for tries that come due.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = str::parse::<Duration>)]
    wait: Duration,
}

/// A delivery as `irctl notify outbox --output json` shows it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Row {
    /// Its number.
    number: u64,
    /// Where it stands.
    state: DeliveryState,
    /// The channel.
    channel: String,
    /// The message.
    message: Option<String>,
    /// Its level.
    level: Option<String>,
    /// The incident.
    incident: Option<String>,
    /// How often it was tried.
    attempts: u32,
    /// When it was queued (UTC).
    queued_at: DateTime<Utc>,
    /// When it came to its present state (UTC).
    changed_at: DateTime<Utc>,
    /// When it is tried next (UTC).
    next_attempt_at: Option<DateTime<Utc>>,
    /// What the last try said.
    last_error: Option<String>,
    /// The receiver's receipt.
    receipt: Option<String>,
}

/// A row as it is shown.
pub fn row(delivery: Delivery) -> Row {
    let notice = Entry::of(&delivery).map(|entry| entry.notice).ok();
    let waits = delivery.state == DeliveryState::Queued;
    Row {
        number: delivery.number,
        state: delivery.state,
        channel: delivery.channel,
        message: notice.as_ref().map(|notice| notice.template.clone()),
        level: notice.and_then(|notice| notice.level),
        incident: delivery.incident,
        attempts: delivery.attempts,
        queued_at: delivery.queued_at,
        changed_at: delivery.changed_at,
        next_attempt_at: waits.then_some(delivery.next_attempt_at),
        last_error: delivery.last_error,
        receipt: delivery.receipt,
    }
}

/// The word for a state.
pub const fn word(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Queued => "queued",
        DeliveryState::Sending => "sending",
        DeliveryState::Delivered => "delivered",
        DeliveryState::Failed => "failed",
        DeliveryState::Ambiguous => "ambiguous",
    }
}

/// Lists the outbox.
pub fn list(args: &OutboxArgs, context: &Context) -> Result<u8> {
    let mut rows = context.store()?.view(|session| session.deliveries(None))?;
    rows.retain(|row| args.all || row.state != DeliveryState::Delivered);
    rows.retain(|row| args.incident.is_none() || row.incident == args.incident);
    if rows.is_empty() && !context.out.is_json() {
        let what = if args.all {
            "The outbox is empty."
        } else {
            "Nothing waits, failed or is in doubt; --all also lists what was delivered."
        };
        context.out.line(what)?;
        return Ok(exit::OK);
    }
    table(rows, context)?;
    Ok(exit::OK)
}

/// Shows these rows.
pub fn table(rows: Vec<Delivery>, context: &Context) -> Result<()> {
    let rows: Vec<Row> = rows.into_iter().map(row).collect();
    if context.out.is_json() {
        return context.out.json(&rows);
    }
    let plain = |text: Option<&str>| text.map_or_else(|| "-".to_owned(), |text| escape(text, Sink::Terminal));
    let cells = |row: &Row| {
        vec![
            row.number.to_string(),
            word(row.state).to_owned(),
            escape(&row.channel, Sink::Terminal),
            plain(row.message.as_deref()),
            plain(row.level.as_deref()),
            plain(row.incident.as_deref()),
            row.attempts.to_string(),
            match row.next_attempt_at {
                Some(next) => next.format("next %m-%d %H:%M:%S").to_string(),
                None => row.changed_at.format("%m-%d %H:%M").to_string(),
            },
        ]
    };
    let headers = ["NO.", "STATE", "CHANNEL", "MESSAGE", "LEVEL", "INCIDENT", "TRIES", "AT (UTC)"];
    context.out.table(&headers, &rows.iter().map(cells).collect::<Vec<_>>())?;
    for row in &rows {
        if let Some(error) = &row.last_error {
            context.out.line(&format!("  {}: {}", row.number, escape(error, Sink::Terminal)))?;
        }
    }
    Ok(())
}

/// Delivers what is due.
pub fn flush(args: &FlushArgs, context: &Context) -> Result<u8> {
    let now = context.clock.now()?;
    context.store()?.with(|session| {
        if args.all || args.ambiguous {
            let which = if args.ambiguous { Again::FailedAndAmbiguous } else { Again::Failed };
            requeue(session, which, now)?;
        }
        if args.ignore_backoff {
            hasten(session, now)?;
        }
        Ok(())
    })?;
    let summary = deliver(context, args.wait.to_std())?;
    if context.out.is_json() {
        context.out.json(&summary)?;
    } else if !(context.out.is_quiet() && summary.is_clear()) {
        show(&summary, context)?;
    }
    Ok(if summary.is_clear() { exit::OK } else { ErrorCode::Delivery.exit() })
}

fn show(summary: &Summary, context: &Context) -> Result<()> {
    let counts = [
        (summary.delivered, "delivered"),
        (summary.waiting, "waiting"),
        (summary.failed, "failed"),
        (summary.ambiguous, "may or may not have arrived"),
    ];
    let said: Vec<_> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let said = if said.is_empty() { "nothing to deliver".to_owned() } else { said.join(", ") };
    context.out.line(&format!("Outbox: {said}."))?;
    for problem in &summary.problems {
        let (number, channel) = (problem.delivery, escape(&problem.channel, Sink::Terminal));
        let error = escape(&problem.error, Sink::Terminal);
        context.out.line(&format!("  {number} over {channel}, {}: {error}", word(problem.state)))?;
    }
    if summary.failed + summary.ambiguous > 0 {
        context
            .out
            .note("Next: irctl notify flush --all tries failed ones again, --ambiguous the others as well");
    }
    Ok(())
}
