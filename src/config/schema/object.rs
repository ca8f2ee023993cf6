//! Mappings: known, unknown and missing keys.

use serde_json::{Map, Value as Json};

use super::{Walk, name, place, suggest};
use crate::config::diagnostic::{Diagnostic, code};
use crate::config::yaml::{Entry, Key, Node};

/// Keys under which people put secrets; what stands there is kept out of excerpts when the key is not even known.
const SECRET_WORDS: [&str; 6] = ["password", "passwd", "secret", "token", "api_key", "apikey"];

impl<'a> Walk<'a> {
    pub(super) fn object(&mut self, node: &Node, schema: &'a Json, key: Option<&Key>) -> Json {
        let known = schema.get("properties").and_then(Json::as_object);
        let mut object = Map::new();
        let mut meant = Vec::new();
        for entry in node.entries() {
            let property = known.and_then(|known| known.get(&entry.key.text));
            let value = match property.or_else(|| pattern(schema, &entry.key.text)) {
                Some(property) => Some(self.value(&entry.value, property, Some(&entry.key))),
                None => self.additional(entry, schema, &mut meant),
            };
            if let Some(value) = value {
                object.insert(entry.key.text.clone(), value);
            }
        }
        self.missing(node, schema, key, &meant);
        Json::Object(object)
    }

    /// A key that `properties` does not know: an entry of a map, or an error.
    fn additional(&mut self, entry: &Entry, schema: &'a Json, meant: &mut Vec<String>) -> Option<Json> {
        match schema.get("additionalProperties") {
            Some(Json::Bool(false)) => {
                meant.extend(self.unknown_key(entry, schema));
                None
            }
            Some(values @ Json::Object(_)) => {
                self.entry_name(entry, schema);
                Some(self.value(&entry.value, values, Some(&entry.key)))
            }
            _ => Some(entry.value.to_json()),
        }
    }

    /// `propertyNames`: the grammar of a map's keys.
    fn entry_name(&mut self, entry: &Entry, schema: &'a Json) {
        let Some(names) = schema.get("propertyNames").map(|names| self.resolved(names)) else { return };
        let key = &entry.key;
        if let Some(words) = super::words(names).filter(|words| !words.contains(&key.text.as_str())) {
            let message = format!("`{}` is not one of {}", key.text, suggest::list(&words));
            let diagnostic = Diagnostic::error(code::UNKNOWN_KEY, self.source, key.span.clone(), message);
            self.report.push(diagnostic.maybe_help(suggest::suggestion(&key.text, &words)));
        }
        let format = names.get("format").and_then(Json::as_str);
        if let Some(Err(fault)) = format.map(|format| self.formats.check(format, &key.text)) {
            let diagnostic =
                Diagnostic::error(code::INVALID_VALUE, self.source, key.span.clone(), fault.message);
            self.report.push(diagnostic.maybe_help(fault.help));
        }
    }

    /// Reports it and returns the key that was probably meant.
    fn unknown_key(&mut self, entry: &Entry, schema: &Json) -> Option<String> {
        let known: Vec<&str> = schema
            .get("properties")
            .and_then(Json::as_object)
            .map(|known| known.keys().map(String::as_str).collect())
            .unwrap_or_default();
        let key = &entry.key;
        let lower = key.text.to_ascii_lowercase();
        if SECRET_WORDS.iter().any(|word| lower.contains(word)) {
            self.source.hide(entry.value.span.clone());
        }
        let help = suggest::suggestion(&key.text, &known).unwrap_or_else(|| match known.as_slice() {
            [] => "no key can stand here".to_owned(),
            known => format!("keys that can stand here: {}", suggest::list(known)),
        });
        let message = format!("there is no key `{}` here", key.text);
        self.report
            .push(Diagnostic::error(code::UNKNOWN_KEY, self.source, key.span.clone(), message).help(help));
        suggest::nearest(&key.text, &known).map(str::to_owned)
    }

    /// Required keys that are not there, and that no misspelt key was meant to be.
    fn missing(&mut self, node: &Node, schema: &Json, key: Option<&Key>, meant: &[String]) {
        let Some(required) = schema.get("required").and_then(Json::as_array) else { return };
        let missing: Vec<_> = required
            .iter()
            .filter_map(Json::as_str)
            .filter(|name| node.get(name).is_none() && !meant.iter().any(|meant| meant == name))
            .collect();
        if missing.is_empty() {
            return;
        }
        let plural = if missing.len() == 1 { "the key" } else { "the keys" };
        let message = match key {
            Some(_) => format!("{} lacks {plural} {}", name(key), suggest::list(&missing)),
            None => format!("{plural} {} {} missing", suggest::list(&missing), is(missing.len())),
        };
        let help = missing.first().and_then(|name| {
            let property = schema.get("properties")?.get(name)?;
            let text = property.get("description").or_else(|| self.resolved_in(property)?.get("description"));
            let first = text?.as_str()?.lines().next()?.to_owned();
            Some(format!("`{name}`: {first}"))
        });
        let diagnostic = Diagnostic::error(code::MISSING_KEY, self.source, place(node, key), message);
        self.report.push(diagnostic.maybe_help(help));
    }

    fn resolved_in<'b>(&'b self, schema: &'b Json) -> Option<&'b Json> {
        let reference = schema.get("$ref")?.as_str()?;
        self.root.pointer(reference.strip_prefix('#')?)
    }
}

fn is(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// `patternProperties`, as far as schemars writes them: one pattern for maps with keys of another type.
fn pattern<'a>(schema: &'a Json, key: &str) -> Option<&'a Json> {
    let patterns = schema.get("patternProperties").and_then(Json::as_object)?;
    let whole_number =
        !key.is_empty() && key.strip_prefix('-').unwrap_or(key).bytes().all(|b| b.is_ascii_digit());
    patterns.iter().find(|(pattern, _)| !pattern.contains("\\d") || whole_number).map(|(_, schema)| schema)
}
