//! `irctl audit`: proves the hash chain of the events.

use super::Context;
use crate::base::{Error, ErrorCode, Result};

/// Prove that no event was changed, removed or reordered.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it and returns the exit status.
pub fn run(_args: &Args, _context: &Context) -> Result<u8> {
    Err(Error::new(ErrorCode::Bug, "`irctl audit` is not there yet"))
}
