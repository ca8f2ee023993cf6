//! `irctl drill`: rehearses a rollback on copies, and times it.

use schemars::JsonSchema;
use serde::Serialize;

use super::Context;
use super::output::Tone;
use super::rollback::ServiceArgs;
use super::rollback::desk::{Desk, Place};
use crate::base::clock::{Elapsed, format_minute};
use crate::base::error::exit;
use crate::base::{Error, ErrorCode, Result, Verdict};
use crate::config::ServiceConfig;
use crate::rollback::Selector;
use crate::rollback::drill::{self, Drill, DrillPart};

/// Rehearse a rollback on copies, and time every part against the budget.
///
/// Each target is staged, switched and undone on a copy; a copy of the candidate is loaded and evaluated; the suites
/// must be there. Nothing that serves is touched. What could not be rehearsed is said, and never counts as passed.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(flatten)]
    service: ServiceArgs,
    /// Every service, and every phase of each.
    #[arg(long, conflicts_with_all = ["service", "phase", "to"])]
    all: bool,
    /// One phase of the service: one of its named plans.
    #[arg(long, value_name = "NAME")]
    phase: Option<String>,
    /// Where to: prev, last-stable, a version's name, or its digest.
    #[arg(long, value_name = "VERSION", default_value = "prev")]
    to: String,
    /// The environment whose values are used, as `staging`.
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List drills.
    List(ServiceArgs),
}

/// What was rehearsed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Rehearsal {
    /// The worst verdict.
    pub verdict: Verdict,
    /// Every drill.
    pub drills: Vec<Drill>,
    /// Services of which none could be begun, and why.
    pub problems: Vec<String>,
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    if let Some(Verb::List(args)) = &args.verb {
        return list(context, args.service.as_deref());
    }
    let Ok(to) = args.to.parse::<Selector>();
    let mut rehearsal = Rehearsal { verdict: Verdict::Unknown, drills: Vec::new(), problems: Vec::new() };
    for place in places(args, context)? {
        match one(context, &place, &to) {
            Ok((drill, stopped)) => {
                rehearsal.drills.push(drill);
                if stopped {
                    break;
                }
            }
            Err(error) if args.all && !crate::check::blind::is_state(error.code) => {
                let service = place.service.as_deref().unwrap_or_default();
                rehearsal.problems.push(format!("{service}: {}", error.message));
            }
            Err(error) => return Err(error),
        }
    }
    let unseen = rehearsal.problems.iter().map(|_| Verdict::Unknown);
    rehearsal.verdict = Verdict::worst_of(rehearsal.drills.iter().map(|drill| drill.verdict).chain(unseen));
    if context.out.is_json() {
        context.out.json(&rehearsal)?;
    } else {
        show(context, &rehearsal)?;
    }
    Ok(rehearsal.verdict.exit())
}

/// What is rehearsed: a service as a whole, one phase, or where it has nothing but phases, each of them.
fn places(args: &Args, context: &Context) -> Result<Vec<Place>> {
    let workspace = context.workspace()?;
    let place = |service: &str, phase: Option<&String>| Place {
        service: Some(service.to_owned()),
        phase: phase.cloned(),
        environment: args.env.clone(),
        ..Place::default()
    };
    let able = || workspace.services.values().filter(|service| service.rollback.is_some());
    if args.all {
        let all: Vec<_> = able()
            .flat_map(|service| plans(service, true).into_iter().map(|p| place(&service.service, p)))
            .collect();
        if all.is_empty() {
            return Err(Error::new(ErrorCode::InvalidConfiguration, "no service can be rolled back")
                .hint("give one `rollback:` (docs/rollback.md)"));
        }
        return Ok(all);
    }
    let service = match &args.service.service {
        Some(name) => Some(workspace.service(name)?),
        None if able().count() == 1 => able().next(),
        None => None,
    };
    match service {
        Some(service) if args.phase.is_none() => {
            Ok(plans(service, false).into_iter().map(|phase| place(&service.service, phase)).collect())
        }
        // What is missing is said as `irctl rollback` says it.
        _ => Ok(vec![Place {
            service: args.service.service.clone(),
            phase: args.phase.clone(),
            environment: args.env.clone(),
            ..Place::default()
        }]),
    }
}

