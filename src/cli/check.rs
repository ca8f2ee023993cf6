//! `irctl check`: the cron round.

use super::Context;
use super::output::Tone;
use crate::base::{Result, Verdict};
use crate::check::{self, Round, ServiceRound, Surroundings};
use crate::incident::State;
use crate::severity::Outcome;

/// Measure, judge, open and update incidents, contain, notify, act by policy.
///
/// Meant for cron: rounds do not overlap (75), nothing is opened twice, and with `--quiet` a round that changed
/// nothing and found nothing prints nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  irctl check\n  irctl check --service rila_6y20b --output json\n  \
                        */30 * * * * irctl -C /srv/pricing check --quiet\n\n\
                        Exit status: 0 OK, 1 WARN, 2 CRIT, 3 UNKNOWN; where it rolled back, the rollback's; \
                        75 another round is running.")]
pub struct Args {
    /// Only this service; may be given several times.
    #[arg(long, visible_alias = "model", value_name = "NAME")]
    service: Vec<String>,
}

/// Runs one round and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let workspace = context.workspace()?;
    let surroundings = Surroundings {
        workspace,
        store: context.store()?,
        clock: &context.clock,
        actor: context.actor.clone(),
    };
    let round = check::run(&surroundings, &args.service)?;
    if context.out.is_json() {
        context.out.json(&round)?;
    } else if !(context.out.is_quiet() && is_dull(&round)) {
        show(&round, context)?;
    }
    Ok(round.exit())
}

/// Nothing is wrong, nothing changed, nobody was told anything.
fn is_dull(round: &Round) -> bool {
    round.verdict == Verdict::Ok
        && round.deliveries.is_clear()
        && round.services.iter().all(|service| {
            service.watches.is_empty()
                && !service.warming_is_news
                && service.incidents.iter().all(|incident| matches!(incident.change, "unchanged" | "warming"))
        })
}

fn show(round: &Round, context: &Context) -> Result<()> {
    let rows: Vec<_> = round.services.iter().map(row).collect();
    context.out.table(&["SERVICE", "VERDICT", "LEVEL", "SERVED", "INCIDENT"], &rows)?;
    for service in &round.services {
        explain(service, context)?;
    }
    for problem in &round.problems {
        context.out.line(&format!("  {}", context.out.tone(Tone::Warning, problem)))?;
    }
    let told = &round.deliveries;
    if told.delivered > 0 {
        let messages = if told.delivered == 1 { "message" } else { "messages" };
        context.out.line(&format!("told: {} {messages} delivered", told.delivered))?;
    }
    if told.waiting > 0 || told.failed > 0 || told.ambiguous > 0 {
        context.out.line(&format!(
            "not told yet: {} waiting, {} failed, {} unclear (irctl notify outbox)",
            told.waiting, told.failed, told.ambiguous
        ))?;
    }
    Ok(())
}

fn row(service: &ServiceRound) -> Vec<String> {
    let classification = &service.classification;
    let level = match (&classification.level, classification.at_least) {
        (Some(level), true) => format!("{level} at least"),
        (Some(level), false) => level.clone(),
        (None, true) => "not decided".to_owned(),
        (None, false) => "-".to_owned(),
    };
    let incidents: Vec<_> = service
        .incidents
        .iter()
        .map(|incident| format!("{} ({})", incident.incident, incident.change))
        .collect();
    vec![
        service.service.clone(),
        service.verdict.to_string(),
        level,
        service.served.as_ref().map_or("unknown".to_owned(), |digest| digest.short().to_owned()),
        if incidents.is_empty() { "-".to_owned() } else { incidents.join(", ") },
    ]
}

/// What matched and why, what is not decided, what was looked at where something is wrong.
fn explain(service: &ServiceRound, context: &Context) -> Result<()> {
    let out = &context.out;
    let classification = &service.classification;
    for rule in classification.with(Outcome::Matched) {
        let head = format!("{} {}", rule.level, rule.rule);
        out.line(&format!("  {}  {}", out.tone(Tone::Bad, &head), rule.reason))?;
    }
    for outcome in [Outcome::Undecided, Outcome::Warming] {
        let said = outcome == Outcome::Warming && !service.warming_is_news;
        for rule in classification.with(outcome).filter(|_| !said) {
            let head = format!("{} {} {}", rule.level, rule.rule, outcome.as_str());
            out.line(&format!("  {}  {}", out.tone(Tone::Warning, &head), rule.reason))?;
        }
        let still: Vec<_> = classification.with(outcome).map(|rule| rule.rule.as_str()).collect();
        if said && !still.is_empty() {
            out.line(&format!("  still warming: {}", still.join(", ")))?;
        }
    }
    if let Some(doubt) = &service.doubt {
        out.line(&format!("  served version unknown: {doubt}"))?;
    }
    for probe in &service.probes {
        for problem in &probe.problems {
            out.line(&format!("  probe {}: {}", probe.probe, problem.reason))?;
        }
    }
    for incident in &service.incidents {
        let contained = match (&incident.contained, &incident.containment_problem) {
            (_, Some(problem)) => out.tone(Tone::Bad, &format!("NOT CONTAINED: {problem}")),
            (Some(proof), None) => out.tone(Tone::Good, &format!("contained: {proof}")),
            (None, None) if incident.state == State::Mitigated.as_str() => {
                "the harm has ended; what consumes it runs".to_owned()
            }
            (None, None) => "not contained".to_owned(),
        };
        out.line(&format!(
            "  {} {} {}: {}",
            incident.incident, incident.state, incident.level, incident.title
        ))?;
        out.line(&format!("    {contained}"))?;
        let first = incident.first_action.as_ref().filter(|_| incident.state == State::Triage.as_str());
        if let Some(first) = first {
            out.line(&format!("    first: {first}"))?;
        }
    }
    if let Some(rollback) = &service.rollback {
        out.line(&format!("  rollback: {}", rollback.summary))?;
    }
    for watch in &service.watches {
        out.line(&format!("  watch: {}", watch.summary))?;
    }
    Ok(())
}
