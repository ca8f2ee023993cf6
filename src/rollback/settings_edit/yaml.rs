//! YAML read into a tree with spans. Scalars are typed by the core schema of YAML 1.2.

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StructureStyle};
use serde_json::{Number, Value};
use std::collections::BTreeSet;
use std::ops::Range;

use super::tree::{Content, Document, Entry, Node, Scalar, Style, place, refuse_duplicates};
use crate::base::{Error, ErrorCode, Result};

/// Reads one document.
pub(super) fn parse(text: &str) -> Result<Document> {
    let mut builder =
        Builder { text, open: Vec::new(), root: None, aliased: BTreeSet::new(), comments: Vec::new() };
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| invalid(text, &error))?;
        builder.take(event, span)?;
    }
    let root = builder.root.ok_or_else(|| {
        refused("the document is empty")
            .hint("write the settings with their present values into the file first")
    })?;
    Ok(Document { root, aliased: builder.aliased, comments: builder.comments })
}

fn refused(why: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidData, why)
}

fn invalid(text: &str, error: &ScanError) -> Error {
    let at = error.marker().byte_offset().map(|offset| place(text, offset)).unwrap_or_default();
    let refusal = refused(format!("not valid YAML: {at}: {}", error.kind()));
    let line = text.lines().nth(error.marker().line().saturating_sub(1)).unwrap_or_default();
    let indentation: &str = line.split(|c: char| !c.is_whitespace()).next().unwrap_or_default();
    if indentation.contains('\t') {
        return refusal.hint("YAML does not allow tabs for indentation: use spaces");
    }
    refusal
}

/// A collection that is still being read.
struct Open {
    node: Node,
    key: Option<(Option<String>, Range<usize>)>,
}

struct Builder<'text> {
    text: &'text str,
    open: Vec<Open>,
    root: Option<Node>,
    aliased: BTreeSet<usize>,
    comments: Vec<Range<usize>>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<()> {
        let range = span.byte_range().unwrap_or_default();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tagged = tag.is_some();
                // An absent value is reported as `~` with no bytes.
                let content =
                    if style == ScalarStyle::Plain && !tagged { resolve(&text) } else { string(&text) };
                let content = Content::Scalar(content);
                self.place(Node { span: range, style: scalar_style(style), anchor, tagged, content })
            }
            Event::Alias(id) => {
                self.aliased.insert(id);
                let content = Content::Alias(id);
                self.place(Node { span: range, style: Style::Plain, anchor: 0, tagged: false, content })
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.start(range, style, anchor, tag.is_some(), Content::List(Vec::new()));
                Ok(())
            }
            Event::MappingStart(style, anchor, tag) => {
                self.start(range, style, anchor, tag.is_some(), Content::Map(Vec::new()));
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(range.end),
            Event::Comment(..) => {
                self.comments.push(range);
                Ok(())
            }
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(refused(format!("there is more than one document: {}", place(self.text, range.start)))
                    .hint("keep one document in a settings file (no second `---`)"))
            }
            _ => Ok(()),
        }
    }

    fn start(
        &mut self,
        span: Range<usize>,
        style: StructureStyle,
        anchor: usize,
        tagged: bool,
        content: Content,
    ) {
        let style = if style == StructureStyle::Flow { Style::Flow } else { Style::Indented };
        self.open.push(Open { node: Node { span, style, anchor, tagged, content }, key: None });
    }

    fn end(&mut self, end: usize) -> Result<()> {
        let Some(mut open) = self.open.pop() else {
            return Err(Error::new(ErrorCode::Bug, "a YAML collection ends that never began"));
        };
        open.node.span.end = end;
        if let Content::Map(entries) = &open.node.content {
            refuse_duplicates(entries, self.text)?;
        }
        self.place(open.node)
    }

    /// Puts a finished node where it belongs: into the innermost open collection, as key or as value.
    fn place(&mut self, node: Node) -> Result<()> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.node.content {
            Content::List(items) => items.push(node),
            Content::Map(entries) => match open.key.take() {
                Some((key, key_span)) => entries.push(Entry { key, key_span, value: node }),
                None => open.key = Some((key(&node, self.text), node.span)),
            },
            Content::Scalar(_) | Content::Alias(_) => {
                return Err(Error::new(ErrorCode::Bug, "a YAML scalar was opened like a collection"));
            }
        }
        Ok(())
    }
}

/// A key's text as it is written in a path.
fn key(node: &Node, text: &str) -> Option<String> {
    match &node.content {
        Content::Scalar(Scalar::Known(Value::String(key))) => Some(key.clone()),
        Content::Scalar(_) => text.get(node.span.clone()).map(str::to_owned),
        _ => None,
    }
}

const fn scalar_style(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    }
}

fn string(text: &str) -> Scalar {
    Scalar::Known(Value::String(text.to_owned()))
}

/// The type of a plain scalar by the core schema (YAML 1.2.2, §10.3.2).
pub(super) fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Known(Value::Null),
        "true" | "True" | "TRUE" => return Scalar::Known(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Scalar::Known(Value::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Scalar::Beyond(text.to_owned()),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Scalar::Beyond(text.to_owned());
    }
    let radix = |prefix: &str, radix: u32| {
        let digits = text.strip_prefix(prefix)?;
        (!digits.is_empty() && digits.chars().all(|c| c.is_digit(radix))).then_some((digits, radix))
    };
    if let Some((digits, radix)) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        let number = u64::from_str_radix(digits, radix).ok();
        return number.map_or_else(|| Scalar::Beyond(text.to_owned()), |number| Scalar::Known(number.into()));
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return integer(text);
    }
    if is_float(unsigned) { float(text) } else { string(text) }
}

/// A decimal integer, where 64 bits hold it.
pub(super) fn integer(text: &str) -> Scalar {
    let plain = text.strip_prefix('+').unwrap_or(text);
    if let Ok(number) = plain.parse::<i64>() {
        return Scalar::Known(number.into());
    }
    let number = plain.parse::<u64>().ok();
    number.map_or_else(|| Scalar::Beyond(text.to_owned()), |number| Scalar::Known(number.into()))
}

/// A decimal fraction, where a double holds it.
pub(super) fn float(text: &str) -> Scalar {
    let number = text.parse::<f64>().ok().and_then(Number::from_f64);
    number.map_or_else(|| Scalar::Beyond(text.to_owned()), |number| Scalar::Known(Value::Number(number)))
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_float(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (text, None),
    };
    if exponent.is_some_and(|exponent| exponent.is_empty() || !digits(exponent)) {
        return false;
    }
    match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => !mantissa.is_empty() && digits(mantissa),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_scalars_have_the_types_of_the_core_schema() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("True", json!(true)),
            ("yes", json!("yes")),
            ("12", json!(12)),
            ("-12", json!(-12)),
            ("+12", json!(12)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("1.", json!(1.0)),
            (".5", json!(0.5)),
            ("1e3", json!(1000.0)),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            ("1.2.3", json!("1.2.3")),
            ("e5", json!("e5")),
            ("-", json!("-")),
            ("1_000", json!("1_000")),
        ] {
            assert_eq!(resolve(text), Scalar::Known(value), "{text:?}");
        }
        for text in [".inf", "-.INF", ".nan", "99999999999999999999", "1e999"] {
            assert!(matches!(resolve(text), Scalar::Beyond(_)), "{text}");
        }
    }
}
