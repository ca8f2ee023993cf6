//! A YAML document as a tree whose every key and value knows where it stands.
//!
//! Aliases share the node of their anchor, so a document that would expand to gigabytes costs what its text
//! costs; the expanded size and depth are counted and bounded while the tree is built.

mod build;
mod position;
mod scalar;

use std::sync::Arc;

use super::source::Span;
pub use build::parse;
pub use position::inside_text;
pub use scalar::is_old_boolean;

/// A value and its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it stands. A block mapping or sequence starts where its first key or dash does.
    pub span: Span,
    /// Whether it is a scalar without quotes.
    pub plain: bool,
    /// How many values it holds, itself and what aliases repeat included.
    weight: usize,
    /// How deep it goes; a scalar is 1.
    depth: usize,
}

/// A value under YAML 1.2's core schema.
#[derive(Debug, Clone)]
pub enum Value {
    /// Nothing: empty, `~` or `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A finite number.
    Number(serde_json::Number),
    /// A text.
    Text(String),
    /// A list.
    Sequence(Vec<Arc<Node>>),
    /// Keys and values, in the order of the file; no key stands twice.
    Mapping(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Arc<Node>,
}

/// A key of a mapping: always its text, whatever it looks like.
#[derive(Debug, Clone)]
pub struct Key {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl Node {
    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Arc<Node>> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Key and value, if this is a mapping that has the key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key.text == key)
    }

    /// The entries of a mapping; none of anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Arc<Node>] {
        match &self.value {
            Value::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, in words for people.
    pub fn what(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Boolean(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// A short span to underline: the first key of a mapping, the value itself otherwise.
    pub fn head(&self) -> Span {
        match &self.value {
            Value::Mapping(entries) => match entries.first() {
                Some(first) => first.key.span.clone(),
                None => self.span.clone(),
            },
            Value::Sequence(items) => match items.first() {
                Some(first) => first.head(),
                None => self.span.clone(),
            },
            _ => self.span.clone(),
        }
    }

    /// The value as JSON, with nothing added or lost.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Boolean(value) => (*value).into(),
            Value::Number(number) => number.clone().into(),
            Value::Text(text) => text.clone().into(),
            Value::Sequence(items) => items.iter().map(|item| item.to_json()).collect(),
            Value::Mapping(entries) => {
                let pairs = entries.iter().map(|entry| (entry.key.text.clone(), entry.value.to_json()));
                serde_json::Value::Object(pairs.collect())
            }
        }
    }

    /// The node at a JSON pointer, with the key it stands under.
    pub fn at(&self, pointer: &str) -> Option<(&Node, Option<&Key>)> {
        let mut node = self;
        let mut key = None;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            match &node.value {
                Value::Sequence(items) => node = items.get(step.parse::<usize>().ok()?)?,
                _ => {
                    let entry = node.entry(&step)?;
                    key = Some(&entry.key);
                    node = &entry.value;
                }
            }
        }
        Some((node, key))
    }

    /// Every node that a path with `*` for "each" leads to, as `/rules/*/runbook`; in document order.
    pub fn select(&self, path: &str) -> Vec<&Node> {
        let mut nodes = vec![self];
        for step in path.split('/').skip(1) {
            nodes = nodes.into_iter().flat_map(|node| node.step(step)).collect();
        }
        nodes
    }

    fn step(&self, step: &str) -> Vec<&Node> {
        match (&self.value, step) {
            (Value::Sequence(items), "*") => items.iter().map(AsRef::as_ref).collect(),
            (Value::Mapping(entries), "*") => entries.iter().map(|entry| entry.value.as_ref()).collect(),
            _ => self.get(step).map(AsRef::as_ref).into_iter().collect(),
        }
    }
}
