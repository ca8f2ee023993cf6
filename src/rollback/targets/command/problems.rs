//! What is wrong with a recipe, with the parameters handed to one, and with programs written in a target.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Component, Path};

use super::config::{CommandTargetConfig, Parameter};
use super::recipe::{ParameterConfig, ParameterKind, Recipe};
use super::values::{self, PLACEHOLDERS};
use crate::base::SecretReference;
use crate::rollback::targets::Fence;

/// Something wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The JSON pointer of the place, from the recipe or the target's value on.
    pub pointer: String,
    /// What sort of mistake it is.
    pub kind: ProblemKind,
    /// One sentence. Never the value of what should be a secret.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

/// What sort of mistake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// A parameter that the recipe does not have.
    Unknown,
    /// A parameter that must be given.
    Missing,
    /// A value of another type.
    WrongType,
    /// A value where the reference to a secret must stand.
    SecretValue,
    /// Anything else.
    Invalid,
}

impl Problem {
    pub(super) fn new(
        pointer: impl Into<String>,
        kind: ProblemKind,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) -> Self {
        Self { pointer: pointer.into(), kind, message: message.into(), help: help.into() }
    }
}

impl Recipe {
    /// What is wrong with the recipe itself.
    pub fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        for (name, parameter) in &self.parameters {
            found.extend(own(name, parameter));
        }
        let programs = [
            ("observe", Some(&self.observe)),
            ("predict", self.predict.as_ref()),
            ("apply", Some(&self.apply)),
            ("undo", Some(&self.undo)),
            ("rehearse", self.rehearse.as_ref()),
        ];
        for (verb, program) in programs {
            if program.is_some_and(|program| program.command.is_empty()) {
                found.push(empty(format!("/{verb}/command")));
            }
        }
        found.extend(self.fence_problem());
        found
    }

    fn fence_problem(&self) -> Option<Problem> {
        let wrong = |pointer: &str, message: String, help: &str| {
            Some(Problem::new(pointer, ProblemKind::Invalid, message, help.to_owned()))
        };
        let paths = "name a parameter of `type: path` that is required or has a default";
        match (self.fence, &self.claim) {
            (Fence::Claim, None) => wrong("/fence", "`fence: claim` without `claim`".into(), paths),
            (Fence::Claim, Some(name)) => match self.parameters.get(name) {
                Some(parameter) if parameter.kind == ParameterKind::Path => None,
                Some(_) => wrong("/claim", format!("the parameter `{name}` is no path"), paths),
                None => wrong("/claim", format!("there is no parameter `{name}`"), paths),
            },
            (_, Some(_)) => wrong(
                "/claim",
                "`claim` without `fence: claim`".into(),
                "add `fence: claim`, or leave it out",
            ),
            _ => None,
        }
    }

    /// What is wrong with the parameters that somebody hands to it. Pointers begin at the parameters.
    pub fn problems_with(&self, with: &BTreeMap<String, Parameter>) -> Vec<Problem> {
        let mut found = Vec::new();
        for (name, value) in with {
            let pointer = pointer(name);
            match self.parameters.get(name) {
                Some(parameter) => found.extend(value_problem(&pointer, name, parameter, &value.0)),
                None => found.push(self.unknown(pointer, name)),
            }
        }
        for (name, parameter) in &self.parameters {
            if parameter.required && !with.contains_key(name) {
                let message = format!("the recipe `{}` needs the parameter `{name}`", self.recipe);
                let help = parameter.description.as_ref().map(|text| format!("`{name}`: {text}"));
                found.push(Problem::new("", ProblemKind::Missing, message, help));
            }
        }
        found
    }

    fn unknown(&self, pointer: String, name: &str) -> Problem {
        let known: Vec<&str> = self.parameters.keys().map(String::as_str).collect();
        let distance = |known: &&str| strsim::damerau_levenshtein(known, name);
        let near = known.iter().copied().min_by_key(distance);
        let help =
            match near.filter(|near| distance(near) <= 2 && distance(near) < near.len().min(name.len())) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "it takes none".to_owned(),
                None => format!("its parameters: {}", known.join(", ")),
            };
        let message = format!("the recipe `{}` has no parameter `{}`", self.recipe, name.escape_debug());
        Problem::new(pointer, ProblemKind::Unknown, message, help)
    }
}

fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn empty(pointer: String) -> Problem {
    let help = "write the program and its arguments: [python3, scripts/flag.py]".to_owned();
    Problem::new(pointer, ProblemKind::Invalid, "there is no program", help)
}

