//! `http-flag`: one value of a JSON document behind an address: a feature flag, a mode, a number.
//!
//! It is read with GET; a JSON pointer selects the value. It is written with PUT (the whole document, the one value
//! changed) or PATCH (a JSON merge patch), under `If-Match` with the entity tag of what was just read, so that a
//! change by somebody else in between is refused by the server (412).

use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::guard::{self, Standing};
use super::http::{Answer, Credentials, Web};
use super::parameters::{self, Flag, Hidden, Span, Text};
use super::{Adapter, Applied, Predicted, PredictedChange, Request, State};
use crate::base::{Error, ErrorCode, Result, fault};
use crate::rollback::targets::Fidelity;

const NAME: &str = "http-flag";
/// The longest value that is switched, in bytes of JSON.
const VALUE_LIMIT: usize = 4096;

/// Switches a value behind an address.
pub struct HttpFlag;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// The address of the document.
    url: Text,
    /// Where the value stands in it: `/flags/checkout/enabled`; the whole document where it is empty.
    #[serde(default)]
    pointer: String,
    /// The value to set; a text that is JSON is taken as JSON unless `text` is true.
    value: Value,
    text: Option<Flag>,
    /// `PUT` (the default) or `PATCH`.
    method: Option<Text>,
    /// The value of the header that says who asks, a secret: `Bearer …`.
    authorization: Option<Hidden>,
    /// The name of that header: `Authorization` unless it is said.
    header: Option<Text>,
    timeout: Option<Span>,
    /// Whether a server without entity tags may be written to.
    without_etag: Option<Flag>,
}

/// A document as it was read.
pub(super) struct Document {
    /// Its JSON.
    pub(super) body: Value,
    /// Its entity tag.
    pub(super) etag: Option<String>,
}

/// One value of one document.
pub(super) struct Place<'a> {
    pub(super) web: &'a Web,
    pub(super) url: &'a Url,
    pub(super) pointer: &'a str,
    pub(super) patch: bool,
    pub(super) without_etag: bool,
}

impl Place<'_> {
    /// Reads the document.
    pub(super) fn read(&self) -> Result<Document> {
        let answer = self.web.send(Method::GET, self.url, &[("Accept", "application/json")], None)?;
        if !answer.success() {
            return Err(self.web.refused("GET", &answer));
        }
        // A weak tag does not promise that the bytes are the same, and no server accepts it in If-Match.
        let etag = answer.etag.clone().filter(|etag| !etag.starts_with("W/"));
        Ok(Document { body: answer.json(self.web)?, etag })
    }

    /// The value there; `None` where nothing stands.
    pub(super) fn value<'d>(&self, document: &'d Document) -> Option<&'d Value> {
        document.body.pointer(self.pointer)
    }

    /// Why this document cannot be written.
    pub(super) fn refusal(&self, document: &Document) -> Option<String> {
        (document.etag.is_none() && !self.without_etag).then(|| {
            "the server gives no strong ETag, so a change by somebody else would not be noticed".to_owned()
        })
    }

    /// Writes the value (`None` takes it away) into the document that was read.
    pub(super) fn write(&self, document: &Document, value: Option<&Value>) -> Result<()> {
        if let Some(why) = self.refusal(document) {
            return Err(self
                .web
                .error(ErrorCode::Refused, &why)
                .hint("set `without_etag: true` if nobody else writes it"));
        }
        let (method, kind, body) = if self.patch {
            (Method::PATCH, "application/merge-patch+json", merge_patch(self.pointer, value)?)
        } else {
            (Method::PUT, "application/json", changed(&document.body, self.pointer, value)?)
        };
        let mut headers = vec![("Content-Type", kind)];
        if let Some(etag) = &document.etag {
            headers.push(("If-Match", etag));
        }
        let name = method.to_string();
        let answer: Answer =
            self.web.send(method, self.url, &headers, Some(body.to_string().into_bytes()))?;
        if answer.success() { Ok(()) } else { Err(self.web.refused(&name, &answer)) }
    }
}

fn tokens(pointer: &str) -> Result<Vec<String>> {
    let wrong = || {
        let why = format!("{NAME}: `{}` is no JSON pointer", pointer.escape_debug());
        Error::new(ErrorCode::InvalidConfiguration, why).hint("write it as /flags/checkout/enabled")
    };
    match pointer.strip_prefix('/') {
        None if pointer.is_empty() => Ok(Vec::new()),
        None => Err(wrong()),
        Some(rest) => Ok(rest.split('/').map(|token| token.replace("~1", "/").replace("~0", "~")).collect()),
    }
}

