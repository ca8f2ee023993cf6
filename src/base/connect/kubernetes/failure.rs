//! What the API's refusals mean, and what silence means.

use crate::base::untrusted::{Sink, escape};
use crate::base::{Error, ErrorCode};

/// A request that did not go well.
#[derive(Debug)]
pub enum Failure {
    /// The object is not there.
    Missing(String),
    /// Somebody else wrote the object since it was read.
    Conflict(String),
    /// What was asked about is too old for a watch to go on from.
    Gone,
    /// Not now: nothing was done. After this many seconds one may try again.
    Later(u32, String),
    /// The request never reached the API: nothing was done.
    Unreachable(String),
    /// It was sent, and how it ended is not known.
    Unanswered(String),
    /// The API said no.
    Refused(Error),
}

impl Failure {
    /// From the client's error. `server` is left in the text: it is no secret.
    pub fn of(error: &kube::Error) -> Self {
        let kube::Error::Api(status) = error else { return Self::silent(error) };
        let text = escape(&message(status), Sink::Terminal);
        match status.code {
            404 => Failure::Missing(text),
            409 => Failure::Conflict(text),
            410 => Failure::Gone,
            429 => {
                let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
                Failure::Later(seconds, text)
            }
            500.. => Failure::Unanswered(text),
            401 => Failure::Refused(
                Error::new(ErrorCode::NotPermitted, format!("the cluster does not know who asks: {text}"))
                    .hint("renew the credentials of the kubeconfig"),
            ),
            403 => Failure::Refused(
                Error::new(ErrorCode::NotPermitted, format!("the cluster does not allow it: {text}"))
                    .hint("docs/kubernetes.md lists the permissions that are needed"),
            ),
            _ => Failure::Refused(Error::new(ErrorCode::Refused, format!("the cluster refuses: {text}"))),
        }
    }

    fn silent(error: &kube::Error) -> Self {
        let text = match error {
            // Its text would repeat the program's environment and output.
            kube::Error::Auth(kube::client::AuthError::AuthExecRun { out, .. }) => {
                let words = String::from_utf8_lossy(&out.stderr).into_owned();
                let last = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
                format!("the program that gives the credentials failed ({}): {last}", out.status)
            }
            error => chain(error),
        };
        let text = escape(&text, Sink::Terminal);
        // The connection comes before the request, and so do the credentials.
        let before = text.contains("(Connect)") || matches!(error, kube::Error::Auth(_));
        if before { Failure::Unreachable(text) } else { Failure::Unanswered(text) }
    }

    /// Whether asking again is of use.
    pub fn is_passing(&self) -> bool {
        matches!(self, Failure::Later(..) | Failure::Unreachable(_) | Failure::Unanswered(_))
    }

    /// What it means for somebody who only read.
    pub fn into_error(self, what: &str) -> Error {
        match self {
            Failure::Missing(text) => Error::new(ErrorCode::NotFound, format!("{what}: {text}")),
            Failure::Conflict(text) => Error::new(ErrorCode::Drifted, format!("{what}: {text}")),
            Failure::Gone => Error::new(ErrorCode::Io, format!("{what}: the cluster's history is too short")),
            Failure::Later(_, text) | Failure::Unreachable(text) | Failure::Unanswered(text) => {
                Error::new(ErrorCode::Io, format!("{what}: the cluster cannot be reached: {text}"))
                    .hint("look at `kubectl cluster-info`; nothing was changed by this")
            }
            Failure::Refused(error) => Error { message: format!("{what}: {}", error.message), ..error },
        }
    }
}

fn message(status: &kube::core::Status) -> String {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let causes: Vec<_> = causes
        .filter(|cause| !status.message.contains(&cause.message))
        .map(|cause| format!("{}: {}", cause.field, cause.message))
        .collect();
    let text = match status.message.as_str() {
        "" => &status.reason,
        text => text,
    };
    let text = format!("HTTP {} {text}", status.code);
    if causes.is_empty() { text } else { format!("{text} ({})", causes.join("; ")) }
}

/// An error and its causes, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        match parts.iter().any(|part| part.contains(&text)) {
            true => {}
            false => parts.push(text),
        }
        next = error.source();
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn status(code: u16) -> Failure {
        Failure::of(&kube::Error::Api(Status::failure("no", "Reason").with_code(code).boxed()))
    }

    #[test]
    fn only_what_was_not_done_or_is_not_known_may_be_asked_again() {
        for (code, passing) in
            [(404, false), (409, false), (403, false), (422, false), (429, true), (500, true), (504, true)]
        {
            assert_eq!(status(code).is_passing(), passing, "{code}");
        }
        assert!(matches!(status(500), Failure::Unanswered(_)), "it may have been done");
        assert!(matches!(status(429), Failure::Later(..)), "it was not done");
        assert_eq!(status(403).into_error("x").code, ErrorCode::NotPermitted);
        assert_eq!(status(503).into_error("x").code, ErrorCode::Io);
    }
}
