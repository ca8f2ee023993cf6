//! The plan that is killed, and what an outsider sees of everything that it switches.

use crate::postgres::Server;
use crate::support::Workspace;
use crate::support::rollback::{ARTIFACTS, LIVE, bad_model};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The rollback.
pub const GO: [&str; 7] = ["rollback", "--to", "prev", "--yes", "--quiet", "--reason", "drift confirmed"];

const SERVICE: &str = r#"service: rila_6y20b
kind: model
scheme: rila
serving: {json: {file: outputs/production/rila_6y20b/health.json, pointer: /model_sha256, artifact: model.json, wait: 300ms}}
rollback:
  contain:
    - settings: {file: config/rollout.yml, set: {rollout.mode: disabled}}
    - sql: {name: clients, database: {postgres: {url: "file:URL"}}, change: {client_settings: {}}}
  targets:
    - files: {live: models/production/rila_6y20b, versions: "backup_*", artifacts: [model.json, metadata.json, coefficients.json]}
    - settings: {file: config/serving.yml, set: {model.version: "{version}", model.weight: 7}}
    - settings: {file: config/client.json, set: {model: "{name}"}}
    - git: {repository: app, to: v1}
    - sql: {name: log, database: {sqlite: {file: data.db}}, change: {deployment_log: {}}}
    - sql:
        name: active
        database: {postgres: {url: "file:URL"}}
        change:
          statements:
            run:
              - {sql: "UPDATE settings SET value = :version WHERE name = 'active'", rows: 1}
              - {sql: "DELETE FROM events WHERE id > 1", rows: 2}
            keep:
              - {table: settings, where: "name = 'active'"}
              - {table: events, where: "id > 1", exclusive: true}
    - command: {name: pair, observe: ARGV, predict: ARGV, apply: ARGV, undo: ARGV, with: {value: "{version}"}, timeout: 30s}
  activate: {command: [sh, scripts/reload.sh]}
  watch: 30m
"#;

/// Rows in PostgreSQL: what is switched, and the clients that are stopped.
const TABLES: &str = "CREATE TABLE settings (name text PRIMARY KEY, value text, n numeric(20,10));
    INSERT INTO settings VALUES ('active', 'v2', 0.1), ('other', NULL, 3.0000000001);
    CREATE TABLE events (id integer PRIMARY KEY, what text);
    INSERT INTO events VALUES (1, 'kept'), (2, 'bad'), (3, NULL);
    CREATE TABLE clients (client_id integer PRIMARY KEY, active boolean);
    INSERT INTO clients VALUES (1, true), (2, true), (3, false), (4, true);
    CREATE TABLE client_settings (client_id integer PRIMARY KEY, auto_rebalance boolean, require_manual_approval boolean);
    INSERT INTO client_settings VALUES (1, true, false), (2, false, true), (3, true, false), (4, true, NULL);";

/// Rows in SQLite.
const LOG: &str = "CREATE TABLE model_deployment_log (id INTEGER PRIMARY KEY, model_name TEXT, version TEXT, \
    deployed_at TEXT, deployed_by TEXT, deployment_reason TEXT, is_production INTEGER NOT NULL, is_rollback INTEGER);
    INSERT INTO model_deployment_log VALUES (1, 'rila_6y20b', '2026.11.02', '2026-11-02 12:00:00', 'ci', NULL, 1, 0);";

const HISTORY: &str = r#"set -e
git init -q -b main; printf 'one\n' >app.py; mkdir data; printf 'common\n' >data/common.txt; printf '*.log\n' >.gitignore
git add -A; git commit -q -m one; git tag v1
printf 'two\n' >app.py; printf 'new\n' >added.py; git add -A; git commit -q -m two; git tag v2
printf 'broken(\n' >app.py; git rm -q data/common.txt; git add -A; git commit -q -m three
printf 'staged\n' >staged.txt; git add staged.txt; printf 'uncommitted\n' >>added.py
printf 'untracked\n' >untracked.txt; printf 'ignored\n' >noise.log"#;

/// A program of one's own that keeps two files, written one after the other.
const PAIR: &str = r#"import json, os, sys
request = json.load(sys.stdin)
names = ["pair/value.txt", "pair/copy.txt"]
read = lambda name: open(os.path.join(request["root"], name)).read()
def write(name, text):
    path = os.path.join(request["root"], name)
    with open(path + ".new", "w") as file:
        file.write(text)
    os.replace(path + ".new", path)
