//! Names that lead from one file to another: do they lead anywhere?
//!
//! The checks work on paths in the trees, not on the typed structs, so that they see files that have other errors,
//! and know where everything stands.

use std::collections::BTreeSet;

use super::diagnostic::{Diagnostic, code};
use super::file::File;
use super::kind::Kind;
use super::schema::suggestion;
use super::scope::Scope;
use super::yaml::Node;

/// What a reference leads to.
#[derive(Clone, Copy)]
enum Target {
    /// A file of this kind with that name.
    Named(Kind),
    /// A key at one of these paths in the only file of this kind; unchecked while there is no such file.
    Keys(Kind, &'static [&'static str]),
    /// A key at this path of the same file.
    Here(&'static str),
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

const ROLE: Target = Target::Keys(Kind::Contacts, &["/roles"]);
const CHANNEL: Target = Target::Keys(Kind::Notify, &["/channels"]);

/// Every reference there is. A path that a file does not have is no reference.
const REFERENCES: &[Reference] = &[
    reference(Kind::Service, "/scheme", Target::Named(Kind::Severity), "scheme"),
    reference(Kind::Service, "/rollback/verify", Target::Named(Kind::Verify), "suite"),
    reference(Kind::Service, "/rollback/verify/*", Target::Named(Kind::Verify), "suite"),
    reference(Kind::Severity, "/rules/*/runbook", Target::Named(Kind::Runbook), "runbook"),
    reference(Kind::Severity, "/rules/*/level", Target::Here("/levels"), "level"),
    reference(Kind::Severity, "/levels/*/roles/*", ROLE, "role"),
    reference(Kind::Verify, "/service", Target::Named(Kind::Service), "service"),
    reference(Kind::Verify, "/services/*", Target::Named(Kind::Service), "service"),
    reference(Kind::Notify, "/routes/*/channel", CHANNEL, "channel"),
    reference(Kind::Notify, "/routes/*/channels/*", CHANNEL, "channel"),
    reference(Kind::Notify, "/routes/*/service", Target::Named(Kind::Service), "service"),
    reference(Kind::Notify, "/routes/*/services/*", Target::Named(Kind::Service), "service"),
    reference(Kind::Notify, "/routes/*/scheme", Target::Named(Kind::Severity), "scheme"),
    reference(Kind::Runbook, "/owner", ROLE, "role"),
];

/// Checks the files of the workspace; `all` adds what is shipped, which can be referred to.
pub fn check(own: &[File], all: &[File], scope: Scope) -> Vec<(Kind, Diagnostic)> {
    let mut found = Vec::new();
    for reference in REFERENCES.iter().filter(|reference| readable(reference.to, scope)) {
        let known = match reference.to {
            Target::Here(_) => None,
            target => match known(target, all) {
                Some(known) => Some(known),
                None => continue,
            },
        };
        for file in own.iter().filter(|file| file.kind == reference.from) {
            let Some(tree) = file.tree.as_deref() else { continue };
            let here = match reference.to {
                Target::Here(path) => keys(tree, path),
                _ => BTreeSet::new(),
            };
            let known = known.as_ref().unwrap_or(&here);
            for node in tree.select(reference.path) {
                let dangling = node.text().filter(|name| !known.contains(*name));
                if let Some(name) = dangling {
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
        Target::Named(kind) | Target::Keys(kind, _) => scope.reads(kind),
        Target::Here(_) => true,
    }
}

/// The names that a target has. Files with errors count: what they are about exists.
fn known(target: Target, all: &[File]) -> Option<BTreeSet<&str>> {
    match target {
        Target::Named(kind) => {
            Some(all.iter().filter(|file| file.kind == kind).map(|file| file.name.as_str()).collect())
        }
        Target::Keys(kind, paths) => {
            let mut files = all.iter().filter(|file| file.kind == kind).peekable();
            files.peek()?;
            let mut names = BTreeSet::new();
            for file in files {
                let tree = file.tree.as_deref()?;
                names.extend(paths.iter().flat_map(|path| keys(tree, path)));
            }
            Some(names)
        }
        Target::Here(_) => None,
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
            let shown: Vec<_> = known.iter().take(12).copied().collect();
            format!("{what}s there are: {}", shown.join(", "))
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
