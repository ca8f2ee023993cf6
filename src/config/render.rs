//! Diagnostics as people read them: place, excerpt, caret, reason, help.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use std::ops::Range;

use super::diagnostic::{Diagnostic, Report, Severity};
use super::source::{Source, Span};
use crate::base::untrusted::{Sink, escape};

/// How many diagnostics are printed; of the rest only the number is.
const SHOWN: usize = 100;
/// The longest excerpt of a line, in bytes on either side of the place.
const AROUND: usize = 100;
/// The longest message or help, in characters: what is quoted in it may be anything.
const LONGEST: usize = 400;

/// Renders a report, with colour where the sink is a terminal.
pub fn render(report: &Report, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    for diagnostic in report.diagnostics().iter().take(SHOWN) {
        text.push_str(&one(diagnostic, &renderer));
        text.push_str("\n\n");
    }
    let more = report.diagnostics().len().saturating_sub(SHOWN) + report.suppressed();
    if more > 0 {
        text.push_str(&format!("and {more} more\n"));
    }
    text
}

fn one(diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(safe(&diagnostic.message)).id(diagnostic.code);
    let mut group = place(Group::with_title(title), &diagnostic.source, &diagnostic.span, &diagnostic.label);
    for related in &diagnostic.related {
        let text = safe(&related.label);
        group = group.element(Level::NOTE.message(text));
        group = place(group, &related.source, &related.span, &None);
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(safe(help)));
    }
    renderer.render(&[group])
}

/// Adds `--> path:line:column` and the excerpt.
fn place<'a>(group: Group<'a>, source: &Source, span: &Span, label: &Option<String>) -> Group<'a> {
    let origin = Origin::path(safe(&source.path));
    if source.text.is_empty() {
        return group.element(origin);
    }
    let position = source.position(span.start);
    let excerpt = Excerpt::new(source, span);
    let mut annotation = AnnotationKind::Primary.span(excerpt.mark);
    if let Some(label) = label {
        annotation = annotation.label(safe(label));
    }
    group
        .element(origin.line(position.line).char_column(position.column))
        .element(Snippet::source(excerpt.text).line_start(position.line).annotation(annotation))
}

/// The part of the first line of a span that is shown, with what is hidden starred out.
struct Excerpt {
    text: String,
    mark: Range<usize>,
}

impl Excerpt {
    fn new(source: &Source, span: &Span) -> Self {
        let line = source.line_span(span.start);
        let start = span.start.min(line.end);
        let end = span.end.clamp(start, line.end);
        let from = if start - line.start > AROUND { source.floor(start - AROUND) } else { line.start };
        let shown_end = end.min(start + AROUND);
        let to = if line.end.saturating_sub(shown_end) > AROUND {
            source.floor(shown_end + AROUND)
        } else {
            line.end
        };
        let hidden = source.hidden();
        let mut excerpt = Self { text: String::new(), mark: 0..0 };
        if from > line.start {
            excerpt.text.push('…');
        }
        let shown = source.text.get(from..to).unwrap_or_default();
        for (at, c) in shown.char_indices() {
            let at = from + at;
            if at <= start {
                excerpt.mark.start = excerpt.text.len();
            }
            if hidden.iter().any(|span| span.contains(&at)) {
                excerpt.text.push('*');
            } else {
                push_visible(&mut excerpt.text, c);
            }
            if at < end {
                excerpt.mark.end = excerpt.text.len();
            }
        }
        if start >= to {
            excerpt.mark.start = excerpt.text.len();
        }
        if to < line.end {
            excerpt.text.push('…');
        }
        excerpt.mark.end = excerpt.mark.end.max(excerpt.mark.start);
        excerpt
    }
}

/// What a terminal could take for a command, or an eye for something else, is shown as an escape.
fn push_visible(text: &mut String, c: char) {
    let mut buffer = [0; 4];
    text.push_str(&escape(c.encode_utf8(&mut buffer), Sink::Terminal));
}

/// A message for the terminal: bounded, on one line, nothing in it but text.
fn safe(text: &str) -> String {
    let mut cut: String = text.chars().take(LONGEST).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    escape(&cut, Sink::Terminal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::diagnostic::code;

    fn rendered(text: &str, span: Span) -> String {
        let mut report = Report::default();
        report.push(
            Diagnostic::error(
                code::UNKNOWN_KEY,
                &Source::new("config/x.yaml", text),
                span,
                "no such key `b`",
            )
            .help("did you mean `c`?"),
        );
        render(&report, false)
    }

    #[test]
    fn shows_place_caret_and_help() {
        insta::assert_snapshot!(rendered("a: 1\n  b: 2\n", 7..8), @"");
    }

    #[test]
    fn long_lines_are_cut_and_the_column_stays_true() {
        let text = format!("a: {}x{}", "y".repeat(5000), "z".repeat(5000));
        let shown = rendered(&text, 5003..5004);
        assert!(shown.contains("config/x.yaml:1:5004"), "{shown}");
        assert!(shown.lines().all(|line| line.len() < 300), "{shown}");
    }

    #[test]
    fn hidden_text_and_escapes_do_not_reach_the_terminal() {
        let source = Source::new("x", "token: hunter2 \u{1b}[2J");
        source.hide(7..14);
        let mut report = Report::default();
        report.push(Diagnostic::error(code::SECRET_VALUE, &source, 7..14, "a\u{1b}b"));
        let shown = render(&report, false);
        assert!(!shown.contains("hunter2") && !shown.contains('\u{1b}'), "{shown}");
    }
}
