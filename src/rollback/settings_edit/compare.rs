//! The proof after an edit: two trees are the same but for the values that were to change.

use serde_json::Value;

use super::path::KeyPath;
use super::tree::{Content, Node, place};

/// A value that was to change.
pub(super) struct Edit<'value> {
    pub path: KeyPath,
    /// The position among its siblings at each depth, outermost first.
    pub trail: Vec<usize>,
    /// What it must be afterwards.
    pub value: &'value Value,
}

/// A node and the text it was read from.
type Read<'tree> = (&'tree Node, &'tree str);

/// What differs between two trees beside the edits, or is not as an edit wanted it; `None` if nothing.
pub(super) fn difference(old: Read<'_>, new: Read<'_>, edits: &[Edit<'_>]) -> Option<String> {
    below(old, new, &edits.iter().collect::<Vec<_>>(), 0)
}

/// The same for the nodes at `depth`; `edits` are those that lie at or under them.
fn below(old: Read<'_>, new: Read<'_>, edits: &[&Edit<'_>], depth: usize) -> Option<String> {
    if let Some(edit) = edits.iter().find(|edit| edit.trail.len() == depth) {
        let found = new.0.value(&edit.path);
        let as_wanted = found.is_ok_and(|found| found == *edit.value);
        return (!as_wanted).then(|| format!("`{}` does not read back as it was given", edit.path));
    }
    let changed = || Some(format!("something else changes at {}", place(old.1, old.0.span.start)));
    let outside = |node: &Node| (node.style, node.anchor, node.tagged);
    if outside(old.0) != outside(new.0) {
        return changed();
    }
    let child = |position: usize, a: &Node, b: &Node| {
        let inside: Vec<_> =
            edits.iter().copied().filter(|edit| edit.trail.get(depth) == Some(&position)).collect();
        below((a, old.1), (b, new.1), &inside, depth + 1)
    };
    match (&old.0.content, &new.0.content) {
        (Content::Scalar(a), Content::Scalar(b)) => {
            let same = a == b && old.1.get(old.0.span.clone()) == new.1.get(new.0.span.clone());
            if same { None } else { changed() }
        }
        (Content::Alias(a), Content::Alias(b)) if a == b => None,
        (Content::List(a), Content::List(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(position, (a, b))| child(position, a, b))
        }
        (Content::Map(a), Content::Map(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(position, (a, b))| {
                if a.key == b.key { child(position, &a.value, &b.value) } else { changed() }
            })
        }
        _ => changed(),
    }
}
