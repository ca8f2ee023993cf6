//! Steps that switch something: the targets and recipes of rollback, one thing at a time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::rollback::config::Scalar;
use crate::rollback::targets::command::Parameter;
use crate::rollback::targets::sql::{DatabaseConfig, SqlConfig};

/// The parameters of a recipe, by name.
pub type Parameters = BTreeMap<String, Parameter>;

/// A recipe and what it is handed: what a step of a kind of its own comes down to.
#[derive(Debug, Clone, Copy)]
pub struct RecipeUse<'a> {
    /// The recipe.
    pub name: &'a str,
    /// Its parameters.
    pub with: &'a Parameters,
    /// Where they stand, from the step on.
    pub pointer: &'static str,
}

/// A file that takes the place of another: the switch of the target `files`, with its before-image.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CopyConfig {
    /// What is copied, relative to the workspace.
    pub from: PathBuf,
    /// Where it goes, relative to the workspace. What stands there is kept, and put back by an undo.
    pub to: PathBuf,
}

/// Rows of a database.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SqlStep {
    /// A question. The connection cannot write.
    Read(Box<QueryConfig>),
    /// A change: the target `sql`. The rows are kept as they were.
    Write(Box<SqlConfig>),
}

/// A question to a database.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryConfig {
    /// Which database.
    pub database: DatabaseConfig,
    /// The query, with parameters such as `:model`. Values are bound, never written into it.
    #[schemars(length(min = 1))]
    pub query: String,
    /// The values of its parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, Scalar>,
    /// How many rows are shown at most; 50 otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub most: Option<u32>,
}

/// Processes, units and containers.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessStep {
    /// Processes of one exact executable: the parameters of the recipe `process-stop`.
    Stop(Parameters),
    /// Units of systemd: the parameters of the recipe `systemd-unit`.
    Units(Parameters),
    /// A profile of Docker Compose: the parameters of the recipe `compose-profile`.
    Compose(Parameters),
}

/// Keys and streams of a Redis.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RedisStep {
    /// Keys that are set or deleted: the parameters of the recipe `redis-key`.
    Key(Parameters),
    /// A control event on a stream: the parameters of the recipe `redis-event`.
    Event(Parameters),
    /// Keys of a pattern, taken away and kept: the parameters of the recipe `redis-purge`.
    Purge(Parameters),
}
