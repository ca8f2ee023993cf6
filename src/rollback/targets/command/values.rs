//! Values that go to programs and come from them: filled in, compared, digested.

use serde_json::Value;
use std::collections::BTreeMap;

use super::config::Parameter;
use crate::base::untrusted::{Sink, escape};
use crate::base::{Digest, Result};
use crate::rollback::targets::Goal;

/// The words that [`Goal::fill`] fills in.
pub const PLACEHOLDERS: [&str; 10] = [
    "version",
    "name",
    "digest",
    "previous",
    "version_dir",
    "operation",
    "incident",
    "reason",
    "actor",
    "now",
];

/// The words in braces of a text. Other braces (`{"enabled": true}`) mean nothing.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).filter_map(|piece| match piece {
        Piece::Word(word) => Some(word),
        Piece::Text(_) => None,
    })
}

enum Piece<'a> {
    Text(&'a str),
    Word(&'a str),
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut from = 0;
        while let Some(open) = rest.get(from..).and_then(|tail| tail.find('{')).map(|at| from + at) {
            if let Some(word) = word_at(rest, open) {
                if open > 0 {
                    let (before, tail) = rest.split_at(open);
                    rest = tail;
                    return Some(Piece::Text(before));
                }
                rest = rest.get(word.len() + 2..).unwrap_or_default();
                return Some(Piece::Word(word));
            }
            from = open + 1;
        }
        Some(Piece::Text(std::mem::take(&mut rest)))
    })
}

/// The word of `{word}` at `open`.
fn word_at(text: &str, open: usize) -> Option<&str> {
    let (word, _) = text.get(open + 1..)?.split_once('}')?;
    let plain = |c: char| c.is_ascii_lowercase() || c == '_';
    (!word.is_empty() && word.chars().all(plain)).then_some(word)
}

/// The parameters as they are handed over; where there is no goal, templates stay as they are written.
pub fn filled(
    with: &BTreeMap<String, Parameter>,
    goal: Option<&Goal<'_>>,
) -> Result<BTreeMap<String, Value>> {
    let fill = |(name, value): (&String, &Parameter)| {
        let value = match goal {
            Some(goal) => fill_value(&value.0, goal)?,
            None => value.0.clone(),
        };
        Ok((name.clone(), value))
    };
    with.iter().map(fill).collect()
}

fn fill_value(value: &Value, goal: &Goal<'_>) -> Result<Value> {
    match value {
        Value::String(text) => fill_text(text, goal).map(Value::String),
        Value::Array(items) => {
            items.iter().map(|item| fill_value(item, goal)).collect::<Result<_>>().map(Value::Array)
        }
        other => Ok(other.clone()),
    }
}

fn fill_text(text: &str, goal: &Goal<'_>) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Word(word) => out.push_str(&goal.fill(&format!("{{{word}}}"))?),
        }
    }
    Ok(out)
}

/// Whether two states are the same. Numbers are compared as numbers: `1` is `1.0`, and what was written and read
/// again is what it was.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other
                || match (one.as_f64(), other.as_f64()) {
                    // Whole numbers beyond 2^53 are told apart exactly, above; as floats they would not be.
                    (Some(a), Some(b)) if one.is_f64() || other.is_f64() => {
                        (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
                    }
                    _ => false,
                }
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

/// The digest of a state: of its JSON with sorted keys.
pub fn digest(state: &Value) -> Digest {
    let mut text = String::new();
    canonical(state, &mut text);
    Digest::of(text.as_bytes())
}

fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (key, value) in entries {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

/// A state in a line, for messages.
pub fn brief(state: &Value) -> String {
    let text = escape(&state.to_string(), Sink::Terminal);
    match text.char_indices().nth(160) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_words_in_braces_are_placeholders() {
        let found: Vec<_> = words("{version}-{\"a\": {name}}{ x }{}{open").collect();
        assert_eq!(found, ["version", "name"]);
    }

    #[test]
    fn states_are_compared_as_values() {
        assert!(same(&json!({"a": 1, "b": [0.1]}), &json!({"b": [0.1], "a": 1.0})));
        assert!(!same(&json!({"a": 1}), &json!({"a": 1, "b": null})));
        assert!(!same(&json!(9_007_199_254_740_993_u64), &json!(9_007_199_254_740_992_u64)));
        assert!(!same(&json!("1"), &json!(1)));
        assert_eq!(digest(&json!({"a": 1, "b": 2})), digest(&json!({"b": 2, "a": 1})));
        assert_ne!(digest(&json!(["a,b"])), digest(&json!(["a", "b"])));
    }
}
