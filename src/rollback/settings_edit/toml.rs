//! TOML read into a tree with spans, and values written as TOML.

use serde_json::{Number, Value};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;
use toml_edit::{Datetime, InlineTable, Item, Key, RawString, Table};

use super::tree::{Content, Document, Entry, Node, Scalar, Style, place};
use crate::base::{Error, ErrorCode, Result};

/// Reads one document.
pub(super) fn parse(text: &str) -> Result<Document> {
    let read = toml_edit::Document::parse(text).map_err(|error| {
        let at = place(text, error.span().unwrap_or_default().start);
        Error::new(ErrorCode::InvalidData, format!("not valid TOML: {at}: {}", error.message()))
            .hint("correct the file there; until then irctl does not touch it")
    })?;
    let mut reader = Reader { text, comments: Vec::new() };
    let root = reader.table(read.as_table())?;
    Ok(Document { root, aliased: BTreeSet::new(), comments: reader.comments })
}

struct Reader<'text> {
    text: &'text str,
    comments: Vec<Range<usize>>,
}

impl Reader<'_> {
    fn table(&mut self, table: &Table) -> Result<Node> {
        let mut entries = Vec::new();
        for (name, item) in table {
            let key_span = table.get_key_value(name).and_then(|(key, _)| key.span()).unwrap_or_default();
            entries.push(Entry { key: Some(name.to_owned()), key_span, value: self.item(item)? });
        }
        Ok(indented(Content::Map(entries)))
    }

    fn item(&mut self, item: &Item) -> Result<Node> {
        match item {
            Item::None => Err(Error::new(ErrorCode::Bug, "a TOML key without a value")),
            Item::Value(value) => self.value(value),
            Item::Table(table) => self.table(table),
            Item::ArrayOfTables(tables) => {
                let items = tables.iter().map(|table| self.table(table)).collect::<Result<_>>()?;
                Ok(indented(Content::List(items)))
            }
        }
    }

    fn value(&mut self, value: &toml_edit::Value) -> Result<Node> {
        self.decor(value.decor());
        let span = value.span().unwrap_or_default();
        let raw = self.text.get(span.clone()).unwrap_or_default();
        let known = |value: Value| Content::Scalar(Scalar::Known(value));
        let (style, content) = match value {
            toml_edit::Value::String(text) => (quotes(raw), known(Value::from(text.value().as_str()))),
            toml_edit::Value::Integer(number) => (Style::Plain, known((*number.value()).into())),
            toml_edit::Value::Float(number) => {
                let number = Number::from_f64(*number.value());
                let beyond = || Content::Scalar(Scalar::Beyond(raw.to_owned()));
                (Style::Plain, number.map_or_else(beyond, |number| known(Value::Number(number))))
            }
            toml_edit::Value::Boolean(value) => (Style::Plain, known((*value.value()).into())),
            toml_edit::Value::Datetime(_) => (Style::Date, known(raw.into())),
            toml_edit::Value::Array(array) => {
                self.comment(array.trailing());
                let items = array.iter().map(|item| self.value(item)).collect::<Result<_>>()?;
                (Style::Flow, Content::List(items))
            }
            toml_edit::Value::InlineTable(table) => {
                // A dotted key makes tables that stand nowhere.
                let style = if table.is_dotted() { Style::Indented } else { Style::Flow };
                (style, self.inline(table)?)
            }
        };
        Ok(Node { span, style, anchor: 0, tagged: false, content })
    }

    fn inline(&mut self, table: &InlineTable) -> Result<Content> {
        self.comment(table.trailing());
        let mut entries = Vec::new();
        for (name, value) in table {
            let key = table.get_key_value(name).map(|(key, _)| key);
            if let Some(key) = key {
                self.decor(key.leaf_decor());
                self.decor(key.dotted_decor());
            }
            let key_span = key.and_then(Key::span).unwrap_or_default();
            entries.push(Entry { key: Some(name.to_owned()), key_span, value: self.value(value)? });
        }
        Ok(Content::Map(entries))
    }

    fn decor(&mut self, decor: &toml_edit::Decor) {
        for raw in [decor.prefix(), decor.suffix()].into_iter().flatten() {
            self.comment(raw);
        }
    }

    /// Between values there is nothing but white space, commas and comments.
    fn comment(&mut self, raw: &RawString) {
        if let Some(span) = raw.span()
            && self.text.get(span.clone()).is_some_and(|text| text.contains('#'))
        {
            self.comments.push(span);
        }
    }
}

