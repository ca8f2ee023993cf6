//! What the workspace's schemes say of a level, in the incident room's words.

use crate::base::{Error, ErrorCode, Result};
use crate::check::{findings, measure};
use crate::config::Workspace;
use crate::incident::{Level, Timings};

/// A level of a scheme by name, and what it promises.
pub fn find(workspace: &Workspace, scheme: &str, name: &str) -> Result<(Level, Timings)> {
    let scheme = measure::scheme(workspace, scheme)?;
    let Some(name) = scheme.levels().iter().find(|level| level.eq_ignore_ascii_case(name)) else {
        let message = format!("the scheme {} has no level `{}`", scheme.name(), name.escape_debug());
        return Err(Error::new(ErrorCode::NotFound, message)
            .hint(format!("its levels, the worst first: {}", scheme.levels().join(", "))));
    };
    Ok((findings::level(&scheme, name), findings::timings(&scheme, None, name)))
}
