//! From the parser's events to the tree.

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span as Marks};
use std::collections::HashMap;
use std::sync::Arc;

use super::{Entry, Key, Node, Value, scalar};
use crate::config::diagnostic::{Diagnostic, Report, code};
use crate::config::source::{Source, Span};

/// How much a document may hold, aliases expanded.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Values; a text counts once more for every 64 bytes of it.
    pub values: usize,
    /// Levels of nesting.
    pub depth: usize,
}

/// Far more than people write, far less than hurts.
pub const LIMITS: Limits = Limits { values: 200_000, depth: 64 };

/// Parses a source that holds one document. `None` without an error in the report is an empty document.
pub fn parse(source: &Arc<Source>) -> (Option<Arc<Node>>, Report) {
    let mut builder = Builder {
        source,
        report: Report::default(),
        open: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        documents: 0,
    };
    let options = granit_parser::options! {
        emit_unresolved_aliases: true,
        emit_comments: false,
        flow_nesting_limit: LIMITS.depth,
        block_nesting_limit: LIMITS.depth,
    };
    for event in Parser::new_from_str_with_options(&source.text, options) {
        let step = match event {
            Ok((event, marks)) => builder.event(event, &marks),
            Err(error) => Err(Box::new(builder.scan_error(&error))),
        };
        if let Err(diagnostic) = step {
            builder.report.push(*diagnostic);
            return (None, builder.report);
        }
    }
    (builder.root, builder.report)
}

/// Why reading stops before the end.
type Stop = Box<Diagnostic>;

struct Open {
    start: Span,
    anchor: usize,
    weight: usize,
    depth: usize,
    kind: Collection,
}

enum Collection {
    Sequence(Vec<Arc<Node>>),
    Mapping { entries: Vec<Entry>, seen: HashMap<String, Span>, key: Option<Pending> },
}

/// A key that waits for its value.
enum Pending {
    Good(Key),
    /// Reported already; its value is read and dropped.
    Bad,
}

