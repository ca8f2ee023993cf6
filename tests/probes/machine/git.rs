//! `git` on real repositories.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Workspace, fact, reason, value};

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=Nobody",
            "-c",
            "user.email=nobody@example.org",
            "-c",
            "protocol.file.allow=always",
        ])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn commit(folder: &Path, name: &str) -> String {
    std::fs::write(folder.join(name), name).unwrap();
    git(folder, &["add", name]);
    git(folder, &["commit", "-qm", name]);
    git(folder, &["rev-parse", "HEAD"])
}

/// A workspace with a repository `origin` of three commits and its clone `clone`.
fn cloned() -> (Workspace, PathBuf, PathBuf) {
    let mut workspace = Workspace::new();
    workspace.now = chrono::Utc::now();
    let (origin, clone) = (workspace.root().join("origin"), workspace.root().join("clone"));
    std::fs::create_dir(&origin).unwrap();
    git(&origin, &["init", "-q", "-b", "main"]);
    for name in ["one", "two", "three"] {
        commit(&origin, name);
    }
    git(workspace.root(), &["clone", "-q", "origin", "clone"]);
    (workspace, origin, clone)
}

#[test]
fn head_dirt_and_distance() {
    let (workspace, origin, clone) = cloned();
    let head = git(&clone, &["rev-parse", "HEAD"]);
    git(&clone, &["tag", "stable"]);
    let ask = |more: &str| workspace.trusted(&format!("{{git: {{repository: clone{more}}}}}"));
    let fresh = ask(", head: stable");
    for metric in ["p_dirty", "p_detached", "p_ahead", "p_behind"] {
        assert_eq!(value(&fresh, metric), 0.0, "{metric}");
    }
    assert_eq!((value(&fresh, "p_head"), fact(&fresh, "head")), (1.0, format!("{head} (main)")));
    assert!(reason(&fresh, "p_fetch_age").contains("nothing was ever fetched"), "a clone notes no fetch");

    commit(&origin, "four");
    commit(&clone, "mine");
    commit(&clone, "mine too");
    assert_eq!(value(&ask(""), "p_behind"), 0.0, "the network is not asked");
    git(&clone, &["fetch", "-q"]);
    let apart = ask(", head: stable, max_fetch_age: 1h");
    assert_eq!(
        (value(&apart, "p_ahead"), value(&apart, "p_behind"), value(&apart, "p_head")),
        (2.0, 1.0, 0.0)
    );
    assert!(value(&apart, "p_fetch_age") < 0.1);
    let against = ask(", against: stable");
    assert_eq!((value(&against, "p_ahead"), value(&against, "p_behind")), (2.0, 0.0));

    std::fs::write(clone.join("one"), "changed").unwrap();
    git(&clone, &["mv", "two", "renamed"]);
    std::fs::write(clone.join("new\nname"), "").unwrap();
    std::fs::write(clone.join(".gitignore"), "ignored\n").unwrap();
    std::fs::write(clone.join("ignored"), "").unwrap();
    assert_eq!(value(&ask(""), "p_dirty"), 4.0);
    assert_eq!(value(&ask(", paths: [one, three]"), "p_dirty"), 1.0);
    assert!(!clone.join(".git/index.lock").exists());
}

#[test]
fn an_old_fetch_does_not_count() {
    let (mut workspace, _, clone) = cloned();
    git(&clone, &["fetch", "-q"]);
    let fetched = workspace.now - chrono::TimeDelta::days(3);
    let noted = std::fs::File::options().write(true).open(clone.join(".git/FETCH_HEAD")).unwrap();
    noted.set_modified(fetched.into()).unwrap();
    let ask = |workspace: &Workspace, more: &str| {
        workspace.trusted(&format!("{{git: {{repository: clone{more}}}}}"))
    };
    let old = ask(&workspace, ", max_fetch_age: 1d");
    assert!((value(&old, "p_fetch_age") - 3.0).abs() < 0.001);
    for metric in ["p_ahead", "p_behind"] {
        assert_eq!(reason(&old, metric), "the last fetch is 3 d old; 1d is allowed");
    }
    assert_eq!(value(&ask(&workspace, ""), "p_behind"), 0.0, "stated, and left to the rule");
    workspace.now = fetched - chrono::TimeDelta::hours(1);
    let future = ask(&workspace, ", max_fetch_age: 1d");
    assert!(reason(&future, "p_fetch_age").contains("in the future"));
    assert!(reason(&future, "p_behind").contains("in the future"));
}

