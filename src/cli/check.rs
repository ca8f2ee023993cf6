//! `irctl check`: the cron round.

use chrono::{DateTime, Utc};
use std::path::PathBuf;
use std::sync::Arc;

use super::Context;
use super::context::maintenance_line;
use super::output::Tone;
use crate::base::{Duration, Result, Verdict};
use crate::check::report::IncidentRound;
use crate::check::shard::Shard;
use crate::check::{self, Orders, Round, ServiceRound, Surroundings};
use crate::config::Workspace;
use crate::config::maintenance::InMaintenance;
use crate::incident::State;
use crate::operation::ByService;
use crate::severity::Outcome;

/// Measure, judge, open and update incidents, contain, notify, act by policy.
///
/// Meant for cron: rounds do not overlap (75), nothing is opened twice, a probe that hangs keeps nobody waiting, and
/// with `--quiet` a round prints one line for each change, and nothing where nothing changed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  irctl check\n  irctl check --service rila_6y20b --output json\n  irctl check --test\n  \
                        */15 * * * * irctl -C /srv/pricing check --quiet\n  \
                        irctl check --quiet --shard 3/16 --deadline 10m\n\n\
                        Exit status: 0 OK, 1 WARN, 2 CRIT, 3 UNKNOWN; where it rolled back, the rollback's; \
                        75 another round is running."
)]
pub struct Args {
    /// Only this service; may be given several times.
    #[arg(long, visible_alias = "model", value_name = "NAME")]
    service: Vec<String>,
    /// Only this part of all services, as `3/16`: the third of sixteen, by a hash of their names.
    #[arg(long, value_name = "PART/ALL")]
    shard: Option<Shard>,
    /// Measure so many things at the same time; twice as many as there are processors otherwise.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Wait so long for a probe that has no limit of its own; it is UNKNOWN then. 30s otherwise.
    #[arg(long, value_name = "DURATION")]
    timeout: Option<Duration>,
    /// Measure for so long altogether; what is not measured by then is UNKNOWN. The cadence otherwise.
    #[arg(long, value_name = "DURATION")]
    deadline: Option<Duration>,
    /// Write metrics for Prometheus' textfile collector to this file.
    #[arg(long, value_name = "FILE")]
    textfile: Option<PathBuf>,
    /// Judge nothing; instead try every threshold of the schemes until it fires, and say which never does.
    ///
    /// Nothing is measured, opened, contained or told. Each threshold is given values on both sides of it, starting
    /// from the newest samples, for as long as its rule's `for` asks. Ends with 0 where all fire, 2 where one never
    /// does.
    #[arg(long, conflicts_with_all = ["shard", "jobs", "timeout", "deadline", "textfile"])]
    test: bool,
}

/// Runs one round and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    if args.test {
        return super::check_test::run(&args.service, context);
    }
    let workspace = context.shared_workspace()?;
    let orders = Orders {
        services: args.service.clone(),
        shard: args.shard,
        jobs: args.jobs,
        timeout: args.timeout,
        deadline: args.deadline,
        textfile: args.textfile.as_ref().map(|path| context.directory.join(path)),
        brief: !context.out.is_json(),
    };
    let round = match round(&orders, &workspace, context) {
        Ok(round) => round,
        Err(error) => {
            if check::blind::is_state(error.code) {
                // Nothing can be remembered; what harms is stopped all the same.
                for said in check::blind::contain(&workspace, &context.clock, &orders) {
                    context.out.warning(&said);
                }
            }
            for said in check::failed(&workspace, &orders, &context.clock, &error) {
                context.out.warning(&said);
            }
            return Err(error);
        }
    };
    if context.out.is_json() {
        context.out.json(&round)?;
    } else if context.out.is_quiet() {
        for change in &round.changes {
            let service = change.service.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
            context.out.line(&format!("{service}{}", change.text))?;
        }
    } else {
        show(&round, context)?;
    }
    Ok(round.exit())
}

fn round(orders: &Orders, workspace: &Arc<Workspace>, context: &Context) -> Result<Round> {
    let surroundings = Surroundings {
        workspace,
        store: context.store()?,
        clock: &context.clock,
        actor: context.actor.clone(),
        operations: ByService::new(&workspace.state),
    };
    let _progress = context.out.progress("measuring and judging");
    check::run(&surroundings, workspace, orders)
}

