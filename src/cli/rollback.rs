//! `irctl rollback`: back to a good version, all or nothing.

use super::Context;
use crate::base::{Error, ErrorCode, Result};

/// Roll a model or service back to a good version, all or nothing.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it and returns the exit status.
pub fn run(_args: &Args, _context: &Context) -> Result<u8> {
    Err(Error::new(ErrorCode::Bug, "`irctl rollback` is not there yet"))
}
