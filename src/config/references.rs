//! Names that lead from one file to another: do they lead anywhere?
//!
//! The checks work on paths in the trees, not on the typed structs, so that they see files that have other errors,
//! and know where everything stands.

use std::collections::BTreeSet;

use super::diagnostic::{Diagnostic, code};
use super::file::File;
use super::kind::Kind;
use super::schema::{list, suggestion};
use super::scope::Scope;
use super::yaml::Node;

/// What a reference leads to.
#[derive(Clone, Copy)]
enum Target {
    /// A file of this kind with that name.
    Named(Kind),
    /// A key of a mapping at this path: of the same file, or of any file of a kind. Unchecked while there is no
    /// file of that kind.
    Keys(Option<Kind>, &'static str),
}

struct Reference {
    from: Kind,
    path: &'static str,
    to: Target,
    what: &'static str,
}

const fn reference(from: Kind, path: &'static str, to: Target, what: &'static str) -> Reference {
    Reference { from, path, to, what }
}

const ROLE: Target = Target::Keys(Some(Kind::Contacts), "/roles");
const CHANNEL: Target = Target::Keys(Some(Kind::Notify), "/channels");
const LEVEL: Target = Target::Keys(Some(Kind::Severity), "/levels");

/// Every reference there is. A path that a file does not have is no reference.
const REFERENCES: &[Reference] = &[
    reference(Kind::Service, "/scheme", Target::Named(Kind::Severity), "scheme"),
    reference(Kind::Service, "/rollback/verify", Target::Named(Kind::Verify), "suite"),
    reference(Kind::Service, "/rollback/proof", Target::Named(Kind::Verify), "suite"),
    reference(Kind::Service, "/rollback/phases/*/verify", Target::Named(Kind::Verify), "suite"),
    reference(Kind::Service, "/rollback/phases/*/after/*", Target::Keys(None, "/rollback/phases"), "phase"),
    reference(
        Kind::Service,
        "/rollback/environment",
        Target::Keys(None, "/rollback/environments"),
        "environment",
    ),
    reference(Kind::Severity, "/rules/*/runbook", Target::Named(Kind::Runbook), "runbook"),
    reference(Kind::Severity, "/rules/*/level", Target::Keys(None, "/levels"), "level"),
    reference(Kind::Severity, "/order/*", Target::Keys(None, "/levels"), "level"),
    reference(Kind::Severity, "/default_level", Target::Keys(None, "/levels"), "level"),
    reference(Kind::Severity, "/levels/*/roles/*", ROLE, "role"),
    reference(Kind::Severity, "/levels/*/team/*", ROLE, "role"),
    reference(Kind::Irctl, "/maintenance/*/services/*", Target::Named(Kind::Service), "service"),
    reference(Kind::Verify, "/service", Target::Named(Kind::Service), "service"),
    reference(Kind::Notify, "/routes/*/channels/*", CHANNEL, "channel"),
    reference(Kind::Notify, "/default/*", CHANNEL, "channel"),
    reference(Kind::Notify, "/routes/*/services/*", Target::Named(Kind::Service), "service"),
    reference(Kind::Notify, "/routes/*/audience/*", ROLE, "role"),
    reference(Kind::Notify, "/routes/*/levels/*", LEVEL, "level"),
    reference(Kind::Contacts, "/roles/*/channels/*", CHANNEL, "channel"),
    reference(Kind::Contacts, "/roles/*/escalates_to", ROLE, "role"),
    reference(Kind::Runbook, "/owner", ROLE, "role"),
    reference(Kind::Runbook, "/severity", LEVEL, "level"),
];

/// Checks the files of the workspace; `all` adds what is shipped, which can be referred to.
pub fn check(own: &[File], all: &[File], scope: Scope) -> Vec<(Kind, Diagnostic)> {
    let mut found = Vec::new();
    for reference in REFERENCES.iter().filter(|reference| readable(reference.to, scope)) {
        let shared = shared(reference.to, all);
        for file in own.iter().filter(|file| file.kind == reference.from) {
            let Some(tree) = file.tree.as_deref() else { continue };
            let here = match reference.to {
                Target::Keys(None, path) => Some(keys(tree, path)),
                _ => None,
            };
            let Some(known) = here.as_ref().or(shared.as_ref()) else { continue };
            for node in tree.select(reference.path) {
                if let Some(name) = node.text().filter(|name| !known.contains(*name)) {
                    found.push((file.kind, diagnostic(file, node, name, reference, known)));
                }
            }
        }
    }
    found.extend(symptoms(own, all));
    found
}

/// What is not loaded cannot be missed.
fn readable(target: Target, scope: Scope) -> bool {
    match target {
        Target::Named(kind) | Target::Keys(Some(kind), _) => scope.reads(kind),
        Target::Keys(None, _) => true,
    }
}

/// The names that a target has, if they are the same for every file. Files with errors count: what they are about
/// exists; but what stands in a file that is not YAML cannot be known.
fn shared(target: Target, all: &[File]) -> Option<BTreeSet<&str>> {
    match target {
        Target::Named(kind) => {
            Some(all.iter().filter(|file| file.kind == kind).map(|file| file.name.as_str()).collect())
        }
        Target::Keys(None, _) => None,
        Target::Keys(Some(kind), path) => {
            let mut files = all.iter().filter(|file| file.kind == kind).peekable();
            files.peek()?;
            let mut names = BTreeSet::new();
            for file in files {
                names.extend(keys(file.tree.as_deref()?, path));
            }
            Some(names)
        }
    }
}

fn keys<'a>(tree: &'a Node, path: &str) -> BTreeSet<&'a str> {
    tree.select(path)
        .into_iter()
        .flat_map(|node| node.entries().iter().map(|entry| entry.key.text.as_str()))
        .collect()
}

fn diagnostic(
    file: &File,
    node: &Node,
    name: &str,
    reference: &Reference,
    known: &BTreeSet<&str>,
) -> Diagnostic {
    let known: Vec<&str> = known.iter().copied().collect();
    let what = reference.what;
    let help = suggestion(name, &known).unwrap_or_else(|| {
        if known.is_empty() {
            format!("there is no {what} at all yet")
        } else {
            format!("{what}s there are: {}", list(&known))
        }
    });
    let message = format!("there is no {what} `{name}`");
    Diagnostic::error(code::DANGLING_REFERENCE, &file.source, node.span.clone(), message).help(help)
}

/// A runbook may treat symptoms that no rule has, such as an outage that people declare; but one that is nearly a
/// rule's is a typing error.
fn symptoms(own: &[File], all: &[File]) -> Vec<(Kind, Diagnostic)> {
    let schemes =
        all.iter().filter(|file| file.kind == Kind::Severity).filter_map(|file| file.tree.as_deref());
    let known: BTreeSet<&str> =
        schemes.flat_map(|tree| tree.select("/rules/*/symptom")).filter_map(Node::text).collect();
    let list: Vec<&str> = known.iter().copied().collect();
    let mut found = Vec::new();
    for file in own.iter().filter(|file| file.kind == Kind::Runbook) {
        let Some(tree) = file.tree.as_deref() else { continue };
        for node in tree.select("/symptoms/*") {
            let Some(name) = node.text().filter(|name| !known.contains(name)) else { continue };
            if let Some(help) = suggestion(name, &list) {
                let message = format!("no rule has the symptom `{name}`");
                let span = node.span.clone();
                let warning = Diagnostic::warning(code::DANGLING_REFERENCE, &file.source, span, message);
                found.push((file.kind, warning.help(help)));
            }
        }
    }
    found
}
