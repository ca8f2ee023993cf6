//! The row of `git`: every mode, on real repositories.

mod bisect;
mod crash;
mod refusals;
mod sweep;
mod switching;
mod versions;

use irctl::rollback::targets::git::{GitConfig, GitTarget};
use irctl::rollback::targets::{Ground, Target};
use irctl::rollback::versions::Version;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::conformance::{self, Fixture};

/// Runs git as a stranger would: no configuration of this machine.
pub fn try_git(directory: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = std::process::Command::new("git");
    command.current_dir(directory).args(arguments);
    for (name, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "An Author"),
        ("GIT_AUTHOR_EMAIL", "author@example.org"),
        ("GIT_COMMITTER_NAME", "A Committer"),
        ("GIT_COMMITTER_EMAIL", "committer@example.org"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_ALLOW_PROTOCOL", "file"),
    ] {
        command.env(name, value);
    }
    command.output().expect("git is installed")
}

pub fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = try_git(directory, arguments);
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// A workspace with a work tree in it.
pub struct Place {
    pub directory: tempfile::TempDir,
    pub ground: Ground,
    pub config: GitConfig,
    /// Where the repository stands.
    pub top: PathBuf,
}

impl Place {
    /// An empty repository in `app`, below the workspace.
    pub fn empty(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let top = root.join("app");
        std::fs::create_dir(&top).unwrap();
        git(&top, &["init", "-q", "-b", "main"]);
        let config = serde_yaml::from_str(config).unwrap();
        Self { directory, ground: Ground { root, service: "app".into() }, config, top }
    }

    /// Three commits and two tags: `v1`, then a merge of a side branch, then `v2` and one more.
    pub fn with_history(config: &str) -> Self {
        let place = Self::empty(config);
        place.write("app.py", "print('one')\n");
        place.write("data/common.txt", "common\n");
        place.write("data/old name\nwith a break.txt", "old\n");
        place.write("-rf", "a name like an option\n");
        place.write("tests/baselines/a.json", "{\"a\": 1}\n");
        place.write("tests/baselines/gone-later.json", "{}\n");
        place.write(".gitignore", "*.log\nbuild/\n");
        place.write("run.sh", "#!/bin/sh\n");
        std::os::unix::fs::symlink("app.py", place.top.join("link")).unwrap();
        place.commit("one");
        git(&place.top, &["tag", "-a", "v1", "-m", "first"]);
        git(&place.top, &["switch", "-q", "-c", "side"]);
        place.write("side.py", "side\n");
        place.commit("side");
        git(&place.top, &["switch", "-q", "main"]);
        place.write("app.py", "print('two')\n");
        place.commit("two");
        git(&place.top, &["merge", "-q", "--no-ff", "-m", "merge side", "side"]);
        git(&place.top, &["tag", "v2"]);
        place.write("app.py", "print('broken'\n");
        place.write("tests/baselines/a.json", "{\"a\": 3}\n");
        place.write("tests/baselines/new ü.json", "{\"n\": 1}\n");
        std::fs::remove_file(place.top.join("tests/baselines/gone-later.json")).unwrap();
        std::fs::remove_file(place.top.join("data/old name\nwith a break.txt")).unwrap();
        std::fs::remove_file(place.top.join("link")).unwrap();
        place.write("link/now a folder.txt", "x\n");
        place.executable("run.sh");
        place.commit("three: broken");
        place
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.top.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn executable(&self, name: &str) {
        std::fs::set_permissions(self.top.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn commit(&self, subject: &str) {
        git(&self.top, &["add", "-A"]);
        git(&self.top, &["commit", "-q", "-m", subject]);
    }

    /// Work of every kind that nobody has committed.
    pub fn dirty(&self) {
        self.write("data/common.txt", "staged\n");
        git(&self.top, &["add", "data/common.txt"]);
        self.write("data/common.txt", "staged, then modified\n");
        self.write("tests/baselines/a.json", "{\"a\": \"uncommitted\"}\n");
        self.write("tests/baselines/mine.json", "untracked\n");
        self.write("untracked/a file.txt", "untracked\n");
        self.write("intended.txt", "to be added\n");
        git(&self.top, &["add", "-N", "intended.txt"]);
        self.write("added.txt", "added\n");
        git(&self.top, &["add", "added.txt"]);
        std::fs::remove_file(self.top.join("side.py")).unwrap();
        self.write("noise.log", "ignored\n");
    }

    pub fn target(&self) -> GitTarget<'_> {
        GitTarget { config: &self.config, ground: &self.ground }
    }

    pub fn find(&self, name: &str) -> Version {
        self.target().find(name).unwrap().unwrap_or_else(|| panic!("no {name}"))
    }

    /// Everything an outsider sees: references, HEAD, stashes, index with its flags, each file with its mode.
    pub fn fingerprint(&self) -> String {
        let top = &self.top;
        let mut out = String::new();
        let mut section = |name: &str, arguments: &[&str]| {
            let output = try_git(top, arguments);
            writeln!(out, "== {name}\n{}", String::from_utf8_lossy(&output.stdout)).unwrap();
        };
        section("references", &["for-each-ref"]);
        section("head", &["rev-parse", "--symbolic-full-name", "HEAD"]);
        section("commit", &["rev-parse", "HEAD"]);
        section("stashes", &["log", "-g", "--format=%H %gs", "refs/stash", "--"]);
        if top.join(".git").exists() {
            section("index", &["ls-files", "-s", "-v"]);
            section("status", &["status", "--porcelain=v2", "--untracked-files=all", "--ignored"]);
        }
        writeln!(out, "== locked: {}", top.join(".git/index.lock").exists()).unwrap();
        files(top, top, &mut out);
        out
    }
}

fn files(top: &Path, folder: &Path, out: &mut String) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.strip_prefix(top).unwrap();
        // A bare repository has no files of its own.
        if name == Path::new(".git") || top.join("HEAD").exists() {
            continue;
        }
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_symlink() {
            writeln!(out, "{name:?} -> {:?}", std::fs::read_link(&path).unwrap()).unwrap();
        } else if metadata.is_dir() {
            files(top, &path, out);
        } else {
            let mode = metadata.permissions().mode() & 0o777;
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            writeln!(out, "{name:?} {mode:o} {text:?}").unwrap();
        }
    }
}

