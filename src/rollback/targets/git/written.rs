//! References as git's files write them, read without git: a plan asks for them again and again, and every question
//! costs a process.
//!
//! Format: gitrepository-layout(5) and git-pack-refs(1). Whatever is not written the plain way, a link, a reference to a
//! reference, another way of keeping references, is left to git.

use std::path::Path;

use super::repository::is_object;

/// What all work trees of a repository share.
const SHARED: [&str; 3] = ["refs/heads/", "refs/tags/", "refs/irctl/"];

/// The value of a reference by its whole name: what it is, that there is none, or nothing where git must be asked.
pub fn reference(common_dir: &Path, name: &str) -> Option<Option<String>> {
    if !is_plain(name) || common_dir.join("reftable").exists() {
        return None;
    }
    let path = common_dir.join(name);
    match path.symlink_metadata() {
        Ok(found) if found.is_file() => {
            let text = std::fs::read_to_string(&path).ok()?;
            let id = text.strip_suffix('\n').unwrap_or(&text);
            is_object(id).then(|| Some(id.to_owned()))
        }
        // A folder of references has a name like one, and may stand there empty.
        Ok(found) if found.is_dir() => packed(common_dir, name),
        // Whoever packs references writes the pack first and takes them away then, so this order misses none.
        Err(error) if is_absent(&error) => packed(common_dir, name),
        _ => None,
    }
}

/// The object that a tag, or else a branch, of this short name stands at, found as git finds it (gitrevisions(7)): nothing
/// where git must be asked, also where the name could mean something that comes before a tag.
pub fn named(git_dir: &Path, common_dir: &Path, name: &str) -> Option<String> {
    let tag = format!("refs/tags/{name}");
    // A name in digits alone may be the beginning of an id, and then git warns; it is not for us to choose.
    let hexadecimal = name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hexadecimal || !is_plain(&tag) {
        return None;
    }
    let first = [git_dir.join(name), common_dir.join(name), common_dir.join("refs").join(name)];
    if first.iter().any(|path| path.symlink_metadata().is_ok())
        || packed(common_dir, &format!("refs/{name}"))?.is_some()
    {
        return None;
    }
    match reference(common_dir, &tag)? {
        Some(id) => Some(id),
        None => reference(common_dir, &format!("refs/heads/{name}"))?,
    }
}

/// Not there, or below something that is no folder.
fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// A whole name that says the same to git as to a file system.
fn is_plain(name: &str) -> bool {
    let plain = |part: &str| {
        let is_word = part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        is_word
            && !part.is_empty()
            && !part.starts_with('.')
            && !part.contains("..")
            && !part.ends_with(".lock")
    };
    SHARED.iter().any(|prefix| name.starts_with(prefix)) && name.split('/').all(plain)
}

fn packed(common_dir: &Path, name: &str) -> Option<Option<String>> {
    let text = match std::fs::read_to_string(common_dir.join("packed-refs")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(None),
        text => text.ok()?,
    };
    let value = |line: &str| {
        let (id, found) = line.split_once(' ')?;
        (found == name).then(|| id.to_owned())
    };
    let found = text.lines().filter(|line| !line.starts_with(['#', '^'])).find_map(value);
    match found {
        Some(id) if !is_object(&id) => None,
        found => Some(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(folder: &Path, arguments: &[&str]) -> String {
        let mut command = std::process::Command::new("git");
        command.arg("-C").arg(folder).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]);
        let output = command.args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn short_names_are_found_as_git_finds_them() {
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "-q", "-b", "main"]);
        let commit = |words: &str| {
            let who = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
            git(folder.path(), &[&who[..], &["commit", "-q", "--allow-empty", "-m", words]].concat());
            git(folder.path(), &["rev-parse", "HEAD"])
        };
        let (one, two) = (commit("one"), commit("two"));
        git(folder.path(), &["tag", "v1", &one]);
        git(folder.path(), &["tag", "both", &one]);
        git(folder.path(), &["branch", "both", &two]);
        git(folder.path(), &["tag", "12ab", &one]);
        git(folder.path(), &["update-ref", "refs/odd", &two]);
        git(folder.path(), &["tag", "odd", &one]);
        git(folder.path(), &["tag", "ORIG_HEAD", &one]);
        std::fs::write(folder.path().join(".git/ORIG_HEAD"), format!("{two}\n")).unwrap();
        let common = folder.path().join(".git");
        for packed in [false, true] {
            if packed {
                git(folder.path(), &["pack-refs", "--all"]);
            }
            for known in ["v1", "both", "main"] {
                let says = git(folder.path(), &["rev-parse", "--verify", "--quiet", known]);
                assert_eq!(named(&common, &common, known), Some(says), "{known}");
            }
            for left in ["12ab", "odd", "ORIG_HEAD", "HEAD", "v1..both", "v1~1", "nothing", "config", ""] {
                assert_eq!(named(&common, &common, left), None, "{left} is left to git");
            }
        }
    }

    #[test]
    fn says_what_git_says_loose_or_packed() {
        let folder = tempfile::tempdir().unwrap();
        let (top, common) = (folder.path(), folder.path().join(".git"));
        git(top, &["init", "-q", "-b", "main"]);
        assert_eq!(reference(&common, "refs/heads/main"), Some(None), "it has no commit yet");
        for name in ["one", "two"] {
            git(top, &["commit", "-q", "--allow-empty", "-m", name]);
            git(top, &["tag", "-a", "-m", name, name]);
            git(top, &["branch", &format!("team/{name}")]);
        }
        git(top, &["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
        let names = [
            "refs/heads/main",
            "refs/tags/one",
            "refs/tags/two",
            "refs/heads/team/one",
            "refs/heads/team",
            "refs/tags/no",
        ];
        for packing in
            [&["rev-parse"][..], &["pack-refs", "--all"], &["branch", "-q", "-f", "team/one", "main"]]
        {
            git(top, packing);
            for name in names {
                let said = git(top, &["rev-parse", "--verify", "--quiet", name]);
                let said = Some(said).filter(|said| !said.is_empty());
                assert_eq!(reference(&common, name), Some(said), "{name} after {packing:?}");
            }
        }
        for left in [
            "refs/heads/alias",
            "HEAD",
            "refs/heads/../../HEAD",
            "refs/heads/a b",
            "refs/bisect/bad",
            "main@{1}",
        ] {
            assert_eq!(reference(&common, left), None, "{left} is left to git");
        }
        std::fs::write(common.join("refs/heads/broken"), "12").unwrap();
        assert_eq!(reference(&common, "refs/heads/broken"), None);
    }
}
