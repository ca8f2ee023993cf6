//! `redis-purge`: takes away the keys that match a pattern, and no other.
//!
//! Keys are found by SCAN within a budget. What is taken is what the transaction itself looked at under WATCH and wrote
//! to disk before, so that nothing goes that is not kept. A note in the database (`irctl:purged:…`, which expires) says
//! which operation took them: a cache that fills again is then still told from one that was never emptied. The way
//! back never overwrites what was written since; such keys are named.

use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

use super::image::{self, Image};
use super::server::Server;
use crate::base::{Digest, Error, ErrorCode, Result, fault};
use crate::rollback::adapters::guard::{self, Standing};
use crate::rollback::adapters::parameters::{self, Count, Flag, Hidden, Span, Text};
use crate::rollback::adapters::{Adapter, Applied, Predicted, PredictedChange, Request, State, keep};
use crate::rollback::targets::Fidelity;

const NAME: &str = "redis-purge";
/// What matched when the operation was staged.
const SEEN: &str = "seen.json";
/// What was taken.
const TAKEN: &str = "taken.json";
const MAX_KEYS: u64 = 10_000;
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// How long the note stays.
const REMEMBER: std::time::Duration = std::time::Duration::from_secs(7 * 86_400);
/// How many keys a message names.
const NAMED: usize = 10;

/// Takes away keys by pattern.
pub struct RedisPurge;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// The address, a secret.
    url: Hidden,
    database: Option<Count>,
    timeout: Option<Span>,
    /// The pattern, as SCAN reads it: `signals:*`.
    pattern: Text,
    /// More keys than this are refused.
    max_keys: Option<Count>,
    /// More bytes than this are refused.
    max_bytes: Option<Count>,
    /// Whether any change of these keys between plan and switch, or between switch and undo, is refused.
    exact: Option<Flag>,
    /// How long the note stays.
    remember: Option<Span>,
}

impl Parameters {
    fn read(request: &Request) -> Result<Self> {
        let parameters: Self = parameters::read(NAME, request)?;
        let literal = |c: char| !matches!(c, '*' | '?' | '[' | ']' | '\\' | '^' | '-');
        if !parameters.pattern.0.chars().any(literal) {
            let why =
                format!("{NAME}: the pattern `{}` matches everything", parameters.pattern.0.escape_debug());
            return Err(Error::new(ErrorCode::Refused, why)
                .hint("say which keys: `signals:*`. A whole database is never emptied"));
        }
        Ok(parameters)
    }

    fn server(&self) -> Result<Server> {
        Server::connect(NAME, &self.url, self.database, self.timeout)
    }

    fn exact(&self) -> bool {
        self.exact == Some(Flag(true))
    }

    /// The key of the note.
    fn note(&self) -> Vec<u8> {
        format!("irctl:purged:{}", Digest::of(self.pattern.0.as_bytes()).short()).into_bytes()
    }

    /// The keys that match, sorted.
    fn matching(&self, server: &mut Server) -> Result<Vec<Vec<u8>>> {
        let limit = self.max_keys.map_or(MAX_KEYS, |count| count.0);
        let mut found = BTreeSet::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&self.pattern.0).arg("COUNT").arg(1000);
            let (next, keys): (u64, Vec<Vec<u8>>) = server.ask(scan)?;
            found.extend(keys);
            found.remove(&self.note());
            if found.len() as u64 > limit {
                let why = format!("more than {limit} keys match `{}`", self.pattern.0.escape_debug());
                return Err(server
                    .error(ErrorCode::Refused, &why)
                    .hint("narrow the pattern down, or raise `max_keys`"));
            }
            if next == 0 {
                return Ok(found.into_iter().collect());
            }
            cursor = next;
        }
    }

    fn within(&self, server: &Server, images: &[Image]) -> Result<()> {
        let limit = self.max_bytes.map_or(MAX_BYTES, |count| count.0);
        let size: u64 = images.iter().map(Image::size).sum();
        if size > limit {
            let why = format!("the matching keys hold {size} bytes, more than the {limit} that may be kept");
            return Err(server
                .error(ErrorCode::Refused, &why)
                .hint("narrow the pattern down, or raise `max_bytes`"));
        }
        Ok(())
    }

    fn noted(&self, server: &mut Server) -> Result<Option<String>> {
        let mut get = redis::cmd("GET");
        get.arg(self.note());
        server.ask(get)
    }

    fn state(&self, noted: Option<&str>, images: &[Image]) -> Value {
        let mut state = json!({ "purged": noted });
        if self.exact()
            && let Some(state) = state.as_object_mut()
        {
            let held: Vec<_> = images.iter().filter_map(|i| Some((i.shown(), i.held.as_ref()?))).collect();
            state.insert("keys".to_owned(), json!(held.len()));
            let parts = held.iter().map(|(key, held)| (key.as_str(), &held.digest));
            state.insert("digest".to_owned(), json!(Digest::of_parts(parts)));
        }
        state
    }
}

