//! `irctl completions`: scripts for shells.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Context};
use crate::base::error::exit;
use crate::base::{Error, ErrorCode, Result};

/// Print the completion script for a shell.
///
/// For bash: `irctl completions bash > ~/.local/share/bash-completion/completions/irctl`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "irctl", &mut script);
    let script = String::from_utf8(script)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("the completion script is not text: {error}")))?;
    context.out.text(&script)?;
    Ok(exit::OK)
}
