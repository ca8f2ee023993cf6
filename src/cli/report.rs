//! `irctl report`: exports of the events.

use super::Context;
use crate::base::{Error, ErrorCode, Result};

/// Export what happened in the formats that others read.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it and returns the exit status.
pub fn run(_args: &Args, _context: &Context) -> Result<u8> {
    Err(Error::new(ErrorCode::Bug, "`irctl report` is not there yet"))
}
