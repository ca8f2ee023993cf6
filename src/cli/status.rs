//! Bare `irctl`: the screen for three in the morning.

use super::Context;
use crate::base::{Error, ErrorCode, Result};

/// Shows what is broken, who is acting, and the next command.
pub fn run(_context: &Context) -> Result<u8> {
    Err(Error::new(ErrorCode::Bug, "the status screen is not there yet"))
}
