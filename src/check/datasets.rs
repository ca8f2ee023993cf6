//! The datasets of a round: which of them each service waits for, and which of those are broken when it is judged.

use std::collections::{BTreeMap, BTreeSet};

use super::blocking::Broken;
use crate::config::{ServiceConfig, ServiceKind, Workspace};
use crate::severity::Cause;

/// What is known of the datasets so far.
#[derive(Debug, Default)]
pub struct Datasets {
    judged: BTreeSet<String>,
    broken: Broken,
}

impl Datasets {
    /// The datasets that have to be judged before each service, by their places in `ordered`, which puts each after what it
    /// needs. In a circle the first waits for nobody.
    pub fn needs(ordered: &[&ServiceConfig]) -> BTreeMap<usize, BTreeSet<usize>> {
        let places: BTreeMap<&str, usize> =
            ordered.iter().enumerate().map(|(number, service)| (service.service.as_str(), number)).collect();
        let mut needs = BTreeMap::new();
        for (number, service) in ordered.iter().enumerate() {
            let datasets = service.datasets();
            let before = datasets.iter().filter_map(|name| places.get(name).copied());
            let before: BTreeSet<usize> = before.filter(|place| *place < number).collect();
            if !before.is_empty() {
                needs.insert(number, before);
            }
        }
        needs
    }

    /// Takes in how a service came out: what it is the cause of, where it is a dataset and broken.
    pub fn judged(&mut self, service: &ServiceConfig, cause: Option<Cause>) {
        self.judged.insert(service.service.clone());
        self.broken.extend(cause.map(|cause| (service.service.clone(), cause)));
    }

    /// The datasets that a service needs and that are broken. Nothing else is in it, so that it is the same whoever was ready
    /// first. `needed` are those that it waited for: of one that was not judged all the same, nobody knows how it is, no
    /// more than of one whose file could not be loaded.
    pub fn above<'a>(
        &self,
        workspace: &Workspace,
        service: &ServiceConfig,
        needed: impl Iterator<Item = &'a &'a ServiceConfig>,
    ) -> Broken {
        let mut above = Broken::new();
        for needed in needed.filter(|needed| !self.judged.contains(&needed.service)) {
            let cause = unknown(needed, "it was not measured in this round");
            above.extend(cause.map(|cause| (needed.service.clone(), cause)));
        }
        for name in service.datasets() {
            if let Some(cause) = self.broken.get(name) {
                above.insert(name.to_owned(), cause.clone());
            } else if !workspace.services.contains_key(name) {
                let why = "unknown: its file could not be loaded".to_owned();
                let cause = Cause { name: format!("dataset/{name}"), why, failed: false };
                above.insert(name.to_owned(), cause);
            }
        }
        above
    }
}

/// A dataset of which nobody knows how it is.
pub fn unknown(service: &ServiceConfig, why: &str) -> Option<Cause> {
    let name = format!("dataset/{}", service.service);
    (service.kind == ServiceKind::Dataset).then(|| Cause {
        name,
        why: format!("unknown: {why}"),
        failed: false,
    })
}
