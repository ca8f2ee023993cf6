//! `redis-key`: SET and DEL of single keys. What stood there is kept by DUMP with its time of expiry.

use serde::Deserialize;
use serde_json::{Value, json};

use super::image::{self, Image};
use super::server::Server;
use crate::base::{Error, ErrorCode, Result, fault};
use crate::rollback::adapters::guard::{self, Standing};
use crate::rollback::adapters::parameters::{self, Count, Flag, Hidden, Pairs, Span, Text, Words};
use crate::rollback::adapters::{Adapter, Applied, Predicted, PredictedChange, Request, State, keep};
use crate::rollback::targets::Fidelity;

const NAME: &str = "redis-key";
const IMAGES: &str = "keys.json";

/// Sets and deletes keys.
pub struct RedisKey;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// The address, a secret.
    url: Hidden,
    database: Option<Count>,
    timeout: Option<Span>,
    /// One key, with `value`.
    key: Option<Text>,
    value: Option<Text>,
    /// Several keys with their values.
    #[serde(default)]
    set: Pairs,
    /// Keys that go.
    #[serde(default)]
    delete: Words,
    /// How long what is set stays; for ever otherwise.
    expire: Option<Span>,
    /// Whether the plan may show values that are set.
    show: Option<Flag>,
}

/// What is wanted of each key: a value, or nothing.
type Wanted = Vec<(String, Option<String>)>;

impl Parameters {
    fn wanted(&self) -> Result<Wanted> {
        let mut wanted: Wanted =
            self.set.0.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        wanted.extend(self.delete.0.iter().map(|key| (key.clone(), None)));
        match (&self.key, &self.value) {
            (Some(Text(key)), Some(Text(value))) => wanted.push((key.clone(), Some(value.clone()))),
            (None, None) => {}
            _ => return Err(wrong("`key` and `value` go together").hint("use `delete` for a key that goes")),
        }
        wanted.sort();
        if wanted.is_empty() {
            return Err(
                wrong("nothing is to be set or deleted").hint("give `key` and `value`, `set` or `delete`")
            );
        }
        if wanted.windows(2).any(|pair| matches!(pair, [a, b] if a.0 == b.0)) {
            return Err(wrong("a key is named twice").hint("name each key once, in `key`, `set` or `delete`"));
        }
        Ok(wanted)
    }

    fn server(&self) -> Result<Server> {
        Server::connect(NAME, &self.url, self.database, self.timeout)
    }
}

fn wrong(why: &str) -> Error {
    Error::new(ErrorCode::InvalidConfiguration, format!("{NAME}: {why}"))
}

fn keys(wanted: &Wanted) -> Vec<Vec<u8>> {
    wanted.iter().map(|(key, _)| key.clone().into_bytes()).collect()
}

/// The state: of each key its type, the digest of its value, and when it expires. Where `expire` is given, or the
/// server cannot say the instant, only whether it does.
fn state(images: &[Image], exact: bool) -> Value {
    let of = |image: &Image| match &image.held {
        None => Value::Null,
        Some(held) => {
            let expires = if exact { json!(held.expires) } else { json!(held.expires.is_some()) };
            json!({"type": held.kind, "digest": held.digest, "expires": expires})
        }
    };
    Value::Object(images.iter().map(|image| (image.shown(), of(image))).collect())
}

fn exact(server: &Server, parameters: &Parameters) -> bool {
    server.major >= 7 && parameters.expire.is_none()
}

fn shown(state: &Value) -> String {
    match state {
        Value::Null => "nothing".to_owned(),
        held => {
            let text = |name: &str| held.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let digest: String = text("digest").chars().take(19).collect();
            format!("{} {digest}", text("type"))
        }
    }
}

impl Adapter for RedisKey {
    fn observe(&self, request: &Request) -> Result<State> {
        let parameters: Parameters = parameters::read(NAME, request)?;
        let wanted = parameters.wanted()?;
        let mut server = parameters.server()?;
        let images = image::steady(&mut server, &keys(&wanted))?;
        keep::write(request, IMAGES, &images)?;
        let state = state(&images, exact(&server, &parameters));
        let each = images.iter().map(|image| {
            let key = image.shown();
            format!("{key}: {}", shown(state.get(&key).unwrap_or(&Value::Null)))
        });
        let shown = each.collect::<Vec<_>>().join(", ");
        Ok(State { state, shown })
    }

