//! Rolling back what nobody configured, finding what broke it first, and asking a service what it serves.

mod support;

use std::process::Command;
use support::Workspace;
use support::http::Server;
use support::rollback::{LIVE, SERVICE, artifacts, bad_model, unconfigured};

/// A git work tree in `app`: eight commits, of which the last three are bad.
fn work_tree() -> Workspace {
    let workspace = Workspace::empty();
    workspace.write("app/number", "0");
    git(&workspace, &["init", "-q", "-b", "main"]);
    for number in 1..=8 {
        workspace.write("app/number", format!("{number}\n"));
        workspace.write("app/state", if number >= 6 { "bad\n" } else { "good\n" });
        workspace.write("app/tests/baselines/curve.txt", format!("{number}\n"));
        git(&workspace, &["add", "-A"]);
        git(&workspace, &["commit", "-qm", &format!("Change number {number}")]);
    }
    workspace
}

fn git(workspace: &Workspace, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
        .args(arguments)
        .current_dir(workspace.path("app"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

const HUNT: [&str; 6] = ["rollback", "app", "--bisect", "grep -q good state", "--good", "HEAD~7"];

#[test]
fn the_first_bad_commit_is_found_and_gone_back_from() {
    let workspace = work_tree();
    workspace.write("app/work.txt", "mine\n");
    let (bad, parent) =
        (git(&workspace, &["rev-parse", "HEAD~2"]), git(&workspace, &["rev-parse", "HEAD~3"]));
    let looked = workspace.irctl(&[&HUNT[..], &["--dry-run"]].concat()).expect(0);
    assert!(looked.stdout.contains(&format!("The first bad commit is {}", &bad[..10])), "{}", looked.stdout);
    assert!(looked.stdout.contains("Change number 6") && looked.stdout.contains("Ada"), "{}", looked.stdout);
    assert!(looked.stderr.contains("  1  ") && looked.stderr.contains("BAD"), "{}", looked.stderr);
    assert!(looked.stdout.contains("dry run: nothing is changed"), "{}", looked.stdout);
    assert_eq!(git(&workspace, &["rev-list", "--count", "HEAD"]), "8");
    let run = workspace.irctl(&[&HUNT[..], &["--yes", "--output", "json"]].concat()).expect(0).json();
    assert_eq!(run["bisect"]["commit"], bad.as_str());
    assert_eq!(run["bisect"]["parent"], parent.as_str());
    assert_eq!(run["outcome"]["ending"], "restored");
    assert_eq!(git(&workspace, &["rev-parse", "HEAD"]), parent);
    assert_eq!(git(&workspace, &["status", "--porcelain"]), "", "what was not committed is in the stash");
    workspace.irctl(&["rollback", "undo", "--yes"]).expect(0);
    assert_eq!(git(&workspace, &["rev-list", "--count", "HEAD"]), "8");
    assert_eq!(workspace.read("app/work.txt"), "mine\n");
}

#[test]
fn a_hunt_that_cannot_find_anything_says_why() {
    let workspace = work_tree();
    let hunt = |command: &str, more: &[&str]| {
        let go = ["rollback", "app", "--dry-run", "--bisect", command, "--good", "HEAD~7"];
        workspace.irctl(&[&go[..], more].concat())
    };
    assert!(hunt("grep -q nonsense state", &[]).expect(12).stderr.contains("should be good"));
    assert!(hunt("true", &[]).expect(12).stderr.contains("should be bad"));
    assert!(hunt("grep good state | wc", &[]).expect(64).stderr.contains("for a shell"));
    assert!(hunt("grep -q good state", &["--bad", "HEAD~5"]).expect(12).stderr.contains("should be bad"));
    workspace.irctl(&["rollback", "app", "--bisect", "true", "--dry-run"]).expect(64);
    let model = unconfigured();
    let run = model.irctl(&["rollback", "model", "--bisect", "true", "--good", "x", "--dry-run"]).expect(64);
    assert!(run.stderr.contains("no git work tree says which versions"), "{}", run.stderr);
}

#[test]
fn a_work_tree_needs_no_configuration() {
    let workspace = work_tree();
    let reset = workspace.irctl(&["rollback", "app", "--to", "HEAD~1", "--yes"]).expect(0);
    assert!(reset.stdout.contains("backup/main_"), "{}", reset.stdout);
    assert_eq!(workspace.read("app/number"), "7\n");
    workspace.irctl(&["rollback", "undo", "--yes"]).expect(0);
    workspace.irctl(&["rollback", "app", "--mode", "revert", "--to", "HEAD~2", "--yes"]).expect(0);
    assert_eq!(workspace.read("app/number"), "6\n");
    assert!(git(&workspace, &["rev-list", "--count", "HEAD"]).parse::<u32>().unwrap() > 8);
    workspace.irctl(&["rollback", "undo", "--yes"]).expect(0);
    // Single paths; without a folder the current one is meant.
    let top = workspace.path("app").display().to_string();
    let paths = ["-C", &top, "rollback", "--paths", "tests/baselines/", "--to", "HEAD~1", "--yes"];
    workspace.irctl(&paths).expect(0);
    assert_eq!(workspace.read("app/tests/baselines/curve.txt"), "7\n");
    assert_eq!(workspace.read("app/number"), "8\n");
    let versions = workspace.irctl(&["rollback", "versions", "app"]).expect(0).stdout;
    assert!(versions.contains("serves"), "{versions}");
    let below = workspace.irctl(&["rollback", "app/tests", "--to", "HEAD~1", "--dry-run"]).expect(65);
    assert!(below.stderr.contains("lies in the git work tree"), "{}", below.stderr);
}

#[test]
fn a_registry_and_releases_need_no_configuration() {
    let workspace = Workspace::empty();
    for id in ["a", "b"] {
        workspace.write(format!("registry/{id}/model.json"), format!("{{\"m\": \"{id}\"}}"));
    }
    let entry = |id: &str, day: u32| {
        format!(
            r#"{{"id": "{id}", "created_at": "2026-11-{day:02}T00:00:00Z", "schema_hash": "s", "path": "{id}"}}"#
        )
    };
    workspace.write(
        "registry/manifest.json",
        format!(r#"{{"active": "b", "models": [{}, {}]}}"#, entry("a", 1), entry("b", 9)),
    );
    std::os::unix::fs::symlink("b", workspace.path("registry/active")).unwrap();
    workspace.irctl(&["rollback", "registry", "--to", "prev", "--yes"]).expect(0);
    assert_eq!(workspace.read("registry/active/model.json"), r#"{"m": "a"}"#);
    assert!(workspace.read("registry/manifest.json").contains(r#""active": "a""#));

    for release in ["20261101", "20261109"] {
        workspace.write(format!("site/releases/{release}/REVISION"), format!("{release}\n"));
        workspace.write(format!("site/releases/{release}/index.html"), release);
    }
    std::os::unix::fs::symlink("releases/20261109", workspace.path("site/current")).unwrap();
    workspace.irctl(&["rollback", "site", "--to", "prev", "--yes"]).expect(0);
    assert_eq!(workspace.read("site/current/index.html"), "20261101");
    workspace.irctl(&["rollback", "undo", "--service", "site", "--yes"]).expect(0);
    assert_eq!(workspace.read("site/current/index.html"), "20261109");
}

#[test]
fn a_folder_that_is_several_things_is_refused_with_a_way_out() {
    let workspace = work_tree();
    workspace.write("app/backup_2026-01-01/number", "0\n");
    let run = workspace.irctl(&["rollback", "app", "--to", "prev", "--dry-run"]).expect(64);
    assert!(run.stderr.contains("a git work tree and a folder with backup_* folders"), "{}", run.stderr);
    assert!(run.stderr.contains("--layout git or --layout backups"), "{}", run.stderr);
    let plan =
        workspace.irctl(&["rollback", "app", "--layout", "backups", "--to", "prev", "--dry-run"]).expect(0);
    assert!(plan.stdout.contains("backup_2026-01-01"), "{}", plan.stdout);
    workspace.irctl(&["rollback", "app", "--layout", "registry", "--to", "prev", "--dry-run"]).expect(65);
}

fn asked(url: &str) -> String {
    let (before, rest) = SERVICE.split_once("serving:").unwrap();
    let (_, after) = rest.split_once('\n').unwrap();
    let http = format!(
        "{{http: {{url: \"{url}\", pointer: /model_sha256, artifact: model.json, wait: 300ms, timeout: 500ms, headers: {{authorization: \"file:token\"}}}}}}"
    );
    format!("{before}serving: {http}\n{after}")
}

/// What `rollback versions` says of the version that serves.
fn served(workspace: &Workspace) -> String {
    let rows = workspace.irctl(&["rollback", "versions", "--output", "json"]).expect(0).json();
    rows[0]["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_service_is_asked_over_http_what_it_serves() {
    let health = std::sync::Arc::new(std::sync::Mutex::new(std::path::PathBuf::new()));
    let place = std::sync::Arc::clone(&health);
    let server = Server::start(move |request, _| {
        assert!(request.line.starts_with("GET /health "), "{}", request.line);
        match request.header("authorization") {
            Some("Bearer hush") => (200, std::fs::read_to_string(&*place.lock().unwrap()).unwrap()),
            _ => (401, "who asks?".to_owned()),
        }
    });
    let workspace = bad_model(&asked(&format!("{}/health", server.url())));
    *health.lock().unwrap() = workspace.path("outputs/production/rila_6y20b/health.json");
    workspace.write("token", "Bearer hush");
    workspace.irctl(&["config", "check"]).expect(0);
    assert_eq!(served(&workspace), "serves: proven to serve");
    let good = artifacts(&workspace, format!("{LIVE}/backup_2026-10-26"));
    let run = workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(0);
    assert!(run.stdout.contains("proven to serve"), "{}", run.stdout);
    assert_eq!(artifacts(&workspace, LIVE), good);
    // Without the secret it is said that nothing is proven, and the secret is not.
    workspace.write("token", "Bearer other");
    let said = served(&workspace);
    assert!(said.contains("not proven to serve") && said.contains("401"), "{said}");
    assert!(!said.contains("other"), "{said}");
}

/// A suite that needs nothing but a file.
const SUITE: &str = "suite: smoke\nservice: rila_6y20b\nprobes:\n  model: {file: {file: models/production/rila_6y20b/model.json}}\n\
                     expect:\n  - {id: there, that: model_exists}\n";

#[test]
fn odd_answers_of_a_service_prove_nothing() {
    let answers = [
        "nonsense".to_owned(),
        "{}".to_owned(),
        "[".repeat(2 * 1024 * 1024),
        "{\"model_sha256\": 3}".to_owned(),
    ];
    for answer in answers {
        let server = Server::start(move |_, _| (200, answer.clone()));
        let workspace = bad_model(&asked(&server.url()));
        workspace.write("token", "x");
        let said = served(&workspace);
        assert!(said.contains("not proven to serve"), "{said}");
    }
    // What is not to be trusted connects nowhere.
    let server = Server::start(|_, _| (500, String::new()));
    let workspace = bad_model(&asked(&server.url()));
    workspace.write("token", "x");
    workspace.write("config/verify/smoke.yaml", SUITE);
    workspace.irctl(&["verify", "--untrusted"]).expect(0);
    assert!(server.requests().is_empty(), "{:?}", server.requests());
    workspace.irctl(&["verify"]).expect(0);
    assert!(!server.requests().is_empty(), "otherwise this shows nothing");
}

/// A workspace whose clients are rows of a database; containing turns them off.
fn clients() -> Workspace {
    let sql = r#"
    - sql:
        database: {sqlite: {file: clients.db}}
        change: {client_settings: {table: clients, set: {enabled: 0}, where: "1 = 1"}}"#;
    let contain = "    - settings: {file: config/rollout.yml, set: {rollout.mode: disabled}}";
    let workspace = bad_model(&SERVICE.replace(contain, sql.trim_start_matches('\n')));
    let database = database(&workspace);
    database
        .execute_batch(
            "CREATE TABLE clients (id INTEGER PRIMARY KEY, enabled INTEGER, note TEXT);
             INSERT INTO clients VALUES (1, 1, 'a'), (2, 0, 'b'), (3, 1, 'c');",
        )
        .unwrap();
    workspace
}

fn database(workspace: &Workspace) -> rusqlite::Connection {
    rusqlite::Connection::open(workspace.path("clients.db")).unwrap()
}

fn rows(workspace: &Workspace) -> Vec<(i64, i64, String)> {
    let database = database(workspace);
    let mut query = database.prepare("SELECT id, enabled, note FROM clients ORDER BY id").unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn clients_that_were_turned_on_again_are_turned_off_and_come_back_as_they_first_were() {
    let workspace = clients();
    workspace.irctl(&["contain"]).expect(0);
    assert!(rows(&workspace).iter().all(|row| row.1 == 0));
    assert!(workspace.irctl(&["contain"]).expect(0).stdout.contains("contained already"));
    // Somebody turns two of them on, one of which was off before, writes a note, and adds a client.
    database(&workspace)
        .execute_batch(
            "UPDATE clients SET enabled = 1 WHERE id < 3; UPDATE clients SET note = 'n' WHERE id = 1;
             INSERT INTO clients VALUES (4, 1, 'd');",
        )
        .unwrap();
    workspace.irctl(&["contain"]).expect(0);
    assert!(rows(&workspace).iter().all(|row| row.1 == 0), "{:?}", rows(&workspace));
    database(&workspace).execute_batch("UPDATE clients SET enabled = 1 WHERE id = 2").unwrap();
    workspace.irctl(&["contain"]).expect(0);
    assert!(rows(&workspace).iter().all(|row| row.1 == 0), "{:?}", rows(&workspace));
    workspace.irctl(&["release"]).expect(0);
    let said: Vec<_> =
        rows(&workspace).into_iter().map(|(id, on, note)| format!("{id} {on} {note}")).collect();
    assert_eq!(said, ["1 1 n", "2 0 b", "3 1 c", "4 1 d"]);
}

#[test]
fn what_only_reads_takes_an_instant_and_knows_services() {
    let workspace = bad_model(SERVICE);
    let nope = workspace.irctl(&["rollback", "history", "--service", "nope"]).expect(65);
    assert!(nope.stderr.contains("rila_6y20b"), "{}", nope.stderr);
    workspace.irctl(&["rollback", "status", "--service", "nope"]).expect(65);
    assert!(
        workspace
            .irctl(&["rollback", "history", "--service", "rila_6y20b"])
            .expect(0)
            .stdout
            .contains("no operations")
    );
    workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(0);
    let early = ["--now", "2026-11-19T00:00:00Z"];
    let history = workspace.irctl(&[&["rollback", "history"], &early[..]].concat()).expect(0).stdout;
    assert!(history.contains("no operations"), "{history}");
    let status = workspace.irctl(&[&["rollback", "status"], &early[..]].concat()).expect(0).stdout;
    assert!(!status.contains("Last:"), "{status}");
    workspace.irctl(&[&["rollback", "versions"], &early[..]].concat()).expect(0);
}
