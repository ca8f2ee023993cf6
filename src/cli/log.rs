//! What the library has to say beside results: warnings always, more with `--verbose`.

use tracing::level_filters::LevelFilter;

use super::output::log_writer;
use crate::base::{Error, ErrorCode, Result};

/// Starts the log: warnings, with `-v` what is done, with `-vv` the details.
pub fn start(verbose: u8) -> Result<()> {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(log_writer)
        .with_target(verbose > 1)
        .without_time()
        .with_ansi(false)
        .try_init()
        .map_err(|error| Error::new(ErrorCode::Bug, format!("the log cannot be started: {error}")))
}
