//! Where a byte of a text's value stands in the file that the text was written in.

use super::Node;
use crate::config::source::{Source, Span};

/// The span of `offset..offset + length` of a text's value; the whole text where that cannot be said (escapes).
pub fn inside_text(source: &Source, node: &Node, offset: usize, length: usize) -> Span {
    let raw = source.slice(&node.span);
    let Some(value) = node.text() else { return node.span.clone() };
    let skip = usize::from(raw.starts_with(['"', '\'']));
    match (align(raw, value, skip, offset), align(raw, value, skip, offset + length.max(1))) {
        (Some(start), Some(end)) => node.span.start + start..node.span.start + end.max(start),
        (Some(start), None) => node.span.start + start..node.span.end,
        _ => node.span.clone(),
    }
}

/// The offset in `raw` that stands for `offset` in `value`: equal characters go together, white space in either
/// (indentation, folded line breaks) may differ.
fn align(raw: &str, value: &str, skip: usize, offset: usize) -> Option<usize> {
    let mut rest = raw.char_indices().skip(skip).peekable();
    for (at, wanted) in value.char_indices() {
        if wanted.is_whitespace() {
            if at >= offset {
                return rest.peek().map(|(position, _)| *position);
            }
            if rest.peek().is_some_and(|(_, c)| c.is_whitespace()) {
                rest.next();
            }
            continue;
        }
        while rest.peek().is_some_and(|(_, c)| c.is_whitespace()) {
            rest.next();
        }
        let (position, found) = rest.next()?;
        if found != wanted {
            return None;
        }
        if at >= offset {
            return Some(position);
        }
    }
    (offset >= value.len()).then(|| rest.peek().map_or(raw.len(), |(position, _)| *position))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml::parse;

    fn under(text: &str, wanted: &str) -> String {
        let source = Source::new("x", text);
        let (tree, report) = parse(&source);
        assert!(report.is_empty());
        let node = tree.unwrap().get("a").unwrap().clone();
        let offset = node.text().unwrap().find(wanted).unwrap();
        source.slice(&inside_text(&source, &node, offset, wanted.len())).to_owned()
    }

    #[test]
    fn finds_the_place_in_every_style() {
        for text in [
            "a: one and two > 5\n",
            "a: \"one and two > 5\"\n",
            "a: 'one and two > 5'\n",
            "a: |\n  one and\n  two > 5\n",
            "a: >\n  one and\n  two > 5\n",
            "a: one and\n  two > 5\n",
        ] {
            assert_eq!(under(text, "two"), "two", "{text}");
        }
    }

    #[test]
    fn escapes_point_at_the_whole() {
        assert_eq!(under("a: \"\\u0041 two\"\n", "two"), "\"\\u0041 two\"");
    }
}
