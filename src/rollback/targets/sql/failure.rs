//! What databases answer, as errors of ours: which code, which words, which way out.

pub(super) use crate::base::connect::postgres::{failed as postgres, is_lost, lost};
use crate::base::{Error, ErrorCode, Untrusted};

/// A failure that SQLite reports.
pub(super) fn sqlite(place: &str, error: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode as Kind;
    let words = Untrusted::from(error.to_string()).to_string();
    let kind = error.sqlite_error_code();
    let (code, hint) = match kind {
        Some(Kind::DatabaseBusy | Kind::DatabaseLocked) => {
            (ErrorCode::Busy, "another program has the file locked; wait for it to end, then try again")
        }
        Some(Kind::OperationInterrupted) => {
            (ErrorCode::TimedOut, "it ran longer than `timeouts: {statement: …}` allows; nothing was changed")
        }
        Some(Kind::ConstraintViolation | Kind::TypeMismatch | Kind::TooBig) => {
            (ErrorCode::Refused, "the database does not allow such rows; nothing was changed")
        }
        Some(Kind::PermissionDenied | Kind::ReadOnly | Kind::AuthorizationForStatementDenied) => {
            (ErrorCode::NotPermitted, "the file and its folder must be writable for whoever runs irctl")
        }
        Some(Kind::CannotOpen | Kind::DiskFull | Kind::SystemIoFailure) => {
            (ErrorCode::Unavailable, "see to the file and the disk, then try again; nothing was changed")
        }
        Some(Kind::DatabaseCorrupt | Kind::NotADatabase) => {
            (ErrorCode::InvalidData, "the file is damaged, or no SQLite database; restore it from a backup")
        }
        _ => (ErrorCode::InvalidConfiguration, "the statement in the configuration is wrong"),
    };
    Error::new(code, format!("{place}: {words}")).hint(hint)
}
