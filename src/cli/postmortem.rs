//! `irctl postmortem`: drafts from what happened.

use super::Context;
use crate::base::{Error, ErrorCode, Result};

/// Draft a postmortem from the events of an incident.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it and returns the exit status.
pub fn run(_args: &Args, _context: &Context) -> Result<u8> {
    Err(Error::new(ErrorCode::Bug, "`irctl postmortem` is not there yet"))
}