    fn predict(&self, request: &Request) -> Result<Predicted> {
        let parameters: Parameters = parameters::read(NAME, request)?;
        let wanted = parameters.wanted()?;
        let mut server = parameters.server()?;
        let before = match &request.before {
            Some(before) => before.clone(),
            None => state(&image::steady(&mut server, &keys(&wanted))?, exact(&server, &parameters)),
        };
        let expires =
            if exact(&server, &parameters) { Value::Null } else { json!(parameters.expire.is_some()) };
        let mut predicted = Predicted::default();
        let mut after = serde_json::Map::new();
        for (key, value) in &wanted {
            let will = match value {
                None => Value::Null,
                Some(value) => {
                    let digest = image::text_digest(value.as_bytes());
                    json!({"type": "string", "digest": digest, "expires": expires})
                }
            };
            let is = before.get(key).unwrap_or(&Value::Null);
            if *is != will {
                let to = match value {
                    Some(value) if parameters.show == Some(Flag(true)) => value.clone(),
                    _ => shown(&will),
                };
                predicted.changes.push(PredictedChange {
                    place: format!("key {key}"),
                    from: (!is.is_null()).then(|| shown(is)),
                    to: (!will.is_null()).then_some(to),
                    fidelity: Fidelity::Proven,
                });
            }
            after.insert(key.clone(), will);
        }
        predicted.after = Some(Value::Object(after));
        predicted.refusals.extend(server.refuses_writes()?);
        Ok(predicted)
    }

    fn apply(&self, request: &Request) -> Result<Applied> {
        let parameters: Parameters = parameters::read(NAME, request)?;
        let wanted = parameters.wanted()?;
        let mut server = parameters.server()?;
        server.writable()?;
        server.watch(&keys(&wanted))?;
        let images = image::read(&mut server, &keys(&wanted))?;
        let current = state(&images, exact(&server, &parameters));
        if guard::apply(NAME, request, &current)? == Standing::After {
            return Ok(Applied { detail: Some("it is so already".to_owned()) });
        }
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        for (key, value) in &wanted {
            match value {
                None => pipeline.cmd("UNLINK").arg(key),
                Some(value) => {
                    let set = pipeline.cmd("SET").arg(key).arg(value);
                    match parameters.expire {
                        Some(Span(span)) => {
                            set.arg("PX").arg(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
                        }
                        None => set,
                    }
                }
            };
        }
        fault::point("redis-key:before-exec");
        server.commit(&pipeline)?;
        fault::point("redis-key:after-exec");
        Ok(Applied { detail: Some(format!("{} keys written in one transaction", wanted.len())) })
    }

    fn undo(&self, request: &Request) -> Result<Applied> {
        let parameters: Parameters = parameters::read(NAME, request)?;
        let wanted = parameters.wanted()?;
        let mut server = parameters.server()?;
        server.writable()?;
        server.watch(&keys(&wanted))?;
        let images = image::read(&mut server, &keys(&wanted))?;
        let current = state(&images, exact(&server, &parameters));
        if guard::undo(NAME, request, &current)? == Standing::Before {
            return Ok(Applied { detail: Some("it is as it was".to_owned()) });
        }
        let kept: Vec<Image> = keep::read(request, IMAGES)?
            .ok_or_else(|| server.error(ErrorCode::NotFound, "there is no before-image of these keys"))?;
        let now = server.now()?;
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        let mut expired = Vec::new();
        for image in &kept {
            if !image.put_back(&mut pipeline, now, true)? && image.held.is_some() {
                expired.push(image.shown());
            }
        }
        fault::point("redis-key:before-undo");
        server.commit(&pipeline)?;
        fault::point("redis-key:after-undo");
        let detail = match expired.is_empty() {
            true => format!("{} keys are as they were", kept.len()),
            false => format!("would have expired by now, so not put back: {}", expired.join(", ")),
        };
        Ok(Applied { detail: Some(detail) })
    }
}