fn show(round: &Round, context: &Context) -> Result<()> {
    if let Some(shard) = round.shard {
        let count = round.services.len();
        let services = if count == 1 { "service" } else { "services" };
        context.out.line(&format!("shard {shard}: {count} {services}"))?;
    }
    let rows: Vec<_> = round.services.iter().map(row).collect();
    if rows.is_empty() {
        context.out.line("No service was looked at.")?;
    } else {
        context.out.table(&["SERVICE", "VERDICT", "LEVEL", "SERVED", "INCIDENT"], &rows)?;
    }
    for service in &round.services {
        explain(service, round.services.len() > 1, round.at, context)?;
    }
    for problem in round.problems.iter().chain(&round.warnings) {
        context.out.line(&format!("  {}", context.out.tone(Tone::Warning, problem)))?;
    }
    let told = &round.deliveries;
    if told.delivered > 0 || told.waiting > 0 || told.failed > 0 || told.ambiguous > 0 {
        context.out.line("")?;
    }
    if told.delivered > 0 {
        context.out.line(&format!("told: {} delivered", messages(told.delivered)))?;
    }
    if told.waiting > 0 || told.failed > 0 || told.ambiguous > 0 {
        context.out.line(&format!(
            "NOT told yet: {} waiting, {} failed, {} unclear (irctl notify outbox)",
            told.waiting, told.failed, told.ambiguous
        ))?;
    }
    if round.verdict != Verdict::Ok {
        context.out.line(&format!("Next: {}", context.out.tone(Tone::Strong, "irctl")))?;
    }
    Ok(())
}

fn messages(count: u32) -> String {
    format!("{count} message{}", if count == 1 { "" } else { "s" })
}

