//! `irctl check --test`: every threshold, tried until it fires.

use std::fmt::Write as _;

use super::Context;
use super::output::Tone;
use crate::base::{Result, Verdict};
use crate::check::thresholds::{self, SchemeReport, ThresholdReport};
use crate::severity::thresholds::ThresholdTrial;
use crate::store::Store;

/// Tries them and returns the exit status: 0 where all fire, 2 where one never does, 3 where there was none.
pub(super) fn run(services: &[String], context: &Context) -> Result<u8> {
    let workspace = context.workspace()?;
    // A machine of CI has no state, and must not get one.
    let store = if workspace.state.is_dir() { Some(context.store()?) } else { None };
    let store: Option<&dyn Store> = store.as_deref();
    let report = thresholds::run(workspace, store, services, context.clock.now()?)?;
    if context.out.is_json() {
        context.out.json(&report)?;
    } else {
        context.out.text(&text(&report, context))?;
    }
    Ok(report.verdict.exit())
}

fn text(report: &ThresholdReport, context: &Context) -> String {
    let mut text = String::new();
    for scheme in report.schemes.iter().filter(|_| !context.out.is_quiet()) {
        one(&mut text, scheme, context);
    }
    let never: Vec<&ThresholdTrial> = report
        .schemes
        .iter()
        .flat_map(|scheme| &scheme.trials)
        .filter(|trial| trial.never.is_some())
        .collect();
    for trial in &never {
        let place = trial.place.as_deref().unwrap_or_default();
        let why = trial.never.as_deref().unwrap_or_default();
        let _ = writeln!(
            text,
            "{} {place}: {} `{}`: {why}",
            context.out.tone(Tone::Bad, "never fires"),
            trial.rule,
            trial.threshold
        );
    }
    let tried = report.thresholds;
    let plural = if tried == 1 { "" } else { "s" };
    let _ = match report.verdict {
        Verdict::Ok => writeln!(text, "{tried} threshold{plural}: each fires, and is quiet next to it"),
        Verdict::Unknown if tried > 0 => {
            writeln!(text, "{tried} threshold{plural}: each fires; files with errors were left out")
        }
        Verdict::Unknown => {
            writeln!(text, "there is no threshold to try: no scheme is the workspace's own or used")
        }
        _ => writeln!(text, "{} of {tried} threshold{plural} never fire", never.len()),
    };
    text
}

fn one(text: &mut String, scheme: &SchemeReport, context: &Context) {
    let services =
        if scheme.services.is_empty() { "no service".to_owned() } else { scheme.services.join(", ") };
    let _ =
        writeln!(text, "{}  {}  ({services})", context.out.tone(Tone::Strong, &scheme.scheme), scheme.file);
    let _ = match &scheme.measured_by {
        Some(service) => writeln!(text, "  starting from the newest samples of {service}"),
        None => writeln!(text, "  starting from made-up values: nothing is measured yet"),
    };
    let rule = |trial: &ThresholdTrial| format!("{} {}", trial.level, trial.rule);
    let width = |of: &dyn Fn(&ThresholdTrial) -> String| {
        scheme.trials.iter().map(|trial| of(trial).chars().count()).max().unwrap_or(0)
    };
    let (first, second) = (width(&rule), width(&|trial| trial.threshold.clone()));
    for trial in &scheme.trials {
        let held = trial.held.as_ref().map(|held| format!(" for {held}")).unwrap_or_default();
        let result = match (&trial.fires, &trial.quiet) {
            (Some(fires), Some(quiet)) => {
                format!("{} {} fires{held}, {} does not", trial.metric, fires.shown, quiet.shown)
            }
            _ => context.out.tone(Tone::Bad, "never fires"),
        };
        let result = if trial.never.is_some() { context.out.tone(Tone::Bad, "never fires") } else { result };
        let _ = writeln!(text, "  {:first$}  {:second$}  {result}", rule(trial), trial.threshold);
    }
    if !scheme.by_alert_only.is_empty() {
        let _ = writeln!(text, "  only alerts and people raise: {}", scheme.by_alert_only.join(", "));
    }
    text.push('\n');
}
