//! What can break from outside, each through the binary: the right end state, the right exit status, the right words.

#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/mod.rs"]
mod support;

mod database;
mod disk;
mod interference;
mod people;
mod races;

use support::Workspace;
use support::rollback::{LIVE, artifacts};

/// The rollback of the model.
pub const GO: [&str; 5] = ["rollback", "--to", "prev", "--yes", "--quiet"];

/// The rollback that is unfinished, if one is.
pub fn unfinished(workspace: &Workspace) -> Option<String> {
    let status = workspace.irctl(&["rollback", "status", "--output", "json"]).json();
    let mut all = status["unfinished"].as_array().unwrap().iter();
    all.find(|one| one["kind"] == "rollback").map(|one| one["id"].as_str().unwrap().to_owned())
}

/// The files of the version that serves, and those of the one before it.
pub fn bad_and_good(workspace: &Workspace) -> [std::collections::BTreeMap<String, Vec<u8>>; 2] {
    [artifacts(workspace, LIVE), artifacts(workspace, format!("{LIVE}/backup_2026-10-26"))]
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
