//! What users write under `snapshot:` of a service's `rollback:`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use crate::base::Duration;

/// What is recorded as known to be good before a deploy, and what else must be ready then.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotConfig {
    /// How old the newest snapshot may be before `check` warns; any age otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// How often rounds of `check` hash everything that is kept again; 1d otherwise.
    #[serde(default = "daily")]
    pub rehash: Duration,
    /// The backup of the database that something else makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_backup: Option<BackupConfig>,
    /// There is no database, so none needs a backup.
    #[serde(default)]
    pub without_database: bool,
    /// How old the list of contacts may be; 90d otherwise.
    #[serde(default = "quarterly")]
    pub contacts_within: Duration,
    /// A pattern for the git tags that name versions; any tag otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "glob"))]
    pub tag: Option<String>,
}

impl Default for SnapshotConfig {
    fn default() -> Self {
        Self {
            max_age: None,
            rehash: daily(),
            database_backup: None,
            without_database: false,
            contacts_within: quarterly(),
            tag: None,
        }
    }
}

fn daily() -> Duration {
    Duration::minutes(24 * 60)
}

fn quarterly() -> Duration {
    Duration::minutes(90 * 24 * 60)
}

/// A backup of a database.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupConfig {
    /// The file, relative to the workspace; its name may be a pattern, and then the newest is meant. Where a file of
    /// that name with `.sha256` behind it stands beside it, it must have that digest.
    pub file: PathBuf,
    /// How old it may be; 24h otherwise.
    #[serde(default = "daily")]
    pub max_age: Duration,
}
