//! What the patterns match, and what must not be moved.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use crate::base::{Error, ErrorCode, Result};

/// One thing that would be moved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its root, without symbolic links.
    pub root: PathBuf,
    /// Its path inside the root.
    pub path: String,
    /// `file, 12 bytes`, `folder` or `symbolic link`.
    pub kind: String,
    /// Its inode.
    pub inode: u64,
}

/// What the patterns match.
#[derive(Debug, Default)]
pub struct Found {
    /// What would be moved, sorted.
    pub entries: Vec<Entry>,
    /// Why nothing may be moved as things stand.
    pub refusals: Vec<String>,
}

/// A folder that things may be moved in.
struct Root {
    path: PathBuf,
    device: u64,
}

/// Everything that the patterns match.
///
/// # Errors
/// A root that can never be one, or a pattern that is none. What only stands in the way today is a refusal.
pub fn find(workspace: &Path, roots: &[String], patterns: &[String], most: usize) -> Result<Found> {
    if roots.is_empty() || patterns.is_empty() {
        return Err(wrong("`roots` and `entries` must each name something".to_owned()));
    }
    let roots: Vec<Root> = roots.iter().map(|name| root(workspace, name)).collect::<Result<_>>()?;
    let mounts = mounts();
    let mut found = Found::default();
    for pattern in patterns {
        for path in matches(workspace, pattern)? {
            if found.entries.len() > most {
                break;
            }
            match entry(&roots, &mounts, &path) {
                Ok(Some(entry)) => found.entries.push(entry),
                Ok(None) => {}
                Err(why) if found.refusals.len() < 20 => found.refusals.push(why),
                Err(_) => {}
            }
        }
    }
    if found.entries.len() > most {
        found.refusals.push(format!("more than {most} entries match; raise `most` if that is meant"));
        found.entries.truncate(most);
    }
    found.entries.sort();
    found.entries.dedup();
    without_nested(&mut found.entries);
    Ok(found)
}

fn wrong(message: String) -> Error {
    Error::new(ErrorCode::NotPermitted, message)
        .hint("`irctl recipe show cache-quarantine` says what may be moved")
}

fn root(workspace: &Path, name: &str) -> Result<Root> {
    let shown = name.escape_debug();
    if climbs(Path::new(name)) {
        return Err(wrong(format!("the root `{shown}` climbs out with `..`")));
    }
    let written = workspace.join(name);
    let metadata = fs_err::symlink_metadata(&written).map_err(|error| Error::io("a root", error))?;
    if metadata.is_symlink() {
        return Err(wrong(format!("the root `{shown}` is a symbolic link; name the folder itself")));
    }
    if !metadata.is_dir() {
        return Err(wrong(format!("the root `{shown}` is no folder")));
    }
    let path = written.canonicalize().map_err(|error| Error::io("a root", error))?;
    // `/`, and `/home` or `/var`, hold far more than caches.
    if path.components().count() < 3 {
        return Err(wrong(format!("the root `{shown}` is too near to `/`")));
    }
    let workspace = workspace.canonicalize().map_err(|error| Error::io("the workspace", error))?;
    if workspace.starts_with(&path) {
        return Err(wrong(format!("the root `{shown}` holds the whole workspace")));
    }
    Ok(Root { path, device: metadata.dev() })
}

fn climbs(path: &Path) -> bool {
    path.components().any(|part| part == Component::ParentDir)
}

fn matches(workspace: &Path, pattern: &str) -> Result<Vec<PathBuf>> {
    let shown = pattern.escape_debug();
    if pattern.is_empty() || climbs(Path::new(pattern)) {
        return Err(wrong(format!("the pattern `{shown}` is empty or climbs out with `..`")));
    }
    let whole = if Path::new(pattern).is_absolute() {
        pattern.to_owned()
    } else {
        format!("{}/{pattern}", glob::Pattern::escape(&workspace.to_string_lossy()))
    };
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..Default::default() };
    let paths = glob::glob_with(&whole, options)
        .map_err(|error| wrong(format!("`{shown}` is not a pattern: {}", error.msg)))?;
    paths.map(|path| path.map_err(|error| Error::io("cannot look for cache entries", error.into()))).collect()
}

