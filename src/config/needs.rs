//! What probes need: other probes of their service, and datasets. Names that lead nowhere, and circles, are errors.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::code;
use super::finding::Finding;
use super::kind::Kind;
use super::schema::suggestion;
use super::{ServiceConfig, ServiceKind, Workspace};
use crate::base::unit::Dimension;
use crate::probe;

/// What a probe needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need<'a> {
    /// Another probe of the same service.
    Probe(&'a str),
    /// A service of the kind `dataset`, by name.
    Dataset(&'a str),
}

impl<'a> Need<'a> {
    /// Reads `NAME` or `dataset/NAME`.
    pub fn read(text: &'a str) -> Self {
        text.strip_prefix("dataset/").map_or(Need::Probe(text), Need::Dataset)
    }
}

impl ServiceConfig {
    /// The datasets that its probes need.
    pub fn datasets(&self) -> BTreeSet<&str> {
        let all = self.needs.values().flatten();
        all.filter_map(|need| match Need::read(need) {
            Need::Dataset(name) => Some(name),
            Need::Probe(_) => None,
        })
        .collect()
    }
}

impl Workspace {
    /// The services that need a dataset, directly or through other datasets, by name.
    pub fn dependents(&self, dataset: &str) -> BTreeSet<String> {
        let mut found: BTreeSet<String> = BTreeSet::new();
        let mut open = vec![dataset.to_owned()];
        while let Some(next) = open.pop() {
            for service in self.services.values().filter(|one| one.datasets().contains(next.as_str())) {
                if found.insert(service.service.clone()) && service.kind == ServiceKind::Dataset {
                    open.push(service.service.clone());
                }
            }
        }
        found.remove(dataset);
        found
    }

    /// These services and every dataset that they need, each after what it needs. Circles are left as they come.
    pub fn in_order<'a>(&'a self, services: &[&'a ServiceConfig]) -> Vec<&'a ServiceConfig> {
        let mut done = BTreeSet::new();
        let mut ordered = Vec::new();
        // Datasets first: nobody waits for a service that others do not need.
        let mut roots: Vec<&ServiceConfig> = services.to_vec();
        roots.sort_by_key(|service| service.kind != ServiceKind::Dataset);
        for service in roots {
            self.place(service, &mut done, &mut ordered);
        }
        ordered
    }

    fn place<'a>(
        &'a self,
        service: &'a ServiceConfig,
        done: &mut BTreeSet<&'a str>,
        ordered: &mut Vec<&'a ServiceConfig>,
    ) {
        if !done.insert(&service.service) {
            return;
        }
        for dataset in service.datasets() {
            if let Some(needed) = self.services.get(dataset) {
                self.place(needed, done, ordered);
            }
        }
        ordered.push(service);
    }
}

/// Names that lead nowhere, circles, and an uptime that nobody measures.
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, service) in &workspace.services {
        for (probe, needs) in &service.needs {
            let pointer = format!("/needs/{}", escaped(probe));
            if !service.probes.contains_key(probe) {
                let known: Vec<&str> = service.probes.keys().map(String::as_str).collect();
                let text = format!("there is no probe `{probe}` here");
                let help =
                    suggestion(probe, &known).or_else(|| Some(format!("probes: {}", known.join(", "))));
                let finding = dangling(name, &pointer, text).help(help);
                found.push(Finding { on_key: true, ..finding });
            }
            for (at, need) in needs.iter().enumerate() {
                found.extend(missing(workspace, service, need, &format!("{pointer}/{at}")));
            }
        }
        found.extend(circle(service));
        found.extend(uptime(service));
    }
    found.extend(dataset_circles(workspace));
    found
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn dangling(service: &str, pointer: &str, text: String) -> Finding {
    Finding::error(Kind::Service, service, pointer, code::DANGLING_REFERENCE, text)
}

fn wrong(service: &str, pointer: &str, text: String, help: &str) -> Finding {
    let finding = Finding::error(Kind::Service, service, pointer, code::INVALID_VALUE, text);
    finding.help(Some(help.to_owned()))
}

