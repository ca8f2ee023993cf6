//! One round at a time.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::base::{Error, ErrorCode, Result, host};

/// Holds the right to run a round until it is dropped; the operating system gives it back if the process dies.
#[derive(Debug)]
pub struct RoundLock(#[expect(dead_code, reason = "held for its lock")] File);

/// Takes the lock, or says who has it.
pub fn take(state: &Path) -> Result<RoundLock> {
    let path = state.join("check.lock");
    let failed = |error: std::io::Error| {
        Error::io(format!("cannot lock {}", path.display()), error)
            .hint("a round needs a state directory that it can write to: check its owner and its disk")
    };
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Err(busy(&path)),
        Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
    }
    let me = serde_json::to_vec(&host::current())
        .map_err(|error| Error::new(ErrorCode::Bug, format!("a process identity: {error}")))?;
    file.set_len(0).map_err(failed)?;
    {
        use std::io::Write as _;
        (&file).write_all(&me).map_err(failed)?;
    }
    Ok(RoundLock(file))
}

fn busy(path: &Path) -> Error {
    let holder = std::fs::read(path).ok();
    let holder = holder.and_then(|bytes| serde_json::from_slice::<host::ProcessIdentity>(&bytes).ok());
    let who = holder
        .map_or_else(|| "another process".to_owned(), |who| format!("process {} on {}", who.pid, who.host));
    Error::new(ErrorCode::Busy, format!("another round of `irctl check` is running: {who}"))
        .hint("rounds do not overlap; this one did nothing. If it happens every time, run check less often")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_free_again_afterwards() {
        let state = tempfile::tempdir().unwrap();
        let first = take(state.path()).unwrap();
        let error = take(state.path()).unwrap_err();
        assert_eq!(error.code, ErrorCode::Busy);
        assert!(error.message.contains(&std::process::id().to_string()), "{error}");
        drop(first);
        take(state.path()).unwrap();
    }
}
