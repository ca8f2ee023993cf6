//! `irctl check`: the cron round.

use super::Context;
use crate::base::{Error, ErrorCode, Result};

/// Measure, judge, open and update incidents, contain and act by policy, notify.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it and returns the exit status.
pub fn run(_args: &Args, _context: &Context) -> Result<u8> {
    Err(Error::new(ErrorCode::Bug, "`irctl check` is not there yet"))
}
