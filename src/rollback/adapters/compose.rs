//! `compose-profile`: services of a docker compose project under another profile and another environment:
//! `EXCHANGE_MODE=paper docker compose --profile paper up -d ai_scorer executor`.
//!
//! What is compared is, for each service, whether it runs and the digest of its configuration that compose itself
//! reckons and writes on its containers: another environment is another digest.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

use super::guard::{self, Standing};
use super::parameters::{self, Pairs, Span, Text, Words};
use super::program::{Program, missing, text};
use super::{Adapter, Applied, Predicted, PredictedChange, Request, State};
use crate::base::{Error, ErrorCode, Result, fault};
use crate::rollback::targets::Fidelity;

const NAME: &str = "compose-profile";
const TIMEOUT: Duration = Duration::from_secs(300);
const HASH_LABEL: &str = "com.docker.compose.config-hash=";

/// Switches the profile of a compose project.
pub struct ComposeProfile;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// The compose files; those of the workspace unless it is said.
    #[serde(default)]
    file: Words,
    project: Option<Text>,
    /// The profile to go to.
    profile: Option<Text>,
    /// The services that are to run.
    #[serde(default)]
    services: Words,
    /// Services that are to stop first.
    #[serde(default)]
    stop: Words,
    /// Variables for the compose file: `EXCHANGE_MODE=paper`.
    #[serde(default)]
    environment: Pairs,
    /// The profile to go back to.
    former_profile: Option<Text>,
    /// The variables to go back to.
    #[serde(default)]
    former_environment: Pairs,
    timeout: Option<Span>,
    /// The program: `docker` unless it is said.
    program: Option<Text>,
}

/// Which of the two environments a call is made in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Now,
    Former,
}

impl Parameters {
    fn read(request: &Request) -> Result<Self> {
        let parameters: Self = parameters::read(NAME, request)?;
        let lists =
            [("services", &parameters.services), ("stop", &parameters.stop), ("file", &parameters.file)];
        for (name, words) in lists {
            for word in &words.0 {
                parameters::plain(NAME, name, word)?;
            }
        }
        let texts = [
            ("project", &parameters.project),
            ("profile", &parameters.profile),
            ("former_profile", &parameters.former_profile),
        ];
        for (name, value) in texts {
            if let Some(Text(value)) = value {
                parameters::plain(NAME, name, value)?;
            }
        }
        let twice = parameters.stop.0.iter().any(|name| parameters.services.0.contains(name));
        if twice || parameters.names().is_empty() {
            let why = format!("{NAME}: name each service once, in `services` or in `stop`");
            return Err(Error::new(ErrorCode::InvalidConfiguration, why)
                .hint("`docker compose config --services` lists them"));
        }
        Ok(parameters)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.services.0.iter().chain(&self.stop.0).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    fn program(&self, side: Side) -> Program {
        let name = self.program.as_ref().map_or("docker", |program| program.0.as_str());
        let mut program = Program::new(name, self.timeout.map_or(TIMEOUT, |span| span.0))
            .with(["compose", "--progress=plain"]);
        for file in &self.file.0 {
            program = program.with([format!("--file={file}")]);
        }
        if let Some(Text(project)) = &self.project {
            program = program.with([format!("--project-name={project}")]);
        }
        let (profile, environment) = match side {
            Side::Now => (&self.profile, &self.environment),
            Side::Former => (&self.former_profile, &self.former_environment),
        };
        if let Some(Text(profile)) = profile {
            program = program.with([format!("--profile={profile}")]);
        }
        program.environment = environment.0.clone().into_iter().collect();
        program
    }

    /// What runs, and with which configuration.
    fn look(&self, request: &Request) -> Result<Value> {
        let every = Program { environment: Vec::new(), ..self.program(Side::Now) };
        let output = every.run(request, &["ps", "--all", "--no-trunc", "--format=json"])?;
        let containers = containers(&output)?;
        Ok(state(&self.names(), &containers))
    }

    /// The configuration digests that compose reckons for services.
    fn hashes(&self, request: &Request, side: Side, names: &[String]) -> Result<BTreeMap<String, String>> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let wanted = format!("--hash={}", names.join(","));
        let output = self.program(side).run(request, &["config", &wanted]).map_err(|error| {
            // Docker's own words for a name that no file or profile has.
            let unknown = error.message.contains("no such service");
            Error { code: if unknown { ErrorCode::Refused } else { error.code }, ..error }
        })?;
        let hashes = parse_hashes(&output);
        match names.iter().find(|name| !hashes.contains_key(*name)) {
            Some(name) => {
                let why = format!("{NAME}: the compose file has no service `{}`", name.escape_debug());
                Err(Error::new(ErrorCode::Refused, why).hint("is it in another profile or another file?"))
            }
            None => Ok(hashes),
        }
    }