/// The document with one value set or taken away.
fn changed(document: &Value, pointer: &str, value: Option<&Value>) -> Result<Value> {
    let mut document = document.clone();
    let tokens = tokens(pointer)?;
    let Some((last, path)) = tokens.split_last() else {
        return value.cloned().ok_or_else(|| nowhere(pointer));
    };
    let mut parent = &mut document;
    for token in path {
        parent = match parent {
            Value::Object(map) => map.get_mut(token),
            Value::Array(items) => token.parse::<usize>().ok().and_then(|at| items.get_mut(at)),
            _ => None,
        }
        .ok_or_else(|| nowhere(pointer))?;
    }
    match (parent, value) {
        (Value::Object(map), Some(value)) => {
            map.insert(last.clone(), value.clone());
        }
        (Value::Object(map), None) => {
            map.remove(last);
        }
        (Value::Array(items), Some(value)) => {
            let at = last.parse::<usize>().ok().and_then(|at| items.get_mut(at));
            *at.ok_or_else(|| nowhere(pointer))? = value.clone();
        }
        _ => return Err(nowhere(pointer)),
    }
    Ok(document)
}

/// The merge patch (RFC 7396) that sets or takes away one value.
fn merge_patch(pointer: &str, value: Option<&Value>) -> Result<Value> {
    let leaf = value.cloned().unwrap_or(Value::Null);
    Ok(tokens(pointer)?.into_iter().rev().fold(leaf, |inner, token| json!({ token: inner })))
}

fn nowhere(pointer: &str) -> Error {
    let why = format!("{NAME}: the document has no place `{}`", pointer.escape_debug());
    Error::new(ErrorCode::NotFound, why).hint("only the last part of the pointer may be missing")
}

/// The state of a value.
pub(super) fn state(value: Option<&Value>) -> Value {
    match value {
        Some(value) => json!({"present": true, "value": value}),
        None => json!({"present": false}),
    }
}

fn brief(state: &Value) -> Option<String> {
    state.get("value").map(guard::short)
}

impl Parameters {
    fn read(request: &Request) -> Result<Self> {
        let parameters: Self = parameters::read(NAME, request)?;
        tokens(&parameters.pointer)?;
        let wrong = |why: &str, hint: &str| {
            Err(Error::new(ErrorCode::InvalidConfiguration, format!("{NAME}: {why}")).hint(hint.to_owned()))
        };
        match parameters.method.as_ref().map_or("PUT", |method| method.0.as_str()) {
            "PUT" => {}
            "PATCH" if parameters.wanted().is_null() => {
                return wrong(
                    "a merge patch takes a null for `take it away`",
                    "use `method: PUT` to set null",
                );
            }
            "PATCH" => {}
            _ => return wrong("`method` is neither PUT nor PATCH", "leave it out for PUT"),
        }
        if parameters.wanted().to_string().len() > VALUE_LIMIT {
            return wrong("`value` is longer than 4 KiB", "a flag is a short value");
        }
        Ok(parameters)
    }

    fn wanted(&self) -> Value {
        match &self.value {
            Value::String(text) if self.text != Some(Flag(true)) => {
                serde_json::from_str(text).unwrap_or_else(|_| self.value.clone())
            }
            value => value.clone(),
        }
    }

    fn web(&self) -> Result<Web> {
        let name = self.header.as_ref().map_or("Authorization", |name| name.0.as_str());
        let header = self.authorization.as_ref().map(|value| (name, value.0.expose().to_owned()));
        Web::new(NAME, &self.url.0, &Credentials { header, basic: None }, self.timeout)
    }

