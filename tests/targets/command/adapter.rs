//! Asking an adapter of the real binary directly, and killing it where a test wants.

use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::IRCTL;
use crate::thoroughness::{at_least, stride};

/// An adapter, and the request of an operation.
pub struct Asked {
    name: &'static str,
    with: Value,
    directory: tempfile::TempDir,
    pub before: Value,
    pub after: Value,
    pub environment: Vec<(String, String)>,
}

/// How it ended.
#[derive(Debug)]
pub struct Answer {
    pub status: Option<i32>,
    pub json: Value,
    pub words: String,
}

impl Answer {
    #[track_caller]
    pub fn good(self) -> Value {
        assert_eq!(self.status, Some(0), "{}", self.words);
        self.json
    }

    #[track_caller]
    pub fn bad(self, status: i32, words: &str) -> String {
        assert_eq!(self.status, Some(status), "{} {}", self.words, self.json);
        assert!(self.words.contains(words), "{}", self.words);
        self.words
    }
}

impl Asked {
    pub fn new(name: &'static str, with: Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("keep")).unwrap();
        let (before, after) = (Value::Null, Value::Null);
        Self { name, with, directory, before, after, environment: Vec::new() }
    }

    /// Observes, keeps and predicts.
    #[track_caller]
    pub fn staged(name: &'static str, with: Value) -> Self {
        let mut asked = Self::new(name, with);
        asked.stage();
        asked
    }

    #[track_caller]
    pub fn stage(&mut self) -> Value {
        self.before = self.ask("observe").good()["state"].clone();
        let predicted = self.ask("predict").good();
        assert_eq!(predicted["refusals"], json!([]));
        self.after = predicted["after"].clone();
        predicted
    }

    pub fn keep(&self) -> PathBuf {
        self.directory.path().join("keep")
    }

    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    pub fn ask(&self, verb: &str) -> Answer {
        self.ask_with(verb, &[])
    }

    /// Asks with further variables in the environment.
    pub fn ask_with(&self, verb: &str, environment: &[(&str, &str)]) -> Answer {
        let request = json!({
            "contract": 1, "verb": verb, "service": "pricing", "root": self.root(),
            "operation": "OP-20261120-030700", "with": self.with, "version": null,
            "before": self.before, "after": self.after, "keep": self.keep(),
        });
        let mut child = Command::new(IRCTL)
            .args(["adapter", self.name, verb])
            .current_dir(self.root())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(request.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        Answer {
            status: output.status.code(),
            json: serde_json::from_slice(&output.stdout).unwrap_or_default(),
            words: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Kills `verb` at its `at`-th fault point; false when it has not so many.
    pub fn killed(&self, verb: &str, at: usize) -> bool {
        let answer = self.ask_with(verb, &[("IRCTL_TEST_FAULT", &at.to_string())]);
        assert!(answer.status.is_none() || answer.status == Some(0), "{}", answer.words);
        answer.status.is_none()
    }
}

/// Every how many points there is a kill while not everything is swept.
const QUICK: usize = 3;

/// How many kills there must have been, where there are so many when everything is swept.
pub fn enough(kills: usize, all: usize) {
    assert!(kills >= at_least(all, QUICK), "{kills}");
}

/// Kills apply, and then undo, at every fault point in turn; tries again each time, and looks from outside.
pub fn sweep(make: impl Fn() -> Asked, seen: impl Fn() -> String) -> usize {
    let mut kills = 0;
    for at in (1..).step_by(stride(QUICK)) {
        let asked = make();
        let before = seen();
        let died = asked.killed("apply", at);
        kills += usize::from(died);
        asked.ask("apply").good();
        assert_ne!(before, seen(), "applied after a kill at point {at}");
        let undo_died = asked.killed("undo", at);
        kills += usize::from(undo_died);
        asked.ask("undo").good();
        assert_eq!(before, seen(), "undone after kills at point {at}");
        if !died && !undo_died {
            break;
        }
    }
    kills
}
