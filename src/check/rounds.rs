//! When everything was last looked at: by a round over the whole, or by rounds over all of its parts.

use chrono::{DateTime, Utc};

use super::Orders;
use crate::base::Result;
use crate::base::clock::{format_instant, parse_instant};
use crate::config::Workspace;
use crate::store::Session;

/// The value that holds when the last round began that, alone or with others, looked at every service.
pub const LAST: &str = "check.last_round";

/// Notes that a round was run. One over some services by name says nothing about the others.
pub fn note(
    session: &mut dyn Session,
    workspace: &Workspace,
    orders: &Orders,
    begun: DateTime<Utc>,
) -> Result<()> {
    if orders.is_whole(workspace) {
        return session.set_value(LAST, &format_instant(begun));
    }
    let Some(shard) = orders.shard.filter(|_| orders.services.is_empty()) else { return Ok(()) };
    session.set_value(&format!("check.last_round.{shard}"), &format_instant(begun))?;
    // Everything was looked at since the oldest of the parts.
    let mut oldest = begun;
    for number in 1..=shard.of {
        let Some(at) = session.value(&format!("check.last_round.{number}/{}", shard.of))? else {
            return Ok(());
        };
        oldest = oldest.min(parse_instant(&at)?);
    }
    let known = session.value(LAST)?.as_deref().map(parse_instant).transpose()?;
    if known.is_none_or(|known| known < oldest) {
        session.set_value(LAST, &format_instant(oldest))?;
    }
    Ok(())
}
