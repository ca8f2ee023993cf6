//! What the rollback room is handed, put together from the workspace, or without one from a folder.

use std::path::{Path, PathBuf};

use super::live::Live;
use super::wiring::Wiring;
use crate::base::environment::variable;
use crate::base::{Error, ErrorCode, Result};
use crate::check::scope;
use crate::cli::Context;
use crate::config::Workspace;
use crate::operation::{Directory, StepUpdate, Stop, StoreRecorder};
use crate::rollback::{Environment, Part, Subject, layout};

/// What the command line says about which service is meant.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// A folder that serves.
    pub directory: Option<PathBuf>,
    /// What the command line says of that folder.
    pub wanted: layout::Wanted,
    /// A service by name.
    pub service: Option<String>,
    /// One of its phases.
    pub phase: Option<String>,
    /// One part of the phase.
    pub only: Option<Part>,
    /// The environment whose values are used.
    pub environment: Option<String>,
}

/// Everything to work with.
pub struct Desk<'a> {
    context: &'a Context,
    state: PathBuf,
    subject: Option<Subject>,
    recorder: StoreRecorder,
    wiring: Option<Wiring<'a>>,
}

impl<'a> Desk<'a> {
    /// For a service of the workspace, or for a folder without any configuration.
    pub fn open(context: &'a Context, place: &Place) -> Result<Self> {
        match &place.directory {
            Some(directory) => {
                let subject = layout::recognise(&context.directory.join(directory), &place.wanted)?;
                let state = directories()?.join(layout::state_name(&subject));
                Self::new(context, state, Some(subject), None)
            }
            None => {
                let workspace = context.workspace()?;
                let mut subject = subject(workspace, place.service.as_deref(), place.environment.as_deref())?;
                if let Some(phase) = &place.phase {
                    subject = subject.narrowed(phase, place.only)?;
                }
                Self::new(context, workspace.state.clone(), Some(subject), Some(workspace))
            }
        }
    }

    /// For an operation, wherever its state is.
    pub fn with_operation(context: &'a Context, id: Option<&str>, service: Option<&str>) -> Result<Self> {
        let workspace = found_workspace(context)?;
        let mut states = states(workspace);
        let fits = |state: &PathBuf| match id {
            Some(id) => Directory::open(state, id).is_ok(),
            None => crate::operation::list(state)
                .is_ok_and(|all| all.iter().any(|one| service.is_none_or(|service| service == one.service))),
        };
        states.retain(fits);
        let Some(state) = states.first().cloned() else {
            let what = id.map_or("no operation".to_owned(), |id| format!("no operation {id}"));
            return Err(Error::new(ErrorCode::NotFound, format!("there is {what}"))
                .hint("`irctl rollback history` lists them"));
        };
        let own = workspace.filter(|workspace| workspace.state == state);
        Self::new(context, state, None, own)
    }

    fn new(
        context: &'a Context,
        state: PathBuf,
        subject: Option<Subject>,
        workspace: Option<&'a Workspace>,
    ) -> Result<Self> {
        let store = workspace.and_then(|workspace| match workspace.open_store() {
            Ok(store) => Some(store),
            Err(error) => {
                context.out.warning(&format!("events are kept in a file for now: {}", error.message));
                None
            }
        });
        let recorder = StoreRecorder::new(store.clone(), &state);
        let wiring = workspace.map(|workspace| Wiring::new(context, workspace, store));
        Ok(Self { context, state, subject, recorder, wiring })
    }

    /// The service that is meant.
    pub fn subject(&self) -> Result<&Subject> {
        self.subject.as_ref().ok_or_else(|| Error::new(ErrorCode::Usage, "no service is named"))
    }

    /// What goes with it in a workspace; absent for a folder without configuration.
    pub fn wiring(&self) -> Option<&Wiring<'a>> {
        self.wiring.as_ref()
    }

    /// The state directory.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Works with an environment; from now on a hangup detaches and Ctrl-C waits for a safe point.
    pub fn with<T>(&self, work: impl FnOnce(&Environment<'_>) -> Result<T>) -> Result<T> {
        let out = &self.context.out;
        let quiet = out.is_json();
        let stop = Stop::listen(|times| crate::cli::output::Output::plain().note(heard(times)))?;
        let watcher = stop.clone();
        let live = Live::new(out);
        let progress = move |update: &StepUpdate| {
            if !watcher.is_detached() && !quiet {
                live.tell(update);
            }
        };
        let verify =
            |suite: &str, pinned: &serde_json::Value| scope::run_suite(suite, pinned, &self.context.clock);
        work(&Environment {
            state: &self.state,
            clock: &self.context.clock,
            recorder: &self.recorder,
            actor: self.context.actor.clone(),
            verify: &verify,
            progress: &progress,
            stop: &stop,
        })
    }
}

fn heard(times: usize) -> &'static str {
    match times {
        1 => "stopping at the next safe point",
        _ => "heard you: it stops at the next safe point, and not before, so that nothing is left half-done",
    }
}

/// The one service that is meant: the named one, or the only one that can be rolled back.
fn subject(workspace: &Workspace, name: Option<&str>, environment: Option<&str>) -> Result<Subject> {
    if let Some(name) = name {
        return scope::subject_in(workspace, workspace.service(name)?, environment);
    }
    let mut able = workspace.services.values().filter(|service| service.rollback.is_some());
    match (able.next(), able.next()) {
        (Some(only), None) => scope::subject_in(workspace, only, environment),
        _ => Err(Error::new(ErrorCode::Usage, "which service is meant is missing: --service NAME").hint(
            format!("services here: {}", workspace.services.keys().cloned().collect::<Vec<_>>().join(", ")),
        )),
    }
}

/// The workspace, if there is one. One that is broken is an error only where it is needed.
fn found_workspace(context: &Context) -> Result<Option<&Workspace>> {
    match context.workspace() {
        Ok(workspace) => Ok(Some(workspace)),
        Err(error) if error.code == ErrorCode::NoConfiguration => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where the state of folders without configuration is kept.
fn directories() -> Result<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    base.map(|base| base.join("irctl").join("directories")).ok_or_else(|| {
        Error::new(
            ErrorCode::StateDirectory,
            "there is no place for state: neither XDG_STATE_HOME nor HOME is set",
        )
        .hint("set HOME or XDG_STATE_HOME")
    })
}

/// Every state directory that an operation could be in: the workspace's first.
fn states(workspace: Option<&Workspace>) -> Vec<PathBuf> {
    let mut states: Vec<_> = workspace.map(|workspace| workspace.state.clone()).into_iter().collect();
    let entries = directories().ok().and_then(|path| fs_err::read_dir(path).ok());
    let mut others: Vec<_> = entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    others.sort();
    states.extend(others);
    states
}

/// The state directories to look at: that of the place, or all there are.
pub fn states_of(context: &Context, place: &Place) -> Result<Vec<PathBuf>> {
    match &place.directory {
        Some(directory) => {
            let subject = layout::recognise(&context.directory.join(directory), &place.wanted)?;
            Ok(vec![directories()?.join(layout::state_name(&subject))])
        }
        None => Ok(states(found_workspace(context)?)),
    }
}
