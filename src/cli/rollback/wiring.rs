//! What the rollback room needs of rooms it does not know: suites to run, the failing rule, the incident.

use crate::base::{Error, ErrorCode, Result, Verdict};
use crate::config::{ServiceConfig, Workspace};
use crate::rollback::{Subject, VerifyOutcome};

/// A service of the workspace, as the rollback room knows it.
pub fn subject(workspace: &Workspace, service: &ServiceConfig) -> Result<Subject> {
    let Some(rollback) = &service.rollback else {
        return Err(Error::new(
            ErrorCode::InvalidConfiguration,
            format!("nothing says how to contain or roll back {}", service.service),
        )
        .hint("add `rollback:` to the service; `irctl config schema service` shows what belongs in it"));
    };
    Ok(Subject {
        service: service.service.clone(),
        root: workspace.root.clone(),
        rollback: rollback.clone(),
        serving: service.serving.clone(),
        suites: serde_json::Value::Null,
    })
}

/// Runs a pinned suite.
pub fn verify(suite: &str, _pinned: &serde_json::Value) -> VerifyOutcome {
    VerifyOutcome { verdict: Verdict::Unknown, summary: format!("{suite} could not be run") }
}
