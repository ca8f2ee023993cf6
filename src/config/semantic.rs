//! The checks of what only the rooms below understand: expressions against metrics, templates, symptoms.

use std::collections::BTreeSet;

use super::Workspace;
use super::diagnostic::{Severity, code};
use super::finding::Finding;
use super::kind::Kind;
use super::schema::suggestion;
use crate::notify::{NotifyConfig, ReferenceKind};
use crate::severity::Scheme;

/// Every scheme of the workspace compiles. The shipped ones do.
pub fn schemes(workspace: &Workspace) -> Vec<Finding> {
    let own = workspace.schemes.iter().filter(|(name, _)| !workspace.shipped.contains(*name));
    let mut found = Vec::new();
    for (name, config) in own {
        for problem in Scheme::compile(config).err().unwrap_or_default() {
            let span = (problem.length > 0).then(|| problem.offset..problem.offset + problem.length);
            let finding =
                Finding::error(Kind::Severity, name, &problem.pointer, code::INVALID_SCHEME, problem.message);
            found.push(finding.help(problem.help).at(span));
        }
    }
    found
}

/// Templates, messages and symptoms that the routing names.
pub fn routing(workspace: &Workspace) -> Vec<Finding> {
    let mut symptoms: BTreeSet<&str> = BTreeSet::new();
    for scheme in workspace.schemes.values() {
        symptoms.extend(scheme.rules.iter().map(|rule| rule.symptom()));
    }
    for runbook in workspace.runbooks.values() {
        symptoms.extend(runbook.symptoms.iter().map(String::as_str));
    }
    let mut owners: BTreeSet<&str> =
        workspace.services.keys().chain(workspace.schemes.keys()).map(String::as_str).collect();
    // What has errors of its own exists all the same.
    owners.extend(workspace.broken.keys().map(|(_, name)| name.as_str()));
    let templates = workspace.root.join("config/templates");
    let mut found = Vec::new();
    for reference in workspace.notify.references() {
        let name = reference.name.as_str();
        let (known, candidates, severity) = match reference.kind {
            ReferenceKind::Symptom => (symptoms.contains(name), &symptoms, Severity::Warning),
            ReferenceKind::ServiceOrScheme => (owners.contains(name), &owners, Severity::Warning),
            ReferenceKind::Message => {
                (NotifyConfig::is_shipped_template(name), &BTreeSet::new(), Severity::Error)
            }
            ReferenceKind::Template => {
                let own = crate::base::path::single_name(name)
                    .is_ok_and(|name| templates.join(format!("{name}.j2")).is_file());
                (own || NotifyConfig::is_shipped_template(name), &BTreeSet::new(), Severity::Error)
            }
            _ => continue,
        };
        if known {
            continue;
        }
        let pointer: String = reference
            .path
            .iter()
            .map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1")))
            .collect();
        let candidates: Vec<&str> = candidates.iter().copied().collect();
        let message = format!("there is no {} `{name}`", reference.kind.as_str());
        let finding = Finding::error(Kind::Notify, "", &pointer, code::DANGLING_REFERENCE, message);
        let help = suggestion(name, &candidates).or_else(|| {
            let template = reference.kind == ReferenceKind::Template;
            template.then(|| format!("a template of your own stands in config/templates/{name}.j2"))
        });
        found.push(Finding { severity, on_key: is_key(reference.kind), ..finding.help(help) });
    }
    found
}

/// Whether the name is a key there, not a value.
fn is_key(kind: ReferenceKind) -> bool {
    matches!(kind, ReferenceKind::Message | ReferenceKind::ServiceOrScheme)
}
