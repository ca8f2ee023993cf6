//! One service as the pool measures it: first its versions, then its probes, each within its limit, and last those that
//! compare what the others measured.

use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::scope;
use crate::config::{ServiceConfig, Workspace};
use crate::probe::{self, Outcome, ProbeConfig, Request, VersionMap};
use crate::store::Sample;

/// A part of measuring a service that is done, or given up, as a whole.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Which versions there are, and which serves.
    Versions,
    /// Every probe that reads rows, by name: they share one pass over their files.
    Rows(Vec<String>),
    /// One other probe.
    Probe(String),
    /// The probes that compare, by name, and what the others measured, in the order of their names.
    Compare(Vec<String>, Arc<Vec<Sample>>),
}

/// What a step found.
#[derive(Debug)]
pub enum Found {
    /// The versions; and why it is not known which serves, where it is not.
    Versions(VersionMap, Option<String>),
    /// What probes measured.
    Outcomes(Vec<Outcome>),
    /// What was not measured, because it overran.
    Undecided(Vec<Outcome>),
}

/// Everything that was found about a service.
#[derive(Debug)]
pub struct Taken {
    /// Which service, by its place in the round.
    pub number: usize,
    /// Its versions.
    pub versions: Arc<VersionMap>,
    /// Why it is not known which serves.
    pub doubt: Option<String>,
    /// What each probe found, in the order of their names.
    pub outcomes: Vec<Outcome>,
    /// The probes that overran.
    pub overrun: Vec<String>,
}

impl Taken {
    /// Nothing yet.
    pub fn new(number: usize) -> Self {
        Self { number, versions: Arc::default(), doubt: None, outcomes: Vec::new(), overrun: Vec::new() }
    }

    /// Takes in what a step found.
    pub fn add(&mut self, mut found: Found) {
        if let Found::Outcomes(outcomes) | Found::Undecided(outcomes) = &mut found {
            // Most have one sample, and room for more; thousands of services wait together.
            outcomes.iter_mut().for_each(|outcome| outcome.samples.shrink_to_fit());
        }
        match found {
            Found::Versions(versions, doubt) => (self.versions, self.doubt) = (Arc::new(versions), doubt),
            Found::Outcomes(outcomes) => self.outcomes.extend(outcomes),
            Found::Undecided(outcomes) => {
                self.overrun.extend(outcomes.iter().map(|outcome| outcome.probe.clone()));
                self.outcomes.extend(outcomes);
            }
        }
    }

    /// Everything that was measured.
    pub fn samples(&self) -> Vec<Sample> {
        self.outcomes.iter().flat_map(|outcome| outcome.samples.iter().cloned()).collect()
    }

    /// The same whatever was ready first.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.sort();
        self
    }

    /// Brings what was found into the order of the probes' names.
    pub fn sort(&mut self) {
        self.outcomes.sort_by(|a, b| a.probe.cmp(&b.probe));
        self.overrun.sort();
    }
}

/// What a pool does to each service.
pub trait Job: Send + Sync + 'static {
    /// The steps after the versions: those that whoever found the versions does one after the other, and those that
    /// others may do meanwhile.
    fn steps(&self, number: usize) -> (VecDeque<Step>, VecDeque<Step>);
    /// The step that comes after all others, with what they found, where there is one.
    fn last(&self, number: usize, taken: &Taken) -> Option<Step>;
    /// How long a step may take.
    fn limit(&self, number: usize, step: &Step) -> Duration;
    /// Does a step.
    fn measure(&self, number: usize, step: &Step, versions: Arc<VersionMap>) -> Found;
    /// Whether a step that its limit cuts short says nothing that counts, whatever it says: nobody who is not given the time
    /// to answer is down.
    fn is_cut(&self, _number: usize, _step: &Step) -> bool {
        false
    }
    /// What a step that was given up leaves.
    fn undecided(&self, number: usize, step: &Step, why: &str) -> Found;
}

/// The services of a round.
pub struct RoundJob {
    /// The configuration.
    pub workspace: Arc<Workspace>,
    /// The names of the services, in the order of the round.
    pub services: Vec<String>,
    /// The instant of the round.
    pub now: DateTime<Utc>,
    /// How long a probe may take that has no limit of its own.
    pub timeout: Duration,
    /// What was measured in earlier rounds of those whose probes compare with it, by their places in the round.
    pub earlier: BTreeMap<usize, Vec<Sample>>,
}

impl RoundJob {
    fn service(&self, number: usize) -> Option<&ServiceConfig> {
        self.workspace.services.get(self.services.get(number)?)
    }

