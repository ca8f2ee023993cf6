//! One prompt for each plan; `--yes` where nobody can be asked.

use super::screen;
use super::wiring::Wiring;
use crate::base::{Error, ErrorCode, Result};
use crate::cli::Context;
use crate::rollback::{self, Environment, Prepared, RollbackOutcome};

/// Refuses before anything is touched if nobody will be able to say yes.
pub fn before_acting(context: &Context, yes: bool) -> Result<()> {
    if yes || context.out.is_interactive() {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Usage, "this changes what serves, and there is no terminal to ask on")
        .hint("look at the plan with `--dry-run`, then say `--yes`"))
}

/// Shows the plan, asks, and carries it out or refuses it.
pub fn then_execute(
    context: &Context,
    environment: &Environment<'_>,
    prepared: Prepared,
    yes: bool,
    wiring: Option<&Wiring<'_>>,
) -> Result<RollbackOutcome> {
    if !context.out.is_json() {
        screen::plan(context, &prepared.plan)?;
    }
    let agreed = yes || matches!(context.out.confirm("Do it?"), Ok(Some(true)));
    if !agreed || environment.stop.is_detached() {
        return rollback::refuse(environment, prepared, "a human said no");
    }
    if let Some(wiring) = wiring {
        wiring.started(&prepared.plan);
    }
    rollback::execute(environment, prepared)
}
