//! Texts: length, and the grammar that their `format` names.

use serde_json::Value as Json;

use super::formats::Fault;
use super::{Walk, name};
use crate::config::diagnostic::{Diagnostic, code};
use crate::config::source::Span;
use crate::config::yaml::{Key, Node, inside_text};

impl Walk<'_> {
    pub(super) fn text(&mut self, node: &Node, text: &str, schema: &Json, key: Option<&Key>) -> Json {
        let length = |name: &str| schema.get(name).and_then(Json::as_u64);
        let characters = text.chars().count() as u64;
        if length("minLength").is_some_and(|least| characters < least) {
            let message = if text.is_empty() {
                format!("{} is empty", name(key))
            } else {
                format!("{} is too short", name(key))
            };
            self.error(code::OUT_OF_RANGE, node.span.clone(), message);
        }
        if length("maxLength").is_some_and(|most| characters > most) {
            self.error(code::OUT_OF_RANGE, node.span.clone(), format!("{} is too long", name(key)));
        }
        if let Some(format) = schema.get("format").and_then(Json::as_str)
            && let Err(fault) = self.formats.check(format, text)
        {
            self.fault(node, format, fault);
        }
        text.into()
    }

    /// A number or a boolean without quotes where a text is wanted. A text with a grammar is taken as it is
    /// written (`2` may be a quantity); any other text could have lost digits already, so the quotes are asked for.
    pub(super) fn unquoted(&mut self, node: &Node, schema: &Json, key: Option<&Key>) -> Json {
        let raw = self.source.slice(&node.span).to_owned();
        match schema.get("format").and_then(Json::as_str).filter(|format| self.formats.knows(format)) {
            Some(format) => {
                if let Err(fault) = self.formats.check(format, &raw) {
                    self.fault(node, format, fault);
                }
                raw.into()
            }
            None => {
                let message = format!("{} must be text, not {}", name(key), node.what());
                let diagnostic = Diagnostic::error(code::WRONG_TYPE, self.source, node.span.clone(), message);
                self.report.push(diagnostic.help(format!("quote it: \"{raw}\"")));
                Json::Null
            }
        }
    }

    fn fault(&mut self, node: &Node, format: &str, fault: Fault) {
        let span = self.fault_span(node, &fault);
        let code = if format == "secret-reference" {
            self.source.hide(node.span.clone());
            code::SECRET_VALUE
        } else {
            code::INVALID_VALUE
        };
        let diagnostic = Diagnostic::error(code, self.source, span, fault.message);
        self.report.push(diagnostic.maybe_help(fault.help));
    }

    fn fault_span(&self, node: &Node, fault: &Fault) -> Span {
        match fault.span.clone() {
            Some(span) => inside_text(self.source, node, span.start, span.len()),
            None => node.span.clone(),
        }
    }
}
