//! Numbers, names and dates that do not stand in tables: in JSON documents, and printed by programs.

use serde_json::Value;

use super::config::{DocumentValue, NumberCommand, NumberConfig};
use crate::base::file::read_limited;
use crate::base::process::{Ending, Invocation};
use crate::base::{Digest, path};
use crate::probe::Request;

/// The largest document that is read, in bytes.
const LIMIT: u64 = 64 * 1024 * 1024;

/// Something found, where, and the digest of what it was found in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found<T> {
    pub(super) what: T,
    pub(super) place: String,
    pub(super) input: Digest,
}

impl DocumentValue {
    fn place(&self) -> String {
        let shown = self.file.display();
        if self.pointer.is_empty() { shown.to_string() } else { format!("{shown} {}", self.pointer) }
    }
}

fn value(config: &DocumentValue, request: &Request<'_>) -> Result<Found<Value>, String> {
    let shown = config.file.display();
    let bytes = path::inside(request.root, &config.file)
        .and_then(|path| read_limited(&path, LIMIT))
        .map_err(|error| format!("{shown}: {}", error.message))?;
    let document: Value =
        serde_json::from_slice(&bytes).map_err(|error| format!("{shown} is not JSON: {error}"))?;
    let what = document.pointer(&config.pointer).cloned();
    let what = what.ok_or_else(|| format!("{shown} has nothing at {}", config.pointer))?;
    Ok(Found { what, place: config.place(), input: Digest::of(&bytes) })
}

/// A finite number in a document.
pub(super) fn number_at(config: &DocumentValue, request: &Request<'_>) -> Result<Found<f64>, String> {
    let Found { what, place, input } = value(config, request)?;
    let number = what.as_f64().filter(|number| number.is_finite());
    let number = number.ok_or_else(|| format!("{place} is not a number"))?;
    Ok(Found { what: number, place, input })
}

/// A text in a document.
pub(super) fn text_at(config: &DocumentValue, request: &Request<'_>) -> Result<Found<String>, String> {
    let Found { what, place, input } = value(config, request)?;
    let text = what.as_str().ok_or_else(|| format!("{place} is not a text"))?.to_owned();
    Ok(Found { what: text, place, input })
}

/// The names in a list, or the keys of an object. There is at least one.
pub(super) fn names_at(config: &DocumentValue, request: &Request<'_>) -> Result<Found<Vec<String>>, String> {
    let Found { what, place, input } = value(config, request)?;
    let names: Option<Vec<String>> = match &what {
        Value::Array(list) => list.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
        Value::Object(object) => Some(object.keys().cloned().collect()),
        _ => None,
    };
    let names = names.ok_or_else(|| format!("{place} is neither a list of names nor an object"))?;
    if names.is_empty() {
        return Err(format!("{place} has no names"));
    }
    Ok(Found { what: names, place, input })
}

/// The one number that a program prints.
pub(super) fn printed(config: &NumberCommand, request: &Request<'_>) -> Result<Found<f64>, String> {
    if request.untrusted {
        return Err("not run: programs do not run from an untrusted configuration".to_owned());
    }
    let program = config.argv.first().map(String::as_str).unwrap_or_default();
    let mut invocation =
        Invocation::new(config.argv.clone()).directory(request.root).timeout(config.limit().to_std());
    for (variable, value) in &config.environment {
        invocation = invocation.environment(variable, value);
    }
    let output = invocation.run().map_err(|error| error.message)?;
    if output.ending != Ending::Exit(0) {
        return Err(format!("`{program}` ended with {}: {}", output.ending, output.last_words()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && !output.truncated);
    let number = number.ok_or_else(|| format!("`{program}` did not print one number and nothing else"))?;
    Ok(Found {
        what: number,
        place: format!("`{}`", config.argv.join(" ")),
        input: Digest::of(&output.stdout),
    })
}

/// A number, wherever it comes from.
pub(super) fn number(config: &NumberConfig, request: &Request<'_>) -> Result<Found<f64>, String> {
    match config {
        NumberConfig::Value(number) if number.is_finite() => Ok(Found {
            what: *number,
            place: "the configuration".to_owned(),
            input: Digest::of(number.to_string().as_bytes()),
        }),
        NumberConfig::Value(number) => Err(format!("{number} is not a finite number")),
        NumberConfig::Json(document) => number_at(document, request),
        NumberConfig::Command(command) => printed(command, request),
    }
}
