//! What whoever starts a runbook says: typed, bounded, and refused where it does not fit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use super::problem::{Mistake, Problem};
use crate::base::{Duration, path};
use crate::rollback::config::Scalar;

/// An input, or the answer of a human.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InputConfig {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: InputKind,
    /// What it is for, as the prompt says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The value where nobody says one. Without it the input has to be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Scalar>,
    /// With `string` and `version`: the pattern that the whole text has to match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// With `integer` and `number`: the smallest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// With `integer` and `number`: the largest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// With `enum`: the words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// With `path`: the folders, relative to the workspace, of which it has to lie in one; the workspace otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<PathBuf>,
}

/// What an input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// A text of one line.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// One of some words.
    Enum,
    /// A length of time with its unit.
    Duration,
    /// A path inside the workspace.
    Path,
    /// The name of a service of the workspace.
    Service,
    /// The name or digest of a version of the service.
    Version,
    /// `true` or `false`; no other word is.
    Boolean,
}

impl InputKind {
    /// The word as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            InputKind::String => "string",
            InputKind::Integer => "integer",
            InputKind::Number => "number",
            InputKind::Enum => "enum",
            InputKind::Duration => "duration",
            InputKind::Path => "path",
            InputKind::Service => "service",
            InputKind::Version => "version",
            InputKind::Boolean => "boolean",
        }
    }

    const fn is_number(self) -> bool {
        matches!(self, InputKind::Integer | InputKind::Number)
    }
}

/// Why a value is not taken, and what would be.
pub type Refusal = (String, String);

impl InputConfig {
    /// An input of this type that takes anything that is of it.
    pub fn of(kind: InputKind) -> Self {
        Self {
            kind,
            description: None,
            default: None,
            pattern: None,
            min: None,
            max: None,
            values: Vec::new(),
            roots: Vec::new(),
        }
    }

    /// Takes a value as it is typed.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn accept(&self, text: &str) -> Result<(), Refusal> {
        let shown = text.escape_debug().to_string();
        let refuse = |why: String, way: &str| Err((why, way.to_owned()));
        if text.chars().any(char::is_control) {
            return refuse("it holds control characters".to_owned(), "give one line of text");
        }
        match self.kind {
            InputKind::String | InputKind::Version => self.matches(text),
            InputKind::Integer => match text.parse::<i64>() {
                #[expect(clippy::cast_precision_loss, reason = "bounds are written as numbers of this size")]
                Ok(number) => self.bounded(number as f64, &shown),
                Err(_) => refuse(format!("`{shown}` is no whole number"), "as 3"),
            },
            InputKind::Number => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => self.bounded(number, &shown),
                _ => refuse(format!("`{shown}` is no number"), "as 0.25"),
            },
            InputKind::Enum if self.values.iter().any(|word| word == text) => Ok(()),
            InputKind::Enum => refuse(
                format!("`{shown}` is not among the words"),
                &format!("one of {}", self.values.join(", ")),
            ),
            InputKind::Duration => match text.parse::<Duration>() {
                Ok(_) => Ok(()),
                Err(error) => refuse(error.message, "as 15m, 2h or 7 days"),
            },
            InputKind::Path => self.inside(text),
            InputKind::Service => match path::single_name(text) {
                Ok(_) => Ok(()),
                Err(error) => refuse(error.message, "the name of a service"),
            },
            InputKind::Boolean if matches!(text, "true" | "false") => Ok(()),
            InputKind::Boolean => refuse(format!("`{shown}` is neither true nor false"), "true or false"),
        }
    }

    fn matches(&self, text: &str) -> Result<(), Refusal> {
        if text.is_empty() {
            return Err(("it is empty".to_owned(), "give a text".to_owned()));
        }
        let Some(pattern) = &self.pattern else { return Ok(()) };
        match whole(pattern) {
            Ok(compiled) if compiled.is_match(text) => Ok(()),
            _ => Err((
                format!("`{}` does not match", text.escape_debug()),
                format!("it has to match {pattern}"),
            )),
        }
    }

    fn bounded(&self, number: f64, shown: &str) -> Result<(), Refusal> {
        if self.min.is_some_and(|min| number < min) || self.max.is_some_and(|max| number > max) {
            let bound = |bound: Option<f64>, word: &str| bound.map(|bound| format!("{word} {bound}"));
            let way: Vec<_> =
                [bound(self.min, "at least"), bound(self.max, "at most")].into_iter().flatten().collect();
            return Err((format!("{shown} is out of range"), way.join(", ")));
        }
        Ok(())
    }

    fn inside(&self, text: &str) -> Result<(), Refusal> {
        let plain = plain(text).ok_or_else(|| {
            (
                format!("`{}` leaves the workspace", text.escape_debug()),
                "a path without `..`, relative to the workspace".to_owned(),
            )
        })?;
        if self.roots.is_empty() || self.roots.iter().any(|root| plain.starts_with(root)) {
            return Ok(());
        }
        let roots: Vec<_> = self.roots.iter().map(|root| root.display().to_string()).collect();
        Err((format!("`{}` lies elsewhere", text.escape_debug()), format!("a path in {}", roots.join(", "))))
    }

    /// What is wrong with its configuration. Pointers begin at the input.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let foreign = |key: &str, kinds: &str| {
            let message = format!("`{key}` means nothing for a {}", self.kind.as_str());
            Problem::new(format!("/{key}"), Mistake::Unknown, message)
                .help(format!("it belongs to {kinds}"))
                .on_key()
        };
        let kind = self.kind;
        if self.pattern.is_some() && !matches!(kind, InputKind::String | InputKind::Version) {
            found.push(foreign("pattern", "`type: string` and `type: version`"));
        }
        for (key, bound) in [("min", self.min), ("max", self.max)] {
            if bound.is_some() && !kind.is_number() {
                found.push(foreign(key, "`type: integer` and `type: number`"));
            }
        }
        if !self.values.is_empty() && kind != InputKind::Enum {
            found.push(foreign("values", "`type: enum`"));
        }
        if !self.roots.is_empty() && kind != InputKind::Path {
            found.push(foreign("roots", "`type: path`"));
        }
        if self.values.is_empty() && kind == InputKind::Enum {
            let problem = Problem::new("", Mistake::Missing, "an enum needs its words");
            found.push(problem.help("values: [low, high]"));
        }
        if self.min.zip(self.max).is_some_and(|(min, max)| min > max) {
            let message = "the smallest is larger than the largest";
            found.push(Problem::new("/min", Mistake::Invalid, message).help("exchange `min` and `max`"));
        }
        if let Some(Err(error)) = self.pattern.as_deref().map(whole) {
            let reason = error.to_string();
            let reason =
                reason.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
            let problem = Problem::new("/pattern", Mistake::Invalid, format!("this is no pattern: {reason}"));
            found.push(problem.help("write a regular expression, as `[a-z]+-[0-9]{4}`"));
        }
        for (number, root) in self.roots.iter().enumerate() {
            if plain(&root.to_string_lossy()).is_none() {
                let problem = Problem::new(
                    format!("/roots/{number}"),
                    Mistake::Outside,
                    "this path leaves the workspace",
                );
                found.push(problem.help("write it relative to the workspace's root, without `..`"));
            }
        }
        if found.is_empty() {
            found.extend(self.default_problem());
        }
        found
    }

    fn default_problem(&self) -> Option<Problem> {
        let default = &self.default.as_ref()?.0;
        let text = match default {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Null => {
                return Some(self.no_default("null is no value".to_owned(), "leave `default` out"));
            }
            other => other.to_string(),
        };
        let quoted = default.is_string();
        if quoted && (self.kind.is_number() || self.kind == InputKind::Boolean) {
            return Some(self.no_default("it is a text".to_owned(), "leave the quotes out"));
        }
        let (why, way) = self.accept(&text).err()?;
        Some(self.no_default(why, &way))
    }

    fn no_default(&self, why: String, way: &str) -> Problem {
        Problem::new("/default", Mistake::Invalid, format!("the default is refused: {why}")).help(way)
    }
}

