//! The command line: one file per subcommand, each with its `Args` and its `run`.

mod adapter;
mod audit;
mod check;
mod check_test;
mod classify;
mod classify_input;
mod classify_replay;
mod classify_text;
mod completions;
mod config;
mod contain;
mod context;
mod drill;
mod help;
mod incident;
mod init;
mod log;
mod notify;
pub mod output;
mod postmortem;
mod progress;
mod recipe;
mod release;
mod report;
mod rollback;
mod runbook;
mod shapes;
mod snapshot;
mod status;
mod verify;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use std::ffi::OsString;

use crate::base::untrusted::visible;
use crate::base::{Error, ErrorCode, Result};
pub use context::{Context, Globals, NowArgs};
pub use shapes::shapes;

/// Incident response from the command line: classify, contain, roll back, prove, tell, write up.
///
/// Without a subcommand it shows what is broken, who is acting, and the next command to type.
#[derive(Debug, Parser)]
#[command(name = "irctl", version, max_term_width = 110, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(flatten)]
    now: NowArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Args),
    Classify(classify::Args),
    Contain(contain::Args),
    Release(release::Args),
    Rollback(Box<rollback::Args>),
    Snapshot(snapshot::Args),
    Drill(drill::Args),
    Verify(verify::Args),
    Runbook(runbook::Args),
    Incident(incident::Args),
    Notify(notify::Args),
    Postmortem(postmortem::Args),
    Recipe(recipe::Args),
    Report(report::Args),
    Audit(audit::Args),
    Config(config::Args),
    Init(init::Args),
    Completions(completions::Args),
    #[command(hide = true)]
    Adapter(adapter::Args),
}

/// Runs irctl with this process's arguments and returns its exit status.
pub fn main() -> u8 {
    run(std::env::args_os())
}

fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let command = help::with_examples(Cli::command());
    let cli = match command.try_get_matches_from(arguments).and_then(|found| Cli::from_arg_matches(&found)) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let out = cli.globals.out();
    begin(cli).unwrap_or_else(|error| out.failure(&error))
}

/// Everything after the command line is understood. Whatever fails, and of whatever type, ends in one place.
fn begin(cli: Cli) -> anyhow::Result<u8> {
    log::start(cli.globals.verbose)?;
    let context = Context::new(&cli.globals)?;
    Ok(dispatch(cli.command, &cli.now, &context)?)
}

/// Help and version go to standard output with status 0; everything else is a usage error.
fn usage(error: &clap::Error) -> u8 {
    let text = error.to_string();
    if visible(&text) == text {
        let _ = error.print();
    } else {
        // It repeats what was typed, or what a script passed on.
        output::Output::plain().note(&text);
    }
    if error.use_stderr() { ErrorCode::Usage.exit() } else { 0 }
}

fn dispatch(command: Option<Command>, now: &NowArgs, context: &Context) -> Result<u8> {
    // The two screens of the round show it in its place.
    let shows_it = matches!(command, None | Some(Command::Check(_)));
    let result = run_command(command, now, context);
    if !shows_it {
        context.say_maintenance();
    }
    result
}

fn run_command(command: Option<Command>, now: &NowArgs, context: &Context) -> Result<u8> {
    if command.is_some() && now.now.is_some() {
        // Before a subcommand it would be taken for the screen's, and silently ignored.
        return Err(Error::new(ErrorCode::Usage, "`--now` stands after the command that it is for")
            .hint("commands that change something do not take it"));
    }
    let own = matches!(command, Some(Command::Verify(_) | Command::Runbook(_)));
    if context.out.format().is_report() && !own {
        return Err(Error::new(ErrorCode::Usage, "only `irctl verify` has reports of this form")
            .hint("--output text, or --output json"));
    }
    match command {
        None => status::run(now, context),
        Some(Command::Check(args)) => check::run(&args, context),
        Some(Command::Classify(args)) => classify::run(&args, context),
        Some(Command::Contain(args)) => contain::run(&args, context),
        Some(Command::Release(args)) => release::run(&args, context),
        Some(Command::Rollback(args)) => rollback::run(&args, context),
        Some(Command::Snapshot(args)) => snapshot::run(&args, context),
        Some(Command::Drill(args)) => drill::run(&args, context),
        Some(Command::Verify(args)) => verify::run(&args, context),
        Some(Command::Runbook(args)) => runbook::run(&args, context),
        Some(Command::Incident(args)) => incident::run(&args, context),
        Some(Command::Notify(args)) => notify::run(&args, context),
        Some(Command::Postmortem(args)) => postmortem::run(&args, context),
        Some(Command::Recipe(args)) => recipe::run(&args, context),
        Some(Command::Report(args)) => report::run(&args, context),
        Some(Command::Audit(args)) => audit::run(&args, context),
        Some(Command::Config(args)) => config::run(&args, context),
        Some(Command::Init(args)) => init::run(&args, context),
        Some(Command::Completions(args)) => completions::run(&args, context),
        Some(Command::Adapter(args)) => adapter::run(&args, context),
    }
}
