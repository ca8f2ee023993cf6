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
    let answer = if yes { Ok(Some(true)) } else { context.out.confirm("Do it?") };
    let no = match answer {
        _ if environment.stop.is_detached() => "the terminal was gone before a yes",
        Ok(Some(true)) => {
            if let Some(wiring) = wiring {
                wiring.started(&prepared.plan);
            }
            return rollback::execute(environment, prepared);
        }
        Ok(_) => "a human said no",
        Err(_) => "the question was interrupted",
    };
    rollback::refuse(environment, prepared, no)
}
