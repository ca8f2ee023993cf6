//! A value as Redis keeps it: a text that is a number, a text that is compared, a document with a number in it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Unit;
use crate::probe::server::{number, quoted};

/// What is made of a value.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValueRead {
    /// The metric's name; the probe's name otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The unit of the number; a bare number otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// Makes the metric a flag: whether the value is this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// The field of a hash; otherwise the key holds a string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Where the value stands in a JSON document, as a JSON pointer (RFC 6901): `/limits/daily`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

impl ValueRead {
    /// The unit of what is measured.
    pub fn unit(&self) -> Unit {
        if self.equals.is_some() { Unit::Flag } else { self.unit.unwrap_or(Unit::Number) }
    }

    /// The number that a text says.
    ///
    /// # Errors
    /// Why it says none.
    pub fn number(&self, text: &str) -> Result<f64, String> {
        let equals = self.equals.as_deref();
        let Some(pointer) = &self.pointer else { return judged(text, equals, self.unit()) };
        let document: serde_json::Value =
            serde_json::from_str(text).map_err(|error| format!("the value is not JSON: {error}"))?;
        match document.pointer(pointer) {
            None => Err(format!("there is nothing at {}", quoted(pointer))),
            Some(serde_json::Value::String(text)) => judged(text, equals, self.unit()),
            Some(value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) => {
                judged(&value.to_string(), equals, self.unit())
            }
            Some(_) => Err(format!("{} is neither a number nor a text", quoted(pointer))),
        }
    }
}

/// A text as a number of a unit, or compared with another one.
///
/// # Errors
/// Why it is no such number.
pub fn judged(text: &str, equals: Option<&str>, unit: Unit) -> Result<f64, String> {
    if let Some(wanted) = equals {
        return Ok(f64::from(u8::from(text == wanted)));
    }
    if text.is_empty() {
        return Err("the value is empty".to_owned());
    }
    let value = number(text)?;
    if unit == Unit::Flag && value.is_finite() && value != 0.0 && value != 1.0 {
        return Err(format!("{value} is neither true nor false"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str, text: &str) -> Result<f64, String> {
        let read: ValueRead = serde_yaml::from_str(yaml).unwrap();
        read.number(text)
    }

    #[test]
    fn texts_numbers_and_documents() {
        assert_eq!(read("{}", "0.25"), Ok(0.25));
        assert_eq!(read("{equals: live}", "live"), Ok(1.0));
        assert_eq!(read("{equals: live}", "dead"), Ok(0.0));
        assert_eq!(read("{pointer: /a/b}", r#"{"a": {"b": 7}}"#), Ok(7.0));
        assert_eq!(read("{pointer: /a, equals: on}", r#"{"a": "on"}"#), Ok(1.0));
        assert_eq!(read("{unit: flag}", "true"), Ok(1.0));
        for (yaml, text) in [
            ("{}", ""),
            ("{}", "1.5M"),
            ("{unit: flag}", "0.9"),
            ("{pointer: /a}", "{}"),
            ("{pointer: /a}", "no JSON"),
            ("{pointer: /a}", r#"{"a": null}"#),
            ("{pointer: /a, equals: on}", r#"{"a": ["on"]}"#),
        ] {
            assert!(read(yaml, text).is_err(), "{yaml} {text}");
        }
    }
}