    fn after(&self, request: &Request, before: &Value) -> Result<Value> {
        let hashes = self.hashes(request, Side::Now, &self.services.0)?;
        let mut services = before.get("services").and_then(Value::as_object).cloned().unwrap_or_default();
        for name in &self.services.0 {
            services.insert(name.clone(), json!({"runs": true, "configuration": hashes.get(name)}));
        }
        for name in &self.stop.0 {
            if let Some(held) = services.get_mut(name).and_then(Value::as_object_mut) {
                held.insert("runs".to_owned(), json!(false));
            }
        }
        Ok(json!({ "services": services }))
    }

    /// The services that the former profile and environment would not bring back as they were.
    fn lost(&self, request: &Request, before: &Value) -> Result<Vec<String>> {
        let held: Vec<String> =
            self.names().into_iter().filter(|name| configuration(before, name).is_some()).collect();
        let hashes = match self.hashes(request, Side::Former, &held) {
            Ok(hashes) => hashes,
            Err(error) if error.code == ErrorCode::Refused => return Ok(held),
            Err(error) => return Err(error),
        };
        let lost = |name: &String| hashes.get(name).map(String::as_str) != configuration(before, name);
        Ok(held.into_iter().filter(lost).collect())
    }

    fn call(&self, request: &Request, side: Side, verb: &[&str], names: &[String]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let mut arguments: Vec<String> = verb.iter().map(|word| (*word).to_owned()).collect();
        arguments.extend(names.iter().cloned());
        fault::point("compose-profile:before-call");
        self.program(side).run(request, &arguments).map(|_| ())
    }
}

/// The containers that `docker compose ps --format json` prints: an array, or an object on each line.
fn containers(output: &str) -> Result<Vec<Value>> {
    let odd = |error: serde_json::Error| {
        Error::new(ErrorCode::InvalidData, format!("{NAME}: `docker compose ps` printed no JSON: {error}"))
            .hint("docker compose from version 2.21 on is understood, and older ones that print an array")
    };
    let text = output.trim();
    if text.starts_with('[') {
        return serde_json::from_str(text).map_err(odd);
    }
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| serde_json::from_str(line).map_err(odd))
        .collect()
}

fn parse_hashes(output: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    output.lines().filter_map(pair).collect()
}

/// Of each service whether all its containers run, and the one configuration they have.
fn state(names: &[String], containers: &[Value]) -> Value {
    let mut services = Map::new();
    for name in names {
        let own: Vec<&Value> = containers
            .iter()
            .filter(|container| {
                text(container, "/Service", "docker compose ps").is_ok_and(|held| held == name)
            })
            .collect();
        let held = if own.is_empty() {
            Value::Null
        } else {
            let runs = own.iter().all(|container| container.get("State") == Some(&json!("running")));
            let mut hashes: Vec<_> = own.iter().filter_map(|container| hash(container)).collect();
            hashes.sort();
            hashes.dedup();
            json!({"runs": runs, "configuration": hashes.join(" ")})
        };
        services.insert(name.clone(), held);
    }
    json!({ "services": services })
}

fn hash(container: &Value) -> Option<String> {
    let labels = container.get("Labels")?.as_str()?;
    let rest = labels.split_once(HASH_LABEL)?.1;
    Some(rest.split(',').next()?.to_owned())
}

fn configuration<'v>(state: &'v Value, name: &str) -> Option<&'v str> {
    state.get("services")?.get(name)?.get("configuration")?.as_str()
}

fn runs(state: &Value, name: &str) -> Option<bool> {
    state.get("services")?.get(name)?.get("runs")?.as_bool()
}

fn word(state: &Value, name: &str) -> Option<String> {
    let hash: String = configuration(state, name)?.chars().take(12).collect();
    Some(format!("{} with configuration {hash}", if runs(state, name)? { "runs" } else { "stands still" }))
}

impl Adapter for ComposeProfile {
    fn observe(&self, request: &Request) -> Result<State> {
        let parameters = Parameters::read(request)?;
        let state = parameters.look(request)?;
        let each = parameters.names().into_iter().map(|name| {
            let word = word(&state, &name).unwrap_or("no container".to_owned());
            format!("{name}: {word}")
        });
        let shown = each.collect::<Vec<_>>().join("; ");
        Ok(State { state, shown })
    }