fn whole(pattern: &str) -> Result<regex::Regex, regex::Error> {
    regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(1 << 20).build()
}

/// The path, if it stays where it is.
fn plain(text: &str) -> Option<PathBuf> {
    use std::path::Component;
    let path = PathBuf::from(text);
    let stays = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    (!text.is_empty() && path.components().all(stays))
        .then(|| path.components().filter(|part| *part != Component::CurDir).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(json: &str) -> InputConfig {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn values_are_taken_by_type() {
        for (config, good, bad) in [
            (r#"{"type": "string", "pattern": "[a-z]+"}"#, &["abc"][..], &["aBc", "", "a\nb", "abc "][..]),
            (r#"{"type": "integer", "min": 1, "max": 3}"#, &["1", "3"], &["0", "4", "1.5", "x", ""]),
            (r#"{"type": "number", "max": 0.5}"#, &["0.5", "-1e3"], &["0.6", "NaN", "inf"]),
            (r#"{"type": "enum", "values": ["low", "high"]}"#, &["low"], &["Low", ""]),
            (r#"{"type": "duration"}"#, &["15m"], &["15", "soon"]),
            (
                r#"{"type": "path", "roots": ["outputs"]}"#,
                &["outputs/a", "./outputs/b"],
                &["../outputs", "/outputs", "data/a", "outputs/../data", "outputs2/a"],
            ),
            (r#"{"type": "service"}"#, &["rila_6y20b"], &["a/b", ".."]),
            (r#"{"type": "boolean"}"#, &["true", "false"], &["yes", "True", "1"]),
        ] {
            let config = input(config);
            for text in good {
                assert_eq!(config.accept(text), Ok(()), "{text}");
            }
            for text in bad {
                assert!(config.accept(text).is_err(), "{config:?} took {text:?}");
            }
        }
    }

    #[test]
    fn parts_that_do_not_fit_are_named() {
        let pointers = |json: &str| -> Vec<String> {
            input(json).problems().into_iter().map(|problem| problem.pointer).collect()
        };
        assert_eq!(
            pointers(r#"{"type": "integer", "pattern": "a", "values": ["a"]}"#),
            ["/pattern", "/values"]
        );
        assert_eq!(pointers(r#"{"type": "enum"}"#), [""]);
        assert_eq!(pointers(r#"{"type": "string", "pattern": "("}"#), ["/pattern"]);
        assert_eq!(pointers(r#"{"type": "integer", "min": 3, "max": 1}"#), ["/min"]);
        assert_eq!(pointers(r#"{"type": "integer", "max": 1, "default": 2}"#), ["/default"]);
        assert_eq!(pointers(r#"{"type": "boolean", "default": "true"}"#), ["/default"]);
        assert_eq!(pointers(r#"{"type": "path", "roots": ["../x"]}"#), ["/roots/0"]);
        assert!(pointers(r#"{"type": "boolean", "default": false}"#).is_empty());
    }
}