const fn indented(content: Content) -> Node {
    Node { span: 0..0, style: Style::Indented, anchor: 0, tagged: false, content }
}

fn quotes(raw: &str) -> Style {
    if raw.starts_with("'''") || raw.starts_with("\"\"\"") {
        Style::Block
    } else if raw.starts_with('\'') {
        Style::Single
    } else {
        Style::Double
    }
}

/// Whether a text is a date, a time or both as TOML writes them.
pub(super) fn is_date(text: &str) -> bool {
    text.parse::<Datetime>().is_ok() && read(text).is_some_and(|value| value.is_datetime())
}

/// As TOML on one line, a text quoted as `raw` is where that can hold it; `None` for what TOML does not have: null, and
/// integers beyond 63 bits.
pub(super) fn write(value: &Value, raw: &str) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) if number.is_f64() => {
            let text = number.to_string();
            Some(if text.contains(['.', 'e', 'E']) { text } else { format!("{text}.0") })
        }
        Value::Number(number) => number.as_i64().map(|number| number.to_string()),
        Value::String(text) => Some(string(text, raw)),
        Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(|item| write(item, "")).collect();
            Some(format!("[{}]", items?.join(", ")))
        }
        Value::Object(entries) => {
            let entry =
                |(key, value): (&String, &Value)| Some(format!("{} = {}", bare(key), write(value, "")?));
            let entries: Option<Vec<_>> = entries.iter().map(entry).collect();
            Some(format!("{{ {} }}", entries?.join(", ")))
        }
    }
}

fn bare(key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if plain { key.to_owned() } else { basic(key) }
}

/// The value that a text stands for.
fn read(raw: &str) -> Option<toml_edit::Value> {
    raw.parse().ok()
}

fn string(text: &str, raw: &str) -> String {
    let kept = match quotes(raw) {
        Style::Block => Some(block(text, raw)),
        Style::Single => Some(format!("'{text}'")),
        _ => None,
    };
    // What is kept is kept only if it reads back as the same text.
    kept.filter(|kept| read(kept).is_some_and(|value| value.as_str() == Some(text)))
        .unwrap_or_else(|| basic(text))
}

/// A text between three quotes, with the line break behind the opening ones where there was one.
fn block(text: &str, raw: &str) -> String {
    let quotes = raw.get(..3).unwrap_or("\"\"\"");
    let body = raw.get(3..).unwrap_or_default();
    let opening = if body.starts_with("\r\n") {
        "\r\n"
    } else if body.starts_with('\n') || text.starts_with(['\n', '\r']) {
        "\n"
    } else {
        ""
    };
    if quotes == "'''" {
        return format!("'''{opening}{text}'''");
    }
    let mut inner = text.replace('\\', "\\\\").replace("\"\"\"", "\"\"\\\"");
    if inner.ends_with('"') {
        inner.pop();
        inner.push_str("\\\"");
    }
    format!("\"\"\"{opening}{inner}\"\"\"")
}

