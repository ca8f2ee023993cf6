//! Whether the names that probes give their parts under `emits:` can be given.

use std::collections::BTreeMap;

use super::Workspace;
use super::diagnostic::code;
use super::finding::Finding;
use super::kind::Kind;
use super::schema::suggestion;
use crate::probe::{self, ProbeConfig};

/// Checks the probes of services and of suites.
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let services = workspace.services.iter().map(|(name, config)| (Kind::Service, name, &config.probes));
    let suites = workspace.suites.iter().map(|(name, config)| (Kind::Verify, name, &config.probes));
    services.chain(suites).flat_map(|(kind, name, probes)| of(kind, name, probes)).collect()
}

fn of(kind: Kind, name: &str, probes: &BTreeMap<String, ProbeConfig>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (probe, config) in probes {
        let misnamed = probe::misnamed(probe, config);
        if misnamed.is_empty() {
            continue;
        }
        let written = serde_json::to_value(config).unwrap_or_default();
        let kind_of_probe = written.as_object().and_then(|value| value.keys().next());
        for wrong in misnamed {
            let parts: Vec<&str> = wrong.parts.iter().map(String::as_str).collect();
            let metric = wrong.metric.replace('~', "~0").replace('/', "~1");
            let pointer =
                format!("/probes/{probe}/{}/emits/{metric}", kind_of_probe.map_or("", String::as_str));
            let help = match parts.contains(&wrong.part.as_str()) {
                true => "a part has one name, and a name is one part's".to_owned(),
                false => suggestion(&wrong.part, &parts)
                    .unwrap_or_else(|| format!("its parts: {}", parts.join(", "))),
            };
            let finding = Finding::error(kind, name, &pointer, code::INVALID_VALUE, wrong.message);
            findings.push(finding.help(Some(help)));
        }
    }
    findings
}
