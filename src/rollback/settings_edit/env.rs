//! Environment files (`.env`) read into a tree with spans, and values written so that their readers agree.
//!
//! `KEY=value`, with `export` before it or not; single quotes hold a text as it is, double quotes know `\n`, `\r`, `\t`,
//! `\"`, `\\` and `\$`, both may go over several lines. Without quotes a value ends with its line or at ` #`. Every value
//! is a text; nothing is expanded.

use serde_json::Value;
use std::collections::BTreeSet;
use std::ops::Range;

use super::tree::{Content, Document, Entry, Node, Scalar, Style, place, refuse_duplicates};
use crate::base::{Error, ErrorCode, Result};

/// Reads one file.
pub(super) fn parse(text: &str) -> Result<Document> {
    let mut scanner = Scanner { text, at: if text.starts_with('\u{feff}') { 3 } else { 0 } };
    let mut entries = Vec::new();
    while let Some(first) = scanner.next_line() {
        if first == '#' {
            scanner.skip_while(|c| !is_break(c));
        } else {
            entries.push(scanner.entry()?);
        }
    }
    refuse_duplicates(&entries, text)?;
    let root = Node {
        span: 0..text.len(),
        style: Style::Indented,
        anchor: 0,
        tagged: false,
        content: Content::Map(entries),
    };
    Ok(Document { root, aliased: BTreeSet::new(), comments: Vec::new() })
}

const fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

struct Scanner<'text> {
    text: &'text str,
    at: usize,
}