fn missing(workspace: &Workspace, service: &ServiceConfig, need: &str, pointer: &str) -> Option<Finding> {
    let name = &service.service;
    let datasets = || {
        let all = workspace.services.values().filter(|one| one.kind == ServiceKind::Dataset);
        all.map(|one| format!("dataset/{}", one.service)).collect::<Vec<_>>()
    };
    match Need::read(need) {
        Need::Probe(probe) if service.probes.contains_key(probe) => None,
        Need::Dataset(dataset) => match workspace.services.get(dataset) {
            Some(one) if one.kind == ServiceKind::Dataset => None,
            Some(_) => {
                let text = format!("`{dataset}` is no dataset");
                Some(wrong(name, pointer, text, "give it `kind: dataset`, or name another"))
            }
            // What has errors of its own exists all the same.
            None if workspace.broken.contains_key(&(Kind::Service, dataset.to_owned())) => None,
            None => {
                Some(unknown(name, pointer, need, format!("there is no dataset `{dataset}`"), datasets()))
            }
        },
        Need::Probe(probe) => {
            let mut known: Vec<String> = service.probes.keys().cloned().collect();
            known.extend(datasets());
            Some(unknown(name, pointer, need, format!("there is no probe `{probe}` here"), known))
        }
    }
}

fn unknown(service: &str, pointer: &str, need: &str, text: String, known: Vec<String>) -> Finding {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let help = suggestion(need, &known).unwrap_or_else(|| {
        let there = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
        format!("there is: {there}")
    });
    dangling(service, pointer, text).help(Some(help))
}

/// A probe that needs itself, through others or directly.
fn circle(service: &ServiceConfig) -> Option<Finding> {
    let edges: BTreeMap<&str, Vec<&str>> = service
        .needs
        .iter()
        .map(|(probe, needs)| (probe.as_str(), needs.iter().map(String::as_str).collect()))
        .collect();
    let (start, path) = edges.keys().find_map(|start| Some((*start, way_back(start, &edges)?)))?;
    let text = format!("`{start}` needs itself: {}", path.join(" needs "));
    let pointer = format!("/needs/{}", escaped(start));
    let finding = wrong(&service.service, &pointer, text, "take one of them out of the circle");
    Some(Finding { on_key: true, ..finding })
}

/// Datasets that need each other.
fn dataset_circles(workspace: &Workspace) -> Option<Finding> {
    let datasets = workspace.services.values().filter(|one| one.kind == ServiceKind::Dataset);
    let edges: BTreeMap<&str, Vec<&str>> =
        datasets.map(|one| (one.service.as_str(), one.datasets().into_iter().collect())).collect();
    let (start, path) = edges.keys().find_map(|start| Some((*start, way_back(start, &edges)?)))?;
    let text = format!("the dataset `{start}` needs itself: {}", path.join(" needs "));
    Some(wrong(start, "/needs", text, "take one of them out of the circle"))
}

/// The way from a node back to itself, if there is one.
fn way_back<'a>(start: &'a str, edges: &BTreeMap<&'a str, Vec<&'a str>>) -> Option<Vec<&'a str>> {
    let mut seen = BTreeSet::new();
    let mut open = vec![vec![start]];
    while let Some(path) = open.pop() {
        let last = path.last()?;
        for next in edges.get(last).into_iter().flatten() {
            let mut longer = path.clone();
            longer.push(next);
            if *next == start {
                return Some(longer);
            }
            if seen.insert(*next) {
                open.push(longer);
            }
        }
    }
    None
}

/// An uptime that no probe measures would never show a restart.
fn uptime(service: &ServiceConfig) -> Option<Finding> {
    let wanted = service.uptime.as_deref()?;
    let all: Vec<_> =
        service.probes.iter().flat_map(|(name, config)| probe::metrics_of(name, config)).collect();
    match all.iter().find(|(metric, _)| metric == wanted) {
        Some((_, unit)) if unit.dimension() == Dimension::Time => None,
        Some((_, unit)) => {
            let text = format!("`{wanted}` is measured as {unit}; an uptime is a length of time");
            Some(wrong(&service.service, "/uptime", text, "name a metric in seconds, minutes, hours or days"))
        }
        None => {
            let known: Vec<String> = all.iter().map(|(metric, _)| metric.clone()).collect();
            Some(unknown(
                &service.service,
                "/uptime",
                wanted,
                format!("no probe here measures `{wanted}`"),
                known,
            ))
        }
    }
}
