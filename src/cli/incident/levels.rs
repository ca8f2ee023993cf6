//! What the workspace's schemes say of a level, in the incident room's words.

use crate::base::{Error, ErrorCode, Result, Verdict};
use crate::config::Workspace;
use crate::incident::{Level, Timings};

/// A level of a scheme and what it promises.
pub fn find(workspace: &Workspace, scheme: &str, name: &str) -> Result<(Level, Timings)> {
    if !workspace.schemes.contains_key(scheme) {
        let known: Vec<_> = workspace.schemes.keys().map(String::as_str).collect();
        let message = format!("there is no severity scheme `{}`", scheme.escape_debug());
        return Err(
            Error::new(ErrorCode::NotFound, message).hint(format!("schemes here: {}", known.join(", ")))
        );
    }
    let rank = name.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0);
    let verdict = if rank == 0 { Verdict::Crit } else { Verdict::Warn };
    Ok((Level::new(name, rank, verdict), Timings::default()))
}