    fn request<'a>(&'a self, service: &'a ServiceConfig, versions: &'a VersionMap) -> Request<'a> {
        Request {
            service: &service.service,
            root: &self.workspace.root,
            now: self.now,
            versions,
            untrusted: false,
        }
    }

    /// Its own limit, else the longer of the usual one and what the probe allows whatever it asks.
    fn limit_of(&self, service: &ServiceConfig, probe: &str) -> Duration {
        if let Some(own) = service.timeouts.get(probe) {
            return own.to_std();
        }
        let inner = service.probes.get(probe).and_then(ProbeConfig::timeout);
        inner.map_or(self.timeout, |inner| self.timeout.max(inner))
    }
}

/// The names of the probes that a step is about.
fn names(step: &Step) -> &[String] {
    match step {
        Step::Versions => &[],
        Step::Rows(names) | Step::Compare(names, _) => names,
        Step::Probe(name) => std::slice::from_ref(name),
    }
}

fn probes<'a>(service: &'a ServiceConfig, step: &'a Step) -> Vec<(&'a str, &'a ProbeConfig)> {
    let found = names(step).iter().filter_map(|name| service.probes.get_key_value(name));
    found.map(|(name, config)| (name.as_str(), config)).collect()
}

impl Job for RoundJob {
    fn steps(&self, number: usize) -> (VecDeque<Step>, VecDeque<Step>) {
        let (mut own, mut others) = (VecDeque::new(), VecDeque::new());
        let mut rows = Vec::new();
        for (name, config) in self.service(number).into_iter().flat_map(|service| &service.probes) {
            match config {
                _ if config.compares() => {}
                // What asks somebody else waits for an answer; what reads a small file is done before it is handed on.
                // One that reads rows and runs programs too takes no others along when it overruns.
                _ if config.needs_trust() => others.push_back(Step::Probe(name.clone())),
                _ if config.reads_rows() => rows.push(name.clone()),
                _ => own.push_back(Step::Probe(name.clone())),
            }
        }
        if !rows.is_empty() {
            own.push_back(Step::Rows(rows));
        }
        (own, others)
    }

    fn last(&self, number: usize, taken: &Taken) -> Option<Step> {
        let probes = &self.service(number)?.probes;
        let comparing = probes.iter().filter(|(_, config)| config.compares());
        let names: Vec<String> = comparing.map(|(name, _)| name.clone()).collect();
        (!names.is_empty()).then(|| Step::Compare(names, Arc::new(taken.samples())))
    }

    fn limit(&self, number: usize, step: &Step) -> Duration {
        let Some(service) = self.service(number) else { return self.timeout };
        let limits = names(step).iter().map(|name| self.limit_of(service, name));
        limits.max().unwrap_or(self.timeout)
    }

    fn measure(&self, number: usize, step: &Step, versions: Arc<VersionMap>) -> Found {
        let Some(service) = self.service(number) else { return Found::Outcomes(Vec::new()) };
        match step {
            Step::Versions => {
                let (mut versions, doubt) = scope::versions(&self.workspace, service);
                versions.earlier = self.earlier.get(&number).cloned();
                Found::Versions(versions, doubt)
            }
            Step::Rows(_) | Step::Probe(_) => {
                let request = self.request(service, &versions);
                Found::Outcomes(probe::measure_these(&probes(service, step), &request))
            }
            Step::Compare(_, samples) => {
                let request = self.request(service, &versions);
                Found::Outcomes(probe::compare_these(&probes(service, step), &request, samples))
            }
        }
    }

    fn is_cut(&self, number: usize, step: &Step) -> bool {
        let Some(service) = self.service(number) else { return false };
        probes(service, step).iter().any(|(_, config)| config.asks_a_server())
    }

    fn undecided(&self, number: usize, step: &Step, why: &str) -> Found {
        let Some(service) = self.service(number) else { return Found::Outcomes(Vec::new()) };
        if *step == Step::Versions {
            let earlier = self.earlier.get(&number).cloned();
            let versions = VersionMap { earlier, ..VersionMap::default() };
            return Found::Versions(versions, Some(format!("not found out: {why}")));
        }
        let versions = VersionMap::default();
        let request = self.request(service, &versions);
        let outcome = |(name, config): (&str, &ProbeConfig)| {
            let why = format!("not measured: {why}");
            Outcome::undecided(name, &probe::metrics_of(name, config), &request, why)
        };
        Found::Undecided(probes(service, step).into_iter().map(outcome).collect())
    }
}
