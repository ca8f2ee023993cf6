//! Calling the programs: the request on standard input, secrets fetched at the last moment.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answer::Asked;
use super::config::CommandTargetConfig;
use crate::base::process::{Invocation, Output};
use crate::base::{Error, ErrorCode, Result, SecretReference, environment};
use crate::operation::StepContext;
use crate::rollback::adapters::{Applied, Predicted, Request, State, Verb};

/// The word in an argv that stands for irctl itself.
const IRCTL: &str = "{irctl}";

/// What is in place.
pub fn observe(config: &CommandTargetConfig, request: &Request) -> Result<State> {
    call(config, &Request { verb: Verb::Observe, ..request.clone() }, None, |asked, output| {
        asked.answer(output).and_then(|state| asked.checked(state))
    })
}

/// What applying would change; `None` where no program can say.
pub fn predict(config: &CommandTargetConfig, request: &Request, before: &Value) -> Result<Option<Predicted>> {
    if config.predict.is_none() {
        return Ok(None);
    }
    let request = Request { verb: Verb::Predict, before: Some(before.clone()), ..request.clone() };
    call(config, &request, None, |asked, output| {
        asked.answer(output).and_then(|predicted| asked.consistent(predicted, before)).map(Some)
    })
}

/// Applies or undoes, as the request says; who does it stands in the journal meanwhile.
pub fn change(
    config: &CommandTargetConfig,
    request: &Request,
    context: Option<&mut StepContext<'_>>,
) -> Result<Applied> {
    call(config, request, context, simple)
}

/// Tries it on a copy.
pub fn rehearse(config: &CommandTargetConfig, request: &Request) -> Result<Applied> {
    call(config, &Request { verb: Verb::Rehearse, ..request.clone() }, None, simple)
}

fn simple<T: DeserializeOwned>(asked: &Asked<'_>, output: &Output) -> Result<T> {
    asked.answer(output)
}

fn call<T>(
    config: &CommandTargetConfig,
    request: &Request,
    context: Option<&mut StepContext<'_>>,
    read: impl FnOnce(&Asked<'_>, &Output) -> Result<T>,
) -> Result<T> {
    let title = config.title();
    let argv = config.program(request.verb).unwrap_or_default();
    let secrets = fetched(config)?;
    let shown = argv.first().map(String::as_str).unwrap_or_default();
    let asked = Asked { title: &title, program: shown, verb: request.verb, secrets: &secrets };
    let invocation = invocation(config, argv, request, &secrets)?;
    let output = match context {
        Some(context) => context.run(shown, invocation),
        None => invocation.run(),
    };
    let output = output.map_err(|error| match error.code {
        ErrorCode::Subprocess => asked.failure(error.code, &error.message, None),
        _ => error,
    })?;
    read(&asked, &output)
}

fn invocation(
    config: &CommandTargetConfig,
    argv: &[String],
    request: &Request,
    secrets: &[(String, String)],
) -> Result<Invocation> {
    let argv =
        argv.iter().map(|part| if part == IRCTL { environment::executable() } else { Ok(part.clone()) });
    let mut request = request.clone();
    for (name, secret) in secrets {
        request.with.insert(name.clone(), Value::String(secret.clone()));
    }
    let stdin = serde_json::to_vec(&request)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("a request cannot be written: {error}")))?;
    let mut invocation = Invocation::new(argv.collect::<Result<_>>()?)
        .directory(&request.root)
        .stdin(stdin)
        .timeout(config.limit(request.verb));
    for reference in config.secrets.values() {
        if let SecretReference::Environment(name) = reference {
            invocation = invocation.forget(name);
        }
    }
    Ok(invocation)
}

fn fetched(config: &CommandTargetConfig) -> Result<Vec<(String, String)>> {
    let fetch = |(name, reference): (&String, &SecretReference)| {
        let secret = reference.resolve()?;
        Ok((name.clone(), secret.expose().to_owned()))
    };
    config.secrets.iter().map(fetch).collect()
}

/// The programs that must be there and are not.
pub fn missing(config: &CommandTargetConfig, root: &std::path::Path) -> Vec<String> {
    let path = environment::variable("PATH").unwrap_or_default();
    let there = |program: &str| {
        if program.contains('/') {
            return root.join(program).is_file();
        }
        path.split(':').any(|folder| std::path::Path::new(folder).join(program).is_file())
    };
    config.needs.iter().filter(|program| !there(program)).cloned().collect()
}
