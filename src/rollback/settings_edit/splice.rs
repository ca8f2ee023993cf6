//! Which bytes give way to which, so that a place in the document has a new value.

use serde_json::Value;
use std::ops::Range;

use super::tree::{Content, Document, Node, Place, Scalar, Style};
use super::{Format, KeyPath, write};
use crate::base::{Error, ErrorCode, Result};

/// Whether a node already has the value, in a form that every reader understands so.
pub(super) fn holds(format: Format, text: &str, node: &Node, value: &Value) -> bool {
    let Content::Scalar(Scalar::Known(found)) = &node.content else { return false };
    let raw = text.get(node.span.clone()).unwrap_or_default();
    let ambiguous = format == Format::Yaml
        && node.style == Style::Plain
        && match found {
            Value::String(_) => !write::plain_is_safe(raw),
            Value::Number(_) => write::yaml(found, Style::Plain) != raw,
            _ => false,
        };
    found == value && !ambiguous
}

/// A range of bytes and what stands there afterwards.
pub(super) type Splice = (Range<usize>, String);

/// What has to be written where, so that the place has the value.
pub(super) fn replacement(
    format: Format,
    text: &str,
    document: &Document,
    place: &Place<'_>,
    path: &KeyPath,
    value: &Value,
) -> Result<Vec<Splice>> {
    let refused = |why: &str, hint: &str| {
        Error::new(ErrorCode::InvalidData, format!("the setting `{path}` {why}")).hint(hint)
    };
    let span = place.node.span.clone();
    if format == Format::Json {
        return Ok(vec![(span, write::json(value))]);
    }
    let written = write::yaml(value, place.node.style);
    match place.node.style {
        Style::Indented => Err(refused(
            "is written over several lines by indentation",
            "name a single key inside it, or write it in brackets on one line",
        )),
        Style::Flow if document.comments.iter().any(|at| span.start <= at.start && at.end <= span.end) => {
            Err(refused("has comments inside", "name a single key inside it; its comments would be lost"))
        }
        Style::Block => block(text, place, &written)
            .ok_or_else(|| refused("is a block text outside a mapping", "write it in quotes first")),
        _ if span.is_empty() => after_colon(text, place)
            .map(|at| vec![(at..at, format!(" {written}"))])
            .ok_or_else(|| refused("has no value written", "write `null` there first")),
        _ => Ok(vec![(span, written)]),
    }
}

/// Where the value of a key begins: behind its colon.
fn after_colon(text: &str, place: &Place<'_>) -> Option<usize> {
    let end = place.entry?.key_span.end;
    let rest = text.get(end..)?;
    let white = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    text.get(end + white..)?.starts_with(':').then_some(end + white + 1)
}

/// A block text gives way to one on the header's line; a comment there, and blank lines after it, stay.
fn block(text: &str, place: &Place<'_>, written: &str) -> Option<Vec<Splice>> {
    let colon = after_colon(text, place)?;
    let rest = text.get(colon..)?;
    let header = colon + rest.find(['|', '>'])?;
    if !text.get(colon..header)?.trim().is_empty() {
        return None;
    }
    let line = text.get(header..)?;
    let header_end = header + line.find(char::is_whitespace).unwrap_or(line.len());
    let line_end = header + line.find(['\r', '\n']).unwrap_or(line.len());
    let content_end = text.get(..place.node.span.end)?.trim_end().len();
    let mut splices = vec![(header..header_end, written.to_owned())];
    if content_end > line_end && !text.get(place.node.span.clone())?.trim().is_empty() {
        splices.push((line_end..content_end, String::new()));
    }
    Some(splices)
}

/// The text with the splices made.
pub(super) fn splice(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(text.len() + 64);
    let mut at = 0;
    for (range, written) in splices {
        out.push_str(text.get(at..range.start).unwrap_or_default());
        out.push_str(&written);
        at = range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}
