//! JSON read into a tree with spans.
//!
//! serde_json judges first whether the text is JSON at all; the scanner after it only has to find the places.

use serde_json::Value;
use std::collections::BTreeSet;
use std::ops::Range;

use super::tree::{Content, Document, Entry, Node, Scalar, Style, refuse_duplicates};
use super::yaml;
use crate::base::{Error, ErrorCode, Result};

/// Reads one document.
pub(super) fn parse(text: &str) -> Result<Document> {
    // The value is thrown away, but reading it enforces serde_json's limit on nesting, which bounds the scanner too.
    serde_json::from_str::<Value>(text).map_err(|error| {
        Error::new(ErrorCode::InvalidData, format!("not valid JSON: {error}"))
            .hint("irctl edits strict JSON: no comments, no trailing commas")
    })?;
    let mut scanner = Scanner { text, at: 0 };
    let root = scanner.node()?;
    Ok(Document { root, aliased: BTreeSet::new(), comments: Vec::new() })
}

struct Scanner<'text> {
    text: &'text str,
    at: usize,
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next character that is not white space.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        let white = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
        self.at += white;
        self.rest().chars().next()
    }

    /// Steps over `wanted` if it comes next.
    fn skip(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn node(&mut self) -> Result<Node> {
        let first = self.peek();
        let start = self.at;
        let (style, content) = match first {
            Some('{') => (Style::Flow, self.map()?),
            Some('[') => (Style::Flow, self.list()?),
            Some('"') => {
                let (text, _) = self.string()?;
                (Style::Double, Content::Scalar(Scalar::Known(Value::String(text))))
            }
            _ => (Style::Plain, Content::Scalar(self.word())),
        };
        Ok(Node { span: start..self.at, style, anchor: 0, tagged: false, content })
    }

    fn map(&mut self) -> Result<Content> {
        let mut entries = Vec::new();
        self.skip('{');
        while !self.skip('}') {
            self.skip(',');
            self.peek();
            let (key, key_span) = self.string()?;
            self.skip(':');
            entries.push(Entry { key: Some(key), key_span, value: self.node()? });
        }
        refuse_duplicates(&entries, self.text)?;
        Ok(Content::Map(entries))
    }

    fn list(&mut self) -> Result<Content> {
        let mut items = Vec::new();
        self.skip('[');
        while !self.skip(']') {
            self.skip(',');
            items.push(self.node()?);
        }
        Ok(Content::List(items))
    }

    fn string(&mut self) -> Result<(String, Range<usize>)> {
        let start = self.at;
        let mut escaped = false;
        let body = self.rest().char_indices().skip(1);
        let end = body
            .filter(|(_, c)| {
                let closes = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                closes
            })
            .map(|(at, _)| start + at + 1)
            .next();
        // Valid JSON always closes its strings; without this the loops above could not end.
        let lost = || Error::new(ErrorCode::Bug, format!("lost in a JSON document at byte {start}"));
        let end = end.ok_or_else(lost)?;
        let raw = self.text.get(start..end).unwrap_or_default();
        let text = serde_json::from_str(raw).map_err(|_| lost())?;
        self.at = end;
        Ok((text, start..end))
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Scalar {
        let rest = self.rest();
        let end = rest.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default().to_owned();
        self.at += end;
        match word.as_str() {
            "null" => Scalar::Known(Value::Null),
            "true" => Scalar::Known(Value::Bool(true)),
            "false" => Scalar::Known(Value::Bool(false)),
            number if number.contains(['.', 'e', 'E']) => yaml::float(number),
            number => yaml::integer(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_serde_json() {
        let path = "x".parse().unwrap();
        for text in [
            r#" {"a" : [1, -2.5e3 ,"x\"\\,]é", {"b":null}], "" : {} , "c":[ ] ,"t":true} "#,
            "[]",
            "0",
            "-0",
            "\"\\u00e9\\ud83d\\ude00\"",
            "[[[1],[2,[3]]],{}]",
        ] {
            let expected: Value = serde_json::from_str(text).unwrap();
            let document = parse(text).unwrap();
            let found = document.root.value(&path).unwrap();
            // `-0` is a negative zero to serde_json and an integer here; nobody sets a setting to that.
            if text != "-0" {
                assert_eq!(found, expected, "{text}");
            }
            assert_eq!(&text[document.root.span], text.trim());
        }
    }

    #[test]
    fn refuses_what_is_not_one_json_document() {
        for text in ["", "{", "{\"a\":1,}", "// x\n{}", "{} {}", "{\"a\":1,\"a\":2}", "[NaN]"] {
            assert!(parse(text).is_err(), "{text}");
        }
        let deep = "[".repeat(5000) + &"]".repeat(5000);
        assert!(parse(&deep).is_err());
    }
}
