//! One configuration file: read, parsed, checked, typed.

use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::path::Path;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Report, code};
use super::kind::Kind;
use super::references::{self, Mention};
use super::schema::{self, Formats};
use super::source::{Source, Span};
use super::yaml::{self, Node};

/// A file as far as it could be understood.
#[derive(Debug)]
pub struct File {
    /// Its kind.
    pub kind: Kind,
    /// What it is about: the name in it, else the file's own.
    pub name: String,
    /// The text.
    pub source: Arc<Source>,
    tree: Tree,
    /// Where the name stands.
    name_span: Span,
    /// The value, if it has no error and was not typed yet.
    value: Option<Json>,
    /// The names in it that lead to other files.
    pub mentions: Vec<Mention>,
    /// Everything wrong with it, taken alone.
    pub report: Report,
}

/// Where everything stands in a file.
#[derive(Debug)]
enum Tree {
    /// It is not YAML.
    None,
    /// As it was parsed.
    Kept(Arc<Node>),
    /// It is parsed once more whenever somebody asks: of thousands of files only the few with findings are asked for,
    /// and their trees would be most of what a configuration takes.
    Again,
}

impl File {
    /// Reads and checks the file at `real`, shown as `path`.
    pub fn read(kind: Kind, real: &Path, path: &str, formats: &Formats) -> Self {
        match Source::read(real, path) {
            Ok(source) => Self::check(kind, source, formats),
            Err(diagnostic) => Self::unreadable(kind, *diagnostic),
        }
    }

    /// Checks bytes that are shown as `path`.
    pub fn from_bytes(kind: Kind, path: &str, bytes: &[u8], formats: &Formats) -> Self {
        match Source::from_bytes(path, bytes) {
            Ok(source) => Self::check(kind, source, formats),
            Err(diagnostic) => Self::unreadable(kind, *diagnostic),
        }
    }

    fn unreadable(kind: Kind, diagnostic: Diagnostic) -> Self {
        let mut report = Report::default();
        let source = Arc::clone(&diagnostic.source);
        report.push(diagnostic);
        Self { report, ..Self::new(kind, source, Tree::None) }
    }

    fn new(kind: Kind, source: Arc<Source>, tree: Tree) -> Self {
        let name = stem(&source.path);
        let (name_span, value, mentions) = (0..0, None, Vec::new());
        Self { kind, name, source, tree, name_span, value, mentions, report: Report::default() }
    }

    fn check(kind: Kind, source: Arc<Source>, formats: &Formats) -> Self {
        let (tree, mut report) = yaml::parse(&source);
        let schema = kind.schema();
        let kept = tree.clone().map_or(Tree::None, Tree::Kept);
        let mut file = Self::new(kind, source, kept);
        match &tree {
            Some(tree) if !is_nothing(tree) => {
                let (value, found) = schema::check(&file.source, tree, schema, formats);
                report.extend(found);
                if report.errors() == 0 {
                    file.value = Some(value);
                }
                file.take_name(tree);
                file.mentions = references::mentions(kind, tree);
            }
            _ if report.errors() > 0 => {}
            _ => match empty(kind, &file.source, schema) {
                Some(diagnostic) => report.push(diagnostic),
                None => file.value = Some(Json::Object(serde_json::Map::new())),
            },
        }
        file.report = report;
        file
    }

    fn take_name(&mut self, tree: &Node) {
        let node = self.kind.name_key().and_then(|key| tree.get(key));
        self.name_span = node.map_or_else(|| tree.head(), |node| node.span.clone());
        if let Some(name) = node.and_then(|node| node.text()) {
            self.name = name.to_owned();
        }
    }

    /// The tree, if it is YAML.
    pub fn tree(&self) -> Option<Arc<Node>> {
        match &self.tree {
            Tree::None => None,
            Tree::Kept(tree) => Some(Arc::clone(tree)),
            Tree::Again => yaml::parse(&self.source).0,
        }
    }

    /// Whether it is YAML.
    pub fn is_yaml(&self) -> bool {
        !matches!(self.tree, Tree::None)
    }

    /// Lets go of the tree, which is parsed again whenever it is asked for.
    pub fn forget_tree(&mut self) {
        if self.is_yaml() {
            self.tree = Tree::Again;
        }
    }

    /// The typed value. What the schema could not see becomes a diagnostic at its place.
    pub fn typed<T: DeserializeOwned>(&mut self) -> Option<T> {
        let value = self.value.take()?;
        match serde_path_to_error::deserialize(value) {
            Ok(typed) => Some(typed),
            Err(error) => {
                let span = self.span_of(error.path());
                let message = error.inner().to_string();
                self.report.push(Diagnostic::error(code::INVALID_VALUE, &self.source, span, message));
                None
            }
        }
    }

    fn span_of(&self, path: &serde_path_to_error::Path) -> Span {
        use serde_path_to_error::Segment;
        let Some(tree) = self.tree() else { return 0..0 };
        let mut node: &Node = &tree;
        let mut span = node.head();
        for segment in path.iter() {
            let next = match segment {
                Segment::Seq { index } => node.items().get(*index),
                Segment::Map { key } | Segment::Enum { variant: key } => node.get(key),
                Segment::Unknown => None,
            };
            let Some(next) = next else { break };
            node = next;
            span = node.head();
        }
        span
    }

    /// Where the name stands; the beginning of the file where it has none.
    pub fn name_span(&self) -> Span {
        self.name_span.clone()
    }
}

fn is_nothing(node: &Node) -> bool {
    matches!(node.value, yaml::Value::Null)
}

/// A file without content is an error if something must stand in it.
fn empty(kind: Kind, source: &Arc<Source>, schema: &Json) -> Option<Diagnostic> {
    let required: Vec<&str> =
        schema.get("required").and_then(Json::as_array)?.iter().filter_map(Json::as_str).collect();
    let first = required.first()?;
    let key = kind.name_key().filter(|key| required.contains(key)).unwrap_or(first);
    let message = format!("the file is empty: it should describe a {}", kind.noun());
    let help = format!("begin with `{key}: …`; `irctl config schema {kind}` has the rest");
    Some(Diagnostic::error(code::EMPTY_FILE, source, 0..0, message).help(help))
}

fn stem(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split('.').next().unwrap_or(name).to_owned()
}
