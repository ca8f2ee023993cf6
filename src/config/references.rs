//! Names that lead from one file to another: do they lead anywhere?
//!
//! The checks work on paths in the trees, not on the typed structs, so that they see files that have other errors,
//! and know where everything stands.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, code};
use super::file::File;
use super::kind::Kind;
use super::schema::{list, suggestion};
use super::scope::Scope;
use super::source::Span;
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

/// A name in a file that leads to another file.
#[derive(Debug)]
pub struct Mention {
    /// Its place in [`REFERENCES`].
    reference: usize,
    name: String,
    span: Span,
}

/// Every name in a file's tree that leads to another file.
pub fn mentions(kind: Kind, tree: &Node) -> Vec<Mention> {
    let leads_out = |reference: &Reference| !matches!(reference.to, Target::Keys(None, _));
    let own = REFERENCES.iter().enumerate().filter(|(_, one)| one.from == kind && leads_out(one));
    let found = own.flat_map(|(reference, one)| {
        let texts = tree.select(one.path).into_iter();
        texts.filter_map(move |node| {
            Some(Mention { reference, name: node.text()?.to_owned(), span: node.span.clone() })
        })
    });
    found.collect()
}

/// The names in a file that should lead to something in the same file, and do not.
pub fn within(file: &File) -> Vec<(Kind, Diagnostic)> {
    let mut found = Vec::new();
    let Some(tree) = file.tree() else { return found };
    for reference in REFERENCES.iter().filter(|reference| reference.from == file.kind) {
        let Target::Keys(None, path) = reference.to else { continue };
        let known = keys(&tree, path);
        for node in tree.select(reference.path) {
            if let Some(name) = node.text().filter(|name| !known.contains(*name)) {
                found.push((file.kind, diagnostic(file, &node.span, name, reference, &known)));
            }
        }
    }
    found
}

/// Checks where the files of the workspace lead to; `all` adds what is shipped, which can be referred to.
pub fn check(own: &[File], all: &[File], scope: Scope) -> Vec<(Kind, Diagnostic)> {
    let trees = Trees::of(all);
    let shared: Vec<_> = REFERENCES
        .iter()
        .map(|reference| readable(reference.to, scope).then(|| shared(reference.to, all, &trees)).flatten())
        .collect();
    let mut found = Vec::new();
    for file in own {
        for Mention { reference, name, span } in &file.mentions {
            let (Some(one), Some(Some(known))) = (REFERENCES.get(*reference), shared.get(*reference)) else {
                continue;
            };
            if !known.contains(name.as_str()) {
                found.push((file.kind, diagnostic(file, span, name, one, known)));
            }
        }
    }
    found.extend(symptoms(own, &trees));
    found
}

/// The trees of the files to which others lead by what stands in them.
struct Trees(Vec<(Kind, Option<Arc<Node>>)>);

impl Trees {
    fn of(files: &[File]) -> Self {
        let led_to = |file: &&File| {
            let leads = |one: &Reference| matches!(one.to, Target::Keys(Some(kind), _) if kind == file.kind);
            file.kind == Kind::Severity || REFERENCES.iter().any(leads)
        };
        Self(files.iter().filter(led_to).map(|file| (file.kind, file.tree())).collect())
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = Option<&Node>> {
        self.0.iter().filter(move |(one, _)| *one == kind).map(|(_, tree)| tree.as_deref())
    }
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
fn shared<'a>(target: Target, all: &'a [File], trees: &'a Trees) -> Option<BTreeSet<&'a str>> {
    match target {
        Target::Named(kind) => {
            Some(all.iter().filter(|file| file.kind == kind).map(|file| file.name.as_str()).collect())
        }
        Target::Keys(None, _) => None,
        Target::Keys(Some(kind), path) => {
            let mut files = trees.of_kind(kind).peekable();
            files.peek()?;
            let mut names = BTreeSet::new();
            for tree in files {
                names.extend(keys(tree?, path));
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
    span: &Span,
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
    Diagnostic::error(code::DANGLING_REFERENCE, &file.source, span.clone(), message).help(help)
}

/// A runbook may treat symptoms that no rule has, such as an outage that people declare; but one that is nearly a
/// rule's is a typing error.
fn symptoms(own: &[File], trees: &Trees) -> Vec<(Kind, Diagnostic)> {
    let schemes = trees.of_kind(Kind::Severity).flatten();
    let known: BTreeSet<&str> =
        schemes.flat_map(|tree| tree.select("/rules/*/symptom")).filter_map(Node::text).collect();
    let list: Vec<&str> = known.iter().copied().collect();
    let mut found = Vec::new();
    for file in own.iter().filter(|file| file.kind == Kind::Runbook) {
        let Some(tree) = file.tree() else { continue };
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
