//! The parameters of an adapter, read strictly: an unknown one, a missing one and one of a wrong kind are errors that
//! name the parameter and never repeat its value, since a value may be a secret.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

use super::contract::Request;
use crate::base::{Error, ErrorCode, Result, Secret};

/// Reads the parameters of a request.
///
/// # Errors
/// `invalid-configuration`, naming the parameter.
pub fn read<T: DeserializeOwned>(adapter: &str, request: &Request) -> Result<T> {
    // An empty text is how a template says that there is nothing.
    let given: serde_json::Map<String, Value> = request
        .with
        .iter()
        .filter(|(_, value)| !value.is_null() && value.as_str() != Some(""))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    serde_path_to_error::deserialize(Value::Object(given)).map_err(|error| {
        let path = error.path().to_string();
        let text = error.inner().to_string();
        // serde repeats the value in what it says of a wrong type; names of parameters alone are safe.
        let why = if text.starts_with("missing field") || text.starts_with("unknown field") {
            text.replace("field", "parameter")
        } else {
            let expected = text.split("expected ").nth(1).unwrap_or("something else");
            format!("the parameter `{}` is not {}", path.escape_debug(), expected)
        };
        Error::new(ErrorCode::InvalidConfiguration, format!("{adapter}: {why}"))
            .hint(format!("see the parameters of `config/recipes/{adapter}.yaml`"))
    })
}

/// A secret among the parameters.
#[derive(Clone)]
pub struct Hidden(pub Secret);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden(…)")
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Hidden(Secret::new(text))),
            _ => Err(D::Error::custom("expected a text")),
        }
    }
}

/// Several words: a list of texts, or one text with commas or blanks between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong =
            || D::Error::custom("expected a list of words, or a text with blanks or commas between them");
        let words = match Value::deserialize(deserializer)? {
            Value::String(text) => text
                .split([',', ' ', '\t', '\n'])
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect(),
            Value::Array(items) => {
                let word = |item: &Value| item.as_str().filter(|word| !word.is_empty()).map(str::to_owned);
                items.iter().map(|item| word(item).ok_or_else(wrong)).collect::<Result<Vec<_>, _>>()?
            }
            _ => return Err(wrong()),
        };
        Ok(Words(words))
    }
}

/// Names and values: a list of `NAME=VALUE`, a mapping, or a text such as `stable=90 canary=10`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs(pub BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || D::Error::custom("expected a mapping, or a text such as `NAME=VALUE OTHER=VALUE`");
        let mut pairs = BTreeMap::new();
        let mut add = |name: &str, value: String| {
            let twice = name.is_empty() || pairs.insert(name.to_owned(), value).is_some();
            if twice { Err(wrong()) } else { Ok(()) }
        };
        match Value::deserialize(deserializer)? {
            Value::String(text) => {
                for pair in text.split([',', ' ', '\t', '\n']).filter(|pair| !pair.is_empty()) {
                    let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
                    add(name, value.to_owned())?;
                }
            }
            // In a list a value may hold blanks and commas.
            Value::Array(items) => {
                for item in items {
                    let (name, value) =
                        item.as_str().and_then(|item| item.split_once('=')).ok_or_else(wrong)?;
                    add(name, value.to_owned())?;
                }
            }
            Value::Object(given) => {
                for (name, value) in given {
                    match value {
                        Value::String(text) => add(&name, text)?,
                        Value::Number(_) | Value::Bool(_) => add(&name, value.to_string())?,
                        _ => return Err(wrong()),
                    }
                }
            }
            _ => return Err(wrong()),
        }
        Ok(Pairs(pairs))
    }
}

/// A text; numbers and booleans are taken as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Text(text)),
            value @ (Value::Number(_) | Value::Bool(_)) => Ok(Text(value.to_string())),
            _ => Err(D::Error::custom("expected a text or a number")),
        }
    }
}

/// A whole number that is not negative, also where a template made a text of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(pub u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let count = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        count.map(Count).ok_or_else(|| D::Error::custom("expected a whole number"))
    }
}

/// Yes or no, also where a template made a text of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flag(pub bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(flag) => Ok(Flag(flag)),
            Value::String(text) if text == "true" => Ok(Flag(true)),
            Value::String(text) if text == "false" => Ok(Flag(false)),
            _ => Err(D::Error::custom("expected true or false")),
        }
    }
}

/// A length of time with its unit: `30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || D::Error::custom("expected a length of time with its unit, such as `30s`");
        let text = String::deserialize(deserializer).map_err(|_| wrong())?;
        match text.parse::<crate::base::Duration>() {
            Ok(length @ crate::base::Duration::Fixed(1..)) => Ok(Span(length.to_std())),
            _ => Err(wrong()),
        }
    }
}

/// Refuses a word that a program would read as an option.
///
/// # Errors
/// `invalid-configuration` for an empty word, one that begins with a dash, and one with control characters.
pub fn plain(adapter: &str, parameter: &str, word: &str) -> Result<()> {
    if word.is_empty() || word.starts_with('-') || word.chars().any(char::is_control) {
        let why = format!(
            "{adapter}: the parameter `{parameter}` holds `{}`, which is no plain name",
            word.escape_debug()
        );
        return Err(Error::new(ErrorCode::InvalidConfiguration, why)
            .hint("a name does not begin with a dash and holds no control characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollback::adapters::testing::request;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Given {
        url: Hidden,
        #[serde(default)]
        words: Words,
        #[serde(default)]
        pairs: Pairs,
        count: Option<Count>,
        flag: Option<Flag>,
        timeout: Option<Span>,
    }

    #[test]
    fn reads_what_templates_make() {
        let given = json!({
            "url": "redis://:pw@h", "words": "a, b\nc", "pairs": "stable=90 canary=10", "count": "7",
            "flag": "true", "timeout": "1500ms"
        });
        let given: Given = read("redis-key", &request(given)).unwrap();
        assert_eq!(given.words.0, ["a", "b", "c"]);
        assert_eq!(given.pairs.0["stable"], "90");
        assert_eq!((given.count, given.flag), (Some(Count(7)), Some(Flag(true))));
        assert_eq!(given.timeout.unwrap().0, Duration::from_millis(1500));
        assert_eq!(given.url.0.expose(), "redis://:pw@h");
    }

    #[test]
    fn no_value_is_repeated() {
        for (given, names) in [
            (json!({"url": "u", "count": "hunter2"}), "count"),
            (json!({"url": ["hunter2"]}), "url"),
            (json!({"url": "u", "timeout": "hunter2"}), "timeout"),
            (json!({"url": "u", "hunter3": "hunter2"}), "hunter3"),
            (json!({"count": 1}), "url"),
            (json!({"url": "u", "pairs": "hunter2"}), "pairs"),
        ] {
            let error = read::<Given>("redis-key", &request(given)).unwrap_err();
            assert!(error.message.contains(names), "{}", error.message);
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
        assert!(plain("systemd-unit", "start", "--now").is_err());
    }
}
