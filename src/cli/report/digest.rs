//! `irctl report digest`: what there is to talk about in a regular review.

use crate::base::clock::{Elapsed, format_minute};
use crate::base::{Duration, Result};
use crate::cli::{Context, NowArgs};
use crate::incident::book;
use crate::incident::pattern::KIND;
use crate::report::digest::{Digest, SymptomDigest, digest};
use crate::store::EventFilter;

/// The incidents of the last two weeks by symptom, against the two weeks before: for a regular review.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long a stretch of time it covers, as 14d.
    #[arg(long, value_name = "DURATION", default_value = "14d")]
    last: Duration,
    /// Only those of this service.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    #[command(flatten)]
    now: NowArgs,
}

/// Prints it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let now = context.now(&args.now)?;
    let filter = EventFilter {
        service: args.service.clone(),
        kind_prefix: Some(KIND.to_owned()),
        until: args.now.now,
        ..EventFilter::default()
    };
    let store = context.store()?;
    let (incidents, events) = store
        .view(|session| Ok((book::list(session, args.service.as_deref())?, session.events(&filter)?)))?;
    let found = digest(&incidents, &events, args.last.approximate(), now);
    if context.out.is_json() {
        context.out.json(&found)?;
    } else {
        show(&found, context)?;
    }
    Ok(0)
}

fn show(found: &Digest, context: &Context) -> Result<()> {
    let out = &context.out;
    let (since, until) = (format_minute(found.since), format_minute(found.until));
    let count = found.incidents;
    let plural = if count == 1 { "" } else { "s" };
    out.line(&format!("{since} to {until}: {count} incident{plural}, {} before that", found.before))?;
    if found.symptoms.is_empty() {
        return Ok(());
    }
    out.line("")?;
    let rows: Vec<_> = found.symptoms.iter().map(row).collect();
    out.table(&["SYMPTOM", "INCIDENTS", "BEFORE", "TREND", "OPEN", "WORST", "LASTED", "SERVICES"], &rows)?;
    for review in &found.patterns {
        let due = review.pattern.review_by.format("%Y-%m-%d");
        out.line(&format!("\nReview by {due}: {}", review.pattern.summary))?;
    }
    if !found.actions.is_empty() {
        out.line("\nTo be done:")?;
    }
    for action in &found.actions {
        let owner = action.owner.as_ref().map_or("nobody yet".to_owned(), ToString::to_string);
        let due = action.due.map(|due| format!(", due {}", due.format("%Y-%m-%d"))).unwrap_or_default();
        out.line(&format!("  {}  {} ({owner}{due})", action.incident, action.text))?;
    }
    Ok(())
}

fn row(symptom: &SymptomDigest) -> Vec<String> {
    let again = if symptom.reopened > 0 { format!(" ({} again)", symptom.reopened) } else { String::new() };
    vec![
        symptom.symptom.clone(),
        format!("{}{again}", symptom.incidents),
        symptom.before.to_string(),
        symptom.trend.as_str().to_owned(),
        symptom.open.to_string(),
        symptom.worst.clone().unwrap_or_else(|| "-".to_owned()),
        match symptom.minutes {
            0 => "under 1 min".to_owned(),
            minutes => Elapsed(chrono::TimeDelta::minutes(minutes)).to_string(),
        },
        if symptom.services.is_empty() { "-".to_owned() } else { symptom.services.join(", ") },
    ]
}
