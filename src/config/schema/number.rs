//! Numbers and their bounds.

use serde_json::{Number, Value as Json};

use super::{Walk, name};
use crate::config::diagnostic::{Diagnostic, code};
use crate::config::yaml::{Key, Node};

impl Walk<'_> {
    /// `fractions`: whether the schema takes any number, not only whole ones.
    pub(super) fn number(
        &mut self,
        node: &Node,
        number: &Number,
        schema: &Json,
        fractions: bool,
        key: Option<&Key>,
    ) -> Json {
        if !fractions && number.is_f64() {
            let message = format!("{} must be a whole number, not {number}", name(key));
            self.error(code::WRONG_TYPE, node.span.clone(), message);
            return Json::Null;
        }
        if let Some(bound) = number.as_f64().and_then(|value| outside(value, schema)) {
            let message = format!("{} is {number}, and must be {bound}", name(key));
            self.report.push(Diagnostic::error(code::OUT_OF_RANGE, self.source, node.span.clone(), message));
        }
        number.clone().into()
    }
}

/// The bound that the value breaks, in words.
fn outside(value: f64, schema: &Json) -> Option<String> {
    let bound = |name: &str| schema.get(name).and_then(Json::as_f64);
    let (format_least, format_most) =
        schema.get("format").and_then(Json::as_str).map_or((None, None), of_format);
    let least = bound("minimum").or(format_least);
    let most = bound("maximum").or(format_most);
    if let Some(least) = least.filter(|least| value < *least) {
        return Some(format!("at least {least}"));
    }
    if let Some(most) = most.filter(|most| value > *most) {
        return Some(format!("at most {most}"));
    }
    if let Some(least) = bound("exclusiveMinimum").filter(|least| value <= *least) {
        return Some(format!("more than {least}"));
    }
    bound("exclusiveMaximum").filter(|most| value >= *most).map(|most| format!("less than {most}"))
}

/// The bounds of Rust's integer types, which schemars names as formats.
fn of_format(format: &str) -> (Option<f64>, Option<f64>) {
    match format {
        "uint8" => (Some(0.0), Some(255.0)),
        "uint16" => (Some(0.0), Some(65_535.0)),
        "uint32" => (Some(0.0), Some(4_294_967_295.0)),
        "uint64" | "uint" => (Some(0.0), None),
        "int32" => (Some(-2_147_483_648.0), Some(2_147_483_647.0)),
        _ => (None, None),
    }
}

/// What to write instead of a text that was meant as a number.
pub(super) fn advice(text: &str, plain: bool) -> Option<String> {
    if !plain && text.trim().parse::<f64>().is_ok() {
        return Some("leave the quotes out".to_owned());
    }
    if let Some(number) = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok()) {
        return Some(format!("write the fraction: {}", number / 100.0));
    }
    let digits: String = text.chars().filter(|c| !matches!(c, '_' | ',' | ' ')).collect();
    let separated = digits.len() < text.len() && digits.parse::<f64>().is_ok();
    separated.then(|| format!("write it without separators: {digits}"))
}