/// The entry at a path; `None` for what irctl put there itself.
fn entry(roots: &[Root], mounts: &[PathBuf], path: &Path) -> std::result::Result<Option<Entry>, String> {
    let shown = path.display().to_string().escape_debug().to_string();
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(format!("`{shown}` is no entry of a folder"));
    };
    let real = parent.canonicalize().map_err(|error| format!("`{shown}`: {error}"))?.join(name);
    if roots.iter().any(|root| root.path == real) {
        return Err(format!("`{shown}` is a root itself; write `{shown}/*` for what is in it"));
    }
    let inside = roots.iter().filter(|root| real.starts_with(&root.path));
    let Some(root) = inside.max_by_key(|root| root.path.components().count()) else {
        return Err(format!("`{shown}` is really {}, which lies in none of the roots", real.display()));
    };
    let relative = real.strip_prefix(&root.path).unwrap_or(&real);
    if relative.components().any(|part| part.as_os_str() == super::QUARANTINE) {
        return Ok(None);
    }
    // Reached through a link that stays inside, it would be moved from a place that nobody named.
    let lexical = path.strip_prefix(&root.path).ok();
    if lexical.is_some_and(|lexical| lexical != relative) {
        return Err(format!("`{shown}` is reached through a symbolic link"));
    }
    let metadata = std::fs::symlink_metadata(&real).map_err(|error| format!("`{shown}`: {error}"))?;
    if metadata.dev() != root.device {
        return Err(format!("`{shown}` is on another file system than its root"));
    }
    if let Some(mount) = mounts.iter().find(|mount| mount.starts_with(&real)) {
        return Err(format!("`{shown}` holds a mount: {}", mount.display()));
    }
    let kind = match metadata.file_type() {
        kind if kind.is_dir() => "folder".to_owned(),
        kind if kind.is_symlink() => "symbolic link".to_owned(),
        kind if kind.is_file() => format!("file, {} bytes", metadata.len()),
        _ => return Err(format!("`{shown}` is neither a file nor a folder")),
    };
    let path = relative.to_str().ok_or_else(|| format!("`{shown}` is no text"))?.to_owned();
    Ok(Some(Entry { root: root.path.clone(), path, kind, inode: metadata.ino() }))
}

/// What moves with the folder it is in needs no move of its own.
fn without_nested(entries: &mut Vec<Entry>) {
    let mut kept: Vec<Entry> = Vec::new();
    for entry in entries.drain(..) {
        let inside =
            |outer: &Entry| outer.root == entry.root && Path::new(&entry.path).starts_with(&outer.path);
        if !kept.iter().rev().take(1).any(inside) {
            kept.push(entry);
        }
    }
    *entries = kept;
}

/// Where something is mounted: bind mounts too, which have the device of what they show.
fn mounts() -> Vec<PathBuf> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let field = |line: &str| line.split(' ').nth(4).map(unescaped).map(PathBuf::from);
    text.lines().filter_map(field).collect()
}

/// The kernel writes a space as `\040`.
fn unescaped(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_a_mount_or_stands_on_another_file_system_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        fs_err::create_dir_all(path.join("cache/a b")).unwrap();
        let device = fs_err::metadata(&path).unwrap().dev();
        let roots = |device| [Root { path: path.clone(), device }];
        let tried = |roots: &[Root], mounts: &[PathBuf]| entry(roots, mounts, &path.join("cache"));
        assert!(tried(&roots(device), std::slice::from_ref(&path)).unwrap().is_some());
        let inner = PathBuf::from(unescaped(&format!("{}/cache/a\\040b", path.display())));
        assert!(tried(&roots(device), &[inner]).unwrap_err().contains("holds a mount"));
        assert!(tried(&roots(device), &[path.join("cache")]).unwrap_err().contains("holds a mount"));
        assert!(tried(&roots(device + 1), &[]).unwrap_err().contains("another file system"));
        assert!(mounts().contains(&PathBuf::from("/")), "the kernel says what is mounted");
    }
}