fn plans(service: &ServiceConfig, every: bool) -> Vec<Option<&String>> {
    let Some(rollback) = &service.rollback else { return vec![None] };
    let whole = !rollback.targets.is_empty() || rollback.phases.is_empty();
    let mut plans: Vec<_> = whole.then_some(None).into_iter().collect();
    if every || !whole {
        plans.extend(rollback.phases.keys().map(Some));
    }
    plans
}

fn one(context: &Context, place: &Place, to: &Selector) -> Result<(Drill, bool)> {
    let desk = Desk::open(context, place)?;
    let subject = desk.subject()?;
    desk.with(|environment| {
        let _progress = context.out.progress("rehearsing on copies");
        let drill = drill::drill(environment, subject, to)?;
        Ok((drill, environment.stop.is_requested()))
    })
}

fn milliseconds(milliseconds: u64) -> String {
    Elapsed(chrono::TimeDelta::milliseconds(i64::try_from(milliseconds).unwrap_or(i64::MAX))).to_string()
}

fn show(context: &Context, rehearsal: &Rehearsal) -> Result<()> {
    let out = &context.out;
    for drill in &rehearsal.drills {
        let rows: Vec<_> = drill.parts.iter().map(row).collect();
        out.table(&["TARGET", "PART", "WHAT", "TOOK", "OF BUDGET", "RESULT"], &rows)?;
        for part in &drill.parts {
            if let Some(why) = &part.why {
                let line = format!("  {} {}: {why}", part.target, part.outcome);
                out.line(&if part.never {
                    out.tone(Tone::Faint, &line)
                } else {
                    out.tone(Tone::Bad, &line)
                })?;
            }
        }
        let fits = match drill.fits {
            Some(true) => "fits",
            Some(false) => "does NOT fit",
            None => "not known whether it fits",
        };
        let (took, budget) = (milliseconds(drill.total_ms), milliseconds(drill.budget_ms));
        out.line(&format!("Total {took} of {budget}: {fits}"))?;
        if let Some(immediate) = &drill.immediate {
            let (took, budget) = (milliseconds(immediate.took_ms), milliseconds(immediate.budget_ms));
            let fits = if immediate.fits { "fits" } else { "does NOT fit" };
            out.line(&format!("Immediate part {took} of {budget}: {fits}"))?;
        }
        out.line(&out.tone(Tone::Strong, &drill.summary))?;
    }
    for problem in &rehearsal.problems {
        out.line(&out.tone(Tone::Bad, &format!("not rehearsed: {problem}")))?;
    }
    Ok(())
}

fn row(part: &DrillPart) -> Vec<String> {
    vec![
        part.target.clone(),
        part.part.clone(),
        part.what.to_string(),
        part.took_ms.map_or_else(|| "-".to_owned(), milliseconds),
        part.share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0)),
        part.outcome.to_string(),
    ]
}

fn list(context: &Context, service: Option<&str>) -> Result<u8> {
    let (drills, problems) = drill::list(&context.workspace()?.state, service)?;
    for problem in &problems {
        context.out.warning(problem);
    }
    if context.out.is_json() {
        context.out.json(&drills)?;
    } else if drills.is_empty() {
        context.out.line("There are no drills. Next: irctl drill")?;
    } else {
        let cells = drills.iter().map(|drill| {
            vec![
                drill.id.clone(),
                drill.service.clone(),
                drill.phase.clone().unwrap_or_default(),
                format_minute(drill.at),
                drill.to.as_ref().map(|to| to.name.clone()).unwrap_or_default(),
                format!("{} of {}", milliseconds(drill.total_ms), milliseconds(drill.budget_ms)),
                drill.verdict.to_string(),
            ]
        });
        let headers = ["DRILL", "SERVICE", "PHASE", "BEGAN", "TO", "TOOK", "VERDICT"];
        context.out.table(&headers, &cells.collect::<Vec<_>>())?;
    }
    Ok(exit::OK)
}
