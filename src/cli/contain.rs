//! `irctl contain`: stops what consumes a service.

use super::Context;
use super::rollback::ServiceArgs;
use super::rollback::desk::{Desk, Place};
use crate::base::Result;
use crate::rollback::{self, ContainOutcome};

/// Stop what consumes a service, with proof that it is quiet.
///
/// What was set before is kept, and `irctl release` puts it back. Doing it again changes nothing.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  irctl contain\n  irctl contain --service options --env staging\n  irctl contain --model rila_6y20b --reason \"the inputs look wrong\"\n\nExit status: 0 contained, 12 refused, 11 halted."
)]
pub struct Args {
    #[command(flatten)]
    service: ServiceArgs,
    /// The environment whose values are used, as `staging`.
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The incident that this answers.
    #[arg(long, value_name = "INCIDENT")]
    incident: Option<String>,
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let place =
        Place { service: args.service.service.clone(), environment: args.env.clone(), ..Place::default() };
    let desk = Desk::open(context, &place)?;
    let subject = desk.subject()?;
    let outcome = desk.with(|environment| {
        rollback::contain(environment, subject, args.reason.as_deref(), args.incident.as_deref())
    })?;
    if let Some(wiring) = desk.wiring() {
        wiring.contained(&outcome, args.incident.as_deref(), args.reason.as_deref());
    }
    show(context, &outcome)
}

/// Shows what came of containing or releasing.
pub(super) fn show(context: &Context, outcome: &ContainOutcome) -> Result<u8> {
    if context.out.is_json() {
        context.out.json(outcome)?;
        return Ok(outcome.ending.exit());
    }
    context.out.line(&outcome.summary)?;
    for line in &outcome.settings {
        context.out.line(&format!("  {line}"))?;
    }
    if let Some(proof) = &outcome.proof {
        context.out.line(&format!("  {proof}"))?;
    }
    if outcome.contained {
        context.out.line(&format!("Next: irctl release --service {}", outcome.service))?;
    }
    Ok(outcome.ending.exit())
}
