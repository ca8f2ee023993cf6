//! `irctl release`: lets what consumes a service back.

use super::Context;
use super::rollback::ServiceArgs;
use super::rollback::desk::{Desk, Place};
use crate::base::Result;
use crate::{check, rollback};

/// Let what consumes a service back, as it was before it was contained.
///
/// While its last rollback is unproven or unfinished, this needs a reason; with `release: after-postmortem` also until
/// the incident is closed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  irctl release\n  irctl release --service options --env staging\n  irctl release --model rila_6y20b --reason \"checked by hand, the numbers are right\"\n\nExit status: 0 released, 12 refused, 11 halted."
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
    let (named, reason) = (args.incident.as_deref(), args.reason.as_deref());
    let store = desk.wiring().and_then(|wiring| wiring.store());
    let answers = check::release::may(store, subject, desk.state(), named, reason)?;
    let incident = named.or(answers.as_deref());
    let outcome = desk.with(|environment| {
        let outcome = rollback::release(environment, subject, reason, incident)?;
        if outcome.operation.is_some() && !outcome.contained {
            // What was let back late is watched like what was let back at once.
            let served = rollback::served(subject).ok().and_then(|served| served.digest);
            rollback::watch::begin(environment, subject, served.as_ref())?;
        }
        Ok(outcome)
    })?;
    if let Some(wiring) = desk.wiring() {
        wiring.contained(&outcome, incident, reason);
    }
    super::contain::show(context, &outcome)
}