/// A row: a place, where it goes, and what a third party does to it.
pub struct Row {
    pub place: Place,
    pub to: &'static str,
    pub meddle: fn(&Place),
}

impl Row {
    fn new(config: &str, to: &'static str, prepare: fn(&Place)) -> Self {
        let place = Place::with_history(config);
        prepare(&place);
        Self { place, to, meddle: |place| place.write("app.py", "somebody else\n") }
    }
}

impl Fixture for Row {
    fn target(&self) -> Box<dyn Target + '_> {
        Box::new(self.place.target())
    }

    fn versions(&self) -> (Version, Version) {
        (self.place.find(self.to), self.place.target().served().unwrap())
    }

    fn fingerprint(&self) -> String {
        self.place.fingerprint()
    }

    fn meddle(&self) {
        (self.meddle)(&self.place);
    }
}

#[test]
fn reset_of_a_clean_branch() {
    conformance::run(|| Row::new("{repository: app}", "v2", |_| {}));
}

#[test]
fn reset_over_uncommitted_work() {
    conformance::run(|| Row::new("{repository: app, mode: reset, versions: 'v*'}", "v1", Place::dirty));
}

#[test]
fn reset_where_an_ignored_file_is_in_the_way() {
    conformance::run(|| {
        Row::new("{repository: app}", "v1", |place| {
            place.write("tests/baselines/gone-later.json", "mine, and ignored\n");
            place.write(".git/info/exclude", "gone-later.json\n");
        })
    });
}

#[test]
fn reset_where_the_third_party_commits() {
    conformance::run(|| Row {
        meddle: |place| {
            place.write("theirs.txt", "theirs\n");
            git(&place.top, &["add", "theirs.txt"]);
            git(&place.top, &["commit", "-q", "-m", "theirs"]);
        },
        ..Row::new("{repository: app}", "v1", |_| {})
    });
}

#[test]
fn reset_where_the_third_party_stages() {
    conformance::run(|| Row {
        meddle: |place| {
            place.write("theirs.txt", "theirs\n");
            git(&place.top, &["add", "theirs.txt"]);
        },
        ..Row::new("{repository: app}", "v1", Place::dirty)
    });
}

#[test]
fn reset_of_a_detached_head() {
    conformance::run(|| {
        Row::new("{repository: app}", "v1", |place| {
            git(&place.top, &["switch", "-q", "--detach"]);
            place.dirty();
        })
    });
}

#[test]
fn reset_that_keeps_some_files() {
    conformance::run(|| {
        Row::new("{repository: app, keep: [data]}", "v1", |place| {
            place.dirty();
            place.write("data/live.txt", "kept\n");
        })
    });
}

#[test]
fn revert_over_a_merge_and_uncommitted_work() {
    conformance::run(|| Row::new("{repository: app, mode: revert}", "v1", Place::dirty));
}

#[test]
fn revert_of_a_clean_branch() {
    conformance::run(|| Row::new("{repository: app, mode: revert}", "v2", |_| {}));
}

#[test]
fn single_paths() {
    conformance::run(|| Row {
        meddle: |place| place.write("tests/baselines/a.json", "somebody else\n"),
        ..Row::new("{repository: app, mode: paths, paths: [tests/baselines/, run.sh]}", "v1", Place::dirty)
    });
}

#[test]
fn single_paths_from_a_fixed_revision() {
    conformance::run(|| Row {
        meddle: |place| place.write("tests/baselines/a.json", "somebody else\n"),
        ..Row::new(
            "{repository: app, mode: paths, paths: [tests/baselines/, link], to: HEAD~1}",
            "HEAD",
            |_| {},
        )
    });
}

#[test]
fn a_work_tree_beside_another() {
    conformance::run(|| {
        let mut row = Row::new("{repository: other}", "v1", |place| {
            git(&place.top, &["worktree", "add", "-q", "../other", "-b", "other"]);
        });
        row.place.top = row.place.ground.root.join("other");
        row.place.write("uncommitted.txt", "mine\n");
        row
    });
}

#[test]
fn a_sparse_work_tree() {
    conformance::run(|| {
        Row::new("{repository: app}", "v1", |place| {
            git(&place.top, &["sparse-checkout", "set", "tests"]);
        })
    });
}

fn moved_by_others(place: &Place) {
    git(&place.top, &["update-ref", "refs/heads/main", "side"]);
}

#[test]
fn a_bare_repository() {
    conformance::run(|| {
        let mut row = Row::new("{repository: bare.git}", "v1", |place| {
            git(&place.ground.root, &["clone", "-q", "--bare", "app", "bare.git"]);
        });
        row.place.top = row.place.ground.root.join("bare.git");
        row.meddle = moved_by_others;
        row
    });
}

#[test]
fn a_branch_that_is_checked_out_nowhere() {
    conformance::run(|| Row {
        meddle: moved_by_others,
        ..Row::new("{repository: app, branch: main, mode: revert}", "v1", |place| {
            git(&place.top, &["switch", "-q", "side"]);
            place.write("uncommitted.txt", "mine\n");
        })
    });
}
