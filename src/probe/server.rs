//! What the probes have in common that ask a server.

use super::{Fact, Outcome};
use crate::base::{Error, ErrorCode, Untrusted};
use crate::store::{Measurement, Sample};

/// What went wrong, with the way out where the error knows one that is meant for whoever only reads.
pub fn explained(error: &Error) -> String {
    let helps = matches!(
        error.code,
        ErrorCode::NotPermitted
            | ErrorCode::NotFound
            | ErrorCode::InvalidConfiguration
            | ErrorCode::SecretUnavailable
            | ErrorCode::OutsideRoot
    );
    match error.hint.as_ref().filter(|_| helps) {
        Some(hint) => format!("{} ({hint})", error.message),
        None => error.message.clone(),
    }
}

/// Puts what was asked, and where, before everything else that an outcome says of what it looked at.
pub fn about(mut outcome: Outcome, facts: &[(&str, String)]) -> Outcome {
    let fact = |(label, value): &(&str, String)| Fact {
        label: (*label).to_owned(),
        value: Untrusted::new(value.clone()),
    };
    outcome.examined.splice(0..0, facts.iter().map(fact));
    outcome
}

/// Adds a sample; one without a value is a problem as well.
pub fn add(outcome: &mut Outcome, sample: Sample) {
    if let Measurement::Undecided(why) = &sample.measurement {
        outcome.problem(Some(&sample.metric), why.clone());
    }
    outcome.samples.push(sample);
}

/// A text from outside as it stands in a reason: short, and without what a terminal would obey.
pub fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    let short: String = text.chars().take(MOST).collect();
    let more = if text.chars().count() > MOST { "…" } else { "" };
    format!("\"{}{more}\"", short.escape_debug())
}

/// A number as a text says it: `true` and `false` are one and zero.
///
/// # Errors
/// Why it is none.
pub fn number(text: &str) -> Result<f64, String> {
    match text.trim() {
        "true" => Ok(1.0),
        "false" => Ok(0.0),
        trimmed => trimmed.parse().map_err(|_| format!("it is {}, not a number", quoted(text))),
    }
}
