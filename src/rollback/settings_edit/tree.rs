//! A document as a tree whose every node knows the bytes it was read from.

use serde_json::Value;
use std::collections::BTreeSet;
use std::ops::Range;

use super::path::KeyPath;
use crate::base::{Error, ErrorCode, Result};

/// How a node is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Without quotes.
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes.
    Double,
    /// A `|` or `>` block; in TOML, three quotes.
    Block,
    /// A date or a time of TOML.
    Date,
    /// A collection in brackets or braces.
    Flow,
    /// A collection by indentation; in TOML, by headers and dotted keys.
    Indented,
}

/// A value, where JSON has one for it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    /// A value.
    Known(Value),
    /// A number that JSON cannot hold exactly: infinite, not a number, or an integer beyond 64 bits.
    Beyond(String),
}

/// One key of a mapping with its value.
#[derive(Debug)]
pub(super) struct Entry {
    /// The key's text; absent for a key that is not a scalar.
    pub key: Option<String>,
    /// The key's bytes.
    pub key_span: Range<usize>,
    /// The value.
    pub value: Node,
}

/// What a node holds.
#[derive(Debug)]
pub(super) enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// A reference to the anchor with this number.
    Alias(usize),
}

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    /// Its bytes; for a block scalar those of its content, without the header.
    pub span: Range<usize>,
    pub style: Style,
    /// The number of its anchor; 0 without one.
    pub anchor: usize,
    pub tagged: bool,
    pub content: Content,
}

impl Node {
    /// The nodes right below it.
    pub fn children(&self) -> Vec<&Node> {
        match &self.content {
            Content::List(items) => items.iter().collect(),
            Content::Map(entries) => entries.iter().map(|entry| &entry.value).collect(),
            Content::Scalar(_) | Content::Alias(_) => Vec::new(),
        }
    }

    const fn kind(&self) -> &'static str {
        match &self.content {
            Content::Scalar(Scalar::Known(Value::Null)) => "empty",
            Content::Scalar(_) => "a single value",
            Content::List(_) => "a list",
            Content::Map(_) => "a mapping",
            Content::Alias(_) => "an alias",
        }
    }

    /// As a JSON value. Aliases and numbers that JSON does not have are errors.
    pub fn value(&self, path: &KeyPath) -> Result<Value> {
        let unreadable =
            |why: String| Error::new(ErrorCode::InvalidData, format!("the setting `{path}` {why}"));
        match &self.content {
            Content::Scalar(Scalar::Known(value)) => Ok(value.clone()),
            Content::Scalar(Scalar::Beyond(text)) => {
                Err(unreadable(format!("is `{}`, a number that JSON cannot hold", text.escape_debug())))
            }
            Content::Alias(_) => Err(unreadable("refers to another part of the document".to_owned())
                .hint("write the value out instead of using an alias (`*name`)")),
            Content::List(items) => items.iter().map(|item| item.value(path)).collect(),
            Content::Map(entries) => entries
                .iter()
                .map(|entry| {
                    let key = entry.key.clone();
                    let key = key.ok_or_else(|| unreadable("has a key that is not a text".to_owned()))?;
                    Ok((key, entry.value.value(path)?))
                })
                .collect(),
        }
    }
}

/// A whole document.
#[derive(Debug)]
pub(super) struct Document {
    pub root: Node,
    /// The anchors that aliases refer to.
    pub aliased: BTreeSet<usize>,
    /// The bytes of comments.
    pub comments: Vec<Range<usize>>,
}

/// A node found by its path.
#[derive(Debug)]
pub(super) struct Place<'tree> {
    pub node: &'tree Node,
    /// The mapping entry whose value it is; absent in a list.
    pub entry: Option<&'tree Entry>,
    /// The position among its siblings at each depth, outermost first.
    pub trail: Vec<usize>,
}

