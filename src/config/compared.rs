//! Whether what a service's probes compare is measured at all, and in a unit that can be compared.

use std::collections::BTreeMap;

use super::Workspace;
use super::diagnostic::code;
use super::finding::Finding;
use super::kind::Kind;
use super::schema::suggestion;
use crate::base::Unit;
use crate::probe::{ProbeConfig, metrics_of};

/// Every metric that a `baseline` probe compares is measured by another probe of the service.
pub fn metrics(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (service, config) in &workspace.services {
        for (name, probe) in &config.probes {
            let ProbeConfig::Baseline(baseline) = probe else { continue };
            let measured = measured_by_others(name, &config.probes);
            for (at, metric) in baseline.needs().into_iter().enumerate() {
                let place = if at == 0 { "of" } else { "against/metric" };
                let pointer = format!("/probes/{name}/baseline/{place}");
                findings.extend(finding(service, &pointer, metric, baseline.unit(), &measured));
            }
        }
    }
    findings
}

fn measured_by_others(name: &str, probes: &BTreeMap<String, ProbeConfig>) -> BTreeMap<String, Unit> {
    let others = probes.iter().filter(|(other, probe)| {
        // Comparing probes all run at the end of a round, and see nothing of each other.
        *other != name && !matches!(probe, ProbeConfig::Baseline(_))
    });
    others.flat_map(|(other, probe)| metrics_of(other, probe)).collect()
}

fn finding(
    service: &str,
    pointer: &str,
    metric: &str,
    unit: Unit,
    measured: &BTreeMap<String, Unit>,
) -> Option<Finding> {
    let error = |code, message: String| Finding::error(Kind::Service, service, pointer, code, message);
    match measured.get(metric) {
        None => {
            let known: Vec<&str> = measured.keys().map(String::as_str).collect();
            let help = suggestion(metric, &known)
                .or_else(|| Some("a probe that is no `baseline` has to measure it".to_owned()));
            let message = format!("no other probe of `{service}` measures `{metric}`");
            Some(error(code::DANGLING_REFERENCE, message).help(help))
        }
        Some(own) if own.dimension() != unit.dimension() => {
            let message = format!("`{metric}` is measured as {own} and compared as {unit}");
            Some(error("wrong-unit", message).help(Some(format!("write `unit: {own}`"))))
        }
        Some(_) => None,
    }
}
