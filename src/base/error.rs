//! One error type for the library: a stable code, a sentence, a way out.
//!
//! The mapping from code to exit status lives in [`ErrorCode::exit`] and nowhere else.

use std::fmt;

/// The result of everything in this library that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Process exit statuses, as documented in `docs/exit-codes.md`.
///
/// Verdicts use 0–3, operations 0 and 10–14, errors the numbers of `sysexits.h`.
pub mod exit {
    /// Everything looked at is good; an operation restored and proved.
    pub const OK: u8 = 0;
    /// A warning-level verdict.
    pub const WARN: u8 = 1;
    /// A critical verdict.
    pub const CRIT: u8 = 2;
    /// There was not enough evidence to say.
    pub const UNKNOWN: u8 = 3;
    /// The operation was undone: in the end nothing changed.
    pub const UNDONE: u8 = 10;
    /// The operation halted and can be resumed.
    pub const HALTED: u8 = 11;
    /// A guard, or a human's no, refused the operation.
    pub const REFUSED: u8 = 12;
    /// It could not be learnt how the operation ended.
    pub const OUTCOME_UNKNOWN: u8 = 13;
    /// Switched, but not proven; what consumes the service stays contained.
    pub const UNPROVEN: u8 = 14;
    /// The command line is wrong.
    pub const USAGE: u8 = 64;
    /// The input data is wrong.
    pub const DATA: u8 = 65;
    /// Something needed is not available.
    pub const UNAVAILABLE: u8 = 69;
    /// A bug in irctl.
    pub const BUG: u8 = 70;
    /// Another process holds the claim.
    pub const BUSY: u8 = 75;
    /// Not permitted.
    pub const NOT_PERMITTED: u8 = 77;
    /// The configuration is wrong.
    pub const CONFIGURATION: u8 = 78;
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $exit:ident;)+) => {
        /// A stable name for each kind of failure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum ErrorCode { $($(#[$doc])* $name,)+ }

        impl ErrorCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name,)+];

            /// The code as it is printed and documented.
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$name => $text,)+ }
            }

            /// The exit status of a process that ends with this error.
            pub const fn exit(self) -> u8 {
                match self { $(ErrorCode::$name => exit::$exit,)+ }
            }
        }
    };
}

codes! {
    /// The command line asks for something that does not exist or does not fit together.
    Usage = "usage", USAGE;
    /// A file or value given as data cannot be read as what it should be.
    InvalidData = "invalid-data", DATA;
    /// An expression cannot be parsed or does not fit its metrics.
    InvalidExpression = "invalid-expression", DATA;
    /// The configuration has errors.
    InvalidConfiguration = "invalid-configuration", CONFIGURATION;
    /// There is no configuration here.
    NoConfiguration = "no-configuration", CONFIGURATION;
    /// A service, incident, version, suite or other named thing does not exist.
    NotFound = "not-found", DATA;
    /// A file could not be read or written.
    Io = "io", UNAVAILABLE;
    /// The state store cannot be used.
    StoreUnavailable = "store-unavailable", UNAVAILABLE;
    /// The state was written by a newer irctl.
    StoreTooNew = "store-too-new", UNAVAILABLE;
    /// A hash chain does not fit together.
    ChainBroken = "chain-broken", DATA;
    /// The state directory cannot be used safely.
    StateDirectory = "state-directory", UNAVAILABLE;
    /// A secret reference could not be resolved.
    SecretUnavailable = "secret-unavailable", UNAVAILABLE;
    /// A child process could not be started or ended badly.
    Subprocess = "subprocess", UNAVAILABLE;
    /// Something took longer than allowed.
    TimedOut = "timed-out", UNAVAILABLE;
    /// A path or name would leave the folder it belongs to.
    OutsideRoot = "outside-root", NOT_PERMITTED;
    /// The operating system, or a rule, does not allow it.
    NotPermitted = "not-permitted", NOT_PERMITTED;
    /// Another process holds the claim or lease.
    Busy = "busy", BUSY;
    /// A guard refused, or a human said no.
    Refused = "refused", REFUSED;
    /// What is to be changed is not what the plan was made for.
    Drifted = "drifted", HALTED;
    /// The operation stopped half-way and can be resumed.
    Halted = "halted", HALTED;
    /// Not known how it ended.
    OutcomeUnknown = "outcome-unknown", OUTCOME_UNKNOWN;
    /// A system that is to be looked at or changed does not answer.
    Unavailable = "unavailable", UNAVAILABLE;
    /// A message could not be delivered.
    Delivery = "delivery", UNAVAILABLE;
    /// A template failed.
    Template = "template", DATA;
    /// A state machine was asked for a step that it does not have.
    InvalidTransition = "invalid-transition", DATA;
    /// A bug in irctl.
    Bug = "bug", BUG;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure: what happened, and, where one is known, the way out.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The stable kind of the failure.
    pub code: ErrorCode,
    /// One sentence: what, where, why.
    pub message: String,
    /// What the user can do about it.
    pub hint: Option<String>,
    /// What a program wants to know of it; shown with `--output json` only.
    pub details: Option<serde_json::Value>,
    /// What caused it.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A new error with a code and a sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, details: None, source: None }
    }

    /// Adds the way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what a program wants to know.
    #[must_use]
    pub fn details(mut self, details: serde_json::Value) -> Self {
        self.details = Some(details);
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// An input/output failure; permission problems get their own code.
    pub fn io(what: impl Into<String>, error: std::io::Error) -> Self {
        let code = match error.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                ErrorCode::NotPermitted
            }
            std::io::ErrorKind::NotFound => ErrorCode::NotFound,
            _ => ErrorCode::Io,
        };
        Self::new(code, format!("{}: {error}", what.into())).source(error)
    }

    /// The exit status of a process that ends with this error.
    pub fn exit(&self) -> u8 {
        self.code.exit()
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::io("input/output error", error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_kebab_case() {
        let mut seen = std::collections::BTreeSet::new();
        for code in ErrorCode::ALL {
            assert!(seen.insert(code.as_str()), "{code} twice");
            assert!(code.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '-'));
            assert!(code.exit() >= 10, "{code}: an error never looks like a verdict");
        }
    }
}
