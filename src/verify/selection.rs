//! Which probes a suite measures with, which metrics they emit, and what is wrong with the suite itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::config::{ExpectationConfig, SuiteConfig};
use super::{analysis, condition, template};
use crate::base::Unit;
use crate::probe::{ProbeConfig, metrics_of};

/// Something wrong with a suite, for `irctl config check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuiteProblem {
    /// Where, as a JSON pointer: `/expect/0/that`.
    pub pointer: String,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a part of a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// One sentence.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
    /// The bytes of the text that are to blame, counted from its start.
    pub span: Option<Range<usize>>,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, span: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.help {
            Some(help) => write!(f, "{} ({help})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// The probes and metrics of a suite.
pub(super) struct Selection {
    pub probes: BTreeMap<String, ProbeConfig>,
    /// Names under `use:` that cannot be had, and why.
    pub missing: Vec<(String, String)>,
    /// Every metric that the probes emit, with its unit and the probes that emit it.
    pub metrics: BTreeMap<String, (Unit, BTreeSet<String>)>,
}

impl Selection {
    /// The metrics' units.
    pub fn units(&self) -> BTreeMap<String, Unit> {
        self.metrics.iter().map(|(metric, (unit, _))| (metric.clone(), *unit)).collect()
    }

    /// The probes that emit any of these metrics.
    pub fn probes_of<'a>(&'a self, metrics: &[String]) -> BTreeSet<&'a str> {
        let probes = metrics.iter().filter_map(|metric| self.metrics.get(metric));
        probes.flat_map(|(_, probes)| probes.iter().map(String::as_str)).collect()
    }
}

/// Chooses the probes.
pub(super) fn select(suite: &SuiteConfig, service_probes: &BTreeMap<String, ProbeConfig>) -> Selection {
    let mut probes = suite.probes.clone();
    let mut missing = Vec::new();
    for name in &suite.uses {
        let shown = name.escape_debug();
        if suite.probes.contains_key(name) {
            missing.push((
                name.clone(),
                format!("`{shown}` is a probe of the service and one of the suite itself"),
            ));
        } else if let Some(probe) = service_probes.get(name) {
            probes.insert(name.clone(), probe.clone());
        } else {
            let known: Vec<_> = service_probes.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let service = suite.service.as_deref().unwrap_or("(no service)");
            missing.push((name.clone(), format!("{service} has no probe `{shown}`; it has: {known}")));
        }
    }
    add_compared(&mut probes, service_probes);
    let mut metrics: BTreeMap<String, (Unit, BTreeSet<String>)> = BTreeMap::new();
    for (name, probe) in &probes {
        for (metric, unit) in metrics_of(name, probe) {
            metrics.entry(metric).or_insert((unit, BTreeSet::new())).1.insert(name.clone());
        }
    }
    Selection { probes, missing, metrics }
}

/// Adds the service's probes that measure what a chosen probe compares.
fn add_compared(probes: &mut BTreeMap<String, ProbeConfig>, service_probes: &BTreeMap<String, ProbeConfig>) {
    let measures = |name: &str, probe: &ProbeConfig, wanted: &str| {
        metrics_of(name, probe).iter().any(|(metric, _)| metric == wanted)
    };
    let needed: BTreeSet<String> =
        probes.values().flat_map(ProbeConfig::needs_metrics).map(str::to_owned).collect();
    for metric in needed {
        if probes.iter().any(|(name, probe)| measures(name, probe, &metric)) {
            continue;
        }
        let found = service_probes.iter().find(|(name, probe)| measures(name, probe, &metric));
        if let Some((name, probe)) = found.filter(|(name, _)| !probes.contains_key(*name)) {
            probes.insert(name.clone(), probe.clone());
        }
    }
}

