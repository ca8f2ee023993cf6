//! `irctl release`: restarts what consumes a service.

use super::Context;
use crate::base::{Error, ErrorCode, Result};

/// Let what consumes a service run again, as it was before.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it and returns the exit status.
pub fn run(_args: &Args, _context: &Context) -> Result<u8> {
    Err(Error::new(ErrorCode::Bug, "`irctl release` is not there yet"))
}
