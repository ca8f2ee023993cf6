//! Runbooks through the program: what is listed, shown and linted, and what no file may do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod import;
mod lint;
mod random;
mod schema;
mod show;
#[path = "../support/mod.rs"]
mod support;

use support::Workspace;

/// A workspace with the shipped configuration and one more runbook.
fn with(name: &str, yaml: &str) -> Workspace {
    let workspace = Workspace::healthy();
    workspace.write(
        format!("runbooks/{name}.yaml"),
        format!("runbook: {name}\ntitle: A test\nowner: team\n{yaml}"),
    );
    workspace
}