/// The operation that a state names.
fn named(state: Option<&Value>) -> Option<&str> {
    state?.get("purged")?.as_str()
}

/// Some keys, and how many more.
fn some<'a>(keys: impl ExactSizeIterator<Item = &'a Image>) -> String {
    let more = keys.len().saturating_sub(NAMED);
    let mut shown: Vec<_> = keys.take(NAMED).map(Image::shown).collect();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}

impl Adapter for RedisPurge {
    fn observe(&self, request: &Request) -> Result<State> {
        let parameters = Parameters::read(request)?;
        let mut server = parameters.server()?;
        let noted = parameters.noted(&mut server)?;
        let keys = parameters.matching(&mut server)?;
        let mut shown = format!("{} keys match {}", keys.len(), parameters.pattern.0);
        let mut images = Vec::new();
        if parameters.exact() || request.keep.is_some() {
            images = image::steady(&mut server, &keys)?;
            parameters.within(&server, &images)?;
            keep::write(request, SEEN, &images)?;
        }
        if let Some(operation) = &noted {
            shown.push_str(&format!("; purged by {operation}"));
        }
        Ok(State { state: parameters.state(noted.as_deref(), &images), shown })
    }

    fn predict(&self, request: &Request) -> Result<Predicted> {
        let parameters = Parameters::read(request)?;
        let mut server = parameters.server()?;
        let keys = parameters.matching(&mut server)?;
        let mut predicted = Predicted::default();
        predicted.refusals.extend(server.refuses_writes()?);
        if keys.is_empty() {
            predicted.after.clone_from(&request.before);
            return Ok(predicted);
        }
        let operation = request.operation.as_deref().unwrap_or("OP-not-yet");
        predicted.after = Some(parameters.state(Some(operation), &[]));
        predicted.changes.push(PredictedChange {
            place: format!("keys {}", parameters.pattern.0),
            from: Some(format!("{} keys", keys.len())),
            to: None,
            fidelity: Fidelity::Proven,
        });
        predicted.could_undo_this.push("whoever fills the cache writes such keys again".to_owned());
        Ok(predicted)
    }

