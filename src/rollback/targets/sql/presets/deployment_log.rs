//! The log of deployments: which version of a model is in production, since when, by whom and why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Result, Untrusted};
use crate::rollback::targets::sql::compile::{Compiled, Counted, Filler};
use crate::rollback::targets::sql::config::RowCount;
use crate::rollback::targets::sql::connection::{Connection, Dialect};
use crate::rollback::targets::sql::name::{TableName, list, quoted};
use crate::rollback::targets::sql::scope::Scope;
use crate::rollback::targets::sql::text::{Bound, placeholder};
use crate::rollback::targets::sql::value::Value;

/// The log of deployments: the rollback is entered, every other production row of the model is marked as not in
/// production, and exactly one is in production afterwards.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeploymentLogConfig {
    /// The table.
    #[serde(default = "table")]
    pub table: TableName,
    /// The columns that tell its rows apart; its primary key otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// What its columns are called.
    #[serde(default)]
    pub columns: DeploymentColumns,
    /// The model; the service's name otherwise.
    #[serde(default = "model")]
    pub model: String,
    /// What is entered as the version.
    #[serde(default = "version")]
    pub version: String,
    /// What is entered as who did it.
    #[serde(default = "by")]
    pub by: String,
    /// What is entered as the reason; that of the rollback otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether the plan warns when the log says that another version is in production than the one that serves.
    #[serde(default)]
    pub cross_check: bool,
}

fn table() -> TableName {
    TableName::plain("model_deployment_log")
}

fn model() -> String {
    "{service}".to_owned()
}

fn version() -> String {
    "{version}".to_owned()
}

fn by() -> String {
    "{actor}".to_owned()
}

/// What the columns of the log are called. One that is null is not written.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeploymentColumns {
    /// The model.
    pub model: String,
    /// The version.
    pub version: String,
    /// When it was deployed.
    pub deployed_at: String,
    /// By whom.
    pub deployed_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Whether it is in production: a boolean, or 1 and 0.
    pub is_production: String,
    /// Whether it came by a rollback: a boolean, or 1 and 0.
    pub is_rollback: Option<String>,
}

impl Default for DeploymentColumns {
    fn default() -> Self {
        Self {
            model: "model_name".to_owned(),
            version: "version".to_owned(),
            deployed_at: "deployed_at".to_owned(),
            deployed_by: Some("deployed_by".to_owned()),
            reason: Some("deployment_reason".to_owned()),
            is_production: "is_production".to_owned(),
            is_rollback: Some("is_rollback".to_owned()),
        }
    }
}

/// A row that is in production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InProduction {
    /// The version.
    pub version: Untrusted,
    /// When it was deployed, in the database's words.
    pub deployed_at: Untrusted,
    /// By whom.
    pub deployed_by: Option<Untrusted>,
}

impl std::fmt::Display for InProduction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (deployed {}", self.version, self.deployed_at)?;
        match &self.deployed_by {
            Some(by) => write!(f, " by {by})"),
            None => f.write_str(")"),
        }
    }
}

impl DeploymentLogConfig {
    /// Production rows of the model; values: the model and true.
    fn in_production(&self, filler: Filler<'_>) -> Result<Bound> {
        let number = |at| placeholder(filler.dialect, at);
        let sql = format!(
            "{} = {} AND {} = {}",
            quoted(&self.columns.model),
            number(1),
            quoted(&self.columns.is_production),
            number(2)
        );
        let values = vec![Value::Text(filler.template(&self.model)?), Value::flag(true, filler.dialect)];
        Ok(Bound { sql, values })
    }

    /// The rows that it may touch.
    pub(in crate::rollback::targets::sql) fn scope(&self, filler: Filler<'_>) -> Result<Scope> {
        let filter = Some(self.in_production(filler)?);
        Ok(Scope { table: self.table.clone(), key: self.key.clone(), filter, exclusive: true })
    }

