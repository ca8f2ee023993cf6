//! `irctl classify` for what other systems send: recognising it, reading it, explaining it.

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt::{self, Write as _};
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use super::Context;
use super::classify_text::Renderer;
use crate::base::clock::format_instant;
use crate::base::{Error, ErrorCode, Result, Untrusted, Verdict};
use crate::config::{Scope, alone};
use crate::severity::input::{
    AlertState, ClassifiedAlert, ClassifiedMessage, Format, MappingConfig, Message, Refusal,
    classify_message, read,
};
use crate::severity::{Alert, Scheme};

/// How much is looked at to recognise a message.
const LOOK: usize = 16 * 1024 * 1024;
/// The largest input of another system's messages.
const LIMIT: u64 = 256 * 1024 * 1024;
/// How many messages that could not be read are named.
const MOST_NAMED: u64 = 20;

/// How messages are read.
pub(super) enum How {
    /// Each as what it is recognised as.
    Recognised,
    /// All as this.
    Format(Format),
    /// All by a mapping.
    Mapping(Box<MappingConfig>),
}

/// What the input is, and the input with what was looked at still in it.
pub(super) enum Opened<'r> {
    /// irctl's own alerts.
    Own(Box<dyn Read + 'r>),
    /// Messages of other systems.
    Foreign(Box<dyn Read + 'r>, How),
}

/// The mapping of this name: a file, or one of the workspace's.
pub(super) fn mapping(name: &str, context: &Context) -> Result<MappingConfig> {
    let path = context.directory.join(name);
    if path.is_file() || name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml") {
        return alone::mapping_file(&path, name);
    }
    context.workspace_for(Scope::CLASSIFY)?.mapping(name).cloned()
}

/// Recognises what the input is, unless that was said.
pub(super) fn open<'r>(reader: Box<dyn Read + 'r>, said: Option<How>) -> Result<Opened<'r>> {
    match said {
        Some(How::Format(Format::Irctl)) => Ok(Opened::Own(reader)),
        Some(how) => Ok(Opened::Foreign(reader, how)),
        None => {
            let mut reader = reader;
            let (seen, format) = recognise(&mut reader)?;
            let whole = Box::new(Cursor::new(seen).chain(reader));
            Ok(if format == Format::Irctl {
                Opened::Own(whole)
            } else {
                Opened::Foreign(whole, How::Recognised)
            })
        }
    }
}

/// Reads as much as it takes to see the keys of the first object.
fn recognise(mut reader: &mut dyn Read) -> Result<(Vec<u8>, Format)> {
    let mut seen = Vec::new();
    let mut wanted = 64 * 1024;
    loop {
        let missing = wanted - seen.len();
        let read = Read::by_ref(&mut reader).take(missing as u64).read_to_end(&mut seen);
        let read = read.map_err(|error| Error::io("the alerts cannot be read", error))?;
        let text = seen.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&seen);
        let mut keys = Keys::default();
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let incomplete =
            KeysSeed(&mut keys).deserialize(&mut deserializer).is_err_and(|error| error.is_eof());
        if keys.whole || !incomplete || read < missing || wanted >= LOOK {
            let format = Format::of_keys(keys.names.iter().map(String::as_str));
            return Ok((seen, format));
        }
        wanted *= 2;
    }
}

/// The keys of the first object seen.
#[derive(Default)]
struct Keys {
    names: Vec<String>,
    whole: bool,
}

struct KeysSeed<'k>(&'k mut Keys);

impl<'de> DeserializeSeed<'de> for KeysSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for KeysSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, or a list of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            self.0.names.push(key);
            map.next_value::<IgnoredAny>()?;
        }
        self.0.whole = true;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if list.next_element_seed(KeysSeed(&mut *self.0))?.is_some() {
            // The first is enough; the rest may be long.
            return Err(A::Error::custom("seen"));
        }
        Ok(())
    }
}

