//! From what is configured to what runs: statements with their values bound, and the rows that are kept.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::config::{DatabaseConfig, KeepConfig, RowCount, SqlChange, SqlConfig, StatementsConfig};
use super::connection::{Database, Dialect};
use super::name::TableName;
use super::scope::Scope;
use super::text::{self, Bound};
use super::value::Value;
use crate::base::{Error, ErrorCode, Result, file, path};
use crate::rollback::config::Scalar;
use crate::rollback::targets::{Goal, Ground};

/// The largest script that is read.
const SCRIPT_LIMIT: u64 = 1024 * 1024;

/// The parameters that are there without being configured.
const KNOWN: [&str; 9] =
    ["version", "name", "digest", "previous", "operation", "incident", "reason", "actor", "now"];

/// A statement and how many rows it must touch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Counted {
    /// The statement.
    pub bound: Bound,
    /// How many rows; any number where absent.
    pub rows: Option<RowCount>,
}

/// What runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Compiled {
    pub statements: Vec<Counted>,
    pub scopes: Vec<Scope>,
    /// Tables to which nobody else may write meanwhile.
    pub locks: Vec<TableName>,
    /// A query that gives a row when there is nothing to do.
    pub settled: Option<Bound>,
}

/// Fills parameters in.
#[derive(Clone, Copy)]
pub(super) struct Filler<'a> {
    pub dialect: Dialect,
    pub ground: &'a Ground,
    /// What the target is to become; absent when it is only looked at.
    pub goal: Option<&'a Goal<'a>>,
}

impl Filler<'_> {
    /// A configured value, its template filled in.
    pub fn scalar(&self, scalar: &Scalar) -> Result<Value> {
        match &scalar.0 {
            serde_json::Value::String(template) => self.template(template).map(Value::Text),
            other => Value::configured(other, self.dialect),
        }
    }

    /// A template filled in.
    pub fn template(&self, template: &str) -> Result<String> {
        let template = template.replace("{service}", &self.ground.service);
        match self.goal {
            Some(goal) => goal.fill(&template),
            None if template.contains('{') => Err(goalless(&template)),
            None => Ok(template),
        }
    }

    fn parameter(&self, with: &BTreeMap<String, Scalar>, name: &str) -> Result<Value> {
        if let Some(scalar) = with.get(name) {
            return self.scalar(scalar);
        }
        if name == "service" {
            return Ok(Value::text(self.ground.service.as_str()));
        }
        if KNOWN.contains(&name) {
            return self.template(&format!("{{{name}}}")).map(Value::Text);
        }
        Err(unknown(name))
    }

    /// Binds a text's parameters.
    pub fn bind(&self, text: &str, with: &BTreeMap<String, Scalar>) -> Result<Bound> {
        text::bind(text, self.dialect, |name| self.parameter(with, name))
    }
}

fn goalless(template: &str) -> Error {
    Error::new(
        ErrorCode::InvalidConfiguration,
        format!("`{}` is known in a rollback only", template.escape_debug()),
    )
}

/// The database that is meant, with paths resolved.
pub(super) fn database(config: &SqlConfig, ground: &Ground) -> Result<Database> {
    Ok(match &config.database {
        DatabaseConfig::Postgres(postgres) => {
            let mut postgres = postgres.clone();
            if let Some(file) = &mut postgres.root_certificate {
                *file = path::inside(&ground.root, file)?;
            }
            Database::Postgres(postgres)
        }
        DatabaseConfig::Sqlite(sqlite) => Database::Sqlite(path::inside(&ground.root, &sqlite.file)?),
    })
}

/// What runs.
pub(super) fn compile(config: &SqlConfig, filler: Filler<'_>) -> Result<Compiled> {
    match &config.change {
        SqlChange::Statements(statements) => own(statements, filler),
        SqlChange::DeploymentLog(log) => log.compile(filler),
        SqlChange::ClientSettings(settings) => settings.compile(filler),
    }
}

