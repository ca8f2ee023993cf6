//! `redis-event`: a control event that switches a mode, appended to a stream: `MODE_SWITCH {from, to}`.
//!
//! The state is the mode that the last such event of the stream switched to. A stream only grows: the way back appends
//! the opposite event.

use redis::{Value as Answer, cmd};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::server::Server;
use crate::base::{ErrorCode, Result, fault};
use crate::rollback::adapters::guard::{self, Standing};
use crate::rollback::adapters::parameters::{self, Count, Hidden, Span, Text};
use crate::rollback::adapters::{Adapter, Applied, Predicted, PredictedChange, Request, State};
use crate::rollback::targets::Fidelity;

const NAME: &str = "redis-event";
/// How many entries are looked at, newest first, for the last event of its kind.
const DEPTH: usize = 10_000;
const PAGE: usize = 500;

/// Appends a control event.
pub struct RedisEvent;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// The address, a secret.
    url: Hidden,
    database: Option<Count>,
    timeout: Option<Span>,
    /// The stream: `control:events` unless it is said.
    stream: Option<Text>,
    /// The kind of event: `MODE_SWITCH` unless it is said.
    event: Option<Text>,
    /// The mode that holds as long as the stream has no such event.
    from: Option<Text>,
    /// The mode to switch to.
    to: Text,
    /// `CRIT` unless it is said.
    severity: Option<Text>,
    /// The severity of the event that takes it back: `INFO` unless it is said.
    undo_severity: Option<Text>,
    /// Why, for who reads the stream.
    reason: Option<Text>,
}

fn or<'a>(given: &'a Option<Text>, otherwise: &'a str) -> &'a str {
    given.as_ref().map_or(otherwise, |text| text.0.as_str())
}

impl Parameters {
    fn stream(&self) -> &str {
        or(&self.stream, "control:events")
    }

    fn event(&self) -> &str {
        or(&self.event, "MODE_SWITCH")
    }

    /// The mode that the last event switched to, and the entry that says so.
    fn mode(&self, server: &mut Server) -> Result<(String, Option<String>)> {
        let mut end = "+".to_owned();
        for _ in 0..DEPTH / PAGE {
            let mut command = cmd("XREVRANGE");
            command.arg(self.stream()).arg(&end).arg("-").arg("COUNT").arg(PAGE);
            let entries: Vec<Answer> = server.ask(command)?;
            let full = entries.len() == PAGE;
            for entry in entries {
                // The last entry of a page is the first of the next.
                let odd =
                    || server.error(ErrorCode::InvalidData, "an entry of the stream has an unknown shape");
                let (id, fields): (String, BTreeMap<String, String>) =
                    redis::from_redis_value(entry).map_err(|_| odd())?;
                if fields.get("event").map(String::as_str) == Some(self.event())
                    && let Some(to) = fields.get("to")
                {
                    return Ok((to.clone(), Some(id)));
                }
                end = id;
            }
            if !full {
                return match &self.from {
                    Some(Text(from)) => Ok((from.clone(), None)),
                    None => Err(server
                        .error(
                            ErrorCode::NotFound,
                            "the stream has no such event yet, so the mode is not known",
                        )
                        .hint("say the mode that holds in the parameter `from`")),
                };
            }
        }
        let why = format!("none of the last {DEPTH} entries is such an event");
        Err(server.error(ErrorCode::NotFound, &why).hint("use a stream of its own for control events"))
    }

    fn append(
        &self,
        request: &Request,
        server: &mut Server,
        from: &str,
        to: &str,
        back: bool,
    ) -> Result<String> {
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        let severity = if back { or(&self.undo_severity, "INFO") } else { or(&self.severity, "CRIT") };
        let entry = pipeline.cmd("XADD").arg(self.stream()).arg("*");
        for (name, value) in [
            ("event", self.event()),
            ("from", from),
            ("to", to),
            ("severity", severity),
            ("source", "irctl"),
            ("service", &request.service),
            ("operation", request.operation.as_deref().unwrap_or_default()),
            ("direction", if back { "back" } else { "forth" }),
            ("reason", or(&self.reason, "")),
        ] {
            if !value.is_empty() {
                entry.arg(name).arg(value);
            }
        }
        let answer = server.commit(&pipeline)?;
        let id = answer.into_iter().next().and_then(|id| redis::from_redis_value(id).ok());
        id.ok_or_else(|| server.error(ErrorCode::InvalidData, "XADD did not say which entry it made"))
    }

