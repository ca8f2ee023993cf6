//! Removing a snapshot: the events that tell of it stay.

use schemars::JsonSchema;
use serde::Serialize;

use super::shelf::{self, Found};
use super::{rehash, settle};
use crate::base::{Digest, Error, ErrorCode, Result, fault, file};
use crate::rollback::environment::Environment;

/// What was removed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Removed {
    /// The snapshot.
    pub snapshot: String,
    /// The service.
    pub service: String,
    /// Its digest; absent where its manifest could not be read.
    pub digest: Option<Digest>,
    /// How many snapshots of the service are left.
    pub left: usize,
}

#[derive(Debug, Serialize)]
struct RemovedEvent<'a> {
    snapshot: &'a str,
    digest: Option<&'a Digest>,
    summary: String,
}

/// Removes a snapshot and the bytes that no other needs.
///
/// # Errors
/// `refused` for the last one that can be read: there would be nothing left that is known to be good.
pub fn remove(environment: &Environment<'_>, service: Option<&str>, named: &str) -> Result<Removed> {
    let state = environment.state;
    let lock = shelf::lock(state)?;
    let found = shelf::find(state, service, Some(named))?;
    settle::all(environment, &found.service, &lock)?;
    let all = shelf::list(state, Some(&found.service))?;
    let others = all.iter().filter(|other| other.id != found.id);
    let good = others.clone().filter(|other| other.snapshot.is_ok()).count();
    if good == 0 && found.snapshot.is_ok() {
        return Err(last(&found));
    }
    let digest = found.snapshot.as_ref().ok().map(|snapshot| snapshot.digest.clone());
    let folder = file::parent(&found.folder).to_path_buf();
    let gone = folder.join(format!("{}removed-{}", shelf::UNFINISHED, found.id));
    let event = RemovedEvent {
        snapshot: &found.id,
        digest: digest.as_ref(),
        summary: format!("{} was removed", found.id),
    };
    environment.tell("snapshot.removed", &found.service, None, None, &event)?;
    fault::point("snapshot:before-remove");
    fs_err::rename(&found.folder, &gone)?;
    file::sync_directory(&folder)?;
    fault::point("snapshot:removed");
    shelf::sweep(state, &lock)?;
    rehash::forget(state, &found.service)?;
    let left = others.count();
    Ok(Removed { snapshot: found.id, service: found.service, digest, left })
}

fn last(found: &Found) -> Error {
    Error::new(
        ErrorCode::Refused,
        format!(
            "{} is the last snapshot of {}: without it nothing is recorded as good",
            found.id, found.service
        ),
    )
    .hint("take another one first: irctl snapshot")
}
