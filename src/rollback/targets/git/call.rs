//! One call of git: by argv, without prompts, pagers, hooks or the network, and blind to what the caller's environment
//! says of repositories.

use chrono::{DateTime, Utc};
use std::path::Path;
use std::time::Duration;

use crate::base::process::{Invocation, Output};
use crate::base::{Error, ErrorCode, Result};

/// The most that a listing of a work tree may be, in bytes: some millions of files.
const LISTING: usize = 512 * 1024 * 1024;

/// How long a call may take. Writing a large work tree takes minutes; looking takes seconds.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Settings that may not differ from machine to machine or from user to user. What the rest of the user's settings say
/// (filters, ignored files, identity, safe directories) belongs to the repository's meaning and stays.
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "core.safecrlf=false",
    "core.splitIndex=false",
    "core.pager=cat",
    "commit.gpgSign=false",
    "log.showSignature=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "color.ui=false",
    "advice.detachedHead=false",
    "status.showUntrackedFiles=normal",
];

/// Variables that would lead git elsewhere: irctl may itself run below a hook.
const LEADING_ASTRAY: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
    "GIT_ATTR_SOURCE",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_DEFAULT_HASH",
    "GIT_AUTHOR_DATE",
    "GIT_COMMITTER_DATE",
    "GIT_TRACE",
    "GIT_TRACE2",
    "GIT_TRACE_SETUP",
];

/// `GIT_ALLOW_PROTOCOL` with a name that is no protocol: nothing is pushed or fetched, not even by a partial clone.
const SURROUNDINGS: &[(&str, &str)] = &[
    ("LC_ALL", "C"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_LITERAL_PATHSPECS", "1"),
    ("GIT_ALLOW_PROTOCOL", "none"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_PAGER", "cat"),
    ("GIT_EDITOR", "true"),
    ("GIT_SEQUENCE_EDITOR", "true"),
    ("GIT_ASKPASS", "true"),
    ("SSH_ASKPASS", "true"),
];

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
        let mut argv = vec!["git".to_owned(), "--no-pager".to_owned()];
        for setting in SETTINGS.iter().copied().chain(self.settings.iter().map(String::as_str)) {
            argv.extend(["-c".to_owned(), setting.to_owned()]);
        }
        argv.extend(self.arguments.iter().cloned());
        let mut invocation = Invocation::new(argv)
            .directory(directory)
            .timeout(PATIENCE)
            .keep(LISTING)
            .stdin(self.stdin.clone());
        for name in LEADING_ASTRAY {
            invocation = invocation.forget(*name);
        }
        for (name, value) in SURROUNDINGS {
            invocation = invocation.environment(*name, *value);
        }
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
