//! `irctl release`: lets what consumes a service back.

use super::Context;
use super::rollback::ServiceArgs;
use super::rollback::desk::{Desk, Place};
use crate::base::Result;
use crate::rollback;

/// Let what consumes a service back, as it was before it was contained.
///
/// While its last rollback is unproven or unfinished, this needs a reason.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  irctl release\n  irctl release --model rila_6y20b --reason \"checked by hand, the numbers are right\"\n\nExit status: 0 released, 12 refused, 11 halted."
)]
pub struct Args {
    #[command(flatten)]
    service: ServiceArgs,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The incident that this answers.
    #[arg(long, value_name = "INCIDENT")]
    incident: Option<String>,
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let place = Place { service: args.service.service.clone(), ..Place::default() };
    let desk = Desk::open(context, &place)?;
    let subject = desk.subject()?;
    let outcome = desk.with(|environment| {
        rollback::release(environment, subject, args.reason.as_deref(), args.incident.as_deref())
    })?;
    if let Some(wiring) = desk.wiring() {
        wiring.contained(&outcome, args.incident.as_deref(), args.reason.as_deref());
    }
    super::contain::show(context, &outcome)
}
