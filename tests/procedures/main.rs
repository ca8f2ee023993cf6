//! The procedures that irctl makes into software, each from its example in docs/examples, through the binary, over real
//! parts: rolled back, looked at from outside, undone, looked at again. And the table that names them.

#[allow(dead_code, unused_imports)] // A part of it is used here.
#[path = "../support/kubernetes.rs"]
mod kubernetes;
#[path = "../support/postgres.rs"]
mod postgres;
#[allow(dead_code)] // A part of it is used here.
#[path = "../support/redis.rs"]
mod redis_server;
#[path = "../support/mod.rs"]
mod support;
#[allow(dead_code)]
#[path = "../support/systemd.rs"]
mod systemd;

mod acis;
mod options;
mod protocol_25;
mod rila;
mod table;
mod trading;

use std::path::Path;
use std::process::Command;
use support::{Run, Workspace, copy_tree, repository};

/// An example of docs/examples, ready to be filled with what it is about.
pub fn example(name: &str) -> Workspace {
    let workspace = Workspace::empty();
    copy_tree(&repository().join("docs/examples").join(name), &workspace.root());
    workspace
}

/// The example's configuration as its users get it is complete.
#[test]
fn every_example_is_valid_as_it_stands() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(repository().join("docs/examples")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let run = example(&name).irctl(&["config", "check"]).expect(0);
        assert!(!run.stdout.contains("error"), "{name}: {}", run.stdout);
        names.push(name);
    }
    names.sort();
    assert_eq!(names, ["acis", "phased", "protocol-25", "rila", "trading"]);
}

/// Runs a program that must succeed; what it prints.
#[track_caller]
pub fn ran(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}\n{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Runs git in a folder.
#[track_caller]
pub fn git(folder: &Path, words: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "user.name=An Author", "-c", "user.email=author@example.org"]);
    ran(command.args(words)).trim_end().to_owned()
}

/// Everything under these places of a workspace: names and bytes.
pub fn contents(workspace: &Workspace, places: &[&str]) -> String {
    let mut command = Command::new("find");
    command.current_dir(workspace.root()).args(places).args(["-type", "f", "!", "-name", ".irctl-claim*"]);
    let mut files: Vec<_> = ran(&mut command).lines().map(str::to_owned).collect();
    files.sort();
    let each = files.iter().map(|file| {
        let bytes = std::fs::read(workspace.path(file)).unwrap();
        format!("{file} {}", irctl::base::Digest::of(&bytes))
    });
    each.collect::<Vec<_>>().join("\n")
}

/// irctl on these words, said as a human says them.
pub fn says(workspace: &Workspace, variables: &[(&str, &str)], line: &str) -> Run {
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[0], "irctl");
    workspace.irctl_with(variables, &words[1..])
}
