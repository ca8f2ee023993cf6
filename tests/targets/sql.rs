//! Rows of databases: a real PostgreSQL server and SQLite files.

#[path = "../support/postgres.rs"]
mod postgres;

mod failures;
mod presets;
mod rows;

use super::conformance::{self, Fixture};
use irctl::base::Result;
use irctl::operation::{Journal, StepContext};
use irctl::rollback::targets::sql::{SqlConfig, SqlSwitch, SqlTarget};
use irctl::rollback::targets::{Goal, Ground, Staging, SwitchSpec, Target};
use irctl::rollback::versions::Version;
use postgres::Server;
use std::path::{Path, PathBuf};

/// A database of its own, and what is configured for it.
pub struct Case {
    folder: tempfile::TempDir,
    schema: Option<String>,
    tables: Vec<&'static str>,
    meddle: &'static str,
    config: SqlConfig,
    ground: Ground,
}

/// What a file of the configuration says, read as it is.
#[track_caller]
pub fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
    let value: serde_json::Value = serde_yaml::from_str(text).expect("YAML");
    serde_json::from_value(value).expect("the configuration")
}

/// Which database.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Postgres,
    Sqlite,
}

impl Case {
    /// A database with these tables; `rest` is the configuration but for `database:`.
    pub fn new(kind: Kind, setup: &str, tables: &[&'static str], rest: &str, meddle: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let schema = (kind == Kind::Postgres).then(|| Server::shared().schema());
        let database = match &schema {
            Some(schema) => {
                let url = folder.path().join("url");
                std::fs::write(&url, Server::shared().url(schema)).unwrap();
                format!("{{postgres: {{url: 'file:{}'}}}}", url.display())
            }
            None => {
                rusqlite::Connection::open(folder.path().join("data.db")).unwrap();
                "{sqlite: {file: data.db}}".to_owned()
            }
        };
        let config = read(&format!(
            "database: {database}
{rest}"
        ));
        let ground = Ground { root: folder.path().to_path_buf(), service: "growth_large".to_owned() };
        let case = Self { folder, schema, tables: tables.to_vec(), meddle, config, ground };
        case.sql(setup);
        case
    }

    /// Runs SQL as somebody else.
    #[track_caller]
    pub fn sql(&self, sql: &str) {
        match &self.schema {
            Some(schema) => {
                Server::shared().sql(&format!("SET search_path = {schema}; {sql}"));
            }
            None => rusqlite::Connection::open(self.file()).unwrap().execute_batch(sql).unwrap(),
        }
    }

    /// One value, as text.
    #[track_caller]
    pub fn value(&self, query: &str) -> String {
        match &self.schema {
            Some(schema) => {
                Server::shared().sql(&format!("SET search_path = {schema}; {query}")).trim_end().to_owned()
            }
            None => {
                let connection = rusqlite::Connection::open(self.file()).unwrap();
                connection.query_row(query, [], |row| row.get::<_, String>(0)).unwrap()
            }
        }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("data.db")
    }

    pub fn sql_target(&self) -> SqlTarget<'_> {
        SqlTarget { config: &self.config, ground: &self.ground }
    }

    /// Every row of its tables.
    pub fn all(&self) -> String {
        let dump = |table: &&str| format!("{table}:\n{}", self.dump(table));
        self.tables.iter().map(dump).collect::<Vec<_>>().join("\n")
    }

    fn dump(&self, table: &str) -> String {
        if self.schema.is_some() {
            return self.value(&format!("COPY (SELECT * FROM {table} AS r ORDER BY r::text) TO STDOUT"));
        }
        let connection = rusqlite::Connection::open(self.file()).unwrap();
        let mut statement = connection.prepare(&format!("SELECT rowid, * FROM {table} ORDER BY 1")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let mut text = String::new();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<_> = (0..columns).map(|at| format!("{:?}", row.get_ref(at).unwrap())).collect();
            text.push_str(&format!("{}\n", values.join(" | ")));
        }
        text
    }

