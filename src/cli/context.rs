//! What every subcommand is handed: output, clock, directory, actor, and the workspace and store on demand.

use chrono::{DateTime, Utc};
use std::cell::OnceCell;
use std::path::PathBuf;
use std::sync::Arc;

use super::output::{Format, Output};
use crate::base::clock::format_near;
use crate::base::{Clock, Error, ErrorCode, Result};
use crate::config::maintenance::{self, InMaintenance};
use crate::config::{Scope, Workspace};
use crate::store::{Actor, Store};

/// Options that every subcommand takes.
#[derive(Debug, clap::Args)]
pub struct Globals {
    /// Work in this directory instead of the current one.
    #[arg(short = 'C', long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    directory: Option<PathBuf>,
    /// `text` for people (the default), or `json` for programs.
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        default_value_t = Format::Text,
        hide_possible_values = true,
        hide_default_value = true,
        help_heading = "Everywhere"
    )]
    output: Format,
    /// Print only results and errors.
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    quiet: bool,
    /// Say on standard error what is being done; twice for more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

impl Globals {
    /// The way to the terminal that these options ask for.
    pub(super) fn out(&self) -> Output {
        Output::new(self.output, self.quiet)
    }
}

/// For commands that only read.
#[derive(Debug, Clone, clap::Args)]
pub struct NowArgs {
    /// Judge as of this instant instead of now.
    #[arg(long, value_name = "RFC3339", value_parser = crate::base::clock::parse_instant)]
    pub now: Option<DateTime<Utc>>,
}

/// What every subcommand is handed.
pub struct Context {
    /// The only way to the terminal.
    pub out: Output,
    /// The clock.
    pub clock: Clock,
    /// The directory that paths on the command line are relative to.
    pub directory: PathBuf,
    /// Who typed the command.
    pub actor: Actor,
    workspace: OnceCell<Arc<Workspace>>,
    store: OnceCell<Arc<dyn Store>>,
}

impl Context {
    /// The context of this process: reads the hidden test clock, the user's name and the terminal's state.
    pub fn new(globals: &Globals) -> Result<Self> {
        let clock = match std::env::var("IRCTL_TEST_CLOCK") {
            Ok(value) => Clock::from_hidden_value(&value)?,
            Err(_) => Clock::System,
        };
        let directory = match &globals.directory {
            Some(directory) => directory.clone(),
            None => std::env::current_dir()?,
        };
        let name =
            ["IRCTL_ACTOR", "SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
        Ok(Self {
            out: globals.out(),
            clock,
            directory,
            actor: name.map_or(Actor::Human("unknown".into()), Actor::Human),
            workspace: OnceCell::new(),
            store: OnceCell::new(),
        })
    }

    /// The current instant, or the one given with `--now`.
    pub fn now(&self, given: &NowArgs) -> Result<DateTime<Utc>> {
        match given.now {
            Some(now) => Ok(now),
            None => self.clock.now(),
        }
    }

    /// The workspace: the configuration found from the directory upwards, loaded once. A file with errors is left
    /// out with a warning, so that it stops only what needs it: what is typed at three in the morning must work.
    pub fn workspace(&self) -> Result<&Workspace> {
        self.workspace_for(Scope::OPERATE)
    }

    /// The workspace as far as a command needs it, loaded once; the first scope asked for stays. Files that were left
    /// out because they have errors are named in warnings.
    pub fn workspace_for(&self, scope: Scope) -> Result<&Workspace> {
        self.load(scope, true)
    }

    fn load(&self, scope: Scope, warn: bool) -> Result<&Workspace> {
        if let Some(workspace) = self.workspace.get() {
            return Ok(workspace);
        }
        let workspace = Workspace::load_for(&self.directory, scope)?;
        for warning in workspace.left_out().iter().filter(|_| warn) {
            self.out.warning(warning);
        }
        Ok(self.workspace.get_or_init(|| Arc::new(workspace)))
    }

    /// The workspace for threads that may outlive whoever started them. With `--quiet` nothing is said of files that
    /// were left out: who asks does that when it is news.
    pub fn shared_workspace(&self) -> Result<Arc<Workspace>> {
        self.load(Scope::OPERATE, !self.out.is_quiet())?;
        let loaded = self.workspace.get().map(Arc::clone);
        loaded.ok_or_else(|| Error::new(ErrorCode::Bug, "the workspace was loaded and is not there"))
    }

    /// Says which services are in maintenance, where the workspace was loaded at all.
    pub fn say_maintenance(&self) {
        let (Some(workspace), Ok(now)) = (self.workspace.get(), self.clock.now()) else { return };
        for one in maintenance::all(workspace, now) {
            self.out.note(&maintenance_line(&one, now));
        }
    }

    /// The state store of the workspace, opened once.
    pub fn store(&self) -> Result<Arc<dyn Store>> {
        if let Some(store) = self.store.get() {
            return Ok(Arc::clone(store));
        }
        let store = self.workspace()?.open_store()?;
        Ok(Arc::clone(self.store.get_or_init(|| store)))
    }
}

/// A service in maintenance, in one line.
pub(super) fn maintenance_line(one: &InMaintenance, now: DateTime<Utc>) -> String {
    let window = &one.maintenance;
    let but = match (window.notices, window.automatic_rollback) {
        (false, false) => "nobody is told, and nothing is rolled back by itself",
        (false, true) => "nobody is told",
        (true, false) => "nothing is rolled back by itself",
        (true, true) => "people are told as ever",
    };
    let until = format_near(window.until, now);
    format!("{} is in maintenance until {until}: {} ({but})", one.service, window.reason)
}