    fn predict(&self, request: &Request) -> Result<Predicted> {
        let parameters = Parameters::read(request)?;
        let before = match &request.before {
            Some(before) => before.clone(),
            None => parameters.look(request)?,
        };
        let mut predicted = Predicted::default();
        let after = match parameters.after(request, &before) {
            Ok(after) => after,
            Err(error) if error.code == ErrorCode::Refused => {
                predicted.refusals.push(error.message);
                return Ok(predicted);
            }
            Err(error) => return Err(error),
        };
        for name in parameters.names() {
            let (from, to) = (word(&before, &name), word(&after, &name));
            if from != to {
                let fidelity = Fidelity::Predicted;
                predicted.changes.push(PredictedChange {
                    place: format!("service {name}"),
                    from,
                    to,
                    fidelity,
                });
            }
        }
        let lost = parameters.lost(request, &before)?;
        if !lost.is_empty() {
            predicted.cannot_be_undone.push(format!(
                "`former_profile` and `former_environment` do not make what runs now of {}",
                lost.join(", ")
            ));
        }
        predicted.after = Some(after);
        Ok(predicted)
    }

    fn apply(&self, request: &Request) -> Result<Applied> {
        let parameters = Parameters::read(request)?;
        let current = parameters.look(request)?;
        if request.after.as_ref() == Some(&current)
            || !guard::between(request, &current) && guard::apply(NAME, request, &current)? == Standing::After
        {
            return Ok(Applied { detail: Some("it is so already".to_owned()) });
        }
        let standing: Vec<_> =
            parameters.stop.0.iter().filter(|name| runs(&current, name) == Some(true)).cloned().collect();
        parameters.call(request, Side::Now, &["stop"], &standing)?;
        parameters.call(request, Side::Now, &["up", "--detach"], &parameters.services.0)?;
        fault::point("compose-profile:after-up");
        Ok(Applied { detail: Some(format!("{} services up", parameters.services.0.len())) })
    }

    fn undo(&self, request: &Request) -> Result<Applied> {
        let parameters = Parameters::read(request)?;
        let current = parameters.look(request)?;
        if request.before.as_ref() == Some(&current)
            || !guard::between(request, &current) && guard::undo(NAME, request, &current)? == Standing::Before
        {
            return Ok(Applied { detail: Some("it is as it was".to_owned()) });
        }
        let before = request.before.as_ref().ok_or_else(|| missing("/before", "the request"))?;
        let lost = parameters.lost(request, before)?;
        if !lost.is_empty() {
            let why = format!(
                "{NAME}: the former profile and environment do not make what ran of {}",
                lost.join(", ")
            );
            return Err(Error::new(ErrorCode::Refused, why)
                .hint("set `former_profile` and `former_environment` to what it ran with"));
        }
        let which = |wanted: Option<bool>| -> Vec<String> {
            parameters.names().into_iter().filter(|name| runs(before, name) == wanted).collect()
        };
        let gone: Vec<_> = which(None).into_iter().filter(|name| runs(&current, name).is_some()).collect();
        // With the profile they were started under; under another one compose does not know them.
        parameters.call(request, Side::Now, &["rm", "--stop", "--force"], &gone)?;
        let still = which(Some(false));
        parameters.call(request, Side::Former, &["stop"], &still)?;
        parameters.call(request, Side::Former, &["create"], &still)?;
        parameters.call(request, Side::Former, &["up", "--detach"], &which(Some(true)))?;
        fault::point("compose-profile:after-undo");
        Ok(Applied { detail: Some("the former profile is back".to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_shapes_of_ps() {
        let one = |name: &str, state: &str, hash: &str| json!({"Service": name, "State": state, "Labels": format!("a=b,{HASH_LABEL}{hash},c=d")});
        let (first, second) = (one("executor", "running", "h1"), one("executor", "exited", "h1"));
        let names = ["executor".to_owned(), "risk".to_owned()];
        let lines = containers(&format!("{first}\n{second}\n")).unwrap();
        let array = containers(&json!([first, second]).to_string()).unwrap();
        assert_eq!(lines, array);
        let expected =
            json!({"services": {"executor": {"runs": false, "configuration": "h1"}, "risk": null}});
        assert_eq!(state(&names, &lines), expected);
        assert!(containers("").unwrap().is_empty());
        assert!(containers("NAME  IMAGE").is_err());
        assert_eq!(parse_hashes("executor h1\nrisk h2\n").len(), 2);
    }
}