    /// What runs: the others go out of production first, so that an index that allows only one is content.
    pub(in crate::rollback::targets::sql) fn compile(&self, filler: Filler<'_>) -> Result<Compiled> {
        let production = self.in_production(filler)?;
        let (table, dialect) = (self.table.quoted(), filler.dialect);
        let version = Value::Text(filler.template(&self.version)?);
        let with = |sql: String, more: Value| {
            let mut values = production.values.clone();
            values.push(more);
            Bound { sql, values }
        };
        let third = placeholder(dialect, 3);
        let count = |more: &str| format!("(SELECT count(*) FROM {table} WHERE {}{more})", production.sql);
        let same = format!(" AND {} = {third}", quoted(&self.columns.version));
        let settled = format!("SELECT 'settled' WHERE {} = 1 AND {} = 1", count(""), count(&same));
        let retire = format!(
            "UPDATE {table} SET {} = {third} WHERE {}",
            quoted(&self.columns.is_production),
            production.sql
        );
        let exactly_one = Bound {
            sql: format!("SELECT 1 FROM {table} WHERE {}", production.sql),
            values: production.values.clone(),
        };
        let counted = |bound, rows| Counted { bound, rows };
        Ok(Compiled {
            settled: Some(with(settled, version.clone())),
            statements: vec![
                counted(with(retire, Value::flag(false, dialect)), None),
                counted(self.entry(filler, version)?, Some(RowCount::exactly(1))),
                counted(exactly_one, Some(RowCount::exactly(1))),
            ],
            scopes: vec![self.scope(filler)?],
            locks: vec![self.table.clone()],
        })
    }

    fn entry(&self, filler: Filler<'_>, version: Value) -> Result<Bound> {
        let columns = &self.columns;
        let mut names = vec![&columns.model, &columns.version, &columns.deployed_at, &columns.is_production];
        let mut values = vec![
            Value::Text(filler.template(&self.model)?),
            version,
            Value::Text(filler.template("{now}")?),
            Value::flag(true, filler.dialect),
        ];
        if let Some(name) = &columns.deployed_by {
            names.push(name);
            values.push(Value::Text(filler.template(&self.by)?));
        }
        if let Some(name) = &columns.reason {
            names.push(name);
            values.push(Value::Text(self.why(filler)?));
        }
        if let Some(name) = &columns.is_rollback {
            names.push(name);
            values.push(Value::flag(true, filler.dialect));
        }
        let numbers: Vec<_> = (1..=values.len()).map(|at| placeholder(filler.dialect, at)).collect();
        let (table, names) = (self.table.quoted(), list(names));
        Ok(Bound { sql: format!("INSERT INTO {table} ({names}) VALUES ({})", numbers.join(", ")), values })
    }

    fn why(&self, filler: Filler<'_>) -> Result<String> {
        match (&self.reason, filler.goal.and_then(|goal| goal.reason)) {
            (Some(template), _) => filler.template(template),
            (None, Some(reason)) if !reason.is_empty() => {
                Ok(format!("{}: {reason}", filler.template("Rollback from {previous}")?))
            }
            (None, _) => filler.template("Rollback from {previous}"),
        }
    }

    /// What the log says is in production.
    pub(in crate::rollback::targets::sql) fn says(
        &self,
        connection: &mut dyn Connection,
        filler: Filler<'_>,
    ) -> Result<Vec<InProduction>> {
        let production = self.in_production(filler)?;
        let cast = |name: &String| match filler.dialect {
            Dialect::Postgres => format!("{}::text", quoted(name)),
            Dialect::Sqlite => quoted(name),
        };
        let by = self.columns.deployed_by.as_ref().map_or("NULL".to_owned(), cast);
        let sql = format!(
            "SELECT {}, {}, {by} FROM {} WHERE {} ORDER BY 2 DESC LIMIT 5",
            cast(&self.columns.version),
            cast(&self.columns.deployed_at),
            self.table.quoted(),
            production.sql
        );
        let rows = connection.query(&Bound { sql, values: production.values })?;
        let text = |value: Option<&Value>| Untrusted::from(value.map(Value::shown).unwrap_or_default());
        Ok(rows
            .iter()
            .map(|row| InProduction {
                version: text(row.first()),
                deployed_at: text(row.get(1)),
                deployed_by: row.get(2).filter(|value| **value != Value::Null).map(|value| text(Some(value))),
            })
            .collect())
    }
}
