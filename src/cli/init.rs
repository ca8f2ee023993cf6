//! `irctl init`: a first configuration for the layout that is found.

use super::Context;
use crate::base::{Error, ErrorCode, Result};

/// Write a small working configuration for the layout found here.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it and returns the exit status.
pub fn run(_args: &Args, _context: &Context) -> Result<u8> {
    Err(Error::new(ErrorCode::Bug, "`irctl init` is not there yet"))
}
