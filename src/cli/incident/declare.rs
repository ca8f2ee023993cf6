//! `irctl incident declare`: what no probe can tell.

use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

use super::show::Shown;
use super::{levels, tell};
use crate::base::{Error, ErrorCode, Result};
use crate::cli::Context;
use crate::incident::event::{ByOperation, DetectedBy, Opened};
use crate::incident::{Book, Change, Opening, Reading};
use crate::rollback;

/// Open an incident for what no probe can tell: a breach, corrupted data, a complaint.
///
/// There is one incident for each service and symptom: where one is open, it is shown, and nothing is opened.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  irctl incident declare --service rila_6y20b --symptom leakage --level P0 \
                        --title \"Data leakage confirmed\""
)]
pub struct DeclareArgs {
    /// The service it concerns.
    #[arg(long, value_name = "NAME")]
    service: String,
    /// What is wrong, in one word, as `accuracy` or `leakage`.
    #[arg(long, value_name = "WORD", value_parser = parse_word)]
    symptom: String,
    /// The level in the service's severity scheme, as P1.
    #[arg(long, value_name = "LEVEL")]
    level: String,
    /// One line for people.
    #[arg(long, value_name = "TEXT")]
    title: String,
    /// More than the title.
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// Another scheme than the service's.
    #[arg(long, value_name = "NAME")]
    scheme: Option<String>,
    /// A value that shows it: a number, or a percentage as 31%. Can be given several times.
    #[arg(long = "metric", value_name = "NAME=VALUE", value_parser = parse_metric)]
    metrics: Vec<(String, Reading)>,
    /// What else is affected. Can be given several times.
    #[arg(long = "affects", value_name = "NAME")]
    affects: Vec<String>,
    /// The runbook to follow.
    #[arg(long, value_name = "NAME")]
    runbook: Option<String>,
    /// When it was noticed, where that was before now.
    #[arg(long, value_name = "RFC3339", value_parser = crate::base::clock::parse_instant)]
    detected_at: Option<DateTime<Utc>>,
}

/// A symptom or role: a word that can stand in a key.
pub fn parse_word(text: &str) -> std::result::Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if text.is_empty() || text.len() > 64 || !text.chars().all(plain) {
        return Err("write one word of lower-case letters, digits, `-` and `_`, as `tde-data`".to_owned());
    }
    Ok(text.to_owned())
}

fn parse_metric(text: &str) -> std::result::Result<(String, Reading), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    let name = name.trim();
    if name.is_empty() {
        return Err("the name is missing".to_owned());
    }
    let (number, factor, unit) = match value.trim().strip_suffix('%') {
        Some(number) => (number.trim(), 0.01, Some(crate::base::Unit::Change)),
        None => (value.trim(), 1.0, None),
    };
    let number: f64 = number.parse().map_err(|_| format!("`{value}` is not a number"))?;
    if !number.is_finite() {
        return Err(format!("`{value}` is not a finite number"));
    }
    Ok((name.to_owned(), Reading { value: number * factor, unit }))
}

/// Opens the incident and shows it.
pub fn run(args: &DeclareArgs, context: &Context) -> Result<u8> {
    let workspace = context.workspace()?;
    let service = workspace.service(&args.service)?;
    let scheme = args.scheme.clone().unwrap_or_else(|| service.scheme.clone());
    let (level, timings) = levels::find(workspace, &scheme, &args.level)?;
    let now = context.clock.now()?;
    if args.detected_at.is_some_and(|detected| detected > now) {
        return Err(Error::new(ErrorCode::Usage, "--detected-at is in the future")
            .hint("leave it out where it was noticed just now"));
    }
    let mut affected = vec![args.service.clone().into()];
    affected
        .extend(args.affects.iter().filter(|name| **name != args.service).map(|name| name.as_str().into()));
    let opened = Opened {
        title: args.title.as_str().into(),
        symptom: args.symptom.clone(),
        level: level.name.clone(),
        rank: level.rank,
        scheme,
        verdict: level.verdict,
        rules: Vec::new(),
        runbook: args.runbook.clone(),
        first_action: None,
        description: args.description.as_str().into(),
        detected_by: DetectedBy::Human,
        detected_at: args.detected_at,
        affected_services: affected,
        metrics: args.metrics.iter().cloned().collect::<BTreeMap<_, _>>(),
        at_least: false,
        evidence: Vec::new(),
        version: None,
        deadlines: timings.from(now),
    };
    let opening = Opening { service: args.service.clone(), opened };
    let store = context.store()?;
    let contained = rollback::contain::current(&workspace.state, &args.service)?;
    let (incident, fresh) = store.with(|session| {
        let mut book = Book::new(session, context.actor.clone(), now);
        let (incident, fresh) = book.open(&opening)?;
        match &contained {
            // Its consumers were stopped before anybody opened an incident.
            Some(known) if fresh => {
                let operation = Some(known.operation.clone());
                let reason = known.reason.as_deref().map(Into::into);
                Ok((book.contained(&incident.id, ByOperation { operation, reason })?, fresh))
            }
            _ => Ok((incident, fresh)),
        }
    })?;
    if fresh {
        tell(&incident, &Change::Opened, context)?;
    }
    if !fresh {
        let (id, level) = (&incident.id, &incident.level.name);
        context.out.warning(&format!(
            "{id} ({level}) is already open for {} and {}; nothing was opened",
            args.service, args.symptom
        ));
    }
    Shown::new(&incident, context, now)?.print(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_metrics_are_read_strictly() {
        assert!(parse_word("tde-data").is_ok());
        for text in ["", "Two words", "a/b", "a\n"] {
            assert!(parse_word(text).is_err(), "{text:?}");
        }
        let (name, reading) = parse_metric("error_rate=0.6").unwrap();
        assert_eq!((name.as_str(), reading.value, reading.unit), ("error_rate", 0.6, None));
        assert_eq!(parse_metric("mape = 31 %").unwrap().1.show(), "+31 %");
        for text in ["x", "=1", "x=", "x=NaN", "x=inf", "x=1e999"] {
            assert!(parse_metric(text).is_err(), "{text}");
        }
    }
}
