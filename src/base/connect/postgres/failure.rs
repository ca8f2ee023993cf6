//! What PostgreSQL answers, as errors of ours: which code, which words, which way out.

use tokio_postgres::error::SqlState;

use crate::base::{Error, ErrorCode, Untrusted};

/// A failure that PostgreSQL, or the way to it, reports.
pub fn failed(place: &str, error: &tokio_postgres::Error) -> Error {
    let Some(answer) = error.as_db_error() else {
        return lost(place, &chain(error));
    };
    let mut words = Untrusted::from(answer.message()).to_string();
    if let Some(detail) = answer.detail() {
        words = format!("{words} ({})", Untrusted::from(detail));
    }
    let (code, hint) = classify(answer.code());
    let shown = format!("{place}: {words} [{}]", answer.code().code());
    Error::new(code, shown).hint(hint)
}

/// Nobody answers, or not any more.
pub fn lost(place: &str, why: &str) -> Error {
    let what = format!("{place}: the database is not available: {}", Untrusted::from(why));
    Error::new(ErrorCode::Unavailable, what)
        .hint("see whether the server runs and can be reached from here, then try again: nothing was left half-done")
}

/// An error and what caused it. The driver's messages hold no connection strings.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !words.contains(&next) {
            words = format!("{words}: {next}");
        }
        cause = error.source();
    }
    words
}

/// Whether the other side may or may not have done what it was told last.
pub fn is_lost(error: &tokio_postgres::Error) -> bool {
    error
        .as_db_error()
        .is_none_or(|answer| matches!(answer.code().code().get(..2), Some("08" | "57" | "58" | "XX")))
}

/// Codes are those of the SQL standard and of PostgreSQL's manual, appendix A.
fn classify(state: &SqlState) -> (ErrorCode, &'static str) {
    let code = state.code();
    match code {
        "57014" => {
            (ErrorCode::TimedOut, "it ran longer than `timeouts: {statement: …}` allows; nothing was changed")
        }
        "55P03" => (ErrorCode::Busy, "somebody else holds a lock; wait for them to end, then try again"),
        "40001" | "40P01" => (ErrorCode::Busy, "somebody else changed the same rows at once; try again"),
        "42501" | "28000" | "28P01" => {
            (ErrorCode::NotPermitted, "the user of the connection may not; grant it, or use another user")
        }
        "25006" => (ErrorCode::Refused, "this server only reads; connect to the one that writes"),
        "42P18" => (ErrorCode::InvalidConfiguration, "say of which type the parameter is: `:name::text`"),
        "3D000" => (ErrorCode::NotFound, "see which databases there are"),
        "42P01" | "42703" => {
            (ErrorCode::InvalidConfiguration, "the name must be spelled as the database spells it")
        }
        _ => classify_class(code.get(..2).unwrap_or_default()),
    }
}

fn classify_class(class: &str) -> (ErrorCode, &'static str) {
    match class {
        "08" | "53" | "57" | "58" => {
            (ErrorCode::Unavailable, "see to the server, then try again; nothing was changed")
        }
        "22" | "23" | "44" | "P0" | "09" | "27" => {
            (ErrorCode::Refused, "the database does not allow such rows; nothing was changed")
        }
        "42" => (ErrorCode::InvalidConfiguration, "the statement in the configuration is wrong"),
        "28" => (ErrorCode::NotPermitted, "the user of the connection may not"),
        _ => (ErrorCode::Refused, "nothing was changed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_codes() {
        for (state, code) in [
            ("57014", ErrorCode::TimedOut),
            ("55P03", ErrorCode::Busy),
            ("40P01", ErrorCode::Busy),
            ("23505", ErrorCode::Refused),
            ("42501", ErrorCode::NotPermitted),
            ("57P01", ErrorCode::Unavailable),
            ("53100", ErrorCode::Unavailable),
            ("08006", ErrorCode::Unavailable),
            ("42601", ErrorCode::InvalidConfiguration),
            ("P0001", ErrorCode::Refused),
        ] {
            let (found, hint) = classify(&SqlState::from_code(state));
            assert_eq!(found, code, "{state}");
            assert!(!hint.is_empty());
        }
    }
}
