//! Which paths of a work tree a switch may touch.

use serde::{Deserialize, Serialize};

use crate::base::{Error, ErrorCode, Result};

/// What irctl itself leaves in work trees begins with this: claims, staged files. It is nobody's work.
const OURS: &[u8] = b".irctl-";

/// The paths that a switch may touch, relative to the top of the work tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Area {
    /// These and what is below them; everything when empty.
    pub only: Vec<String>,
    /// But never these and what is below them.
    pub except: Vec<String>,
}

impl Area {
    /// From what users write.
    pub fn new(only: &[String], except: &[String]) -> Result<Self> {
        let clean = |paths: &[String]| paths.iter().map(|path| plain(path)).collect::<Result<Vec<_>>>();
        Ok(Self { only: clean(only)?, except: clean(except)? })
    }

    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        self.only.is_empty() && self.except.is_empty()
    }

    /// Whether a path lies in it.
    pub fn contains(&self, path: &[u8]) -> bool {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        let among = |paths: &[String]| paths.iter().any(|root| below(path, root.as_bytes()));
        (self.only.is_empty() || among(&self.only)) && !among(&self.except) && !name.starts_with(OURS)
    }
}

/// Whether a path is another one, or lies below it.
fn below(path: &[u8], root: &[u8]) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// A path as git writes it: no `./`, no `//`, no `/` at the end.
fn plain(path: &str) -> Result<String> {
    let parts: Vec<_> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let bad = path.starts_with('/')
        || parts.is_empty()
        || parts.iter().any(|part| *part == ".." || part.eq_ignore_ascii_case(".git"))
        || path.chars().any(char::is_control);
    if bad {
        return Err(Error::new(
            ErrorCode::OutsideRoot,
            format!("`{}` is no path in a git work tree", path.escape_debug()),
        )
        .hint("name a file or a folder relative to the top of the work tree, as `tests/baselines/`"));
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_whole_names() {
        let area = Area::new(&["./tests//baselines/".into()], &["tests/baselines/keep".into()]).unwrap();
        assert!(area.contains(b"tests/baselines") && area.contains(b"tests/baselines/a b\xff"));
        assert!(!area.contains(b"tests/baselines2") && !area.contains(b"tests"));
        assert!(!area.contains(b"tests/baselines/keep/x") && area.contains(b"tests/baselines/keeper"));
        assert!(!area.contains(b"tests/baselines/.irctl-claim.live"));
        assert!(Area::default().contains(b"-x") && !Area::default().contains(b"a/.irctl-1"));
    }

    #[test]
    fn nothing_leaves_the_work_tree() {
        for path in ["", "/", ".", "/etc", "a/../../b", "..", ".git/config", "a/.GIT", "a\nb"] {
            assert!(Area::new(&[path.to_owned()], &[]).is_err(), "{path:?}");
        }
    }
}
