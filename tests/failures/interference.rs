//! Somebody deploys between the plan and the switch: noticed, and nothing of it is lost, for each kind of target.

use crate::postgres::Server;
use crate::support::Workspace;
use crate::support::rollback::{LIVE, SERVICE, artifacts, bad_model};
use crate::unfinished;
use std::process::Command;

/// A workspace with one of each, and what somebody else writes while the version is staged.
struct Kind {
    name: &'static str,
    target: &'static str,
    setup: &'static str,
    deploy: &'static str,
    look: &'static str,
}

const GIT: &str = "export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a \
                   GIT_COMMITTER_EMAIL=a@example.org GIT_CONFIG_GLOBAL=/dev/null";

const KINDS: [Kind; 6] = [
    Kind {
        name: "files",
        target: "",
        setup: "true",
        deploy: "echo theirs > models/production/rila_6y20b/model.json",
        look: "cat models/production/rila_6y20b/model.json",
    },
    Kind {
        name: "settings",
        target: "    - settings: {file: config/serving.yml, set: {version: \"{version}\"}}\n",
        setup: "echo 'version: v2' > config/serving.yml",
        deploy: "echo 'version: v3 # theirs' > config/serving.yml",
        look: "cat config/serving.yml",
    },
    Kind {
        name: "settings elsewhere in the file",
        target: "    - settings: {file: config/serving.json, set: {version: \"{version}\"}}\n",
        setup: "echo '{\"version\": \"v2\", \"other\": 1}' > config/serving.json",
        deploy: "echo '{\"version\": \"v2\", \"other\": 2}' > config/serving.json",
        look: "cat config/serving.json",
    },
    Kind {
        name: "git",
        target: "    - git: {repository: app, to: v1}\n",
        setup: "mkdir app; cd app; git init -q -b main; echo 1 > a; git add a; git commit -q -m 1; git tag v1; echo 2 > a; git commit -q -a -m 2",
        deploy: "cd app; echo 3 > a; git commit -q -a -m theirs",
        look: "cd app; git log --format=%s; git status --porcelain; cat a",
    },
    Kind {
        name: "sqlite",
        target: "    - sql: {name: rows, database: {sqlite: {file: data.db}}, change: {statements: {run: [{sql: \"UPDATE settings SET value = :version WHERE name = 'active'\", rows: 1}], keep: [{table: settings, where: \"name = 'active'\"}]}}}\n",
        setup: "sqlite3 data.db \"CREATE TABLE settings (name text PRIMARY KEY, value text); INSERT INTO settings VALUES ('active', 'v2')\"",
        deploy: "sqlite3 data.db \"UPDATE settings SET value = 'theirs'\"",
        look: "sqlite3 data.db \"SELECT * FROM settings\"",
    },
    Kind {
        name: "postgres",
        target: "    - sql: {name: rows, database: {postgres: {url: \"file:URL\"}}, change: {statements: {run: [{sql: \"UPDATE settings SET value = :version WHERE name = 'active'\", rows: 1}], keep: [{table: settings, where: \"name = 'active'\"}]}}}\n",
        setup: "psql -X -q \"$(cat ../url)\" -c \"CREATE TABLE settings (name text PRIMARY KEY, value text); INSERT INTO settings VALUES ('active', 'v2')\"",
        deploy: "psql -X -q \"$(cat ../url)\" -c \"UPDATE settings SET value = 'theirs'\"",
        look: "psql -X -A -t \"$(cat ../url)\" -c \"SELECT * FROM settings\"",
    },
];

fn shell(workspace: &Workspace, command: &str) -> String {
    let output = Command::new("sh")
        .args(["-c", &format!("{GIT}; {command}")])
        .current_dir(workspace.root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn place(kind: &Kind, while_staging: bool) -> Workspace {
    let workspace = bad_model("");
    let server = Server::shared();
    let url = workspace.path("../url");
    std::fs::write(&url, server.url(&server.schema())).unwrap();
    let mut service = SERVICE.replace("  activate:", &format!("{}  activate:", kind.target));
    if while_staging {
        workspace.write(
            "deploy.sh",
            format!("set -e\n{GIT}\n[ -e deployed ] && exit\n: > deployed\n{}\n", kind.deploy),
        );
        service = service.replace("  activate:", "  load: {command: [sh, deploy.sh]}\n  activate:");
    }
    workspace.write("config/services/rila_6y20b.yaml", service.replace("URL", url.to_str().unwrap()));
    shell(&workspace, kind.setup);
    workspace
}

/// It was refused or taken back: what they wrote stands, and nothing else was changed.
fn theirs_stands(
    workspace: &Workspace,
    kind: &Kind,
    bad: &std::collections::BTreeMap<String, Vec<u8>>,
    wanted: &str,
) {
    let place = kind.name;
    if let Some(id) = unfinished(workspace) {
        workspace.irctl(&["rollback", "abort", &id, "--quiet"]).expect(10);
    }
    assert_eq!(shell(workspace, kind.look), wanted, "{place}: what they wrote is lost");
    let mut live = artifacts(workspace, LIVE);
    let mut bad = bad.clone();
    if place == "files" {
        live.remove("model.json");
        bad.remove("model.json");
    }
    assert_eq!(live, bad, "{place}: nothing else is switched");
}

#[test]
fn a_deploy_after_a_plan_was_saved_is_noticed() {
    for kind in &KINDS {
        let workspace = place(kind, false);
        let bad = artifacts(&workspace, LIVE);
        workspace.irctl(&["rollback", "--to", "prev", "--plan-out", "plan.json", "--quiet"]).expect(0);
        shell(&workspace, kind.deploy);
        let theirs = shell(&workspace, kind.look);
        let run = workspace.irctl(&["rollback", "--plan", "plan.json", "--yes", "--quiet"]);
        if kind.name == "settings elsewhere in the file" {
            // It does not touch what they wrote, so both stand.
            assert!(run.status == 0 && shell(&workspace, kind.look).contains("\"other\": 2"), "{run:?}");
            workspace.irctl(&["rollback", "undo", "--yes", "--quiet"]).expect(0);
            theirs_stands(&workspace, kind, &bad, &theirs);
            continue;
        }
        assert_eq!(run.status, 12, "{}: {run:?}", kind.name);
        assert!(run.stderr.contains("does not fit any more"), "{}: {run:?}", kind.name);
        theirs_stands(&workspace, kind, &bad, &theirs);
    }
}

#[test]
fn a_deploy_while_it_stages_is_noticed() {
    for kind in &KINDS {
        let workspace = place(kind, true);
        let bad = artifacts(&workspace, LIVE);
        let wanted = {
            let other = place(kind, false);
            shell(&other, kind.deploy);
            shell(&other, kind.look)
        };
        let run = workspace.irctl(&["rollback", "--to", "prev", "--yes", "--quiet"]);
        // What it had looked at before is not what is there: undone. What it looks at afterwards is a plan for theirs.
        if run.status == 0 {
            assert!(!["files"].contains(&kind.name), "{}: {run:?}", kind.name);
            workspace.irctl(&["rollback", "undo", "--yes", "--quiet"]).expect(0);
        } else {
            assert!([10, 11, 12].contains(&run.status), "{}: {run:?}", kind.name);
        }
        println!("{}: {}", kind.name, run.status);
        theirs_stands(&workspace, kind, &bad, &wanted);
    }
}