    fn server(&self) -> Result<Server> {
        Server::connect(NAME, &self.url, self.database, self.timeout)
    }
}

fn state(mode: &str) -> Value {
    json!({ "mode": mode })
}

fn mode_of(state: Option<&Value>) -> Option<&str> {
    state?.get("mode")?.as_str()
}

impl Adapter for RedisEvent {
    fn observe(&self, request: &Request) -> Result<State> {
        let parameters: Parameters = parameters::read(NAME, request)?;
        let (mode, entry) = parameters.mode(&mut parameters.server()?)?;
        let shown = match entry {
            Some(_) => format!("mode {mode}, says {}", parameters.stream()),
            None => format!("mode {mode}; {} has no such event yet", parameters.stream()),
        };
        Ok(State { state: state(&mode), shown })
    }

    fn predict(&self, request: &Request) -> Result<Predicted> {
        let parameters: Parameters = parameters::read(NAME, request)?;
        let mut server = parameters.server()?;
        let mode = match mode_of(request.before.as_ref()) {
            Some(mode) => mode.to_owned(),
            None => parameters.mode(&mut server)?.0,
        };
        let to = &parameters.to.0;
        let mut predicted =
            Predicted { after: Some(state(to)), refusals: Vec::new(), ..Predicted::default() };
        if mode != *to {
            predicted.changes.push(PredictedChange {
                place: format!("stream {}, mode", parameters.stream()),
                from: Some(mode.clone()),
                to: Some(to.clone()),
                fidelity: Fidelity::Predicted,
            });
            predicted.cannot_be_undone.push(format!(
                "the event in {} cannot be taken back: who has read it has acted on it; the way back appends \
                 {} from {to} to {mode}",
                parameters.stream(),
                parameters.event()
            ));
        }
        if let Some(Text(from)) = &parameters.from
            && *from != mode
        {
            predicted.warnings.push(format!("the stream says that the mode is {mode}, not {from}"));
        }
        predicted.refusals.extend(server.refuses_writes()?);
        Ok(predicted)
    }

    fn apply(&self, request: &Request) -> Result<Applied> {
        let parameters: Parameters = parameters::read(NAME, request)?;
        let mut server = parameters.server()?;
        server.writable()?;
        server.watch(&[parameters.stream().as_bytes().to_vec()])?;
        let (mode, _) = parameters.mode(&mut server)?;
        if guard::apply(NAME, request, &state(&mode))? == Standing::After {
            return Ok(Applied { detail: Some(format!("the mode is {mode} already")) });
        }
        fault::point("redis-event:before-append");
        let id = parameters.append(request, &mut server, &mode, &parameters.to.0, false)?;
        fault::point("redis-event:after-append");
        Ok(Applied { detail: Some(format!("entry {id} of {}", parameters.stream())) })
    }

    fn undo(&self, request: &Request) -> Result<Applied> {
        let parameters: Parameters = parameters::read(NAME, request)?;
        let mut server = parameters.server()?;
        server.writable()?;
        server.watch(&[parameters.stream().as_bytes().to_vec()])?;
        let (mode, _) = parameters.mode(&mut server)?;
        if guard::undo(NAME, request, &state(&mode))? == Standing::Before {
            return Ok(Applied { detail: Some(format!("the mode is {mode}, as it was")) });
        }
        let former = mode_of(request.before.as_ref())
            .ok_or_else(|| server.error(ErrorCode::InvalidData, "the state before names no mode"))?;
        fault::point("redis-event:before-undo");
        let id = parameters.append(request, &mut server, &mode, former, true)?;
        fault::point("redis-event:after-undo");
        Ok(Applied { detail: Some(format!("the opposite event is entry {id} of {}", parameters.stream())) })
    }
}
