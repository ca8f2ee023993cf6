//! One configuration file: read, parsed, checked, typed.

use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::path::Path;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Report, code};
use super::kind::Kind;
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
    /// The tree, if it is YAML.
    pub tree: Option<Arc<Node>>,
    /// The value, if it has no error.
    pub value: Option<Json>,
    /// Everything wrong with it, taken alone.
    pub report: Report,
}

impl File {
    /// Reads and checks the file at `real`, shown as `path`.
    pub fn read(kind: Kind, real: &Path, path: &str, formats: &Formats) -> Self {
        match Source::read(real, path) {
            Ok(source) => Self::check(kind, source, formats),
            Err(diagnostic) => Self::unreadable(kind, path, *diagnostic),
        }
    }

    /// Checks bytes that are shown as `path`.
    pub fn from_bytes(kind: Kind, path: &str, bytes: &[u8], formats: &Formats) -> Self {
        match Source::from_bytes(path, bytes) {
            Ok(source) => Self::check(kind, source, formats),
            Err(diagnostic) => Self::unreadable(kind, path, *diagnostic),
        }
    }

    fn unreadable(kind: Kind, path: &str, diagnostic: Diagnostic) -> Self {
        let mut report = Report::default();
        let source = Arc::clone(&diagnostic.source);
        report.push(diagnostic);
        Self { kind, name: stem(path), source, tree: None, value: None, report }
    }

    fn check(kind: Kind, source: Arc<Source>, formats: &Formats) -> Self {
        let (tree, mut report) = yaml::parse(&source);
        let schema = kind.schema();
        let mut file =
            Self { kind, name: stem(&source.path), source, tree, value: None, report: Report::default() };
        match &file.tree {
            Some(tree) if !is_nothing(tree) => {
                let (value, found) = schema::check(&file.source, tree, schema, formats);
                report.extend(found);
                if report.errors() == 0 {
                    file.value = Some(value);
                }
                if let Some(name) = kind.name_key().and_then(|key| tree.get(key)).and_then(|node| node.text())
                {
                    file.name = name.to_owned();
                }
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
        let Some(tree) = &self.tree else { return 0..0 };
        let mut node: &Node = tree;
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
        let tree = self.tree.as_deref();
        let node = self.kind.name_key().and_then(|key| tree?.get(key));
        node.map(|node| node.span.clone()).or_else(|| tree.map(Node::head)).unwrap_or(0..0)
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
