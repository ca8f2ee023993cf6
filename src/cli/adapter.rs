//! `irctl adapter`: the programs behind the shipped recipes. Recipes call it; people call `irctl recipe`.

use std::io::Read as _;

use super::Context;
use crate::base::error::exit;
use crate::base::{Error, ErrorCode, Result};
use crate::rollback::adapters::{self, Answer, CONTRACT, Request, Verb};

/// The largest request that is read, in bytes.
const LIMIT: u64 = 16 * 1024 * 1024;

/// Answer one request of the recipe contract: JSON on standard input, JSON on standard output.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The adapter, as `cache-quarantine`.
    name: String,
    /// What is asked: observe, predict, apply, undo or rehearse.
    verb: String,
}

/// Runs it and returns the exit status: 0 with an answer, 11 where somebody else changed what is in place.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    match answer(args) {
        Ok(answer) => {
            context.out.json(&answer)?;
            Ok(exit::OK)
        }
        // The caller shows the last line of standard error, so that everything must stand in one.
        Err(error) => {
            let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            let line = format!("{}{hint}", error.message).replace('\n', " ");
            Ok(context.out.error(&Error::new(error.code, line)))
        }
    }
}

fn answer(args: &Args) -> Result<Answer> {
    let adapter = adapters::find(&args.name).ok_or_else(|| {
        Error::new(ErrorCode::Usage, format!("there is no adapter `{}`", args.name.escape_debug()))
            .hint(format!("adapters: {}", adapters::names().join(", ")))
    })?;
    let verb = Verb::ALL.into_iter().find(|verb| verb.to_string() == args.verb).ok_or_else(|| {
        let verbs: Vec<_> = Verb::ALL.iter().map(ToString::to_string).collect();
        Error::new(ErrorCode::Usage, format!("an adapter cannot {}", args.verb.escape_debug()))
            .hint(format!("it can {}", verbs.join(", ")))
    })?;
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(LIMIT).read_to_end(&mut bytes)?;
    let request: Request = serde_json::from_slice(&bytes).map_err(|error| {
        Error::new(ErrorCode::InvalidData, format!("standard input is no request: {error}"))
    })?;
    if request.contract != CONTRACT || request.verb != verb {
        let message = format!(
            "the request is for contract {} and to {}, not for contract {CONTRACT} and to {verb}",
            request.contract, request.verb
        );
        return Err(Error::new(ErrorCode::InvalidData, message));
    }
    adapter.answer(&request)
}