#[test]
fn detached_shallow_and_without_upstream() {
    let (workspace, _, clone) = cloned();
    let url = format!("file://{}", workspace.root().join("origin").display());
    git(workspace.root(), &["clone", "-q", "--depth", "1", &url, "shallow"]);
    let ask =
        |folder: &str, more: &str| workspace.trusted(&format!("{{git: {{repository: {folder}{more}}}}}"));
    assert_eq!(value(&ask("shallow", ""), "p_behind"), 0.0, "both are one commit");
    commit(&workspace.root().join("shallow"), "mine");
    assert!(reason(&ask("shallow", ""), "p_ahead").contains("shallow clone"));

    git(&clone, &["checkout", "-q", "HEAD~1"]);
    let detached = ask("clone", ", head: main");
    assert_eq!((value(&detached, "p_detached"), value(&detached, "p_head")), (1.0, 0.0));
    assert_eq!(reason(&detached, "p_behind"), "HEAD is detached and has no upstream: set `against`");
    assert_eq!(value(&ask("clone", ", against: origin/main"), "p_behind"), 1.0);

    git(&clone, &["checkout", "-q", "-b", "local"]);
    assert_eq!(reason(&ask("clone", ""), "p_ahead"), "the branch local has no upstream: set `against`");
    for name in ["nosuch", "--all", "-x"] {
        let unknown = ask("clone", &format!(", head: '{name}', against: '{name}'"));
        assert_eq!(reason(&unknown, "p_head"), format!("`{name}` is not known there"));
        assert_eq!(reason(&unknown, "p_behind"), format!("`{name}` is not known there"));
    }
    git(&clone, &["checkout", "-q", "main"]);
    git(&clone, &["update-ref", "-d", "refs/remotes/origin/main"]);
    assert_eq!(reason(&ask("clone", ""), "p_behind"), "`refs/remotes/origin/main` is not known there");
}

#[test]
fn what_is_no_work_tree_says_nothing() {
    let (workspace, _, clone) = cloned();
    let ask = |folder: &str| workspace.trusted(&format!("{{git: {{repository: {folder}, head: main}}}}"));
    let all = ["p_dirty", "p_detached", "p_ahead", "p_behind", "p_fetch_age", "p_head"];
    std::fs::create_dir(clone.join("sub")).unwrap();
    git(workspace.root(), &["init", "-q", "--bare", "bare"]);
    for (folder, why) in [
        ("nosuch", "cannot look at the folder"),
        ("clone/sub", "no work tree of git"),
        (".", "no work tree of git"),
        ("bare", "bare repository"),
        ("clone/one", "git"),
    ] {
        let outcome = ask(folder);
        for metric in all {
            assert!(reason(&outcome, metric).contains(why), "{folder}: {}", reason(&outcome, metric));
        }
    }
    let folder = workspace.root().join("unborn");
    std::fs::create_dir(&folder).unwrap();
    git(&folder, &["init", "-q"]);
    std::fs::write(folder.join("new"), "").unwrap();
    let unborn = ask("unborn");
    assert_eq!(value(&unborn, "p_dirty"), 1.0);
    for metric in ["p_head", "p_ahead"] {
        assert_eq!(reason(&unborn, metric), "there is no commit yet");
    }
    std::fs::write(clone.join(".git/HEAD"), "nonsense").unwrap();
    assert!(all.iter().all(|metric| !reason(&ask("clone"), metric).is_empty()));
    assert!(reason(&workspace.measure("{git: {repository: clone}}"), "p_dirty").contains("untrusted"));
}
