//! What the rollback room is handed, put together from the workspace, or without one from a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::environment::variable;
use crate::base::clock::Elapsed;
use crate::base::{Error, ErrorCode, Result, Verdict};
use crate::cli::Context;
use crate::config::{Scope, Workspace};
use crate::operation::{Directory, StepState, StepUpdate, Stop, StoreRecorder};
use crate::rollback::{Environment, Subject, VerifyOutcome, layout};

/// What the command line says about which service is meant.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// A folder that serves.
    pub directory: Option<PathBuf>,
    /// A service by name.
    pub service: Option<String>,
}

/// Everything to work with.
pub struct Desk<'a> {
    context: &'a Context,
    state: PathBuf,
    subject: Option<Subject>,
    workspace: Option<Workspace>,
    recorder: StoreRecorder,
    stop: Stop,
}

impl<'a> Desk<'a> {
    /// For a service of the workspace, or for a folder without any configuration.
    pub fn open(context: &'a Context, place: &Place) -> Result<Self> {
        match &place.directory {
            Some(directory) => {
                let subject = layout::recognise(&context.directory.join(directory))?;
                let state = directories()?.join(layout::state_name(&subject));
                Self::new(context, state, Some(subject), None)
            }
            None => {
                let workspace = workspace(context)?;
                let subject = subject(&workspace, place.service.as_deref())?;
                Self::new(context, workspace.state.clone(), Some(subject), Some(workspace))
            }
        }
    }

    /// For an operation, wherever its state is.
    pub fn with_operation(context: &'a Context, id: Option<&str>, service: Option<&str>) -> Result<Self> {
        let workspace = found_workspace(context)?;
        let mut states = states(workspace.as_ref());
        let fits = |state: &PathBuf| match id {
            Some(id) => Directory::open(state, id).is_ok(),
            None => crate::operation::list(state).is_ok_and(|all| {
                all.iter().any(|one| service.is_none_or(|service| service == one.service))
            }),
        };
        states.retain(fits);
        let Some(state) = states.first().cloned() else {
            let what = id.map_or("no operation".to_owned(), |id| format!("no operation {id}"));
            return Err(Error::new(ErrorCode::NotFound, format!("there is {what}"))
                .hint("`irctl rollback history` lists them"));
        };
        let own = workspace.as_ref().is_some_and(|workspace| workspace.state == state);
        Self::new(context, state, None, workspace.filter(|_| own))
    }

    fn new(
        context: &'a Context,
        state: PathBuf,
        subject: Option<Subject>,
        workspace: Option<Workspace>,
    ) -> Result<Self> {
        for line in workspace.iter().flat_map(|workspace| workspace.broken_files()) {
            context.out.warning(&line);
        }
        let store = workspace.as_ref().and_then(|workspace| match workspace.open_store() {
            Ok(store) => Some(store),
            Err(error) => {
                context.out.warning(&format!("events are kept in a file for now: {}", error.message));
                None
            }
        });
        let recorder = StoreRecorder::new(store.map(Arc::clone_from), &state);
        Ok(Self { context, state, subject, workspace, recorder, stop: Stop::default() })
    }

    /// The service that is meant.
    pub fn subject(&self) -> Result<&Subject> {
        self.subject.as_ref().ok_or_else(|| Error::new(ErrorCode::Usage, "no service is named"))
    }

    /// The state directory.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Works with an environment; from now on a hangup detaches and Ctrl-C waits for a safe point.
    pub fn with<T>(mut self, work: impl FnOnce(&Environment<'_>) -> Result<T>) -> Result<T>
    where
        Self: Sized,
    {
        todo!()
    }
}