impl Document {
    /// The node at `path`, or an error that says where the path ends and what stands there instead.
    pub fn find(&self, path: &KeyPath) -> Result<Place<'_>> {
        let mut place = Place { node: &self.root, entry: None, trail: Vec::new() };
        for (depth, segment) in path.segments().iter().enumerate() {
            let (position, entry, node) = child(place.node, segment, path, depth)?;
            place.trail.push(position);
            place.node = node;
            place.entry = entry;
        }
        Ok(place)
    }

    /// Refuses a place whose value is also seen elsewhere in the document.
    pub fn refuse_shared(&self, place: &Place<'_>, path: &KeyPath) -> Result<()> {
        let mut node = &self.root;
        let mut shared = self.aliased.contains(&node.anchor);
        for position in &place.trail {
            let Some(next) = node.children().get(*position).copied() else { break };
            node = next;
            shared |= self.aliased.contains(&node.anchor);
        }
        let why = if matches!(node.content, Content::Alias(_)) {
            "is an alias (`*name`) of another part of the document"
        } else if shared {
            "belongs to an anchor (`&name`) that other parts of the document refer to"
        } else if node.anchor != 0 {
            "carries an anchor (`&name`)"
        } else if node.tagged {
            "carries a tag (`!name`), which fixes its type"
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorCode::InvalidData, format!("the setting `{path}` {why}"))
            .hint("write the value out in the document, without anchor, alias and tag"))
    }
}

type Child<'tree> = (usize, Option<&'tree Entry>, &'tree Node);

fn child<'tree>(node: &'tree Node, segment: &str, path: &KeyPath, depth: usize) -> Result<Child<'tree>> {
    let missing = |why: String| {
        Error::new(ErrorCode::NotFound, format!("there is no setting `{path}`: {} {why}", above(path, depth)))
    };
    match &node.content {
        Content::Map(entries) => {
            let found = entries.iter().enumerate().find(|(_, entry)| entry.key.as_deref() == Some(segment));
            found.map(|(position, entry)| (position, Some(entry), &entry.value)).ok_or_else(|| {
                hinted(missing(format!("has no key `{}`", segment.escape_debug())), segment, entries)
            })
        }
        Content::List(items) => {
            let index = segment.parse::<usize>().map_err(|_| {
                missing(format!("is a list and `{}` is not a number", segment.escape_debug()))
            })?;
            items
                .get(index)
                .map(|item| (index, None, item))
                .ok_or_else(|| missing(format!("has {} items, counted from 0", items.len())))
        }
        Content::Alias(_) => Err(Error::new(
            ErrorCode::InvalidData,
            format!("the setting `{path}` lies behind an alias: {} is one", above(path, depth)),
        )
        .hint("write the values out instead of using an alias (`*name`)")),
        Content::Scalar(_) => Err(missing(format!("is {}, not a mapping", node.kind()))),
    }
}

/// What the path leads through before `depth`, for messages.
fn above(path: &KeyPath, depth: usize) -> String {
    match path.segments().get(..depth) {
        Some(segments) if !segments.is_empty() => format!("`{}`", segments.join(".").escape_debug()),
        _ => "the document".to_owned(),
    }
}

/// Adds the key that was probably meant, or the keys there are.
fn hinted(error: Error, segment: &str, entries: &[Entry]) -> Error {
    let keys: Vec<&str> = entries.iter().filter_map(|entry| entry.key.as_deref()).collect();
    if keys.contains(&"<<") {
        return error.hint("it may come from a merge key (`<<`): write it out where it is to be changed");
    }
    let closeness = |key: &str| strsim::normalized_damerau_levenshtein(key, segment);
    let closest = keys.iter().max_by(|a, b| closeness(a).total_cmp(&closeness(b)));
    match closest {
        Some(key) if closeness(key) >= 0.5 => error.hint(format!("did you mean `{}`?", key.escape_debug())),
        Some(_) => {
            let shown: Vec<_> = keys.iter().take(12).map(|key| key.escape_debug().to_string()).collect();
            error.hint(format!("keys there: {}", shown.join(", ")))
        }
        None => error.hint("the mapping is empty: add the key to the document first"),
    }
}

/// Refuses a mapping that has a key twice: readers disagree on which one counts.
pub(super) fn refuse_duplicates(entries: &[Entry], text: &str) -> Result<()> {
    let mut seen = BTreeSet::new();
    for entry in entries {
        if let Some(key) = &entry.key
            && !seen.insert(key)
        {
            let place = place(text, entry.key_span.start);
            let key = key.escape_debug();
            return Err(Error::new(ErrorCode::InvalidData, format!("the key `{key}` stands twice: {place}"))
                .hint("readers disagree on which of the two counts: remove one"));
        }
    }
    Ok(())
}

/// A byte offset as people count: `line 3, column 7`.
pub(super) fn place(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}")
}