    fn apply(&self, request: &Request) -> Result<Applied> {
        let parameters = Parameters::read(request)?;
        let mut server = parameters.server()?;
        server.writable()?;
        keep::folder(request)?;
        let keys = parameters.matching(&mut server)?;
        let watched: Vec<_> = keys.iter().cloned().chain([parameters.note()]).collect();
        server.watch(&watched)?;
        let noted = parameters.noted(&mut server)?;
        let images = image::read(&mut server, &keys)?;
        let current = parameters.state(noted.as_deref(), &images);
        if guard::apply(NAME, request, &current)? == Standing::After {
            return Ok(Applied { detail: Some("it is done already".to_owned()) });
        }
        parameters.within(&server, &images)?;
        let Some(operation) = named(request.after.as_ref()) else {
            return Err(server.error(ErrorCode::InvalidData, "the state after names no operation"));
        };
        // A try before this one may have kept keys and died: what it kept stays, what is newer is added.
        let mut taken: BTreeMap<Vec<u8>, Image> = BTreeMap::new();
        for image in keep::read::<Vec<Image>>(request, TAKEN)?.unwrap_or_default().into_iter().chain(images) {
            if image.held.is_some() {
                taken.insert(image.key()?, image);
            }
        }
        let taken: Vec<Image> = taken.into_values().collect();
        fault::point("redis-purge:before-keep");
        keep::write(request, TAKEN, &taken)?;
        fault::point("redis-purge:before-unlink");
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        for chunk in keys.chunks(1000) {
            pipeline.cmd("UNLINK").arg(chunk);
        }
        let remember = parameters.remember.map_or(REMEMBER, |span| span.0);
        let remember = u64::try_from(remember.as_millis()).unwrap_or(u64::MAX);
        pipeline.cmd("SET").arg(parameters.note()).arg(operation).arg("PX").arg(remember);
        server.commit(&pipeline)?;
        fault::point("redis-purge:after-unlink");
        Ok(Applied { detail: Some(format!("{} keys taken away and kept", keys.len())) })
    }

    fn undo(&self, request: &Request) -> Result<Applied> {
        let parameters = Parameters::read(request)?;
        let mut server = parameters.server()?;
        server.writable()?;
        keep::folder(request)?;
        let taken: Option<Vec<Image>> = keep::read(request, TAKEN)?;
        let taken = match taken {
            Some(taken) => taken,
            None => keep::read(request, SEEN)?.unwrap_or_default(),
        };
        let mut keys = taken.iter().map(Image::key).collect::<Result<Vec<_>>>()?;
        let present: BTreeSet<_> = parameters.matching(&mut server)?.into_iter().collect();
        let known: BTreeSet<_> = keys.iter().cloned().collect();
        keys.extend(present.difference(&known).cloned());
        let watched: Vec<_> = keys.iter().cloned().chain([parameters.note()]).collect();
        server.watch(&watched)?;
        let noted = parameters.noted(&mut server)?;
        let now_there = image::read(&mut server, &keys)?;
        let since: Vec<&Image> = now_there.iter().filter(|image| image.held.is_some()).collect();
        let current = parameters.state(noted.as_deref(), &now_there);
        match guard::undo(NAME, request, &current) {
            Ok(Standing::Before) => return Ok(Applied { detail: Some("it is as it was".to_owned()) }),
            Ok(Standing::After) => {}
            Err(error) if error.code == ErrorCode::Drifted && !since.is_empty() => {
                let why = format!("written since: {}", some(since.into_iter()));
                return Err(server
                    .error(ErrorCode::Drifted, &why)
                    .hint("without `exact: true` the others are put back and these are left as they are"));
            }
            Err(error) => return Err(error),
        }
        let now = server.now()?;
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        let mut back = 0;
        let mut written = Vec::new();
        for (image, there) in taken.iter().zip(&now_there) {
            if there.held.is_some() {
                written.push(image);
            } else if image.put_back(&mut pipeline, now, false)? {
                back += 1;
            }
        }
        match named(request.before.as_ref()) {
            Some(former) => pipeline.cmd("SET").arg(parameters.note()).arg(former).arg("KEEPTTL"),
            None => pipeline.cmd("UNLINK").arg(parameters.note()),
        };
        fault::point("redis-purge:before-undo");
        server.commit(&pipeline)?;
        fault::point("redis-purge:after-undo");
        let expired = taken.len() - back - written.len();
        let mut detail = format!("{back} keys are back");
        if expired > 0 {
            detail.push_str(&format!("; {expired} would have expired by now"));
        }
        if !written.is_empty() {
            let names = some(written.iter().copied());
            detail.push_str(&format!("; written since, so left as they are: {names}"));
        }
        Ok(Applied { detail: Some(detail) })
    }
}
