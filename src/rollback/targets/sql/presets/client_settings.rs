//! Settings of clients: set for those who are active while something is wrong, and put back to what each of them had.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::base::{Error, ErrorCode, Result};
use crate::rollback::config::Scalar;
use crate::rollback::targets::sql::compile::{Compiled, Counted, Filler};
use crate::rollback::targets::sql::config::RowCount;
use crate::rollback::targets::sql::name::{TableName, quoted};
use crate::rollback::targets::sql::scope::Scope;
use crate::rollback::targets::sql::text::{Bound, placeholder};

/// Settings of clients. As a containment it sets them for the active clients; a release gives each client back what it
/// had: who was off stays off, and who was changed by somebody else meanwhile is left so.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientSettingsConfig {
    /// The table.
    #[serde(default = "table")]
    pub table: TableName,
    /// The columns that tell its rows apart; its primary key otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// The columns and what they are set to.
    #[serde(default = "set")]
    pub set: BTreeMap<String, Scalar>,
    /// Which clients, as the condition of a WHERE, with parameters; the active ones otherwise.
    #[serde(default = "active", rename = "where")]
    pub filter: String,
    /// Values for the parameters of `where`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, Scalar>,
    /// How many clients may be concerned; any number otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowCount>,
}

fn table() -> TableName {
    TableName::plain("client_settings")
}

fn set() -> BTreeMap<String, Scalar> {
    let flag = |name: &str, value: bool| (name.to_owned(), Scalar(serde_json::Value::Bool(value)));
    BTreeMap::from([flag("auto_rebalance", false), flag("require_manual_approval", true)])
}

fn active() -> String {
    "client_id IN (SELECT client_id FROM clients WHERE active = true)".to_owned()
}

impl ClientSettingsConfig {
    /// The rows that it may touch.
    pub(in crate::rollback::targets::sql) fn scope(&self, filler: Filler<'_>) -> Result<Scope> {
        let filter = Some(filler.bind(&self.filter, &self.with)?);
        Ok(Scope { table: self.table.clone(), key: self.key.clone(), filter, exclusive: false })
    }

    /// What runs. Clients that are set so already are not touched.
    pub(in crate::rollback::targets::sql) fn compile(&self, filler: Filler<'_>) -> Result<Compiled> {
        if self.set.is_empty() {
            return Err(Error::new(ErrorCode::InvalidConfiguration, "`client_settings:` sets nothing")
                .hint("set: {auto_rebalance: false}"));
        }
        let mut bound = filler.bind(&self.filter, &self.with)?;
        let (mut sets, mut others) = (Vec::new(), Vec::new());
        for (column, value) in &self.set {
            bound.values.push(filler.scalar(value)?);
            let (column, number) = (quoted(column), placeholder(filler.dialect, bound.values.len()));
            sets.push(format!("{column} = {number}"));
            others.push(format!("{column} IS DISTINCT FROM {number}"));
        }
        let sql = format!(
            "UPDATE {} SET {} WHERE ({}) AND ({})",
            self.table.quoted(),
            sets.join(", "),
            bound.sql,
            others.join(" OR ")
        );
        let counted = Counted { bound: Bound { sql, values: bound.values }, rows: self.rows };
        Ok(Compiled { statements: vec![counted], scopes: vec![self.scope(filler)?], ..Compiled::default() })
    }
}
