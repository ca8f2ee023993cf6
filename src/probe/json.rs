//! The `json` probe: one value inside a JSON document.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;

use super::{Outcome, Request, VersionSource, file};
use crate::base::clock::{Elapsed, format_instant, parse_instant};
use crate::base::file::read_limited;
use crate::base::{Digest, Duration, Unit, path};
use crate::store::Measurement;

/// The largest document that is read, in bytes.
const LIMIT: u64 = 16 * 1024 * 1024;

/// A value inside a JSON document, found by a JSON pointer. Emits one metric.
///
/// Numbers are taken in `unit`, `true` and `false` as a flag; with `equals` a text becomes a flag. A missing pointer,
/// `null` and every other type are undecided.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonConfig {
    /// The document, relative to the workspace.
    pub file: PathBuf,
    /// Where the value stands, as a JSON pointer (RFC 6901): `/metrics/mape`.
    pub pointer: String,
    /// The metric's name; the probe's name otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The unit that the document gives the number in; a bare number otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// Makes the metric a flag: whether the value is this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// A pointer to the instant (RFC 3339) at which the value was true; the file's modification time otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// How old the value may be before it no longer counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// A pointer to the name or digest of the version that the value belongs to; the served version otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl JsonConfig {
    const fn unit(&self) -> Unit {
        match (&self.equals, self.unit) {
            (Some(_), _) => Unit::Flag,
            (None, Some(unit)) => unit,
            (None, None) => Unit::Number,
        }
    }
}

/// The metrics that it emits.
pub(super) fn metrics(name: &str, config: &JsonConfig) -> Vec<(String, Unit)> {
    vec![(config.metric.clone().unwrap_or_else(|| name.to_owned()), config.unit())]
}

/// Measures.
pub(super) fn measure(name: &str, config: &JsonConfig, request: &Request<'_>) -> Outcome {
    match read(config, request) {
        Ok(document) => judge(name, config, request, &document),
        Err(reason) => Outcome::undecided(name, &metrics(name, config), request, reason),
    }
}

struct Document {
    value: Value,
    digest: Digest,
    modified: Option<DateTime<Utc>>,
}

fn read(config: &JsonConfig, request: &Request<'_>) -> Result<Document, String> {
    let shown = config.file.display();
    let path = path::inside(request.root, &config.file).map_err(|error| error.message)?;
    let modified = match fs_err::metadata(&path) {
        Ok(metadata) if metadata.is_file() => file::modified(&metadata),
        Ok(_) => return Err(format!("{shown} is not a regular file")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(format!("{shown} does not exist"));
        }
        Err(error) => return Err(format!("cannot look at {shown}: {error}")),
    };
    let bytes = read_limited(&path, LIMIT).map_err(|error| error.message)?;
    let value = serde_json::from_slice(&bytes).map_err(|error| format!("{shown} is not JSON: {error}"))?;
    Ok(Document { value, digest: Digest::of(&bytes), modified })
}

fn judge(name: &str, config: &JsonConfig, request: &Request<'_>, document: &Document) -> Outcome {
    let (metric, unit) = (config.metric.as_deref().unwrap_or(name), config.unit());
    let mut outcome = Outcome::new(name);
    outcome.fact("file", config.file.display().to_string());
    let at = instant(config, document);
    if let Ok(at) = &at {
        outcome.fact("as of", format_instant(*at));
    }
    let found = at.and_then(|at| {
        fresh(config, at, request.now)?;
        let value = number(config, document)?;
        Ok((at, value))
    });
    let mut sample = match found {
        Ok((at, value)) => {
            let mut sample = request.sample(name, metric, value, unit);
            if config.time.is_some() {
                sample.event_time = at.min(request.now);
            }
            sample
        }
        Err(reason) => {
            outcome.problem(Some(metric), reason.clone());
            request.undecided(name, metric, unit, reason)
        }
    };
    outcome.version_source = Some(VersionSource::Adopted);
    if let Some(pointer) = &config.version {
        let label = document.value.pointer(pointer).and_then(Value::as_str);
        sample.version = label.and_then(|label| request.versions.named(label)).cloned();
        outcome.version_source = Some(VersionSource::Column);
        if sample.version.is_none() {
            let label = label.unwrap_or("nothing").escape_debug().to_string();
            let why = format!("{pointer} names {label}, which is no version known here");
            outcome.problem(Some(metric), why.clone());
            if request.versions.knows_any() {
                sample.measurement = Measurement::Undecided(why.into());
            }
        }
    }
    sample.input = Some(document.digest.clone());
    sample.rows = 1;
    outcome.fact("digest", document.digest.to_string());
    outcome.samples.push(sample);
    outcome
}

