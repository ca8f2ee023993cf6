//! `irctl completions`: scripts for shells.

use super::Context;
use crate::base::{Error, ErrorCode, Result};

/// Print the completion script for a shell.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it and returns the exit status.
pub fn run(_args: &Args, _context: &Context) -> Result<u8> {
    Err(Error::new(ErrorCode::Bug, "`irctl completions` is not there yet"))
}
