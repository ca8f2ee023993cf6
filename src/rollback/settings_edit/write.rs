//! Values written so that every reader gets back exactly the same typed value.
//!
//! YAML 1.1 readers (PyYAML among them) and YAML 1.2 readers type plain scalars differently; what is written
//! here means the same to both.

use serde_json::{Number, Value};
use std::fmt::Write as _;

use super::tree::Style;

/// Words that YAML 1.1 or 1.2 takes for something else than a text.
const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// As JSON on one line.
pub(super) fn json(value: &Value) -> String {
    value.to_string()
}

/// As YAML on one line; a text keeps the quoting `style` where that can hold it.
pub(super) fn yaml(value: &Value, style: Style) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => yaml_number(number),
        Value::String(text) => yaml_string(text, style),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| yaml(item, Style::Plain)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| {
                format!("{}: {}", yaml_string(key, Style::Plain), yaml(value, Style::Plain))
            };
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

/// YAML 1.1 wants a point in the mantissa and a sign in the exponent, else it reads a text.
fn yaml_number(number: &Number) -> String {
    let text = number.to_string();
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['-', '+']) { "" } else { "+" };
    format!("{mantissa}{point}e{sign}{exponent}")
}

fn yaml_string(text: &str, style: Style) -> String {
    let printable = !text.chars().any(needs_escape);
    match style {
        Style::Single if printable => format!("'{}'", text.replace('\'', "''")),
        Style::Plain | Style::Flow | Style::Indented if plain_is_safe(text) => text.to_owned(),
        _ => double_quoted(text),
    }
}

/// Whether a text without quotes is that text to every reader, in a flow collection too.
///
/// Narrower than the standard: it starts with a letter, holds nothing that could be syntax, and is no word that
/// stands for a value.
pub(super) fn plain_is_safe(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-'))
    };
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.split(' ').all(word)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

/// Control characters, and those that YAML does not call printable or that readers take for line breaks.
fn needs_escape(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn double_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if needs_escape(c) && u32::from(c) < 0x100 => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if needs_escape(c) => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quotes_what_a_reader_could_take_for_something_else() {
        for text in ["yes", "No", "off", "y", "null", "~", "", "1", "0x1f", "1_000", "12:30:45", "2026-11-20"]
        {
            assert_eq!(yaml(&json!(text), Style::Plain), format!("\"{text}\""));
        }
        for text in
            ["- a", "a: b", "a #b", " a", "a ", "a  b", "*a", "&a", "!a", "{a", "a]", "a,b", "@a", "=", "<<"]
        {
            assert_eq!(yaml(&json!(text), Style::Plain), format!("\"{text}\""));
        }
        for text in ["disabled", "read only", "models/v1.2_b-c", "_x"] {
            assert_eq!(yaml(&json!(text), Style::Plain), text);
        }
    }

    #[test]
    fn keeps_the_quotes_where_they_can_hold_the_text() {
        assert_eq!(yaml(&json!("it's"), Style::Single), "'it''s'");
        assert_eq!(yaml(&json!("a\nb"), Style::Single), "\"a\\nb\"");
        assert_eq!(yaml(&json!("a\"\\\t\u{85}\u{2028}é"), Style::Double), "\"a\\\"\\\\\\t\\x85\\u2028é\"");
        assert_eq!(yaml(&json!("a"), Style::Double), "\"a\"");
    }

    #[test]
    fn numbers_are_numbers_to_yaml_1_1_too() {
        assert_eq!(yaml(&json!(1e30), Style::Plain), "1.0e+30");
        assert_eq!(yaml(&json!(1.5e-9), Style::Plain), "1.5e-9");
        assert_eq!(yaml(&json!(1.0), Style::Plain), "1.0");
        assert_eq!(yaml(&json!([1, {"a": null, "no": true}]), Style::Plain), "[1, {a: null, \"no\": true}]");
    }
}
