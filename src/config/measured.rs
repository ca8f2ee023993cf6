//! Whether a service measures what its scheme judges, once and in a unit that can be compared; and its levels exist.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::Severity;
use super::finding::Finding;
use super::kind::Kind;
use super::schema::suggestion;
use super::{ServiceConfig, Workspace};
use crate::base::Unit;
use crate::probe;
use crate::severity::Scheme;

/// Every metric that a service's scheme asks for is measured by one of its probes, in a unit that can be compared.
pub fn metrics(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Many services share a scheme.
    let used: BTreeSet<&String> = workspace.services.values().map(|service| &service.scheme).collect();
    let compiled: BTreeMap<&String, Scheme> = used
        .into_iter()
        .filter_map(|name| Some((name, Scheme::compile(workspace.schemes.get(name)?).ok()?)))
        .collect();
    for (name, service) in &workspace.services {
        let Some(config) = workspace.schemes.get(&service.scheme) else { continue };
        let Some(scheme) = compiled.get(&service.scheme) else { continue };
        let measured = measured(service);
        for (metric, probes) in &measured {
            if let [(first, _), (second, _), ..] = probes.as_slice() {
                let message = format!("the probes `{first}` and `{second}` both measure `{metric}`");
                let finding = Finding::error(
                    Kind::Service,
                    name,
                    &format!("/probes/{second}"),
                    "duplicate-metric",
                    message,
                );
                findings.push(
                    finding.help(Some("give one of them a `metric:` of its own, or another name".into())),
                );
            }
            let expected = config.metrics.get(metric).map(|metric| metric.unit);
            if let (Some(expected), Some((probe, unit))) = (expected, probes.first())
                && expected.dimension() != unit.dimension()
            {
                let message = format!(
                    "`{metric}` is measured as {unit}; the scheme {} has it as {expected}",
                    config.scheme
                );
                let place = format!("/probes/{probe}");
                let finding = Finding::error(Kind::Service, name, &place, "wrong-unit", message);
                let help = format!(
                    "where the values are of that unit, and the kind of probe takes one: `unit: {expected}`; else \
                     measure it under another name with `metric:`"
                );
                findings.push(finding.help(Some(help)));
            }
        }
        if !service.probes.is_empty() {
            findings.extend(unmeasured(name, service, scheme, &measured));
        }
    }
    findings
}

type Measured = BTreeMap<String, Vec<(String, Unit)>>;

/// Which probe measures which metric.
fn measured(service: &ServiceConfig) -> Measured {
    let mut measured = Measured::new();
    for (probe, config) in &service.probes {
        let own: BTreeMap<_, _> = probe::metrics_of(probe, config).into_iter().collect();
        for (metric, unit) in own {
            measured.entry(metric).or_default().push((probe.clone(), unit));
        }
    }
    measured
}

/// A rule that hangs on what nobody measures can never decide.
fn unmeasured(name: &str, service: &ServiceConfig, scheme: &Scheme, measured: &Measured) -> Vec<Finding> {
    let known: Vec<&str> = measured.keys().map(String::as_str).collect();
    let missing: BTreeSet<&str> = scheme
        .metrics()
        .into_iter()
        .filter(|(metric, optional)| !optional && !measured.contains_key(*metric))
        .map(|(metric, _)| metric)
        .collect();
    missing
        .into_iter()
        .map(|metric| {
            let message = format!(
                "no probe of `{name}` measures `{metric}`, which the scheme {} needs",
                service.scheme
            );
            let help = suggestion(metric, &known).or_else(|| {
                Some(format!(
                    "add a probe, or mark the metric `optional: true` in the scheme {}",
                    service.scheme
                ))
            });
            let mut finding =
                Finding::error(Kind::Service, name, "/scheme", "unmeasured-metric", message).help(help);
            finding.severity = Severity::Warning;
            finding
        })
        .collect()
}

/// Levels that a service names.
pub fn levels(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, service) in &workspace.services {
        let Some(scheme) = workspace.schemes.get(&service.scheme) else { continue };
        for (index, level) in service.contain_on.iter().flatten().enumerate() {
            if !scheme.levels.contains_key(level) {
                let known: Vec<&str> = scheme.levels.keys().map(String::as_str).collect();
                let message = format!("there is no level `{level}` in the scheme {}", scheme.scheme);
                let help =
                    suggestion(level, &known).or_else(|| Some(format!("levels: {}", known.join(", "))));
                let pointer = format!("/contain_on/{index}");
                findings
                    .push(Finding::error(Kind::Service, name, &pointer, "unknown-level", message).help(help));
            }
        }
    }
    findings
}
