//! `irctl notify`: preview, outbox, flush.

use super::Context;
use crate::base::{Error, ErrorCode, Result};

/// See, send and account for messages.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it and returns the exit status.
pub fn run(_args: &Args, _context: &Context) -> Result<u8> {
    Err(Error::new(ErrorCode::Bug, "`irctl notify` is not there yet"))
}
