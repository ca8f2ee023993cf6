//! `irctl contain`: stops what consumes a service.

use super::Context;
use crate::base::{Error, ErrorCode, Result};

/// Stop what consumes a service, with proof that it is quiet.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it and returns the exit status.
pub fn run(_args: &Args, _context: &Context) -> Result<u8> {
    Err(Error::new(ErrorCode::Bug, "`irctl contain` is not there yet"))
}
