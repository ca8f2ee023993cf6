//! Checks a tree against a JSON Schema, reports everything that does not fit, and returns the JSON value.
//!
//! Only what schemars generates is understood, which is all there is: the schemas come from the configuration
//! structs themselves. Unlike a general validator it knows what the words mean to a person: an externally tagged
//! enum is "one kind", a `format` is a grammar with an own parser, and a typing error has a nearest neighbour.

mod choice;
pub mod formats;
mod number;
mod object;
mod suggest;
mod text;

use serde_json::Value as Json;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Report, code};
use super::source::{Source, Span};
use super::yaml::{Key, Node, Value};
pub use formats::Formats;
pub use suggest::{list, suggestion};

/// Checks `node` against `schema`. The value is complete only if the report holds no error.
pub fn check(source: &Arc<Source>, node: &Node, schema: &Json, formats: &Formats) -> (Json, Report) {
    let mut walk = Walk { source, root: schema, formats, report: Report::default() };
    let value = walk.value(node, schema, None);
    (value, walk.report)
}

struct Walk<'a> {
    source: &'a Arc<Source>,
    root: &'a Json,
    formats: &'a Formats,
    report: Report,
}

impl<'a> Walk<'a> {
    /// Checks a value; `key` is what it stands under.
    fn value(&mut self, node: &Node, schema: &'a Json, key: Option<&Key>) -> Json {
        let schema = self.resolved(schema);
        if node.reported && !matches!(node.value, Value::Mapping(_)) {
            return Json::Null;
        }
        if key.is_some() && self.is_blank(node) && !accepts_anything(schema) {
            return self.wrong_type(node, schema, &types(schema), key);
        }
        if let Some(branches) = branches(schema) {
            return self.choice(node, branches, key);
        }
        if let Some(words) = words(schema) {
            return self.word(node, &words, key);
        }
        let types = types(schema);
        if types.is_empty() {
            return node.to_json();
        }
        if matches!(node.value, Value::Null) && types.contains(&"null") {
            return Json::Null;
        }
        self.typed(node, schema, &types, key)
    }

    fn typed(&mut self, node: &Node, schema: &'a Json, types: &[&str], key: Option<&Key>) -> Json {
        let accepts = |name: &str| types.contains(&name);
        match &node.value {
            Value::Mapping(_) if accepts("object") => self.object(node, schema, key),
            Value::Sequence(items) if accepts("array") => self.array(node, items, schema, key),
            Value::Boolean(value) if accepts("boolean") => (*value).into(),
            Value::Number(number) if accepts("number") || accepts("integer") => {
                self.number(node, number, schema, accepts("number"), key)
            }
            Value::Text(text) if accepts("string") => self.text(node, text, schema, key),
            Value::Number(_) | Value::Boolean(_) if accepts("string") => self.unquoted(node, schema, key),
            _ => self.wrong_type(node, schema, types, key),
        }
    }

    fn array(&mut self, node: &Node, items: &[Arc<Node>], schema: &'a Json, key: Option<&Key>) -> Json {
        let bound =
            |name: &str| schema.get(name).and_then(Json::as_u64).and_then(|n| usize::try_from(n).ok());
        let least = bound("minItems").unwrap_or(0);
        let most = bound("maxItems").unwrap_or(usize::MAX);
        if items.len() < least || items.len() > most {
            let wanted = match (least, most) {
                (least, usize::MAX) => format!("at least {least}"),
                (least, most) if least == most => format!("exactly {least}"),
                (least, most) => format!("{least} to {most}"),
            };
            let message = format!("{} has {} items, {wanted} are needed", name(key), items.len());
            self.error(code::OUT_OF_RANGE, place(node, key), message);
        }
        let prefix = schema.get("prefixItems").and_then(Json::as_array);
        let rest = schema.get("items");
        let values = items.iter().enumerate().map(|(index, item)| {
            let schema = prefix.and_then(|prefix| prefix.get(index)).or(rest);
            match schema {
                Some(schema) => self.value(item, schema, None),
                None => item.to_json(),
            }
        });
        values.collect()
    }