/// When the value was true.
fn instant(config: &JsonConfig, document: &Document) -> Result<DateTime<Utc>, String> {
    let Some(pointer) = &config.time else {
        return document.modified.ok_or_else(|| "the file's modification time cannot be read".to_owned());
    };
    let text = at(&document.value, pointer)?.as_str().ok_or_else(|| format!("{pointer} is not a text"))?;
    parse_instant(text).map_err(|_| format!("{pointer} is not an RFC 3339 instant: {}", text.escape_debug()))
}

/// Whether the value still counts. The future is only judged where the document or the configuration speaks of time.
fn fresh(config: &JsonConfig, at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), String> {
    if config.time.is_some() || config.max_age.is_some() {
        file::age(at, now)?;
    }
    match config.max_age {
        Some(limit) if limit.after(at) < now => {
            Err(format!("as of {} it is {} old; {limit} is allowed", format_instant(at), Elapsed(now - at)))
        }
        _ => Ok(()),
    }
}

fn number(config: &JsonConfig, document: &Document) -> Result<f64, String> {
    value_at(&document.value, &config.pointer, config.equals.as_deref(), config.unit())
}

/// The number at a pointer, in a unit; with `wanted`, whether the text there is that one (1 or 0).
pub(super) fn value_at(
    document: &Value,
    pointer: &str,
    wanted: Option<&str>,
    unit: Unit,
) -> Result<f64, String> {
    let value = at(document, pointer)?;
    if let Some(wanted) = wanted {
        let text = value.as_str().ok_or_else(|| format!("{pointer} is {}, not a text", kind(value)))?;
        return Ok(f64::from(u8::from(text == wanted)));
    }
    match (value, unit) {
        (Value::Bool(flag), Unit::Flag | Unit::Number) => Ok(f64::from(u8::from(*flag))),
        (Value::Number(number), Unit::Flag) if !matches!(number.as_f64(), Some(0.0 | 1.0)) => {
            Err(format!("{pointer} is {number}, which is neither true nor false"))
        }
        (Value::Number(number), _) => {
            number.as_f64().ok_or_else(|| format!("{pointer} is {number}, which is too large"))
        }
        (other, _) => Err(format!("{pointer} is {}, not a number", kind(other))),
    }
}

fn at<'document>(document: &'document Value, pointer: &str) -> Result<&'document Value, String> {
    document.pointer(pointer).ok_or_else(|| {
        if pointer.is_empty() || pointer.starts_with('/') {
            format!("there is nothing at {pointer}")
        } else {
            format!("`{pointer}` is not a JSON pointer: it does not begin with `/`")
        }
    })
}