fn basic(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Format, get, set};
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const APP: &str = "# The executor. Ask before you touch it.\r\ntitle = 'C:\\raw'   # literal\r\n\
        since = 2026-11-20 03:07:00Z\t# a date\r\nmixed = [1, 2026-11-19]\r\n\r\n[exchange]   # which one\r\nmode = \"real\" \r\n\
        limits = { max = 1_000, \"min.size\" = 0.5 }\r\nroutes = [\r\n  \"a\", # first\r\n  'b',\r\n]\r\n\
        rollout.mode = \"active\"\r\nrollout.share = 0x1F\r\n\r\n[[servers]]\r\nhost = \"one\"\r\n\r\n\
        [[servers]]\r\nhost = \"two\"\r\nports = [1, 2]\r\n[deep.er]\r\nnote = \"\"\"\r\ntwo\r\nlines\"\"\"\r\n\
        literal = '''\nx'''\r\nbig = inf\r\nday = 2026-11-20";

    fn toml(path: &str, value: Value) -> Result<String> {
        set(Format::Toml, APP, &[(path, value)])
    }

    #[test]
    fn changes_only_what_is_named() {
        for (path, value, from, to) in [
            ("title", json!("D:\\x"), "'C:\\raw'", "'D:\\x'"),
            ("title", json!("it's"), "'C:\\raw'", "\"it's\""),
            ("exchange.mode", json!("paper"), "\"real\"", "\"paper\""),
            ("exchange.limits.max", json!(5), "1_000", "5"),
            ("exchange.limits.\"min.size\"", json!(1.0), "0.5", "1.0"),
            ("exchange.routes.1", json!("c"), "'b'", "'c'"),
            ("exchange.rollout.mode", json!("disabled"), "\"active\"", "\"disabled\""),
            ("exchange.rollout.share", json!(0), "0x1F", "0"),
            ("servers.1.host", json!("three"), "\"two\"", "\"three\""),
            ("servers.1.ports", json!([3, "x", {"a b": true}]), "[1, 2]", "[3, \"x\", { \"a b\" = true }]"),
            (
                "deep.er.note",
                json!("one \"x\"\nmore"),
                "\"\"\"\r\ntwo\r\nlines\"\"\"",
                "\"\"\"\r\none \"x\"\nmore\"\"\"",
            ),
            ("deep.er.literal", json!("y"), "'''\nx'''", "'''\ny'''"),
            ("since", json!("2027-01-01T00:00:00Z"), "2026-11-20 03:07:00Z", "2027-01-01T00:00:00Z"),
            ("deep.er.day", json!("2026-12-01"), "= 2026-11-20", "= 2026-12-01"),
        ] {
            let edited = toml(path, value.clone()).unwrap();
            let mut expected = APP.to_owned();
            let at = APP.rfind(from).unwrap();
            expected.replace_range(at..at + from.len(), to);
            assert_eq!(edited, expected, "{path}");
            assert_eq!(get(Format::Toml, &edited, path).unwrap(), Some(value), "{path}");
            let old = get(Format::Toml, APP, path).unwrap().unwrap();
            assert_eq!(set(Format::Toml, APP, &[(path, old.clone())]).unwrap(), APP);
            // Only how a number was written is not kept.
            if !old.is_number() {
                let back = set(Format::Toml, &edited, &[(path, old)]).unwrap();
                assert!(
                    back == APP || path == "servers.1.ports" || to.starts_with("\"it's"),
                    "{path}: {back}"
                );
            }
        }
    }

    #[test]
    fn says_why_it_refuses() {
        let message = |error: Error| format!("{} ({})", error.message, error.hint.unwrap_or_default());
        let mut refusals: Vec<_> = [
            ("exchange.mod", json!(1)),
            ("exchange.mode.x", json!(1)),
            ("exchange", json!(1)),
            ("exchange.rollout", json!({})),
            ("exchange.routes", json!([])),
            ("servers", json!([])),
            ("mixed", json!([])),
            ("servers.2.host", json!("x")),
            ("exchange.mode", json!(null)),
            ("exchange.rollout.share", json!(u64::MAX)),
            ("since", json!("tomorrow")),
            ("deep.er.day", json!(5)),
        ]
        .into_iter()
        .map(|(path, value)| message(toml(path, value).unwrap_err()))
        .collect();
        refusals.push(message(get(Format::Toml, APP, "deep.er.big").unwrap_err()));
        for text in ["a = ", "a = 1\na = 2\n", "[a]\nx = 1\n[a]\n", "a = [1,\n", "é\n", "a = 'x\n"] {
            refusals.push(message(set(Format::Toml, text, &[("a", json!(9))]).unwrap_err()));
        }
        insta::assert_snapshot!(refusals.join("\n"));
    }

    fn document() -> impl Strategy<Value = String> {
        let scalar = prop::sample::select(vec![
            "\"basic\"",
            "'literal'",
            "\"esc \\u00e9 \\n\"",
            "\"\"\"\nmany\nlines\"\"\"",
            "'''raw'''",
            "12",
            "0b10",
            "1_0.5e3",
            "true",
            "1979-05-27",
            "07:32:00.5",
            "[1, 'x', { z = 1 }]",
            "[ # why\n  1,\n]",
            "{ k = 'v', d.e = 2 }",
            "[07:32:00]",
        ]);
        let comment = prop::sample::select(vec!["", " # note: x", "   #", "\t"]);
        let entry = (scalar, comment, prop::bool::ANY).prop_map(|(scalar, comment, blank)| {
            format!("{scalar}{comment}\n{}", if blank { "\n# apart\n" } else { "" })
        });
        (prop::collection::vec(entry, 1..6), prop::bool::ANY, prop::bool::ANY).prop_map(
            |(entries, crlf, end)| {
                let mut text = "# head\n[top]\n".to_owned();
                for (number, entry) in entries.iter().enumerate() {
                    text.push_str(&format!("  key{number} = {entry}"));
                }
                text.push_str("[[list]]\na.b = 'x' # y\n[[list]]\na = { b = 'z' }\n");
                let text = if crlf { text.replace('\n', "\r\n") } else { text };
                if end { text } else { text.trim_end().to_owned() }
            },
        )
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<String>().prop_map(Value::from),
            "[a-z '\"\\\\\n\r\t#=]{0,12}".prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_filter("JSON has it", |number| number.is_finite()).prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            prop::collection::vec(any::<String>(), 0..3).prop_map(Value::from),
            prop::sample::select(vec!["2026-11-20", "07:00:00"]).prop_map(Value::from),
        ]
    }

    proptest! {
        #[test]
        fn set_then_get_and_nothing_else_moves(text in document(), value in value(), pick in 0_usize..6) {
            let path = ["top.key0", "top.key1", "top.key4", "list.0.a.b", "list.1.a.b", "list.1.a"][pick];
            let Some(before) = get(Format::Toml, &text, path).unwrap() else { return Ok(()) };
            let document = parse(&text).unwrap();
            let place = document.find(&path.parse().unwrap()).unwrap();
            let edited = match set(Format::Toml, &text, &[(path, value.clone())]) {
                Ok(edited) => edited,
                Err(error) => {
                    let inside = &text[place.node.span.clone()];
                    let kept = place.node.style == Style::Date || inside.contains(['#', ':']);
                    prop_assert!(kept, "{}", error.message);
                    return Ok(());
                }
            };
            prop_assert_eq!(get(Format::Toml, &edited, path).unwrap(), Some(value));
            prop_assert!(edited.starts_with(&text[..place.node.span.start]));
            prop_assert!(edited.ends_with(&text[place.node.span.end..]));
            prop_assert_eq!(set(Format::Toml, &text, &[(path, before.clone())]).unwrap(), text.clone());
            if place.node.style == Style::Date || ["basic", "literal", "raw", "x", "z"].iter().any(|w| before == *w) {
                let same = quotes(&edited[place.node.span.start..]) == place.node.style;
                let back = set(Format::Toml, &edited, &[(path, before)]).unwrap();
                prop_assert!(!same || back == text || place.node.style == Style::Block, "{back}");
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), path in "[a-z0-9.\"]{0,6}") {
            let _ = set(Format::Toml, &text, &[(path.as_str(), json!("v"))]);
        }

        #[test]
        fn nothing_like_toml_makes_it_panic(text in "[a-c.=\\[\\]{}\"'# \n\r,0-9-]{0,24}", path in "[a-c0-9.]{1,4}") {
            if let Ok(edited) = set(Format::Toml, &text, &[(path.as_str(), json!("v"))]) {
                prop_assert_eq!(get(Format::Toml, &edited, &path).unwrap(), Some(json!("v")));
            }
        }
    }
}