state = {name: read(name) for name in names}
verb = request["verb"]
if verb == "observe":
    if request["keep"]:
        with open(os.path.join(request["keep"], "was.json"), "w") as file:
            json.dump(state, file)
    print(json.dumps({"state": state, "shown": state[names[0]]}))
elif verb == "predict":
    wanted = {name: request["with"]["value"] for name in names}
    changes = [{"place": n, "from": state[n], "to": wanted[n]} for n in names if state[n] != wanted[n]]
    print(json.dumps({"after": wanted, "changes": changes}))
else:
    was = request["before"]
    for name in names:
        if state[name] not in (was[name], request["with"]["value"]):
            sys.exit(11)
    for name in names:
        write(name, request["with"]["value"] if verb == "apply" else was[name])
    print("{}")
"#;

/// git as a stranger would run it.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = identity(Command::new("git").arg("-C").arg(folder).args(arguments)).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn identity(command: &mut Command) -> &mut Command {
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "An Author").env(format!("GIT_{who}_EMAIL"), "a@example.org");
        command.env(format!("GIT_{who}_DATE"), "2026-11-01T00:00:00Z");
    }
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_OPTIONAL_LOCKS", "0")
}

/// The repository, made once and copied.
fn history() -> &'static Path {
    static HISTORY_FOLDER: OnceLock<PathBuf> = OnceLock::new();
    HISTORY_FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap().keep();
        let made = identity(Command::new("sh").args(["-c", HISTORY]).current_dir(&folder)).status().unwrap();
        assert!(made.success());
        folder
    })
}

/// A workspace in which a bad version serves, with rows of its own in the shared server.
pub struct Composite {
    /// Its files.
    pub workspace: Workspace,
    schema: String,
}

/// What an outsider sees of each thing, by its name.
pub type View = BTreeMap<String, String>;

impl Composite {
    /// A fresh one.
    pub fn new() -> Self {
        let workspace = bad_model("");
        let server = Server::shared();
        let schema = server.schema();
        server.sql(&format!("SET search_path = {schema}; {TABLES}"));
        let url = workspace.path("../url");
        std::fs::write(&url, server.url(&schema)).unwrap();
        let pair = workspace.path("../pair.py");
        std::fs::write(&pair, PAIR).unwrap();
        let argv = format!("[python3, -I, -S, {}]", pair.display());
        let service = SERVICE.replace("URL", url.to_str().unwrap()).replace("ARGV", &argv);
        workspace.write("config/services/rila_6y20b.yaml", service);
        workspace.write(
            "config/serving.yml",
            "# which\nmodel:\n  version: '2026.11.02'   # the one\n  weight: 3\n",
        );
        workspace.write("config/client.json", "{\"model\": \"live\",\n  \"other\": [1,2]}\n");
        workspace.write("pair/value.txt", "2026.11.02");
        workspace.write("pair/copy.txt", "2026.11.02");
        rusqlite::Connection::open(workspace.path("data.db")).unwrap().execute_batch(LOG).unwrap();
        let copied = Command::new("cp").arg("-a").arg(history()).arg(workspace.path("app")).status().unwrap();
        assert!(copied.success());
        Self { workspace, schema }
    }

    /// Everything that is switched or stopped, as others see it.
    pub fn view(&self) -> View {
        let mut view = View::new();
        for file in ["config/rollout.yml", "config/serving.yml", "config/client.json"] {
            view.insert(file.to_owned(), self.workspace.read(file));
        }
        for name in ARTIFACTS {
            let bytes = std::fs::read(self.workspace.path(LIVE).join(name)).unwrap();
            view.insert(format!("live/{name}"), String::from_utf8_lossy(&bytes).into_owned());
        }
        for name in ["pair/value.txt", "pair/copy.txt"] {
            view.insert(name.to_owned(), self.workspace.read(name));
        }
        let health = self.workspace.read("outputs/production/rila_6y20b/health.json");
        let health: serde_json::Value = serde_json::from_str(&health).unwrap();
        view.insert("serves".into(), health["model_sha256"].to_string());
        view.insert("git".into(), self.git());
        view.insert("sqlite".into(), self.sqlite());
        for (name, tables) in
            [("rows", &["settings", "events"][..]), ("clients", &["clients", "client_settings"])]
        {
            let dump = |table: &&str| format!("COPY (SELECT * FROM {table} ORDER BY 1) TO STDOUT;");
            let sql: String = tables.iter().map(dump).collect();
            view.insert(
                name.into(),
                Server::shared().sql(&format!("SET search_path = {}; {sql}", self.schema)),
            );
        }
        view
    }