/// The rows that it is about, without knowing what it is to become. Where a condition needs to know that, all rows.
pub(super) fn scopes(config: &SqlConfig, filler: Filler<'_>) -> Result<Vec<Scope>> {
    match &config.change {
        SqlChange::Statements(statements) => {
            statements.keep.iter().map(|keep| scope(keep, &statements.with, filler, true)).collect()
        }
        SqlChange::DeploymentLog(log) => Ok(vec![log.scope(filler)?]),
        SqlChange::ClientSettings(settings) => Ok(vec![settings.scope(filler)?]),
    }
}

impl SqlConfig {
    /// Whether its parts fit together, as far as no database is needed to tell.
    ///
    /// # Errors
    /// `invalid-configuration`: statements that run nothing, and parameters that nothing says.
    pub fn check(&self) -> Result<()> {
        let known = |text: &str, with: &BTreeMap<String, Scalar>| {
            let is_known =
                |name: &&str| with.contains_key(*name) || *name == "service" || KNOWN.contains(name);
            match text::parameters(text)?.into_iter().find(|name| !is_known(name)) {
                Some(name) => Err(unknown(name)),
                None => Ok(()),
            }
        };
        match &self.change {
            SqlChange::Statements(config) => {
                if config.run.is_empty() && config.script.is_none() {
                    return Err(runs_nothing());
                }
                let texts = config.run.iter().map(|statement| statement.sql.as_str());
                let filters = config.keep.iter().filter_map(|keep| keep.filter.as_deref());
                texts.chain(filters).try_for_each(|text| known(text, &config.with))
            }
            SqlChange::DeploymentLog(_) => Ok(()),
            SqlChange::ClientSettings(config) => known(&config.filter, &config.with),
        }
    }
}

fn runs_nothing() -> Error {
    Error::new(ErrorCode::InvalidConfiguration, "`statements:` runs nothing").hint("give `run:` or `script:`")
}

fn unknown(name: &str) -> Error {
    let text = format!("nothing says what `:{}` is", name.escape_debug());
    Error::new(ErrorCode::InvalidConfiguration, text)
        .hint(format!("give it under `with:`; known without are :service, :{}", KNOWN.join(", :")))
}

fn own(config: &StatementsConfig, filler: Filler<'_>) -> Result<Compiled> {
    let mut compiled = Compiled::default();
    let mut texts: Vec<_> =
        config.run.iter().map(|statement| (statement.sql.clone(), statement.rows)).collect();
    if let Some(script) = &config.script {
        let path = path::inside(&filler.ground.root, script)?;
        let script = String::from_utf8(file::read_limited(&path, SCRIPT_LIMIT)?).map_err(|_| {
            Error::new(ErrorCode::InvalidData, format!("{} is not UTF-8 text", path.display()))
        })?;
        texts.extend(text::split(&script)?.into_iter().map(|statement| (statement, None)));
    }
    if texts.is_empty() {
        return Err(runs_nothing());
    }
    for (text, rows) in texts {
        let bound = filler.bind(&text, &config.with)?;
        text::allowed(&bound.sql, filler.dialect)?;
        compiled.statements.push(Counted { bound, rows });
    }
    for keep in &config.keep {
        compiled.scopes.push(scope(keep, &config.with, filler, false)?);
    }
    Ok(compiled)
}

fn scope(
    keep: &KeepConfig,
    with: &BTreeMap<String, Scalar>,
    filler: Filler<'_>,
    looking: bool,
) -> Result<Scope> {
    let filter = match &keep.filter {
        // What is looked at must be there, and the same, before anybody knows of a goal.
        Some(text) if looking && needs_goal(text, with)? => None,
        Some(text) => Some(filler.bind(text, with)?),
        None => None,
    };
    Ok(Scope { table: keep.table.clone(), key: keep.key.clone(), filter, exclusive: keep.exclusive })
}

fn needs_goal(text: &str, with: &BTreeMap<String, Scalar>) -> Result<bool> {
    Ok(text::parameters(text)?.into_iter().any(|name| match with.get(name).map(|scalar| &scalar.0) {
        Some(serde_json::Value::String(template)) => template.replace("{service}", "").contains('{'),
        Some(_) => false,
        None => KNOWN.contains(&name),
    }))
}
