//! `run` and `shell`: steps that start a program.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A program and its arguments. No shell looks at them.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The program and its arguments. A value that goes into an element stays in it, whatever it holds.
    #[schemars(length(min = 1))]
    pub argv: Vec<String>,
    /// Variables of its environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The secrets it needs, by name: under `secrets` of the runbook stands how each reaches it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The folder it runs in, relative to the workspace; the workspace otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// What it reads on standard input; nothing otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// The exit statuses that mean it worked; 0 otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub succeeds: Vec<i32>,
}

/// A script for a shell. The runbook has to say `allow: [shell]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShellConfig {
    /// The script. No value goes into it: give values by `env` and write `"$NAME"`.
    #[schemars(length(min = 1))]
    pub script: String,
    /// Variables of its environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The secrets it needs, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The folder it runs in, relative to the workspace; the workspace otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// The program that reads the script on its command line, and its arguments; `[sh, -eu, -c]` otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interpreter: Vec<String>,
}

impl RunConfig {
    /// A program and its arguments, and nothing more.
    pub fn of(argv: Vec<String>) -> Self {
        Self { argv, ..Self::default() }
    }
}

impl ShellConfig {
    /// A script, and nothing more.
    pub fn of(script: String) -> Self {
        Self { script, ..Self::default() }
    }
}