fn services(count: usize) -> String {
    format!("{count} service{}", if count == 1 { "" } else { "s" })
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

/// What matched and why, what is not decided, what was looked at where something is wrong; then the incidents.
fn explain(service: &ServiceRound, named: bool, at: DateTime<Utc>, context: &Context) -> Result<()> {
    let out = &context.out;
    let findings = findings(service, at, context);
    if findings.is_empty() && service.incidents.is_empty() && service.contained_for.is_empty() {
        return Ok(());
    }
    out.line("")?;
    if named {
        out.line(&format!("{} {}", service.service, out.verdict(service.verdict)))?;
    }
    for line in &findings {
        out.line(&format!("  {line}"))?;
    }
    for one in &service.contained_for {
        let text = match (&one.proof, &one.problem) {
            (_, Some(problem)) => out.tone(Tone::Bad, &format!("NOT CONTAINED: {problem}")),
            (Some(proof), None) => out.tone(Tone::Good, &format!("contained, {proof}")),
            (None, None) => "an operation is running".to_owned(),
        };
        out.line(&format!("  for {}: {text}", one.incident))?;
    }
    if !findings.is_empty() && !service.incidents.is_empty() {
        out.line("")?;
    }
    for incident in &service.incidents {
        out.line(&format!(
            "  {}  {}  {}  {}",
            out.tone(Tone::Strong, &incident.incident),
            incident.level,
            incident.state,
            incident.title
        ))?;
        out.line(&format!("    harm      {}", harm(incident, context)))?;
        let first = incident.first_action.as_ref().filter(|_| incident.state == State::Triage.as_str());
        if let Some(first) = first {
            out.line(&format!("    first     {first}"))?;
        }
        if let Some(proposal) = &incident.proposal {
            out.line(&format!("    proposed  {} (never by itself)", proposal.command))?;
        }
    }
    Ok(())
}

fn findings(service: &ServiceRound, at: DateTime<Utc>, context: &Context) -> Vec<String> {
    let out = &context.out;
    let classification = &service.classification;
    let mut rows = Vec::new();
    let measured = !service.probes.is_empty();
    let told = !service.warming_is_news;
    for outcome in [Outcome::Matched, Outcome::Undecided, Outcome::Blocked, Outcome::Warming] {
        if told && outcome == Outcome::Warming {
            continue;
        }
        for rule in classification.with(outcome).filter(|_| measured || outcome == Outcome::Matched) {
            let (tone, mark) = match outcome {
                Outcome::Matched => (Tone::Bad, String::new()),
                other => (Tone::Warning, format!(" {}", other.as_str())),
            };
            rows.push((tone, format!("{} {}{mark}", rule.level, rule.rule), merged(&rule.reason)));
        }
    }
    let width = rows.iter().map(|(_, head, _)| head.chars().count()).max().unwrap_or(0);
    let mut lines: Vec<String> = rows
        .into_iter()
        .map(|(tone, head, reason)| format!("{}  {reason}", out.tone(tone, &format!("{head:<width$}"))))
        .collect();
    let still: Vec<_> = classification.with(Outcome::Warming).map(|rule| rule.rule.as_str()).collect();
    if told && !still.is_empty() {
        lines.push(format!("still warming: {}", still.join(", ")));
    }
    let held = classification.with(Outcome::Missed).filter(|rule| rule.held.is_some());
    lines.extend(held.map(|rule| format!("{} {} {}", rule.level, rule.rule, rule.reason)));
    if !service.affects.is_empty() && service.verdict != Verdict::Ok {
        let names = service.affects.join(", ");
        lines.push(format!("needed by {}: {names}", services(service.affects.len())));
    }
    lines.extend(service.maintenance.iter().map(|window| {
        let one = InMaintenance { service: service.service.clone(), maintenance: window.clone() };
        out.tone(Tone::Warning, &maintenance_line(&one, at))
    }));
    if !measured {
        let name = &service.service;
        lines.push(format!("nothing is measured: give {name} `probes:` (docs/probes.md), then check again"));
    }
    lines.extend(service.doubt.iter().map(|doubt| format!("served version unknown: {doubt}")));
    let problems = service.probes.iter().flat_map(|probe| probe.problems.iter().map(move |one| (probe, one)));
    lines.extend(problems.map(|(probe, problem)| format!("probe {}: {}", probe.probe, problem.reason)));
    lines.extend(service.rollback.iter().map(|rollback| format!("rollback: {}", rollback.summary)));
    lines.extend(service.release.iter().map(|release| format!("release: {}", release.summary)));
    lines.extend(
        service.watches.iter().map(|watch| {
            if watch.failed { out.tone(Tone::Bad, &watch.summary) } else { watch.summary.clone() }
        }),
    );
    lines.extend(service.unready.iter().map(|unready| {
        format!("{} {}; next: {}", out.tone(Tone::Warning, "not ready"), unready.summary, unready.next)
    }));
    lines
}

fn harm(incident: &IncidentRound, context: &Context) -> String {
    let out = &context.out;
    match (&incident.contained, &incident.containment_problem) {
        (_, Some(problem)) => out.tone(Tone::Bad, &format!("NOT CONTAINED: {problem}")),
        (Some(proof), None) => out.tone(Tone::Good, &format!("contained, {proof}")),
        (None, None) if incident.state == State::Mitigated.as_str() => {
            "ended; what consumes it runs".to_owned()
        }
        (None, None)
            if [State::Resolved.as_str(), State::Closed.as_str()].contains(&incident.state.as_str()) =>
        {
            "over".to_owned()
        }
        (None, None) => out.tone(Tone::Bad, "NOT contained"),
    }
}

/// Says `no sample of a from X; no sample of b from X` once: `no sample of a, b from X`.
fn merged(reason: &str) -> String {
    const HEAD: &str = "no sample of ";
    let parts: Vec<&str> = reason.split("; ").collect();
    let split = |part: &&str| -> Option<(String, String)> {
        let (metric, tail) = part.strip_prefix(HEAD)?.split_once(' ')?;
        Some((metric.to_owned(), tail.to_owned()))
    };
    let Some(pairs) = parts.iter().map(split).collect::<Option<Vec<_>>>() else { return reason.to_owned() };
    match pairs.first() {
        Some((_, tail)) if pairs.iter().all(|(_, other)| other == tail) => {
            let metrics: Vec<_> = pairs.iter().map(|(metric, _)| metric.as_str()).collect();
            format!("{HEAD}{} {tail}", metrics.join(", "))
        }
        _ => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::merged;

    #[test]
    fn the_same_gap_is_said_once() {
        let twice = "no sample of mape_rolling from the served version yet; no sample of mape_rolling_rise from the served version yet";
        assert_eq!(merged(twice), "no sample of mape_rolling, mape_rolling_rise from the served version yet");
        let other = "no sample of a from the served version yet; b is NaN";
        assert_eq!(merged(other), other);
        assert_eq!(merged("mape 3 % > 2 %"), "mape 3 % > 2 %");
    }
}
