//! Checks that need more than one file's shape: they see the loaded workspace and answer with findings, which the
//! loader turns into diagnostics at the right place.

use std::collections::HashMap;
use std::sync::Arc;

use super::Workspace;
use super::diagnostic::{Diagnostic, Severity};
use super::file::File;
use super::kind::Kind;
use super::yaml::{Key, Node, inside_text};
use super::{
    automation, compared, maintenance, measured, misnamed, needs, places, recipes, rounds, runbooks,
    semantic, suites, targets,
};

/// Something that a check found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The kind of the file.
    pub kind: Kind,
    /// What the file is about, as [`Workspace`] knows it; empty for kinds that have one file.
    pub name: String,
    /// The JSON pointer of the value.
    pub pointer: String,
    /// The bytes of a text value that are to blame.
    pub span: Option<std::ops::Range<usize>>,
    /// Whether the key is to blame, not the value under it.
    pub on_key: bool,
    /// Error or warning.
    pub severity: Severity,
    /// The stable name.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

impl Finding {
    /// An error at a JSON pointer of a file.
    pub fn error(
        kind: Kind,
        name: &str,
        pointer: &str,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            pointer: pointer.to_owned(),
            span: None,
            on_key: false,
            severity: Severity::Error,
            code,
            message: message.into(),
            help: None,
        }
    }

    /// Adds the way out.
    #[must_use]
    pub fn help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// Points into the text.
    #[must_use]
    pub fn at(mut self, span: Option<std::ops::Range<usize>>) -> Self {
        self.span = span;
        self
    }
}

/// A check of the whole. It must tolerate that something is absent: a reference that leads nowhere, and a file that
/// has errors of its own, are reported elsewhere.
pub type SemanticCheck = fn(&Workspace) -> Vec<Finding>;

/// Every such check.
pub const CHECKS: &[SemanticCheck] = &[
    semantic::schemes,
    automation::policies,
    automation::releases,
    automation::audit,
    semantic::routing,
    suites::check,
    measured::metrics,
    measured::levels,
    misnamed::check,
    compared::metrics,
    needs::check,
    maintenance::check,
    rounds::limits,
    places::state,
    places::paths,
    recipes::own,
    recipes::used,
    runbooks::check,
    targets::parts,
    targets::templates,
    targets::plans,
    targets::contained_keys,
    targets::phases,
    targets::environments,
];

/// Finds the places of findings: in thousands of files, each of which is parsed again where that has to be.
pub struct Locator<'a> {
    files: &'a [File],
    /// The first file of each kind and name; of kinds that have no names, under none.
    places: HashMap<(Kind, &'a str), usize>,
    /// The last file that was asked for: findings about one file come together.
    last: Option<(usize, Option<Arc<Node>>)>,
}

impl<'a> Locator<'a> {
    /// In these files.
    pub fn new(files: &'a [File]) -> Self {
        let mut places = HashMap::new();
        for (place, file) in files.iter().enumerate() {
            let name = file.kind.name_key().map_or("", |_| file.name.as_str());
            places.entry((file.kind, name)).or_insert(place);
        }
        Self { files, places, last: None }
    }

    /// The diagnostic of a finding; `None` if no file of the workspace has it (a shipped one).
    pub fn locate(&mut self, finding: &Finding) -> Option<Diagnostic> {
        let name = finding.kind.name_key().map_or("", |_| finding.name.as_str());
        let place = *self.places.get(&(finding.kind, name))?;
        let file = self.files.get(place)?;
        let known = self.last.take().filter(|(last, _)| *last == place);
        let (_, tree) = self.last.insert(known.unwrap_or_else(|| (place, file.tree())));
        Some(diagnostic(finding, file, tree.as_deref()?))
    }
}

fn diagnostic(finding: &Finding, file: &File, tree: &Node) -> Diagnostic {
    let span = match nearest(tree, &finding.pointer) {
        Some((node, _)) if finding.span.is_some() => {
            let span = finding.span.clone().unwrap_or_default();
            inside_text(&file.source, node, span.start, span.len())
        }
        Some((node, Some(key))) if finding.on_key || node.text().is_none() => key.span.clone(),
        Some((node, _)) => node.head(),
        None => 0..0,
    };
    if finding.code == super::diagnostic::code::SECRET_VALUE {
        file.source.hide(span.clone());
    }
    let diagnostic = Diagnostic::error(finding.code, &file.source, span, &finding.message);
    Diagnostic { severity: finding.severity, ..diagnostic.maybe_help(finding.help.clone()) }
}

/// The node at a pointer, or the nearest one above it (what is missing has no place of its own).
fn nearest<'a>(tree: &'a Node, pointer: &str) -> Option<(&'a Node, Option<&'a Key>)> {
    let mut pointer = pointer;
    loop {
        if let Some(found) = tree.at(pointer) {
            return Some(found);
        }
        pointer = pointer.rsplit_once('/')?.0;
    }
}
