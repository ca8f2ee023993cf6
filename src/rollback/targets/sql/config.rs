//! What users write under `sql:`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::name::TableName;
use super::presets::{ClientSettingsConfig, DeploymentLogConfig};
use crate::base::connect::postgres::PostgresConfig;
use crate::base::{Duration, Error, ErrorCode};
use crate::rollback::config::Scalar;

/// Rows of a database: PostgreSQL or SQLite. Everything runs in one transaction, the rows are kept as they were, and
/// a row in a table of irctl's own says whether it was committed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlConfig {
    /// What it is called on screens; made of what it changes otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which database.
    pub database: DatabaseConfig,
    /// What is done to it.
    pub change: SqlChange,
    /// Which rows count as those that were: the ones of the plan, or those that the switch itself finds.
    #[serde(default)]
    pub capture: Capture,
    /// Tables that triggers may write to as well. Their rows are not kept and not put back; the plan says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub side_effects: Vec<TableName>,
    /// The table in which irctl records what it did; `irctl_operations` otherwise. It is made when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<TableName>,
    /// How long it is waited for what.
    #[serde(default)]
    pub timeouts: SqlTimeouts,
}

/// Which database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseConfig {
    /// A PostgreSQL server.
    Postgres(PostgresConfig),
    /// A SQLite file.
    Sqlite(SqliteConfig),
}

/// A SQLite file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqliteConfig {
    /// The file, relative to the workspace.
    pub file: PathBuf,
}

/// What is done to the database.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SqlChange {
    /// Statements of your own.
    Statements(StatementsConfig),
    /// The log of deployments: the rollback is entered, and it alone is in production.
    DeploymentLog(DeploymentLogConfig),
    /// Settings of clients, each put back to what it was.
    ClientSettings(ClientSettingsConfig),
}

/// Statements of your own.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatementsConfig {
    /// The statements, in this order: SELECT, INSERT, UPDATE or DELETE.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run: Vec<StatementConfig>,
    /// A file of statements, relative to the workspace, that run after those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<PathBuf>,
    /// Values for the parameters of the statements, as `model: rila`. `{version}` and its like are filled in.
    /// `:version`, `:name`, `:digest`, `:previous`, `:operation`, `:incident`, `:reason`, `:actor`, `:now` and
    /// `:service` are there without it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, Scalar>,
    /// The rows that the statements touch; they are kept as they are, so that they can be put back.
    pub keep: Vec<KeepConfig>,
}

/// One statement.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatementConfig {
    /// The statement, with parameters such as `:version`. Values are bound, never written into it.
    pub sql: String,
    /// How many rows it must touch (or give, for a SELECT): `1`, or `{at_most: 100}`. With any other number nothing
    /// is changed at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowCount>,
}

/// Rows that are kept.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepConfig {
    /// The table.
    pub table: TableName,
    /// The columns that tell its rows apart; its primary key otherwise. `rowid` can be one in SQLite.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// Which rows, as the condition of a WHERE, with parameters; all otherwise.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Whether a row of somebody else that comes to match `where` is a change to what was switched, so that an undo
    /// refuses.
    #[serde(default)]
    pub exclusive: bool,
}

/// How many rows are expected: a number, or bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "serde_json::Value", into = "serde_json::Value")]
pub struct RowCount {
    /// No fewer.
    pub at_least: u64,
    /// No more.
    pub at_most: u64,
}

impl RowCount {
    /// Exactly so many.
    pub fn exactly(rows: u64) -> Self {
        Self { at_least: rows, at_most: rows }
    }

    /// Whether so many are right.
    pub fn accepts(self, rows: u64) -> bool {
        (self.at_least..=self.at_most).contains(&rows)
    }
}

impl std::fmt::Display for RowCount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.at_least, self.at_most) {
            (least, most) if least == most => write!(f, "{least}"),
            (0, most) => write!(f, "at most {most}"),
            (least, u64::MAX) => write!(f, "at least {least}"),
            (least, most) => write!(f, "{least} to {most}"),
        }
    }
}

impl TryFrom<serde_json::Value> for RowCount {
    type Error = Error;

    fn try_from(value: serde_json::Value) -> Result<Self, Error> {
        let wrong = || {
            Error::new(ErrorCode::InvalidConfiguration, "this is no number of rows")
                .hint("write `rows: 1` or `rows: {at_most: 100}`")
        };
        if let Some(rows) = value.as_u64() {
            return Ok(Self::exactly(rows));
        }
        let bounds = value.as_object().filter(|bounds| !bounds.is_empty()).ok_or_else(wrong)?;
        let mut count = Self { at_least: 0, at_most: u64::MAX };
        for (name, bound) in bounds {
            let bound = bound.as_u64().ok_or_else(wrong)?;
            match name.as_str() {
                "at_least" => count.at_least = bound,
                "at_most" => count.at_most = bound,
                _ => return Err(wrong()),
            }
        }
        if count.at_least > count.at_most { Err(wrong()) } else { Ok(count) }
    }
}

impl From<RowCount> for serde_json::Value {
    fn from(count: RowCount) -> Self {
        if count.at_least == count.at_most {
            return count.at_least.into();
        }
        let mut bounds = serde_json::Map::new();
        if count.at_least > 0 {
            bounds.insert("at_least".to_owned(), count.at_least.into());
        }
        if count.at_most < u64::MAX || count.at_least == 0 {
            bounds.insert("at_most".to_owned(), count.at_most.into());
        }
        bounds.into()
    }
}

impl JsonSchema for RowCount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RowCount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "object"],
            "minimum": 0,
            "properties": {
                "at_least": {"type": "integer", "minimum": 0, "description": "No fewer rows."},
                "at_most": {"type": "integer", "minimum": 0, "description": "No more rows."}
            },
            "additionalProperties": false,
            "description": "How many rows are expected: a number, or {at_most: 100}."
        })
    }
}

/// Which rows count as those that were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Capture {
    /// Those that the plan showed: when they change before the switch, it refuses.
    #[default]
    Plan,
    /// Those that the switch finds, for tables that others go on writing to.
    Switch,
}

/// How long it is waited for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SqlTimeouts {
    /// For the server to answer; 5s otherwise.
    pub connect: Duration,
    /// For a lock that somebody else holds; 3s otherwise.
    pub lock: Duration,
    /// For one statement; 30s otherwise. In SQLite, for all of them together.
    pub statement: Duration,
}

impl Default for SqlTimeouts {
    fn default() -> Self {
        Self { connect: Duration::seconds(5), lock: Duration::seconds(3), statement: Duration::seconds(30) }
    }
}