    fn with<T>(&self, work: impl FnOnce(&Place<'_>) -> Result<T>) -> Result<T> {
        let web = self.web()?;
        let url = web.address(&self.url.0)?;
        work(&Place {
            web: &web,
            url: &url,
            pointer: &self.pointer,
            patch: self.method == Some(Text("PATCH".to_owned())),
            without_etag: self.without_etag == Some(Flag(true)),
        })
    }
}

impl Adapter for HttpFlag {
    fn observe(&self, request: &Request) -> Result<State> {
        let parameters = Parameters::read(request)?;
        parameters.with(|place| {
            let document = place.read()?;
            let value = place.value(&document);
            if value.is_some_and(|value| value.to_string().len() > VALUE_LIMIT) {
                let why = "the value there is longer than 4 KiB";
                return Err(place.web.error(ErrorCode::Refused, why).hint("point at a single flag"));
            }
            let state = state(value);
            let shown = format!("{} is {}", parameters.pointer, brief(&state).unwrap_or("absent".to_owned()));
            Ok(State { state, shown })
        })
    }

    fn predict(&self, request: &Request) -> Result<Predicted> {
        let parameters = Parameters::read(request)?;
        parameters.with(|place| {
            let document = place.read()?;
            let before = request.before.clone().unwrap_or_else(|| state(place.value(&document)));
            let wanted = parameters.wanted();
            let after = state(Some(&wanted));
            let mut predicted = Predicted::default();
            if before != after {
                predicted.changes.push(PredictedChange {
                    place: format!("{} of the document", parameters.pointer),
                    from: brief(&before),
                    to: brief(&after),
                    fidelity: Fidelity::Predicted,
                });
            }
            predicted.after = Some(after);
            predicted.refusals.extend(place.refusal(&document));
            if !place.patch
                && let Err(error) = changed(&document.body, place.pointer, Some(&wanted))
            {
                predicted.refusals.push(error.message);
            }
            if place.without_etag && document.etag.is_none() {
                let warning = "without an ETag a change by somebody else in the same instant is not noticed";
                predicted.warnings.push(warning.to_owned());
            }
            Ok(predicted)
        })
    }

    fn apply(&self, request: &Request) -> Result<Applied> {
        let parameters = Parameters::read(request)?;
        parameters.with(|place| {
            let document = place.read()?;
            if guard::apply(NAME, request, &state(place.value(&document)))? == Standing::After {
                return Ok(Applied { detail: Some("it is so already".to_owned()) });
            }
            fault::point("http-flag:before-write");
            place.write(&document, Some(&parameters.wanted()))?;
            fault::point("http-flag:after-write");
            Ok(Applied { detail: Some("the server took it".to_owned()) })
        })
    }

    fn undo(&self, request: &Request) -> Result<Applied> {
        let parameters = Parameters::read(request)?;
        parameters.with(|place| {
            let document = place.read()?;
            if guard::undo(NAME, request, &state(place.value(&document)))? == Standing::Before {
                return Ok(Applied { detail: Some("it is as it was".to_owned()) });
            }
            let former = request.before.as_ref().and_then(|before| before.get("value"));
            fault::point("http-flag:before-undo");
            place.write(&document, former)?;
            fault::point("http-flag:after-undo");
            Ok(Applied { detail: Some("the server took it back".to_owned()) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_changes_and_nothing_else() {
        let document = json!({"a": {"b/c": 1, "l": [1, 2]}, "d": 2});
        let set = |pointer: &str, value: Option<Value>| changed(&document, pointer, value.as_ref());
        assert_eq!(set("/a/b~1c", Some(json!(3))).unwrap(), json!({"a": {"b/c": 3, "l": [1, 2]}, "d": 2}));
        assert_eq!(set("/a/l/1", Some(json!(3))).unwrap(), json!({"a": {"b/c": 1, "l": [1, 3]}, "d": 2}));
        assert_eq!(set("/d", None).unwrap(), json!({"a": {"b/c": 1, "l": [1, 2]}}));
        assert_eq!(set("", Some(json!(1))).unwrap(), json!(1));
        for (pointer, value) in
            [("/x/y", Some(json!(1))), ("/a/l/7", Some(json!(1))), ("/d/x", Some(json!(1))), ("", None)]
        {
            assert_eq!(set(pointer, value).unwrap_err().code, ErrorCode::NotFound, "{pointer}");
        }
        assert!(set("d", Some(json!(1))).is_err());
    }

    #[test]
    fn a_merge_patch_names_one_place() {
        assert_eq!(merge_patch("/a/b~1c", Some(&json!(false))).unwrap(), json!({"a": {"b/c": false}}));
        assert_eq!(merge_patch("/a", None).unwrap(), json!({"a": null}));
    }
}