    fn wrong_type(&mut self, node: &Node, schema: &Json, types: &[&str], key: Option<&Key>) -> Json {
        let wanted = expected(types);
        if node.reported {
            return Json::Null;
        }
        let message = if self.is_blank(node) {
            format!("{} has no value", name(key))
        } else {
            format!("{} must be {wanted}, not {}", name(key), node.what())
        };
        let help = match (&node.value, types) {
            (Value::Null, _) if self.is_blank(node) => {
                Some("give it a value, or leave the key out".to_owned())
            }
            (Value::Text(text), types) if types.contains(&"boolean") => {
                let quoted =
                    matches!(text.as_str(), "true" | "false").then(|| "leave the quotes out".to_owned());
                quoted.or_else(|| super::yaml::is_old_boolean(text).map(|value| format!("write {value}")))
            }
            (Value::Text(text), types) if types.contains(&"number") || types.contains(&"integer") => {
                number::advice(text, node.plain)
            }
            (Value::Text(_) | Value::Number(_), types) if types.contains(&"array") => {
                Some(format!("write it as a list: [{}]", self.source.slice(&node.span)))
            }
            (Value::Mapping(_), types) if types.contains(&"array") => {
                Some("write it as a list: one `- ` for each item".to_owned())
            }
            (_, types) if types.contains(&"object") => object::keys_needed(schema),
            _ => None,
        };
        let diagnostic = Diagnostic::error(code::WRONG_TYPE, self.source, place(node, key), message);
        self.report.push(diagnostic.maybe_help(help));
        Json::Null
    }

    /// Whether nothing at all is written where the value should be; an explicit `null` is something.
    fn is_blank(&self, node: &Node) -> bool {
        matches!(node.value, Value::Null) && !node.reported && self.source.slice(&node.span).is_empty()
    }

    fn error(&mut self, code: &'static str, span: Span, message: String) {
        self.report.push(Diagnostic::error(code, self.source, span, message));
    }

    /// Follows `$ref`; its neighbours are annotations only.
    fn resolved(&self, schema: &'a Json) -> &'a Json {
        let mut schema = schema;
        for _ in 0..16 {
            let Some(reference) = schema.get("$ref").and_then(Json::as_str) else { return schema };
            // Nearly always a plain name among the definitions, which needs no unescaping.
            let named = reference.strip_prefix("#/$defs/").and_then(|name| self.root.get("$defs")?.get(name));
            let target =
                named.or_else(|| reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)));
            let Some(target) = target else { return schema };
            schema = target;
        }
        schema
    }
}

fn accepts_anything(schema: &Json) -> bool {
    types(schema).is_empty() && branches(schema).is_none() && words(schema).is_none()
}

fn branches(schema: &Json) -> Option<&Vec<Json>> {
    schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Json::as_array)
}

/// The words of an `enum` or `const`, if the schema is one.
fn words(schema: &Json) -> Option<Vec<&str>> {
    if let Some(word) = schema.get("const") {
        return Some(word.as_str().into_iter().collect());
    }
    let words = schema.get("enum").and_then(Json::as_array)?;
    Some(words.iter().filter_map(Json::as_str).collect())
}

fn types(schema: &Json) -> Vec<&str> {
    match schema.get("type") {
        Some(Json::String(name)) => vec![name],
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The types in words.
fn expected(types: &[&str]) -> String {
    let words: Vec<_> = types
        .iter()
        .filter_map(|name| match *name {
            "object" => Some("a mapping"),
            "array" => Some("a list"),
            "string" => Some("text"),
            "boolean" => Some("true or false"),
            "integer" => Some("a whole number"),
            "number" => Some("a number"),
            _ => None,
        })
        .collect();
    words.join(" or ")
}

/// How a message names the place.
fn name(key: Option<&Key>) -> String {
    match key {
        Some(key) => format!("`{}`", key.text),
        None => "this".to_owned(),
    }
}

/// What to underline: the value, or the key where the value is nothing or a whole block.
fn place(node: &Node, key: Option<&Key>) -> Span {
    match (&node.value, key) {
        (Value::Null | Value::Mapping(_) | Value::Sequence(_), Some(key)) => key.span.clone(),
        _ => node.head(),
    }
}

#[cfg(test)]
mod tests;
