//! One call of git: by argv, without prompts, pagers, hooks or the network, and blind to what the caller's environment
//! says of repositories.

use chrono::{DateTime, Utc};
use std::path::Path;
use std::time::Duration;

use crate::base::process::{Invocation, Output};
use crate::base::{Error, ErrorCode, Result, git};

/// The most that a listing of a work tree may be, in bytes: some millions of files.
const LISTING: usize = 512 * 1024 * 1024;

/// How long a call may take. Writing a large work tree takes minutes; looking takes seconds.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// A call of git in the making.
#[derive(Debug, Clone)]
pub struct Call {
    arguments: Vec<String>,
    settings: Vec<String>,
    environment: Vec<(String, String)>,
    stdin: Vec<u8>,
}

impl Call {
    /// A command and its arguments.
    pub fn new<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            arguments: arguments.into_iter().map(str::to_owned).collect(),
            settings: Vec::new(),
            environment: Vec::new(),
            stdin: Vec::new(),
        }
    }

    /// One more argument.
    #[must_use]
    pub fn with(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn all<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.arguments.extend(arguments.into_iter().map(str::to_owned));
        self
    }

    /// A setting for this call alone, as `core.fsync=none`.
    #[must_use]
    pub fn setting(mut self, setting: impl Into<String>) -> Self {
        self.settings.push(setting.into());
        self
    }

    /// A variable for this call alone.
    #[must_use]
    pub fn environment(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Another index than the work tree's own.
    #[must_use]
    pub fn index(self, index: &Path) -> Self {
        self.environment("GIT_INDEX_FILE", index.display().to_string())
    }

    /// Who commits, and when. An identity is invented only where git knows none.
    #[must_use]
    pub fn dated(mut self, at: DateTime<Utc>, fallback: bool) -> Self {
        for who in ["AUTHOR", "COMMITTER"] {
            self = self.environment(&format!("GIT_{who}_DATE"), format!("{} +0000", at.timestamp()));
            if fallback {
                self = self
                    .environment(&format!("GIT_{who}_NAME"), "irctl")
                    .environment(&format!("GIT_{who}_EMAIL"), "irctl@localhost");
            }
        }
        self
    }

    /// What it reads.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// The command's name, for messages.
    pub fn name(&self) -> &str {
        self.arguments.iter().find(|part| !part.starts_with('-')).map_or("", String::as_str)
    }

    /// Its own words, which tell it from every other question.
    pub fn question(&self) -> String {
        self.arguments.join("\0")
    }

    /// The invocation, in a folder.
    pub fn invocation(&self, directory: &Path) -> Invocation {
        let settings = self.settings.iter().map(String::as_str);
        let arguments = self.arguments.iter().map(String::as_str);
        let mut invocation = git::invocation(directory, settings, arguments)
            .timeout(PATIENCE)
            .keep(LISTING)
            .stdin(self.stdin.clone());
        for (name, value) in &self.environment {
            invocation = invocation.environment(name.clone(), value.clone());
        }
        invocation
    }

    /// What a finished call means: its output, or why it failed.
    pub fn judge(&self, output: Output) -> Result<Output> {
        if output.truncated {
            return Err(Error::new(
                ErrorCode::Subprocess,
                format!("git {}: its answer was cut off", self.name()),
            )
            .hint("the work tree may be too large, or a program that git started keeps its output open"));
        }
        if output.success() {
            return Ok(output);
        }
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        // The first line that says what is wrong; what follows is advice.
        let why = text.lines().find(|line| line.starts_with("fatal: ") || line.starts_with("error: "));
        let why = why.map_or_else(|| output.last_words(), str::to_owned);
        Err(Error::new(
            ErrorCode::Subprocess,
            format!("git {} ended with {}: {}", self.name(), output.ending, why.escape_debug()),
        )
        .hint("run it by hand in the repository to see all of its words"))
    }
}
