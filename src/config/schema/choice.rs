//! `oneOf` and `anyOf`: options, externally tagged enums, words, and everything else by trial.

use serde_json::{Map, Value as Json};

use super::{Walk, expected, name, place, suggest, types, words};
use crate::config::diagnostic::{Diagnostic, Report, code};
use crate::config::source::Span;
use crate::config::yaml::{Entry, Key, Node, Value};

/// What a choice is made of.
#[derive(Default)]
struct Choice<'a> {
    /// Accepts null.
    null: bool,
    /// Unit variants, and words in general.
    words: Vec<&'a str>,
    /// Variants with content: the name and the schema of the content.
    kinds: Vec<(&'a str, &'a Json)>,
    /// Everything else.
    others: Vec<&'a Json>,
}

impl<'a> Walk<'a> {
    pub(super) fn choice(&mut self, node: &Node, branches: &'a [Json], key: Option<&Key>) -> Json {
        let mut choice = Choice::default();
        self.sort_branches(branches, &mut choice, 0);
        if choice.null && matches!(node.value, Value::Null) {
            return Json::Null;
        }
        match (choice.words.is_empty(), choice.kinds.is_empty(), choice.others.as_slice()) {
            (true, true, [only]) => self.value(node, only, key),
            (false, true, []) => self.word(node, &choice.words, key),
            (_, false, []) => self.kind(node, &choice, key),
            _ => self.trial(node, &choice, key),
        }
    }

    fn sort_branches(&self, branches: &'a [Json], choice: &mut Choice<'a>, depth: usize) {
        for branch in branches {
            let branch = self.resolved(branch);
            if types(branch) == ["null"] {
                choice.null = true;
            } else if let Some(found) = words(branch) {
                choice.words.extend(found);
            } else if let Some(kind) = kind(branch) {
                choice.kinds.push(kind);
            } else if let Some(inner) = super::branches(branch).filter(|_| depth < 4) {
                self.sort_branches(inner, choice, depth + 1);
            } else {
                choice.others.push(branch);
            }
        }
    }

    /// One word out of a list.
    pub(super) fn word(&mut self, node: &Node, words: &[&str], key: Option<&Key>) -> Json {
        if let Some(text) = node.text().filter(|text| words.contains(text)) {
            return text.into();
        }
        let raw = self.source.slice(&node.span);
        let written = node.text().unwrap_or(raw);
        let scalar = !matches!(node.value, Value::Mapping(_) | Value::Sequence(_) | Value::Null);
        let (code, message) = if scalar {
            (code::UNKNOWN_VALUE, format!("{} cannot be `{written}`", name(key)))
        } else {
            (code::WRONG_TYPE, format!("{} must be one word, not {}", name(key), node.what()))
        };
        let help = suggest::suggestion(written, words).filter(|_| scalar);
        let help = help.unwrap_or_else(|| format!("it is one of {}", suggest::list(words)));
        self.report.push(Diagnostic::error(code, self.source, place(node, key), message).help(help));
        Json::Null
    }

    /// An externally tagged enum: one key chooses, or one word.
    fn kind(&mut self, node: &Node, choice: &Choice<'a>, key: Option<&Key>) -> Json {
        let names: Vec<&str> = choice.kinds.iter().map(|(name, _)| *name).collect();
        match &node.value {
            Value::Mapping(entries) => self.kind_of_mapping(node, entries, choice, &names, key),
            Value::Text(text) if choice.words.contains(&text.as_str()) => text.as_str().into(),
            Value::Text(text) if names.contains(&text.as_str()) => {
                let message = format!("`{text}` needs details");
                let help = format!("write `{text}: …` as a mapping");
                self.push(code::ONE_KIND, node.head(), message, help);
                Json::Null
            }
            Value::Text(text) => {
                let all: Vec<&str> = choice.words.iter().chain(&names).copied().collect();
                let message = format!("{} cannot be `{text}`", name(key));
                let help = suggest::suggestion(text, &all)
                    .unwrap_or_else(|| format!("it is one of {}", suggest::list(&all)));
                self.push(code::UNKNOWN_VALUE, node.head(), message, help);
                Json::Null
            }
            _ => {
                let message = format!("{} must name one kind, not {}", name(key), node.what());
                let all: Vec<&str> = choice.words.iter().chain(&names).copied().collect();
                let help = format!("kinds: {}", suggest::list(&all));
                self.push(code::WRONG_TYPE, place(node, key), message, help);
                Json::Null
            }
        }
    }