struct Builder<'a> {
    source: &'a Arc<Source>,
    report: Report,
    open: Vec<Open>,
    anchors: HashMap<usize, Arc<Node>>,
    root: Option<Arc<Node>>,
    documents: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, marks: &Marks) -> Result<(), Stop> {
        let span = span(marks);
        match event {
            Event::DocumentStart(..) => self.document(span),
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                let node = self.scalar(&text, style, span);
                self.finished(node, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                self.open(span, anchor, Collection::Sequence(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                let kind = Collection::Mapping { entries: Vec::new(), seen: HashMap::new(), key: None };
                self.open(span, anchor, kind)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(&span),
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => {
                    let node = Arc::clone(node);
                    self.add(node, &span)
                }
                None => self.unknown_anchor(span),
            },
            Event::UnresolvedAlias(_) => self.unknown_anchor(span),
            _ => Ok(()),
        }
    }

    fn document(&mut self, span: Span) -> Result<(), Stop> {
        self.documents += 1;
        if self.documents < 2 {
            return Ok(());
        }
        let span = self.source.line_span(span.start);
        Err(self.stop(code::SEVERAL_DOCUMENTS, span, "a second document begins here", |d| {
            d.help("write one document to a file; put the second one into a file of its own")
        }))
    }

    fn stop(
        &self,
        code: &'static str,
        span: Span,
        message: &str,
        more: impl FnOnce(Diagnostic) -> Diagnostic,
    ) -> Stop {
        Box::new(more(Diagnostic::error(code, self.source, span, message)))
    }

    fn refuse_tag(&mut self, tagged: bool, span: &Span) {
        if tagged {
            let message = "YAML tags (`!…`) are not accepted";
            let help = "leave the tag out; quote what is to be text";
            self.report.push(Diagnostic::error(code::TAG, self.source, span.clone(), message).help(help));
        }
    }

    fn unknown_anchor(&mut self, span: Span) -> Result<(), Stop> {
        let alias = self.source.slice(&span).trim_start_matches('*').to_owned();
        let message = format!("there is no anchor `&{alias}` above, or this alias stands inside it");
        let help = "a text that begins with `*` needs quotes";
        self.report
            .push(Diagnostic::error(code::UNKNOWN_ANCHOR, self.source, span.clone(), message).help(help));
        self.finished(Node { value: Value::Null, span, plain: true, weight: 1, depth: 1 }, 0)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Span) -> Node {
        let plain = style == ScalarStyle::Plain;
        let as_key = self.expects_key();
        let value = if plain && !as_key {
            scalar::resolve(text).unwrap_or_else(|why| {
                let help = "quote it if it is meant as text";
                let diagnostic = Diagnostic::error(code::NOT_FINITE, self.source, span.clone(), why);
                self.report.push(diagnostic.help(help));
                Value::Null
            })
        } else {
            Value::Text(text.to_owned())
        };
        // Text counts too: a long one repeated by aliases is as much of a bomb as many short ones.
        Node { value, span, plain, weight: 1 + text.len() / 64, depth: 1 }
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { kind: Collection::Mapping { key: None, .. }, .. }))
    }

    fn open(&mut self, start: Span, anchor: usize, kind: Collection) -> Result<(), Stop> {
        if self.open.len() >= LIMITS.depth {
            return Err(self.too_deep(start));
        }
        self.open.push(Open { start, anchor, weight: 1, depth: 1, kind });
        Ok(())
    }

    fn close(&mut self, end: &Span) -> Result<(), Stop> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.kind {
            Collection::Sequence(items) => Value::Sequence(items),
            Collection::Mapping { entries, .. } => Value::Mapping(entries),
        };
        let span = open.start.start..end.end.max(open.start.end);
        self.finished(Node { value, span, plain: false, weight: open.weight, depth: open.depth }, open.anchor)
    }

    fn finished(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        let node = Arc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        let span = node.span.clone();
        self.add(node, &span)
    }

    /// Puts a finished node where it belongs; `at` is where it is used, which for an alias is not where it stands.
    fn add(&mut self, node: Arc<Node>, at: &Span) -> Result<(), Stop> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.weight = open.weight.saturating_add(node.weight);
        open.depth = open.depth.max(node.depth + 1);
        let (weight, depth) = (open.weight, open.depth);
        match &mut open.kind {
            Collection::Sequence(items) => items.push(node),
            Collection::Mapping { entries, key, .. } => match key.take() {
                Some(Pending::Good(key)) => entries.push(Entry { key, value: node }),
                Some(Pending::Bad) => {}
                None => self.key(&node, at),
            },
        }
        if weight > LIMITS.values {
            return Err(self.too_many(at.clone()));
        }
        if depth > LIMITS.depth { Err(self.too_deep(at.clone())) } else { Ok(()) }
    }

    fn key(&mut self, node: &Arc<Node>, at: &Span) {
        let found = match node.text() {
            Some("<<") if node.plain => {
                let message = "merge keys (`<<`) are not accepted";
                let help = "write the keys out, or use an alias for a whole value";
                Err(Diagnostic::error(code::MERGE_KEY, self.source, at.clone(), message).help(help))
            }
            Some(text) => Ok(Key { text: text.to_owned(), span: at.clone() }),
            None => {
                let message = "a key must be a plain word";
                let help = "if this is a template or an expression, quote it";
                Err(Diagnostic::error(code::COMPLEX_KEY, self.source, node.head(), message).help(help))
            }
        };
        let pending = match found {
            Ok(key) => self.unless_twice(key),
            Err(diagnostic) => {
                self.report.push(diagnostic);
                Pending::Bad
            }
        };
        if let Some(Open { kind: Collection::Mapping { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(pending);
        }
    }

    fn unless_twice(&mut self, key: Key) -> Pending {
        let Some(Open { kind: Collection::Mapping { seen, .. }, .. }) = self.open.last_mut() else {
            return Pending::Bad;
        };
        let Some(first) = seen.get(&key.text).cloned() else {
            seen.insert(key.text.clone(), key.span.clone());
            return Pending::Good(key);
        };
        let message = format!("the key `{}` stands twice", key.text);
        let diagnostic = Diagnostic::error(code::DUPLICATE_KEY, self.source, key.span, message)
            .related(self.source, first, "it stands here first")
            .help("keep one of the two; other readers of YAML would silently forget one");
        self.report.push(diagnostic);
        Pending::Bad
    }

    fn too_deep(&self, span: Span) -> Stop {
        let message = format!("values are nested more than {} levels deep", LIMITS.depth);
        self.stop(code::TOO_DEEP, span, &message, |d| d.help("is a bracket never closed?"))
    }

    fn too_many(&self, span: Span) -> Stop {
        let message = format!("the document holds more than {} values, aliases expanded", LIMITS.values);
        let help = "configuration is written by people; is this data, or aliases of aliases?";
        self.stop(code::TOO_MANY_VALUES, span, &message, |d| d.help(help))
    }

    fn scan_error(&self, error: &ScanError) -> Diagnostic {
        let marker = error.marker();
        let offset = marker.byte_offset().unwrap_or_else(|| self.byte_offset(marker.index()));
        let offset = self.source.floor(offset.min(self.source.text.len()));
        let line = self.source.line_span(offset);
        let end = (offset + 1).min(line.end).max(offset);
        let found = |code, message: String| {
            Diagnostic::error(code, self.source, offset..self.source.text.ceil_char_boundary(end), message)
        };
        let indentation = self.source.slice(&line);
        let tab = indentation.len() - indentation.trim_start().len();
        match error.kind() {
            ErrorKind::RecursionLimitExceeded => {
                found(code::TOO_DEEP, format!("values are nested more than {} levels deep", LIMITS.depth))
                    .help("is a bracket never closed?")
            }
            _ if indentation.get(..tab).is_some_and(|space| space.contains('\t')) => {
                let at = line.start + indentation.find('\t').unwrap_or(0);
                let message = "a tab stands in the indentation";
                Diagnostic::error(code::TAB_INDENTATION, self.source, at..at + 1, message)
                    .help("YAML is indented with spaces")
            }
            kind => found(code::SYNTAX, format!("this is not YAML: {kind}")).maybe_help(advice(kind)),
        }
    }

    fn byte_offset(&self, characters: usize) -> usize {
        self.source.text.char_indices().nth(characters).map_or(self.source.text.len(), |(at, _)| at)
    }
}

/// What usually helps, by what the parser stumbled over.
fn advice(kind: &ErrorKind) -> Option<String> {
    let text = match kind {
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => {
            "a text that holds `: ` needs quotes; a nested mapping begins on its own line"
        }
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator => "is a bracket, brace or comma missing?",
        ErrorKind::UnclosedQuotedScalar => "a quote is opened and never closed",
        ErrorKind::UnexpectedCharacter { .. } => {
            "a text that begins with `@`, `` ` ``, `%` or `{` needs quotes"
        }
        ErrorKind::InvalidIndentation | ErrorKind::ExpectedBlockMappingKey => {
            "keys of one mapping begin in the same column"
        }
        ErrorKind::UnknownQuotedScalarEscape => "in double quotes `\\` begins an escape; use single quotes",
        _ => return None,
    };
    Some(text.to_owned())
}

fn span(marks: &Marks) -> Span {
    let start = marks.start.byte_offset().unwrap_or_default();
    start..marks.end.byte_offset().unwrap_or_default().max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<&'static str> {
        let (_, report) = parse(&Source::new("x", text));
        report.diagnostics().iter().map(|diagnostic| diagnostic.code).collect()
    }

    #[test]
    fn every_value_knows_its_place() {
        let source = Source::new("x", "a:\n  ü: {b: [1, 'two']}\n");
        let (tree, report) = parse(&source);
        assert!(report.is_empty());
        let tree = tree.unwrap();
        let (node, key) = tree.at("/a/ü/b/1").unwrap();
        assert_eq!(source.slice(&node.span), "'two'");
        assert_eq!(key.map(|key| key.text.as_str()), Some("b"));
        assert_eq!(tree.select("/a/*/b/*").len(), 2);
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(codes("a: 1\na: 2\n"), [code::DUPLICATE_KEY]);
        assert_eq!(codes("a: 1\n---\nb: 2\n"), [code::SEVERAL_DOCUMENTS]);
        assert_eq!(codes("a:\n\tb: 1\n"), [code::TAB_INDENTATION]);
        assert_eq!(codes("a: *b\nc: *d\n"), [code::UNKNOWN_ANCHOR, code::UNKNOWN_ANCHOR]);
        assert_eq!(codes("a: !x 1\n"), [code::TAG]);
        assert_eq!(codes("a: &b {c: 1}\nd:\n  <<: *b\n"), [code::MERGE_KEY]);
        assert_eq!(codes("{a: 1}: 2\n"), [code::COMPLEX_KEY]);
        assert_eq!(codes("a: .nan\n"), [code::NOT_FINITE]);
        assert_eq!(codes("a: [1\n"), [code::SYNTAX]);
        assert_eq!(codes("a: &a [*a]\n"), [code::UNKNOWN_ANCHOR]);
        assert!(codes("a: &b [1]\nc: *b\n").is_empty());
    }

    #[test]
    fn bombs_are_counted_before_they_go_off() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..40 {
            let alias = format!("*a{}, ", n - 1).repeat(9);
            text.push_str(&format!("a{n}: &a{n} [{alias}]\n"));
        }
        assert_eq!(codes(&text), [code::TOO_MANY_VALUES]);
        let chain: String = (1..200).map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1)).collect::<String>();
        assert_eq!(codes(&format!("a0: &a0 [x]\n{chain}")), [code::TOO_DEEP]);
        assert_eq!(codes(&"[".repeat(100_000)), [code::TOO_DEEP]);
        assert_eq!(codes(&"- ".repeat(100_000)), [code::TOO_DEEP]);
    }
}
