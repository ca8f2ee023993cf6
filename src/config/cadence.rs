//! Can rounds this far apart keep what the schemes promise?

use std::collections::BTreeSet;

use super::Workspace;
use super::diagnostic::{Diagnostic, code};
use super::file::File;
use super::kind::Kind;
use super::yaml::Node;
use crate::base::Duration;

/// The keys of a level that promise something from the moment the harm begins.
const PROMISES: [&str; 6] = ["detect", "notify_within", "acknowledge", "respond", "mitigate", "resolve"];

/// A warning if a level of a scheme in use promises to be noticed sooner than the next round of `irctl check`.
pub fn check(workspace: &Workspace, own: &[File], all: &[File]) -> Option<(Kind, Diagnostic)> {
    let cadence = workspace.settings.cadence?;
    let used: BTreeSet<&str> = workspace.services.values().map(|service| service.scheme.as_str()).collect();
    let schemes = all.iter().filter(|file| file.kind == Kind::Severity && used.contains(file.name.as_str()));
    let shortest = schemes.filter_map(shortest).min_by_key(|promise| promise.length.approximate())?;
    if cadence.approximate() <= shortest.length.approximate() {
        return None;
    }
    let settings = own.first()?;
    let tree = settings.tree()?;
    let (node, _) = tree.at("/cadence")?;
    let Promise { scheme, level, key, length } = shortest;
    let message = format!(
        "a round every {cadence} cannot keep the scheme `{scheme}`: level {level} promises `{key}` within {length}"
    );
    let help = format!("run `irctl check` at least every {length}, or know that detection takes longer");
    let warning = Diagnostic::warning(code::CADENCE, &settings.source, node.span.clone(), message).help(help);
    Some((Kind::Irctl, warning))
}

struct Promise {
    scheme: String,
    level: String,
    key: &'static str,
    length: Duration,
}

fn shortest(file: &File) -> Option<Promise> {
    let tree = file.tree()?;
    let levels = tree.get("levels")?;
    let promises = levels.entries().iter().flat_map(|entry| {
        PROMISES.into_iter().filter_map(|key| {
            let length = entry.value.get(key).map(AsRef::as_ref).and_then(Node::text)?.parse().ok()?;
            Some(Promise { scheme: file.name.clone(), level: entry.key.text.clone(), key, length })
        })
    });
    promises.min_by_key(|promise| promise.length.approximate())
}
