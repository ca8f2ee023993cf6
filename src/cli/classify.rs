//! `irctl classify`: alerts in, levels and reasons out.

use super::Context;
use crate::base::{Error, ErrorCode, Result};

/// Classify alerts: the level, the rules behind it, and what is undecided.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it and returns the exit status.
pub fn run(_args: &Args, _context: &Context) -> Result<u8> {
    Err(Error::new(ErrorCode::Bug, "`irctl classify` is not there yet"))
}
