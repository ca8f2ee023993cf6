//! Suites of expectations: do they fit the probes of their service?

use super::Workspace;
use super::diagnostic::code;
use super::finding::Finding;
use super::kind::Kind;
use crate::verify::problems;

/// Checks every suite whose service is there.
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let none = std::collections::BTreeMap::new();
    let mut found = Vec::new();
    for (name, suite) in &workspace.suites {
        let probes = match &suite.service {
            None => &none,
            Some(service) => match workspace.services.get(service) {
                Some(service) => &service.probes,
                None => continue,
            },
        };
        found.extend(problems(suite, probes).into_iter().map(|problem| {
            let fault = problem.fault;
            Finding::error(Kind::Verify, name, &problem.pointer, code::INVALID_VALUE, fault.message)
                .help(fault.help)
                .at(fault.span)
        }));
    }
    found
}