/// Classifies every message and returns the worst verdict.
pub(super) fn run(
    reader: Box<dyn Read + '_>,
    how: &How,
    scheme: &Scheme,
    context: &Context,
) -> Result<Verdict> {
    let now = context.clock.now()?;
    let reader = BufReader::new(reader.take(LIMIT));
    let mut documents = serde_json::Deserializer::from_reader(reader).into_iter::<Value>().peekable();
    let (mut number, mut unread, mut worst) = (0_u64, 0_u64, None::<Verdict>);
    while let Some(document) = documents.next() {
        let document = document.map_err(|error| not_json(&error))?;
        let values = listed(document);
        let several = number > 0 || values.len() > 1 || documents.peek().is_some();
        for value in values {
            number += 1;
            match message(&value, how) {
                Ok(message) => {
                    let found = classify_message(scheme, message, now);
                    worst = Some(worst.map_or(found.verdict, |worst| worst.worst(found.verdict)));
                    show(&found, several, scheme, context)?;
                }
                Err(refusal) if !several => {
                    return Err(Error::new(ErrorCode::InvalidData, refusal.reason).hint(refusal.hint));
                }
                Err(refusal) => {
                    unread += 1;
                    if unread <= MOST_NAMED {
                        context
                            .out
                            .warning(&format!("message {number}: {}; {}", refusal.reason, refusal.hint));
                    }
                }
            }
        }
    }
    if unread > 0 {
        return Err(Error::new(
            ErrorCode::InvalidData,
            format!("{unread} of {number} messages could not be read"),
        )
        .hint("the others were classified"));
    }
    worst.ok_or_else(|| {
        Error::new(ErrorCode::InvalidData, "there is no message in the input")
            .hint("docs/inputs.md shows each kind")
    })
}

/// A list is several messages.
fn listed(document: Value) -> Vec<Value> {
    match document {
        Value::Array(values) => values,
        one => vec![one],
    }
}

fn not_json(error: &serde_json::Error) -> Error {
    let reason = Untrusted::new(error.to_string()).to_string();
    Error::new(ErrorCode::InvalidData, format!("this is not JSON: {reason}"))
        .hint("pass the body of the webhook as it came")
}

fn message(value: &Value, how: &How) -> Result<Message, Refusal> {
    match how {
        How::Mapping(mapping) => mapping.read(value),
        How::Format(format) => read(*format, value),
        How::Recognised => {
            let keys = value.as_object().into_iter().flat_map(|object| object.keys().map(String::as_str));
            match Format::of_keys(keys) {
                Format::Irctl => Err(Refusal {
                    reason: "this message is of no system that irctl recognises".to_owned(),
                    hint: "name its --format, or give a --mapping".to_owned(),
                }),
                format => read(format, value),
            }
        }
    }
}

fn show(found: &ClassifiedMessage, several: bool, scheme: &Scheme, context: &Context) -> Result<()> {
    if !context.out.is_json() {
        return context.out.text(&text(found, scheme, context));
    }
    if !several {
        return context.out.json(found);
    }
    let line = serde_json::to_string(found).map_err(|error| Error::new(ErrorCode::Bug, error.to_string()))?;
    context.out.line(&line)
}

fn text(found: &ClassifiedMessage, scheme: &Scheme, context: &Context) -> String {
    let mut text = String::new();
    let count = found.alerts.len();
    let plural = if count == 1 { "" } else { "s" };
    let _ = write!(text, "{}: {count} alert{plural}", found.format.as_str());
    if let Some(group) = &found.group {
        let _ = write!(text, " of the group {group}");
    }
    text.push('\n');
    if found.left_out > 0 {
        let _ = writeln!(
            text,
            "{} alerts of the group were left out by the sender and are not judged",
            found.left_out
        );
    }
    for alert in &found.alerts {
        text.push('\n');
        one(&mut text, alert, scheme, context);
    }
    text
}

fn one(text: &mut String, alert: &ClassifiedAlert, scheme: &Scheme, context: &Context) {
    let name = alert.classification.alert_name.clone();
    let since = alert.started_at.map(|at| format!(" since {}", format_instant(at))).unwrap_or_default();
    let until = alert.ended_at.map(|at| format!(" at {}", format_instant(at))).unwrap_or_default();
    let said = alert.said.as_ref().map(|said| format!(": {said}")).unwrap_or_default();
    let shown = name.as_ref().map_or_else(|| "an alert without a name".to_owned(), Untrusted::to_string);
    if alert.state == AlertState::Resolved {
        let _ = writeln!(text, "{shown}: resolved{until}; what it said decides nothing any more");
        return;
    }
    let _ = writeln!(text, "{shown}: {}{since}{said}", alert.state.as_str());
    let plain = Alert {
        alert_name: name,
        description: alert.description.clone(),
        affected_services: alert.affected_services.clone(),
        metrics: Default::default(),
    };
    text.push_str(&Renderer { scheme, out: &context.out }.render(&plain, &alert.classification));
}

/// The format, or the mapping, that was asked for.
pub(super) fn asked(format: Option<&str>, mapped: Option<&str>, context: &Context) -> Result<Option<How>> {
    if let Some(name) = mapped {
        return Ok(Some(How::Mapping(Box::new(mapping(name, context)?))));
    }
    Ok(format.and_then(Format::named).map(How::Format))
}

/// Whether a file's name says that it is JSONL.
pub(super) fn is_lines(file: Option<&Path>) -> bool {
    let extension = file.and_then(Path::extension);
    extension.is_some_and(|extension| extension == "jsonl" || extension == "ndjson")
}
