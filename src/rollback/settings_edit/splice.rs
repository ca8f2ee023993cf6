//! Which bytes give way to which, so that a place in the document has a new value.

use serde_json::Value;
use std::ops::Range;

use super::tree::{Content, Document, Node, Place, Scalar, Style};
use super::{Format, KeyPath, env, toml, write};
use crate::base::{Error, ErrorCode, Result};

/// Whether a node already has the value, in a form that every reader understands so.
pub(super) fn holds(format: Format, text: &str, node: &Node, path: &KeyPath, value: &Value) -> bool {
    if format == Format::Toml {
        return node.value(path).is_ok_and(|found| found == *value);
    }
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
    let raw = text.get(span.clone()).unwrap_or_default();
    let written = match format {
        Format::Json => return Ok(vec![(span, write::json(value))]),
        Format::Yaml => write::yaml(value, place.node.style),
        Format::Toml if place.node.style == Style::Indented => String::new(),
        Format::Toml => as_toml(place.node, raw, value).map_err(|(why, hint)| refused(why, hint))?,
        Format::Env => as_variable(place.node, raw, value).map_err(|(why, hint)| refused(why, hint))?,
    };
    match place.node.style {
        Style::Indented if format == Format::Toml => {
            Err(refused("is a table or a list of tables", "name a single key inside it"))
        }
        Style::Flow if has_date(place.node) => Err(refused(
            "has a date or a time inside, which would become a text",
            "name a single key or item inside it",
        )),
        Style::Indented => Err(refused(
            "is written over several lines by indentation",
            "name a single key inside it, or write it in brackets on one line",
        )),
        Style::Flow if document.comments.iter().any(|at| span.start <= at.start && at.end <= span.end) => {
            Err(refused("has comments inside", "name a single key inside it; its comments would be lost"))
        }
        Style::Block if format == Format::Yaml => block(text, place, &written)
            .ok_or_else(|| refused("is a block text outside a mapping", "write it in quotes first")),
        _ if span.is_empty() && format == Format::Yaml => after_colon(text, place)
            .map(|at| vec![(at..at, format!(" {written}"))])
            .ok_or_else(|| refused("has no value written", "write `null` there first")),
        _ => Ok(vec![(span, written)]),
    }
}

/// Whether a collection of TOML has a date or a time somewhere in it.
fn has_date(node: &Node) -> bool {
    node.style == Style::Date || node.children().into_iter().any(has_date)
}

/// Why a value cannot be written, and the way out.
type Why = (&'static str, &'static str);

fn as_toml(node: &Node, raw: &str, value: &Value) -> Result<String, Why> {
    if node.style == Style::Date {
        let date = value.as_str().filter(|text| toml::is_date(text)).map(str::to_owned);
        return date.ok_or((
            "is a date or a time",
            "give one as TOML writes it, as 2026-11-20T03:07:00Z or 2026-11-20",
        ));
    }
    toml::write(value, raw).ok_or((
        "cannot have this value: TOML has no null and no integer beyond 64 bits",
        "give a text, a number, true or false",
    ))
}

fn as_variable(node: &Node, raw: &str, value: &Value) -> Result<String, Why> {
    if matches!(node.content, Content::Scalar(Scalar::Known(Value::Null))) {
        return Err(("has no value: the line has no `=`", "write `KEY=` there first"));
    }
    let Value::String(text) = value else {
        return Err((
            "is a text, as everything in an environment file",
            "write the value in quotes: \"0.1\"",
        ));
    };
    env::write(text, node.style, raw).ok_or((
        "cannot have this value: the readers of environment files would not agree on it",
        "leave out control characters, and do not mix quotes, backslashes and $",
    ))
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