    /// A folder for before-images.
    pub fn images(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    pub fn stage_as(&self, operation: &str) -> Result<Vec<SwitchSpec>> {
        let images = self.images(operation);
        let (to, from) = self.versions();
        self.sql_target().stage(&goal(&to, &from), &Staging { images: &images, operation })
    }

    /// What it stages: one switch.
    #[track_caller]
    pub fn staged(&self, operation: &str) -> SqlSwitch {
        let mut specs = self.stage_as(operation).unwrap_or_else(|error| panic!("{error:?}"));
        match specs.pop() {
            Some(SwitchSpec::Sql(switch)) if specs.is_empty() => *switch,
            other => panic!("{other:?}"),
        }
    }

    pub fn with<T>(&self, work: impl FnOnce(&mut StepContext<'_>) -> T) -> T {
        let path = tempfile::NamedTempFile::new_in(self.folder.path()).unwrap().into_temp_path();
        std::fs::remove_file(&path).unwrap();
        let mut journal = Journal::create(&path, &irctl::base::Digest::of(b"plan")).unwrap();
        let clock = irctl::base::Clock::from_hidden_value("2026-11-20T03:07:00Z").unwrap();
        work(&mut StepContext::new("step", &mut journal, &clock))
    }
}

pub fn goal<'a>(to: &'a Version, from: &'a Version) -> Goal<'a> {
    Goal {
        version: to,
        served: from,
        operation: Some("OP-20261120-030700"),
        incident: Some("INC-20261120-030700"),
        reason: Some("drift confirmed"),
        actor: "cli:engineer",
        now: irctl::base::clock::parse_instant("2026-11-20T03:07:00Z").unwrap(),
    }
}

impl Fixture for Case {
    fn target(&self) -> Box<dyn Target + '_> {
        Box::new(self.sql_target())
    }

    fn versions(&self) -> (Version, Version) {
        let version = |name: &str, label: &str| Version {
            label: Some(label.to_owned()),
            folder: Some(Path::new("/srv/models").join(name)),
            digest: Some(irctl::base::Digest::of(name.as_bytes())),
            ..Version::named(name)
        };
        (version("backup_2025-10-15", "v1'; DROP TABLE settings; --"), version("live", "v2"))
    }

    fn fingerprint(&self) -> String {
        self.all()
    }

    fn meddle(&self) {
        self.sql(self.meddle);
    }
}

/// Two tables that statements of the user's own change: a row is set, some go, one is added.
pub fn statements(kind: Kind) -> Case {
    let types = match kind {
        Kind::Postgres => {
            "n numeric(20,10), at timestamptz, flag boolean, raw bytea, tags text[], extra json, pad char(8)"
        }
        Kind::Sqlite => "n REAL, at TEXT, flag INTEGER, raw BLOB, tags TEXT, extra TEXT, pad TEXT",
    };
    let (raw, tags) = match kind {
        Kind::Postgres => ("'\\x00ff10'", "'{\"a b\",NULL,c}'"),
        Kind::Sqlite => ("x'00ff10'", "'[]'"),
    };
    let setup = format!(
        "CREATE TABLE settings (name text PRIMARY KEY, value text, {types});
         INSERT INTO settings VALUES ('active', 'v2', 0.1, '2026-11-01 00:00:00.123456+00', true, {raw}, {tags}, '{{\"b\": 1,  \"a\": 2}}', 'x  '),
             ('other', NULL, 3.0000000001, NULL, NULL, NULL, NULL, NULL, NULL);
         CREATE TABLE events (id integer PRIMARY KEY, settings_name text REFERENCES settings (name), at text);
         INSERT INTO events VALUES (1, 'active', '2026-11-20T01:00:00Z'), (2, 'active', '2026-11-20T02:30:00Z'), (3, NULL, '2026-11-20T03:00:00Z');
         CREATE TABLE audit (operation text PRIMARY KEY, why text);"
    );
    Case::new(
        kind,
        &setup,
        &["settings", "events", "audit"],
        "change:
           statements:
             with: {which: active, since: '2026-11-20T02:00:00Z', weight: 1.5}
             run:
               - {sql: 'UPDATE settings SET value = :version, n = :weight, raw = NULL WHERE name = :which', rows: 1}
               - {sql: 'DELETE FROM events WHERE at > :since', rows: {at_most: 100}}
               - {sql: \"INSERT INTO audit VALUES (:operation, ':reason is ' || :reason) ON CONFLICT DO NOTHING\"}
             keep:
               - {table: settings, where: 'name = :which'}
               - {table: events, where: 'at > :since', exclusive: true}
               - {table: audit, key: [operation], where: 'operation = :operation'}",
        "UPDATE settings SET value = 'theirs' WHERE name = 'active'",
    )
}

#[test]
fn statements_on_postgres() {
    conformance::run(|| statements(Kind::Postgres));
}

#[test]
fn statements_on_sqlite() {
    conformance::run(|| statements(Kind::Sqlite));
}

#[test]
fn deployment_log_on_postgres() {
    conformance::run(|| presets::deployment_log(Kind::Postgres));
}

#[test]
fn deployment_log_on_sqlite() {
    conformance::run(|| presets::deployment_log(Kind::Sqlite));
}

#[test]
fn client_settings_on_postgres() {
    conformance::run(|| presets::client_settings(Kind::Postgres));
}

#[test]
fn client_settings_on_sqlite() {
    conformance::run(|| presets::client_settings(Kind::Sqlite));
}
