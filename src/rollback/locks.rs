//! What keeps two processes from stopping, or letting back, the same consumers at once.
//!
//! One process at a time contains or releases a service, and one at a time those that share a target. A program that
//! hangs while it stops the consumers of one service keeps nobody from stopping those of another.

use std::path::{Path, PathBuf};

use super::contain::Held;
use super::environment::Subject;
use super::targets;
use crate::base::{Digest, Result, file, path};
use crate::operation::directory;

/// Locks that are held until they are dropped.
pub(super) type Locks = Vec<fs_err::File>;

/// For stopping the consumers of a service. A target that cannot say what protects it keeps nobody from stopping the
/// others: it is tried all the same, and compares before it sets.
pub(super) fn to_contain(state: &Path, subject: &Subject) -> Result<Locks> {
    let ground = subject.ground();
    let mut shared = Vec::new();
    for config in &subject.rollback.contain {
        let target = targets::build(config, &ground);
        match target.claims() {
            Ok(claims) => shared.extend(claims),
            Err(error) => tracing::warn!("{}: set without its lock: {error}", target.name()),
        }
    }
    take(state, &subject.service, shared)
}

/// For letting back what was stopped: what is held counts, whatever the configuration names by now.
pub(super) fn to_release(state: &Path, service: &str, held: &[Held]) -> Result<Locks> {
    take(state, service, held.iter().flat_map(|held| held.spec.switch().claims()).collect())
}

fn take(state: &Path, service: &str, claims: Vec<PathBuf>) -> Result<Locks> {
    let folder = state.join("locks");
    directory::make(&folder)?;
    let mut shared: Vec<_> = claims.iter().map(|claim| format!("target-{}", named(claim))).collect();
    // Always in one order, so that nobody holds half each.
    shared.sort();
    shared.dedup();
    let service = format!("service-{}", path::single_name(service)?);
    let names = std::iter::once(service).chain(shared);
    names
        .map(|name| {
            let place = folder.join(name);
            let file = fs_err::OpenOptions::new().write(true).create(true).truncate(false).open(place)?;
            file.file().lock()?;
            Ok(file)
        })
        .collect()
}

/// One name for one file, by whatever way to its folder it is called.
fn named(claim: &Path) -> String {
    let folder = file::parent(claim).canonicalize().ok();
    let real = folder.zip(claim.file_name()).map(|(folder, name)| folder.join(name));
    Digest::of(real.as_deref().unwrap_or(claim).as_os_str().as_encoded_bytes()).short().to_owned()
}
