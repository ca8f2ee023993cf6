//! The git work tree that something stands in: its commit and the tags of that. Only looked at.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

use crate::base::{Error, ErrorCode, Result, Untrusted, git};

/// A commit, and what it is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Commit {
    /// Its hash.
    pub hash: String,
    /// The tags that name it.
    pub tags: Vec<Untrusted>,
}

/// The commit that a folder's work tree is at.
///
/// # Errors
/// There is no git work tree, no commit yet, or git itself cannot be used.
pub fn commit(folder: &Path) -> Result<Commit> {
    let hash = asked(folder, &["rev-parse", "--verify", "HEAD^{commit}"])?;
    let tags = asked(folder, &["tag", "--points-at", "HEAD"])?;
    Ok(Commit { hash: hash.trim().to_owned(), tags: tags.lines().map(Untrusted::from).collect() })
}

/// The newest tag that the commit descends from.
pub fn last_tag(folder: &Path) -> Result<String> {
    asked(folder, &["describe", "--tags", "--abbrev=0"]).map(|tag| tag.trim().to_owned())
}

/// When a file was last committed, in seconds since 1970; none where it is not committed as it stands.
pub fn committed(folder: &Path, file: &Path) -> Option<i64> {
    let name = file.to_str()?;
    let changed = asked(folder, &["status", "--porcelain", "--", name]).ok()?;
    if !changed.trim().is_empty() {
        return None;
    }
    asked(folder, &["log", "-1", "--format=%ct", "--", name]).ok()?.trim().parse().ok()
}

/// Runs git without letting it write anything, not even its index.
fn asked(folder: &Path, arguments: &[&str]) -> Result<String> {
    let call = git::invocation(folder, [], arguments.iter().copied());
    let output = call.timeout(Duration::from_secs(10)).run()?;
    if output.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = Untrusted::new(output.last_words());
    Err(Error::new(ErrorCode::Subprocess, format!("git: {words}")))
}
