//! Paths from outside that must not leave their root.

use std::path::{Component, Path, PathBuf};

use super::error::{Error, ErrorCode, Result};

/// Joins `relative` to `root`; absolute paths, `..` and symbolic links that lead out of `root` are refused.
///
/// The last components may not exist yet; what does exist is resolved.
pub fn inside(root: &Path, relative: &Path) -> Result<PathBuf> {
    let outside = |why: &str| {
        Error::new(
            ErrorCode::OutsideRoot,
            format!("`{}` {why}", relative.display().to_string().escape_debug()),
        )
        .hint(format!("name something inside {}", root.display()))
    };
    let mut joined = root.to_path_buf();
    for component in relative.components() {
        match component {
            Component::Normal(part) => joined.push(part),
            Component::CurDir => {}
            Component::ParentDir => return Err(outside("climbs out with `..`")),
            Component::RootDir | Component::Prefix(_) => return Err(outside("is an absolute path")),
        }
    }
    let real_root = root.canonicalize().map_err(|error| Error::io(root.display().to_string(), error))?;
    let existing = joined.ancestors().find(|path| path.symlink_metadata().is_ok());
    if let Some(existing) = existing {
        let real =
            existing.canonicalize().map_err(|error| Error::io(existing.display().to_string(), error))?;
        if !real.starts_with(&real_root) {
            return Err(outside("leads out through a symbolic link"));
        }
    }
    Ok(joined)
}

/// A single name, as of a version or a file: not empty, no separator, not `.` or `..`, no control characters.
pub fn single_name(name: &str) -> Result<&str> {
    let bad = name.is_empty()
        || name.len() > 255
        || matches!(name, "." | "..")
        || name.chars().any(|c| c == '/' || c == '\\' || c.is_control());
    if bad {
        return Err(Error::new(
            ErrorCode::OutsideRoot,
            format!("`{}` is not a plain name", name.escape_debug()),
        )
        .hint("use a name without `/`, as `irctl rollback versions` lists it"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_the_root() {
        let root = tempfile::tempdir().unwrap();
        fs_err::create_dir(root.path().join("in")).unwrap();
        std::os::unix::fs::symlink("/etc", root.path().join("out")).unwrap();
        assert!(inside(root.path(), Path::new("in/new")).is_ok());
        for path in ["../x", "/etc/passwd", "in/../../x", "out", "out/passwd", "out/missing/x"] {
            assert!(inside(root.path(), Path::new(path)).is_err(), "{path}");
        }
    }

    #[test]
    fn names_are_plain() {
        assert!(single_name("backup_2026-09-28").is_ok());
        for name in ["", ".", "..", "a/b", "a\\b", "a\nb"] {
            assert!(single_name(name).is_err(), "{name:?}");
        }
    }
}