/// Everything that is wrong with a suite before anything is measured.
///
/// `service_probes` are those of the suite's service; empty if it names none.
pub fn problems(suite: &SuiteConfig, service_probes: &BTreeMap<String, ProbeConfig>) -> Vec<SuiteProblem> {
    let mut found = Vec::new();
    let mut add = |pointer: String, fault: Fault| found.push(SuiteProblem { pointer, fault });
    let whole = match template::whole(suite) {
        Ok(whole) => whole,
        Err(wrong) => {
            wrong.into_iter().for_each(|(pointer, fault)| add(pointer, fault));
            return found;
        }
    };
    let suite = &*whole;
    let selection = select(suite, service_probes);
    for (name, why) in &selection.missing {
        let position = suite.uses.iter().position(|used| used == name).unwrap_or_default();
        add(format!("/use/{position}"), Fault::new(why));
    }
    if suite.expect.is_empty() {
        let help = Some("add at least one condition under `expect:`".to_owned());
        add(
            "/suite".to_owned(),
            Fault { help, ..Fault::new("the suite expects nothing, so it verifies nothing") },
        );
    }
    let mut ids = BTreeSet::new();
    for (position, expectation) in suite.expect.iter().enumerate() {
        for (key, fault) in faults(expectation, &selection) {
            add(format!("/expect/{position}{key}"), fault);
        }
        if let Some(id) = &expectation.id
            && !ids.insert(id)
        {
            add(
                format!("/expect/{position}/id"),
                Fault::new(format!("`{}` stands twice", id.escape_debug())),
            );
        }
    }
    found
}

/// Everything that keeps an expectation from being judged by this selection, each with the key below it.
fn faults(expectation: &ExpectationConfig, selection: &Selection) -> Vec<(String, Fault)> {
    if let (Some(analysis), None, None) = (&expectation.analysis, &expectation.that, &expectation.probe) {
        let wrong = analysis::problems(analysis, selection);
        return wrong.into_iter().map(|(key, fault)| (format!("/analysis{key}"), fault)).collect();
    }
    let key = match (&expectation.that, &expectation.probe) {
        (Some(_), _) => "/that",
        (None, Some(_)) => "/probe",
        (None, None) => "",
    };
    let faults = check(expectation, selection).err().unwrap_or_default();
    faults.into_iter().map(|fault| (key.to_owned(), fault)).collect()
}

/// Whether an expectation can be judged by this selection at all.
pub(super) fn check(expectation: &ExpectationConfig, selection: &Selection) -> Result<(), Vec<Fault>> {
    let fault = |message: String| Err(vec![Fault::new(message)]);
    match (&expectation.that, &expectation.probe, &expectation.analysis) {
        (Some(_), Some(_), _) => {
            fault("it names a condition (`that`) and a probe: one of the two".to_owned())
        }
        (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
            fault("it has an `analysis` and something else: one of the two".to_owned())
        }
        (None, None, None) => fault("it names neither a condition (`that`) nor a probe".to_owned()),
        (None, None, Some(analysis)) => {
            let wrong = analysis::problems(analysis, selection);
            let wrong: Vec<_> = wrong.into_iter().map(|(_, fault)| fault).collect();
            if wrong.is_empty() { Ok(()) } else { Err(wrong) }
        }
        (None, Some(probe), None) if selection.probes.contains_key(probe) => Ok(()),
        (None, Some(probe), None) => {
            fault(format!("the suite does not use a probe `{}`", probe.escape_debug()))
        }
        (Some(that), None, None) => {
            let several = that.metrics().into_iter().find_map(|metric| {
                let (_, probes) = selection.metrics.get(metric)?;
                (probes.len() > 1).then(|| (metric, probes.iter().cloned().collect::<Vec<_>>()))
            });
            if let Some((metric, probes)) = several {
                return fault(format!("`{metric}` comes from several probes: {}", probes.join(", ")));
            }
            condition::compile(that, &selection.units()).map(|_| ())
        }
    }
}

/// Faults in one sentence.
pub(super) fn explain(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("; ")
}