    fn kind_of_mapping(
        &mut self,
        node: &Node,
        entries: &[Entry],
        choice: &Choice<'a>,
        names: &[&str],
        key: Option<&Key>,
    ) -> Json {
        let found: Vec<_> = entries
            .iter()
            .filter_map(|entry| {
                let (name, schema) = choice.kinds.iter().find(|(name, _)| *name == entry.key.text)?;
                Some((entry, *name, *schema))
            })
            .collect();
        let mut object = Map::new();
        for (entry, name, schema) in &found {
            object.insert((*name).to_owned(), self.value(&entry.value, schema, Some(&entry.key)));
        }
        match (found.as_slice(), entries) {
            ([_], [_]) => {}
            ([], []) => {
                let help = format!("kinds: {}", suggest::list(names));
                self.push(code::ONE_KIND, place(node, key), format!("{} names no kind", name(key)), help);
            }
            ([], _) => self.no_such_kind(entries, choice, names),
            ([(_, kind, _)], _) => self.beside(entries, kind),
            ([first, second, ..], _) => {
                let message = format!("{} names two kinds: `{}` and `{}`", name(key), first.1, second.1);
                let help = "choose one; give the other a name of its own".to_owned();
                self.push(code::ONE_KIND, second.0.key.span.clone(), message, help);
            }
        }
        Json::Object(object)
    }

    fn no_such_kind(&mut self, entries: &[Entry], choice: &Choice<'a>, names: &[&str]) {
        for entry in entries {
            let text = &entry.key.text;
            let help = if choice.words.contains(&text.as_str()) {
                format!("`{text}` takes no details: write just the word")
            } else {
                suggest::suggestion(text, names).unwrap_or_else(|| format!("kinds: {}", suggest::list(names)))
            };
            let message = format!("there is no kind `{text}` here");
            self.push(code::UNKNOWN_KEY, entry.key.span.clone(), message, help);
        }
    }

    /// Keys beside the one that names the kind: most often indented too little.
    fn beside(&mut self, entries: &[Entry], kind: &str) {
        for entry in entries.iter().filter(|entry| entry.key.text != kind) {
            let message = format!("`{}` cannot stand beside `{kind}`", entry.key.text);
            let help = format!("if it belongs to `{kind}`, indent it below that");
            self.push(code::UNKNOWN_KEY, entry.key.span.clone(), message, help);
        }
    }

    /// No rule to choose by: what fits without an error, else what fits the type, else what fits best.
    fn trial(&mut self, node: &Node, choice: &Choice<'a>, key: Option<&Key>) -> Json {
        if node.text().is_some_and(|text| choice.words.contains(&text)) {
            return node.to_json();
        }
        if !choice.kinds.is_empty() && choice.kinds.iter().any(|(name, _)| node.get(name).is_some()) {
            return self.kind(node, choice, key);
        }
        let mut best: Option<(Json, Report)> = None;
        let fitting = choice.others.iter().filter(|branch| fits(node, branch));
        for branch in fitting {
            let before = std::mem::take(&mut self.report);
            let value = self.value(node, branch, key);
            let report = std::mem::replace(&mut self.report, before);
            if best.as_ref().is_none_or(|(_, best)| report.errors() < best.errors()) {
                best = Some((value, report));
            }
        }
        if let Some((value, report)) = best {
            self.report.extend(report);
            return value;
        }
        let all: Vec<&str> = choice.others.iter().flat_map(|branch| types(branch)).collect();
        let mut wanted = vec![expected(&all)];
        wanted.extend(choice.words.iter().map(|word| format!("`{word}`")));
        wanted.extend(choice.kinds.iter().map(|(name, _)| format!("`{name}: …`")));
        wanted.retain(|text| !text.is_empty());
        let message = format!("{} must be {}, not {}", name(key), wanted.join(" or "), node.what());
        self.error(code::WRONG_TYPE, place(node, key), message);
        Json::Null
    }

    fn push(&mut self, code: &'static str, span: Span, message: String, help: String) {
        self.report.push(Diagnostic::error(code, self.source, span, message).help(help));
    }
}

/// A variant with content: an object with one property, which is required, and nothing else.
fn kind(branch: &Json) -> Option<(&str, &Json)> {
    let properties = branch.get("properties")?.as_object()?;
    let mut entries = properties.iter();
    let (name, content) = entries.next()?;
    let required = branch.get("required")?.as_array()?;
    let closed = branch.get("additionalProperties") == Some(&Json::Bool(false));
    let only = entries.next().is_none() && required.iter().any(|key| key == name.as_str());
    (only && closed).then_some((name.as_str(), content))
}

fn fits(node: &Node, branch: &Json) -> bool {
    let types = types(branch);
    let names: &[&str] = match &node.value {
        Value::Null => &["null"],
        Value::Boolean(_) => &["boolean"],
        Value::Number(_) => &["number", "integer"],
        Value::Text(_) => &["string"],
        Value::Sequence(_) => &["array"],
        Value::Mapping(_) => &["object"],
    };
    types.is_empty() || names.iter().any(|name| types.contains(name))
}
