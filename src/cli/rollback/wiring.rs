//! What goes with an operation of a workspace: the incident it answers, the rule that fails, who is told.

use std::sync::Arc;

use crate::base::Result;
use crate::check::after::Hand;
use crate::check::failing::Failing;
use crate::check::{hands, measure};
use crate::cli::Context;
use crate::config::{ServiceConfig, Workspace};
use crate::incident::Incident;
use crate::operation;
use crate::rollback::{ContainOutcome, Plan, RollbackOutcome};
use crate::store::Store;

/// The rooms above rollback, as far as there is a workspace. Nothing of it may keep an operation from going on: what
/// fails here is said as a warning.
pub struct Wiring<'a> {
    hand: Hand<'a>,
    context: &'a Context,
}

impl<'a> Wiring<'a> {
    /// For a workspace; the store is absent when it could not be opened.
    pub fn new(context: &'a Context, workspace: &'a Workspace, store: Option<Arc<dyn Store>>) -> Self {
        let hand = Hand { workspace, store, clock: &context.clock, actor: context.actor.clone() };
        Self { hand, context }
    }

    fn warned<T>(&self, what: &str, outcome: Result<T>) -> Option<T> {
        outcome.map_err(|error| self.context.out.warning(&format!("{what}: {}", error.message))).ok()
    }

    /// The open incident that an operation on a service answers: the named one, else the worst.
    ///
    /// # Errors
    /// A named incident that does not exist.
    pub fn incident(&self, service: &str, named: Option<&str>) -> Result<Option<Incident>> {
        match self.hand.incident(service, named) {
            Err(error) if named.is_none() => {
                self.context.out.warning(&format!("the open incident is not known: {}", error.message));
                Ok(None)
            }
            found => found,
        }
    }

    /// The rule of the incident that candidates can be judged by.
    pub fn failing(&self, incident: &Incident) -> Option<Failing> {
        let service = self.hand.workspace.services.get(&incident.service)?;
        let scheme = measure::scheme(self.hand.workspace, &service.scheme);
        Failing::of(&self.warned("the failing rule is not known", scheme)?, incident)
    }

    /// Tells people that a rollback begins; queued, not waited for.
    pub fn started(&self, plan: &Plan) {
        let Some(service) = self.service(&plan.service) else { return };
        let told = self.hand.rollback_started(service, plan);
        self.warned("nobody was told that it begins", told);
    }

    /// Writes the end of a rollback into its incident and tells people.
    pub fn rolled_back(&self, outcome: &RollbackOutcome) {
        let Some(service) = self.service(&outcome.service) else { return };
        let known = operation::listing::find(&self.hand.workspace.state, &outcome.operation);
        let incident = known.ok().flatten().and_then(|one| one.incident);
        let told = self.hand.rolled_back(service, incident.as_deref(), outcome);
        self.warned("the incident does not know of it yet", told);
        self.warned("nobody was told yet", self.hand.deliver());
    }

    /// Writes into the incident that a human contained or released, and tells people.
    pub fn contained(&self, outcome: &ContainOutcome, named: Option<&str>, reason: Option<&str>) {
        let Some(service) = self.service(&outcome.service) else { return };
        let incident =
            self.warned("the open incident is not known", self.hand.incident(&outcome.service, named));
        let told = self.hand.contained(service, outcome, incident.flatten().as_ref(), reason);
        self.warned("the incident does not know of it yet", told);
        self.warned("nobody was told yet", self.hand.deliver());
    }

    /// The state store, if it could be opened.
    pub fn store(&self) -> Option<&dyn Store> {
        self.hand.store.as_deref()
    }

    /// Notes that a human looks at a plan: automation then leaves the service to them for a while.
    pub fn opened_plan(&self, service: &str) {
        let Some(store) = self.store() else { return };
        let noted = self.hand.clock.now().and_then(|now| {
            store.with(|session| hands::opened_plan(session, service, &self.hand.actor, now))
        });
        self.warned("automation does not know that you look at a plan", noted);
    }

    fn service(&self, name: &str) -> Option<&'a ServiceConfig> {
        self.hand.workspace.services.get(name)
    }
}
