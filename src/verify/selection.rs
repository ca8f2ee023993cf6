//! Which probes a suite measures with, which metrics they emit, and what is wrong with the suite itself.

use std::collections::{BTreeMap, BTreeSet};

use super::condition;
use super::config::{ExpectationConfig, SuiteConfig};
use crate::base::Unit;
use crate::probe::{ProbeConfig, metrics_of};

/// Something wrong with a suite, for `irctl config check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuiteProblem {
    /// Where: keys and list positions, as `expect`, `0`, `that`.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
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
    let mut metrics: BTreeMap<String, (Unit, BTreeSet<String>)> = BTreeMap::new();
    for (name, probe) in &probes {
        for (metric, unit) in metrics_of(name, probe) {
            metrics.entry(metric).or_insert((unit, BTreeSet::new())).1.insert(name.clone());
        }
    }
    Selection { probes, missing, metrics }
}

/// Everything that is wrong with a suite before anything is measured.
///
/// `service_probes` are those of the suite's service; empty if it names none.
pub fn problems(suite: &SuiteConfig, service_probes: &BTreeMap<String, ProbeConfig>) -> Vec<SuiteProblem> {
    let selection = select(suite, service_probes);
    let mut found = Vec::new();
    let mut add = |path: &[&str], message: String, help: Option<&str>| {
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        found.push(SuiteProblem { path, message, help: help.map(str::to_owned) });
    };
    for (name, why) in &selection.missing {
        let position = suite.uses.iter().position(|used| used == name).unwrap_or_default().to_string();
        add(&["use", &position], why.clone(), None);
    }
    if suite.expect.is_empty() {
        add(
            &["suite"],
            "the suite expects nothing".to_owned(),
            Some("add at least one condition under `expect:`"),
        );
    }
    let mut ids = BTreeSet::new();
    for (position, expectation) in suite.expect.iter().enumerate() {
        let position = position.to_string();
        if let Err(why) = check(expectation, &selection) {
            let key = if expectation.that.is_some() { "that" } else { "probe" };
            add(&["expect", &position, key], why, None);
        }
        if let Some(id) = &expectation.id
            && !ids.insert(id)
        {
            add(&["expect", &position, "id"], format!("`{}` stands twice", id.escape_debug()), None);
        }
    }
    found
}

/// Whether an expectation can be judged by this selection at all.
pub(super) fn check(expectation: &ExpectationConfig, selection: &Selection) -> Result<(), String> {
    match (&expectation.that, &expectation.probe) {
        (Some(_), Some(_)) => Err("it names a condition (`that`) and a probe: one of the two".to_owned()),
        (None, None) => Err("it names neither a condition (`that`) nor a probe".to_owned()),
        (None, Some(probe)) if selection.probes.contains_key(probe) => Ok(()),
        (None, Some(probe)) => Err(format!("the suite does not use a probe `{}`", probe.escape_debug())),
        (Some(that), None) => {
            let several = that.metrics().into_iter().find_map(|metric| {
                let (_, probes) = selection.metrics.get(metric)?;
                (probes.len() > 1).then(|| (metric, probes.iter().cloned().collect::<Vec<_>>()))
            });
            if let Some((metric, probes)) = several {
                return Err(format!("`{metric}` comes from several probes: {}", probes.join(", ")));
            }
            condition::compile(that, &selection.units()).map(|_| ())
        }
    }
}
