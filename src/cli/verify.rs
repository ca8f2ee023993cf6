//! `irctl verify`: suites of expectations.

use super::Context;
use crate::base::{Error, ErrorCode, Result};

/// Run suites of expectations and report their verdict.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it and returns the exit status.
pub fn run(_args: &Args, _context: &Context) -> Result<u8> {
    Err(Error::new(ErrorCode::Bug, "`irctl verify` is not there yet"))
}