/// What is wrong with the description of a parameter.
fn own(name: &str, parameter: &ParameterConfig) -> Option<Problem> {
    let at = |key: &str| format!("/parameters{}/{key}", pointer(name));
    let wrong = |key: &str, message: String| Some(Problem::new(at(key), ProblemKind::Invalid, message, None));
    if parameter.secret && parameter.kind != ParameterKind::Text {
        return wrong("type", format!("the secret `{name}` must be text"));
    }
    let default = parameter.default.as_ref()?;
    if parameter.required {
        return wrong("default", format!("`{name}` must be given, so that a default is never used"));
    }
    value_problem(&at("default"), name, parameter, &default.0)
}

fn value_problem(pointer: &str, name: &str, parameter: &ParameterConfig, value: &Value) -> Option<Problem> {
    if parameter.secret {
        return secret_problem(pointer, name, value);
    }
    if !parameter.kind.takes(value) {
        let message = format!("`{name}` must be {}, not {}", parameter.kind.wanted(), what(value));
        let help = (parameter.kind == ParameterKind::List).then(|| format!("write it as a list: [{value}]"));
        return Some(Problem::new(pointer, ProblemKind::WrongType, message, help));
    }
    if parameter.kind == ParameterKind::Path
        && let Some(why) = value.as_str().and_then(path_fault)
    {
        let help = "name it from the workspace on, or with an absolute path".to_owned();
        return Some(Problem::new(pointer, ProblemKind::Invalid, format!("`{name}` {why}"), help));
    }
    placeholder(pointer, value)
}

fn secret_problem(pointer: &str, name: &str, value: &Value) -> Option<Problem> {
    let wrong = |help: Option<String>| {
        let message = format!("`{name}` is a secret: it takes a reference, not a value");
        Some(Problem::new(pointer, ProblemKind::SecretValue, message, help))
    };
    match value.as_str().map(str::parse::<SecretReference>) {
        Some(Ok(_)) => None,
        Some(Err(error)) => wrong(error.hint),
        None => wrong(Some("use env:NAME, file:/path or cmd:[\"program\", \"argument\"]".to_owned())),
    }
}

fn path_fault(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("is empty");
    }
    if path.contains('\0') {
        return Some("has a NUL in it");
    }
    let climbs = Path::new(path).components().any(|part| part == Component::ParentDir);
    climbs.then_some("climbs out with `..`")
}

/// A word in braces that nothing fills in.
fn placeholder(pointer: &str, value: &Value) -> Option<Problem> {
    let texts =
        value.as_str().into_iter().chain(value.as_array().into_iter().flatten().filter_map(Value::as_str));
    let word = texts.flat_map(values::words).find(|word| !PLACEHOLDERS.contains(word))?;
    let known: Vec<_> = PLACEHOLDERS.iter().map(|word| format!("{{{word}}}")).collect();
    let message = format!("nothing fills in `{{{word}}}`");
    Some(Problem::new(pointer, ProblemKind::Invalid, message, format!("known are {}", known.join(", "))))
}

fn what(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

impl CommandTargetConfig {
    /// What is wrong with programs that are written in a target, beyond what the schema sees.
    pub fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        for (name, value) in &self.with {
            found.extend(placeholder(&format!("/with{}", pointer(name)), &value.0));
            if self.secrets.contains_key(name) {
                let message = format!("`{name}` stands under `with` and under `secrets`");
                found.push(Problem::new(
                    format!("/secrets{}", pointer(name)),
                    ProblemKind::Invalid,
                    message,
                    None,
                ));
            }
        }
        let fault = |pointer: &str, message: &str, help: &str| {
            Problem::new(pointer, ProblemKind::Invalid, message, help.to_owned())
        };
        match (self.fence, &self.claim) {
            (Fence::Claim, None) => {
                found.push(fault(
                    "/fence",
                    "`fence: claim` without `claim`",
                    "name the file or folder it protects",
                ));
            }
            (Fence::Claim, Some(path)) => {
                let why = path_fault(&path.to_string_lossy());
                let help = "name it from the workspace on, or with an absolute path";
                found.extend(why.map(|why| fault("/claim", &format!("`claim` {why}"), help)));
            }
            (Fence::Native | Fence::None, Some(_)) => {
                found.push(fault("/claim", "`claim` without `fence: claim`", "add `fence: claim`"));
            }
            (Fence::Native | Fence::None, None) => {}
        }
        found
    }
}