    /// References, HEAD, what is staged, uncommitted and stashed, and every file.
    fn git(&self) -> String {
        let app = self.workspace.path("app");
        let mut text = String::new();
        for arguments in [
            &["symbolic-ref", "HEAD"][..],
            &["for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags"],
            &["stash", "list", "--format=%gs"],
            &["ls-files", "--stage"],
            &["status", "--porcelain=v2", "--untracked-files=all", "--ignored"],
            &["stash", "show", "--include-untracked", "--patch", "stash@{0}"],
            &["rev-parse", "HEAD^{tree}"],
        ] {
            text += &format!("== {arguments:?}\n{}", git(&app, arguments));
        }
        // An operation that was begun anew has another number.
        for number in 2..5 {
            text = text.replace(&format!("OP-20261120-030700-{number}"), "OP-20261120-030700");
        }
        for name in ["app.py", "added.py", "data/common.txt", "staged.txt", "untracked.txt", "noise.log"] {
            text += &format!("== {name} {:?}\n", std::fs::read_to_string(app.join(name)).ok());
        }
        text
    }

    fn sqlite(&self) -> String {
        let rows = Command::new("sqlite3")
            .arg(self.workspace.path("data.db"))
            .arg("SELECT * FROM model_deployment_log ORDER BY 1")
            .output()
            .unwrap();
        assert!(rows.status.success(), "{}", String::from_utf8_lossy(&rows.stderr));
        String::from_utf8(rows.stdout).unwrap()
    }

    /// What staging and locking have left beside what they are for; a claim's lock may stay.
    pub fn left_behind(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for folder in [LIVE, "models/production", "config", "pair", "."] {
            for entry in std::fs::read_dir(self.workspace.path(folder)).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let staged = name.starts_with(".irctl") && !name.starts_with(".irctl-claim");
                if staged || is_unsettled_journal(&path) {
                    found.push(path);
                }
            }
        }
        let locks = Command::new("find")
            .arg(self.workspace.path("app/.git"))
            .args(["-name", "*.lock", "-o", "-name", "*.switching"])
            .output()
            .unwrap();
        found.extend(String::from_utf8_lossy(&locks.stdout).lines().map(PathBuf::from));
        found
    }

    /// The operation of this kind that is unfinished, if one is.
    pub fn unfinished(&self, kind: &str) -> Option<String> {
        unfinished(&self.workspace, kind)
    }
}

/// A journal of SQLite that is still there after the next one has opened its database, as SQLite means it to be settled.
fn is_unsettled_journal(path: &Path) -> bool {
    let Some(database) = path.to_str().and_then(|path| path.strip_suffix("-journal")) else { return false };
    let read = Command::new("sqlite3").args([database, "SELECT count(*) FROM sqlite_master"]).status();
    assert!(read.is_ok_and(|status| status.success()), "{database} can be read");
    path.exists()
}

/// The operation of this kind that is unfinished, if one is.
pub fn unfinished(workspace: &Workspace, kind: &str) -> Option<String> {
    let status = workspace.irctl(&["rollback", "status", "--output", "json"]).json();
    let mut all = status["unfinished"].as_array().unwrap().iter();
    all.find(|one| one["kind"] == kind).map(|one| one["id"].as_str().unwrap().to_owned())
}

/// The two states between which everything goes.
pub struct Ends {
    /// Before the rollback.
    pub old: View,
    /// After it.
    pub new: View,
}

/// What a rollback that nobody kills does.
pub fn ends() -> &'static Ends {
    static ENDS: OnceLock<Ends> = OnceLock::new();
    ENDS.get_or_init(|| {
        let clean = Composite::new();
        let old = clean.view();
        clean.workspace.irctl(&GO).expect(0);
        let new = clean.view();
        for name in
            ["live/model.json", "config/serving.yml", "config/client.json", "git", "sqlite", "rows", "serves"]
        {
            assert_ne!(old[name], new[name], "{name} is switched");
        }
        for name in ["config/rollout.yml", "clients"] {
            assert_eq!(old[name], new[name], "{name} is let back");
        }
        Ends { old, new }
    })
}

/// Fails with the things that are not as they should be, and no others.
#[track_caller]
pub fn same(found: &View, wanted: &View, place: &str) {
    let wrong: Vec<_> = wanted.iter().filter(|(name, text)| found.get(*name) != Some(text)).collect();
    let shown =
        |(name, text): &(&String, &String)| format!("{name}: wanted\n{text}\nfound\n{}", found[*name]);
    assert!(wrong.is_empty(), "{place}:\n{}", wrong.iter().map(shown).collect::<Vec<_>>().join("\n"));
}
