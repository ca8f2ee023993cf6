//! `irctl config`: check, schema, show.

use super::Context;
use crate::base::{Error, ErrorCode, Result};

/// Check, describe and show the configuration.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it and returns the exit status.
pub fn run(_args: &Args, _context: &Context) -> Result<u8> {
    Err(Error::new(ErrorCode::Bug, "`irctl config` is not there yet"))
}