/// A value's type, with the text itself where it is short: it is the likeliest clue.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "true or false".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::String(text) if text.len() <= 40 => format!("the text \"{}\"", text.escape_debug()),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::VersionMap;
    use std::collections::BTreeMap;

    const DOCUMENT: &str = r#"{"status":"ok","at":"2026-11-20T02:00:00Z","model":"v3",
        "m":{"mape":0.31,"nan":"NaN","none":null,"list":[1,2],"on":true}}"#;

    fn config(pointer: &str) -> JsonConfig {
        JsonConfig {
            file: "health.json".into(),
            pointer: pointer.to_owned(),
            metric: None,
            unit: None,
            equals: None,
            time: None,
            max_age: None,
            version: None,
        }
    }

    fn look(text: &str, config: &JsonConfig) -> Outcome {
        let root = tempfile::tempdir().unwrap();
        fs_err::write(root.path().join("health.json"), text).unwrap();
        let versions = VersionMap {
            names: BTreeMap::from([("v3".to_owned(), Digest::of(b"3"))]),
            served: Some(Digest::of(b"4")),
            ..VersionMap::default()
        };
        let now = parse_instant("2026-11-20T03:00:00Z").unwrap();
        let request = Request { service: "s", root: root.path(), now, versions: &versions, untrusted: false };
        measure("health", config, &request)
    }

    fn reason(outcome: &Outcome) -> String {
        match &outcome.samples[0].measurement {
            Measurement::Undecided(why) => why.raw().to_owned(),
            Measurement::Value(value) => format!("value {value}"),
        }
    }

    #[test]
    fn numbers_flags_and_texts() {
        let ratio = JsonConfig { unit: Some(Unit::Ratio), metric: Some("mape".into()), ..config("/m/mape") };
        let outcome = look(DOCUMENT, &ratio);
        assert_eq!((outcome.samples[0].metric.as_str(), reason(&outcome).as_str()), ("mape", "value 0.31"));
        assert_eq!(outcome.samples[0].version, Some(Digest::of(b"4")));
        assert_eq!(reason(&look(DOCUMENT, &config("/m/list/1"))), "value 2");
        let flag = JsonConfig { unit: Some(Unit::Flag), ..config("/m/on") };
        assert_eq!(reason(&look(DOCUMENT, &flag)), "value 1");
        for (text, value) in [("ok", "value 1"), ("OK", "value 0")] {
            let equals = JsonConfig { equals: Some(text.into()), ..config("/status") };
            assert_eq!(reason(&look(DOCUMENT, &equals)), value);
            assert_eq!(metrics("health", &equals), [("health".to_owned(), Unit::Flag)]);
        }
    }

    #[test]
    fn everything_else_is_undecided_and_says_why() {
        let ratio = |pointer| JsonConfig { unit: Some(Unit::Ratio), ..config(pointer) };
        let equals = JsonConfig { equals: Some("ok".into()), ..config("/m/mape") };
        let flag = JsonConfig { unit: Some(Unit::Flag), ..config("/m/mape") };
        let reasons: Vec<_> = [
            look(DOCUMENT, &config("/m/nan")),
            look(DOCUMENT, &config("/m/none")),
            look(DOCUMENT, &config("/m/missing")),
            look(DOCUMENT, &config("m")),
            look(DOCUMENT, &config("/m")),
            look(DOCUMENT, &ratio("/m/list/1")),
            look(DOCUMENT, &ratio("/m/on")),
            look(DOCUMENT, &equals),
            look(DOCUMENT, &flag),
            look("{\"m\": NaN}", &config("/m")),
            look("{\"m\": 1e999}", &config("/m")),
            look("", &config("/m")),
            look("{}", &JsonConfig { file: "../x".into(), ..config("/m") }),
            look("{}", &JsonConfig { file: "none".into(), ..config("/m") }),
        ]
        .iter()
        .map(reason)
        .collect();
        insta::assert_snapshot!(reasons.join("\n"));
    }

    #[test]
    fn time_and_version_come_from_the_document() {
        let timed = |max_age: &str| JsonConfig {
            time: Some("/at".into()),
            max_age: Some(max_age.parse().unwrap()),
            version: Some("/model".into()),
            ..config("/m/mape")
        };
        let outcome = look(DOCUMENT, &timed("1h"));
        assert_eq!(outcome.samples[0].event_time, parse_instant("2026-11-20T02:00:00Z").unwrap());
        assert_eq!(outcome.samples[0].version, Some(Digest::of(b"3")));
        assert_eq!(outcome.version_source, Some(VersionSource::Column));
        assert_eq!(
            reason(&look(DOCUMENT, &timed("59m"))),
            "as of 2026-11-20T02:00:00Z it is 1 h old; 59m is allowed"
        );
        let future = DOCUMENT.replace("T02:00", "T09:00");
        assert_eq!(reason(&look(&future, &timed("59m"))), "2026-11-20T09:00:00Z lies in the future");
        let foreign = look(&DOCUMENT.replace("v3", "v9"), &timed("1h"));
        assert_eq!((foreign.samples[0].version.clone(), foreign.problems.len()), (None, 1));
        assert_eq!(reason(&foreign), "/model names v9, which is no version known here");
    }
}