impl<'text> Scanner<'text> {
    fn rest(&self) -> &'text str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) -> Range<usize> {
        let start = self.at;
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(wanted).len();
        start..self.at
    }

    /// The first character of the next line that is not empty.
    fn next_line(&mut self) -> Option<char> {
        self.skip_while(|c| is_break(c) || is_blank(c));
        self.peek()
    }

    fn wrong(&self, at: usize, why: &str) -> Error {
        let at = place(self.text, at);
        Error::new(ErrorCode::InvalidData, format!("not a valid environment file: {at}: {why}")).hint(
            "write one KEY=value on a line; a value with spaces goes in quotes, a comment begins with #",
        )
    }

    fn entry(&mut self) -> Result<Entry> {
        let after_export = self.rest().strip_prefix("export").map(str::trim_start);
        let exported = after_export.is_some_and(|rest| {
            rest.starts_with(is_name)
                && self.text.get(self.at + 6..).is_some_and(|rest| rest.starts_with(is_blank))
        });
        if exported {
            self.at += "export".len();
            self.skip_while(is_blank);
        }
        let key_span = self.skip_while(is_name);
        let key = self.text.get(key_span.clone()).unwrap_or_default().to_owned();
        if key.is_empty() {
            return Err(self.wrong(self.at, "a key is expected"));
        }
        self.skip_while(is_blank);
        let value = match self.peek() {
            Some('=') => {
                self.at += 1;
                self.value()?
            }
            // A name alone takes its value from the environment.
            None | Some('\n' | '\r' | '#') => {
                self.skip_while(|c| !is_break(c));
                node(key_span.end..key_span.end, Style::Plain, Value::Null)
            }
            Some(_) => return Err(self.wrong(self.at, "`=` is expected")),
        };
        Ok(Entry { key: Some(key), key_span, value })
    }

    fn value(&mut self) -> Result<Node> {
        let begin = self.at;
        self.skip_while(is_blank);
        match self.peek() {
            Some(quote @ ('\'' | '"')) => self.quoted(quote),
            Some('#') if self.at > begin => {
                self.skip_while(|c| !is_break(c));
                Ok(node(begin..begin, Style::Plain, Value::from("")))
            }
            _ => {
                let line = self.skip_while(|c| !is_break(c));
                let raw = self.text.get(line.clone()).unwrap_or_default();
                let comment = raw
                    .match_indices('#')
                    .find(|(at, _)| raw.get(..*at).is_some_and(|b| b.ends_with(is_blank)));
                let raw = comment
                    .map_or(raw, |(at, _)| raw.get(..at).unwrap_or_default())
                    .trim_end_matches(is_blank);
                let start = if raw.is_empty() { begin } else { line.start };
                Ok(node(start..start + raw.len(), Style::Plain, Value::from(raw)))
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Node> {
        let start = self.at;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1).peekable();
        let end = loop {
            match chars.next() {
                None => return Err(self.wrong(start, "this quote is not closed")),
                Some((at, c)) if c == quote => break start + at + 1,
                Some((_, '\\')) if quote == '"' => {
                    let known = chars.peek().and_then(|(_, c)| unescaped(*c));
                    if known.is_some() {
                        chars.next();
                    }
                    text.push(known.unwrap_or('\\'));
                }
                Some((_, c)) => text.push(c),
            }
        };
        self.at = end;
        self.skip_while(is_blank);
        match self.peek() {
            None | Some('\n' | '\r') => {}
            Some('#') => {
                self.skip_while(|c| !is_break(c));
            }
            Some(_) => return Err(self.wrong(self.at, "something stands behind the closing quote")),
        }
        let style = if quote == '"' { Style::Double } else { Style::Single };
        Ok(node(start..end, style, Value::from(text)))
    }
}

/// What a character behind a backslash stands for, where it stands for something else.
const fn unescaped(c: char) -> Option<char> {
    match c {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        '"' | '\\' | '$' => Some(c),
        _ => None,
    }
}

const fn node(span: Range<usize>, style: Style, value: Value) -> Node {
    Node { span, style, anchor: 0, tagged: false, content: Content::Scalar(Scalar::Known(value)) }
}

/// A text as a value, quoted as it was where that can hold it; `None` where readers of such files would not agree on any
/// way to write it.
pub(super) fn write(text: &str, style: Style, raw: &str) -> Option<String> {
    if text.replace("\r\n", "\n").chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return None;
    }
    let plain = || plain(text, raw).then(|| text.to_owned());
    // Some readers take a doubled backslash in single quotes for one.
    let single = || {
        let fits = !text.contains(['\'', '\n']) && !text.contains("\\\\") && !text.ends_with('\\');
        fits.then(|| format!("'{text}'"))
    };
    // A shell expands these in double quotes, and not every other reader knows how to say that it is not meant.
    let double = || {
        let fits = !text.contains(['$', '`']);
        fits.then(|| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
    };
    match style {
        Style::Plain => plain().or_else(single).or_else(double),
        Style::Single => single().or_else(double),
        _ => double().or_else(single),
    }
}

/// Whether a text means the same to every reader without quotes. Spaces inside are kept where there were some.
fn plain(text: &str, raw: &str) -> bool {
    let safe = |c: char| c.is_alphanumeric() || "_./:@%+,=-".contains(c) || (c == ' ' && raw.contains(' '));
    text.is_empty() || (text.chars().all(safe) && text.trim() == text)
}

#[cfg(test)]
mod tests {
    use super::super::{Format, get, set};
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const APP: &str = "\u{feff}# The executor\r\nEXCHANGE_MODE=real   # real, paper\r\n\r\nexport  CANARY='0.10'\t\r\n\
        EMPTY=\r\nCOMMENTED= # nothing\r\nHASH=a#b\r\nQUOTED = \"say \\\"hi\\\" to $USER\"  # c\r\n\
        KEY=\"-----BEGIN\r\ntwo\r\n-----END\"\r\nPASSED\r\nTWO=two words \r\nexport=1\r\nLAST=x";

    #[test]
    fn reads_what_is_there() {
        for (key, value) in [
            ("EXCHANGE_MODE", json!("real")),
            ("CANARY", json!("0.10")),
            ("EMPTY", json!("")),
            ("COMMENTED", json!("")),
            ("HASH", json!("a#b")),
            ("QUOTED", json!("say \"hi\" to $USER")),
            ("KEY", json!("-----BEGIN\r\ntwo\r\n-----END")),
            ("PASSED", json!(null)),
            ("TWO", json!("two words")),
            ("export", json!("1")),
            ("LAST", json!("x")),
        ] {
            assert_eq!(get(Format::Env, APP, key).unwrap(), Some(value), "{key}");
        }
        assert_eq!(get(Format::Env, APP, "NOTHING").unwrap(), None);
    }

    #[test]
    fn changes_only_what_is_named() {
        for (key, value, from, to) in [
            ("EXCHANGE_MODE", "paper", "=real ", "=paper "),
            ("EXCHANGE_MODE", "a b", "=real ", "='a b' "),
            ("EXCHANGE_MODE", "$HOME's", "=real ", ""),
            ("EXCHANGE_MODE", "", "=real ", "= "),
            ("CANARY", "0", "'0.10'", "'0'"),
            ("CANARY", "it's", "'0.10'", "\"it's\""),
            ("EMPTY", "x", "EMPTY=", "EMPTY=x"),
            ("COMMENTED", "x y", "COMMENTED= #", "COMMENTED='x y' #"),
            ("QUOTED", "a\\b", "\"say \\\"hi\\\" to $USER\"", "\"a\\\\b\""),
            ("QUOTED", "$5", "\"say \\\"hi\\\" to $USER\"", "'$5'"),
            ("KEY", "one\nmore", "\"-----BEGIN\r\ntwo\r\n-----END\"", "\"one\nmore\""),
            ("TWO", "three more words", "two words", "three more words"),
            ("LAST", "#1", "LAST=x", "LAST='#1'"),
        ] {
            let edited = set(Format::Env, APP, &[(key, json!(value))]);
            if to.is_empty() {
                assert!(edited.unwrap_err().message.contains("agree"));
                continue;
            }
            let edited = edited.unwrap();
            assert_eq!(edited, APP.replacen(from, to, 1), "{key}");
            assert_eq!(get(Format::Env, &edited, key).unwrap(), Some(json!(value)), "{key}");
        }
    }

    #[test]
    fn other_readers_read_the_same() {
        for value in
            ["paper", "a b", "it's", "say \"hi\"", "a\\b", "#x", "two\nlines", "~", "a=b", "x;y", "é"]
        {
            let edited = set(Format::Env, "export A=x\n", &[("A", json!(value))]).unwrap();
            let script = format!("{edited}printf %s \"$A\"");
            let shell = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&shell.stdout), value, "{edited}");
        }
    }

    #[test]
    fn says_why_it_refuses() {
        let message = |error: Error| format!("{} ({})", error.message, error.hint.unwrap_or_default());
        let mut refusals: Vec<_> = [
            ("EXCHANGE_MOD", json!("x")),
            ("PASSED", json!("x")),
            ("LAST", json!(1)),
            ("LAST", json!(null)),
            ("LAST", json!(["x"])),
            ("LAST", json!("bell\u{7}")),
            ("LAST.x", json!("y")),
        ]
        .into_iter()
        .map(|(key, value)| message(set(Format::Env, APP, &[(key, value)]).unwrap_err()))
        .collect();
        for text in ["A=1\nB=2\nA=3\n", "A='x\nB=1\n", "A=\"x\\\"\n", "A='x'y\n", "A b\n", "=x\n", "é=1\n"] {
            refusals.push(message(set(Format::Env, text, &[("A", json!("v"))]).unwrap_err()));
        }
        insta::assert_snapshot!(refusals.join("\n"));
    }

    fn document() -> impl Strategy<Value = String> {
        let value = prop::sample::select(vec![
            "plain",
            "two words",
            "'single'",
            "\"double\"",
            "",
            "\"a\\nb\"",
            "\"many\nlines\"",
            "a#b",
            "'$X'",
            "\"\"",
        ]);
        let tail = prop::sample::select(vec!["", " # note", "  ", "\t#"]);
        let entry =
            (value, tail, prop::bool::ANY, prop::bool::ANY).prop_map(|(value, tail, export, blank)| {
                (format!("{value}{tail}\n{}", if blank { "\n# apart='\n" } else { "" }), export)
            });
        (prop::collection::vec(entry, 1..6), prop::bool::ANY, prop::bool::ANY).prop_map(
            |(entries, crlf, end)| {
                let mut text = "# head\n".to_owned();
                for (number, (entry, export)) in entries.iter().enumerate() {
                    text.push_str(&format!("{}KEY{number}={entry}", if *export { "export " } else { "" }));
                }
                let text = if crlf { text.replace('\n', "\r\n") } else { text };
                if end { text } else { text.trim_end().to_owned() }
            },
        )
    }

    proptest! {
        #[test]
        fn set_then_get_and_nothing_else_moves(
            text in document(),
            value in prop_oneof![any::<String>(), "[a-z '\"\\\\\n#=$]{0,12}"],
            pick in 0_usize..6,
        ) {
            let key = format!("KEY{pick}");
            let Some(before) = get(Format::Env, &text, &key).unwrap() else { return Ok(()) };
            let document = parse(&text).unwrap();
            let span = document.find(&key.parse().unwrap()).unwrap().node.span.clone();
            prop_assert_eq!(set(Format::Env, &text, &[(key.as_str(), before.clone())]).unwrap(), text.clone());
            let Ok(edited) = set(Format::Env, &text, &[(key.as_str(), Value::from(value.as_str()))]) else {
                prop_assert!(value.chars().any(|c| c.is_control() || "$`'\\".contains(c)), "{value:?}");
                return Ok(());
            };
            prop_assert_eq!(get(Format::Env, &edited, &key).unwrap(), Some(Value::from(value)));
            prop_assert!(edited.starts_with(&text[..span.start]));
            prop_assert!(edited.ends_with(&text[span.end..]));
            if ["single", "double", "plain"].iter().any(|word| before == *word) {
                let first = |text: &str| text[span.start..].chars().next().filter(|c| "'\"".contains(*c));
                let back = set(Format::Env, &edited, &[(key.as_str(), before)]).unwrap();
                prop_assert!(first(&edited) != first(&text) || back == text, "{back:?}");
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), key in "[A-Z.\"]{0,4}") {
            let _ = set(Format::Env, &text, &[(key.as_str(), json!("v"))]);
        }

        #[test]
        fn nothing_like_it_makes_it_panic(text in "(export )?[AB= \"'#\n\r\\\\x]{0,24}", key in "[AB]") {
            if let Ok(edited) = set(Format::Env, &text, &[(key.as_str(), json!("v w"))]) {
                prop_assert_eq!(get(Format::Env, &edited, &key).unwrap(), Some(json!("v w")));
            }
        }
    }
}
