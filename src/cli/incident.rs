//! `irctl incident`: declare, list, show, acknowledge, note, resolve.

use super::Context;
use crate::base::{Error, ErrorCode, Result};

/// Declare incidents and work on them.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it and returns the exit status.
pub fn run(_args: &Args, _context: &Context) -> Result<u8> {
    Err(Error::new(ErrorCode::Bug, "`irctl incident` is not there yet"))
}
