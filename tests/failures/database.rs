//! A database that is down, or goes down at a bad moment; an API that does not answer.

#[path = "../support/kubernetes.rs"]
#[allow(dead_code, unused_imports)] // A part of it is used here.
mod double;

use crate::postgres::Server;
use crate::support::Workspace;
use crate::support::rollback::{LIVE, SERVICE, artifacts, bad_model};
use crate::{GO, bad_and_good, unfinished};
use double::{Break, Double, Fault, deployment, service};
use serde_json::json;

const TABLE: &str = "CREATE TABLE settings (name text PRIMARY KEY, value text);
    INSERT INTO settings VALUES ('active', 'v2');";

/// The model and a row that goes with it; `between` is done after the files and before the row.
fn with_rows(server: &Server, between: &str) -> (Workspace, String) {
    let schema = server.schema();
    server.sql(&format!("SET search_path = {schema}; {TABLE}"));
    let sql = r#"    - sql: {name: active, database: {postgres: {url: "file:URL"}}, timeouts: {connect: 2s}, change: {statements: {run: [{sql: "UPDATE settings SET value = :version WHERE name = 'active'", rows: 1}], keep: [{table: settings, where: "name = 'active'"}]}}}"#;
    let workspace = bad_model("");
    let url = workspace.path("../url");
    std::fs::write(&url, server.url(&schema)).unwrap();
    let sql = sql.replace("URL", url.to_str().unwrap());
    let text = SERVICE.replace("  activate:", &format!("{between}{sql}\n  activate:"));
    workspace.write("config/services/rila_6y20b.yaml", text);
    (workspace, schema)
}

fn row(server: &Server, schema: &str) -> String {
    server.sql(&format!("SELECT value FROM {schema}.settings")).trim().to_owned()
}

#[test]
fn a_database_that_is_down_changes_nothing() {
    let mut server = Server::start();
    let (workspace, schema) = with_rows(&server, "");
    let [bad, good] = bad_and_good(&workspace);
    server.kill();
    let run = workspace.irctl(&GO);
    assert!([12, 69].contains(&run.status), "{run:?}");
    assert!(format!("{}{}", run.stdout, run.stderr).contains("connect"), "{run:?}");
    assert_eq!(artifacts(&workspace, LIVE), bad);
    assert_eq!(unfinished(&workspace), None);
    server.run();
    assert_eq!(row(&server, &schema), "v2");
    workspace.irctl(&GO).expect(0);
    assert_eq!((artifacts(&workspace, LIVE), row(&server, &schema).as_str()), (good, "2026.10.26"));
}

/// A target that runs a program when it is applied, and again when it is undone.
fn program(workspace: &str) -> String {
    format!(
        "    - command: {{name: hook, observe: [sh, {workspace}, observe], predict: [sh, {workspace}, predict], apply: [sh, {workspace}, apply], undo: [sh, {workspace}, undo]}}\n"
    )
}

/// Observes whether `hooked` is there; `apply` makes it and does `what`.
fn hook(folder: &std::path::Path, what: &str) -> String {
    let path = folder.join("hook.sh");
    let script = format!(
        "cat >/dev/null; cd {here}\nis() {{ [ -e hooked ] && echo '\"yes\"' || echo '\"no\"'; }}\ncase $1 in\n\
         observe) printf '{{\"state\": %s, \"shown\": %s}}' \"$(is)\" \"$(is)\";;\n\
         predict) printf '{{\"after\": \"yes\", \"changes\": [{{\"place\": \"hooked\", \"from\": \"no\", \"to\": \"yes\"}}]}}';;\napply) : >hooked\n{what}\nprintf '{{}}';;\n\
         undo) rm -f hooked; printf '{{}}';;\nesac\n",
        here = folder.display()
    );
    std::fs::write(&path, script).unwrap();
    path.display().to_string()
}

fn postmaster(server: &Server) -> String {
    let text = std::fs::read_to_string(server.folder.join("data/postmaster.pid")).unwrap();
    text.lines().next().unwrap().to_owned()
}

#[test]
fn a_database_that_goes_down_between_plan_and_switch_undoes_the_rest() {
    let mut server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let what = format!("kill -QUIT {}; sleep 1", postmaster(&server));
    let (workspace, schema) = with_rows(&server, &program(&hook(folder.path(), &what)));
    let [bad, _] = bad_and_good(&workspace);
    let run = workspace.irctl(&GO);
    assert_eq!(run.status, 10, "{run:?}");
    assert!(run.stdout.contains("connect"), "{run:?}");
    assert_eq!(artifacts(&workspace, LIVE), bad);
    assert!(!folder.path().join("hooked").exists(), "what was done before it is undone");
    assert_eq!(unfinished(&workspace), None);
    server.kill();
    server.run();
    assert_eq!(row(&server, &schema), "v2");
    workspace.irctl(&["release", "--quiet"]).expect(0);
}

#[test]
fn a_database_that_is_killed_in_the_middle_of_the_transaction() {
    let mut server = Server::start();
    let (workspace, schema) = with_rows(&server, "");
    let [bad, good] = bad_and_good(&workspace);
    server.sql(&format!(
        "CREATE FUNCTION {schema}.slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3); RETURN NEW; END';
         CREATE TRIGGER slow BEFORE UPDATE ON {schema}.settings FOR EACH ROW EXECUTE FUNCTION {schema}.slow();"
    ));
    let mut command = workspace.command(&GO);
    let piped = std::process::Stdio::piped;
    let child = command.stdout(piped()).stderr(piped()).spawn().unwrap();
    let begun = std::time::Instant::now();
    // Planning runs the statement as well, and rolls it back: it is in the middle once the files are switched.
    let sleeping =
        || server.sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'UPDATE%'").trim() != "0";
    while artifacts(&workspace, LIVE) != good || !sleeping() {
        assert!(begun.elapsed().as_secs() < 60, "it never gets there");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    server.kill();
    let output = child.wait_with_output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let status = output.status.code().unwrap();
    assert!([10, 11, 13].contains(&status), "{status}: {text}");
    server.run();
    server.sql(&format!("DROP TRIGGER slow ON {schema}.settings"));
    assert_eq!(row(&server, &schema), "v2", "what was not committed is not there");
    match unfinished(&workspace) {
        Some(id) => {
            assert!(status != 10, "{text}");
            workspace.irctl(&["rollback", "abort", &id, "--quiet"]).expect(10);
        }
        None => assert_eq!(status, 10, "{text}"),
    }
    assert_eq!((artifacts(&workspace, LIVE), row(&server, &schema).as_str()), (bad, "v2"));
    workspace.irctl(&["release", "--quiet"]).expect(0);
    workspace.irctl(&GO).expect(0);
    assert_eq!((artifacts(&workspace, LIVE), row(&server, &schema).as_str()), (good, "2026.10.26"));
}

const CLUSTER: &str = r#"service: serving
kind: service
scheme: protocol-25
rollback:
  targets:
    - kubernetes: {kubeconfig: kubeconfig, service: model-serving, selector: {version: "{version}"}, deployments: "model-serving-*", ready_within: 3s, timeout: 500ms}
"#;

#[test]
fn an_api_that_does_not_answer_in_the_middle() {
    let go = ["rollback", "--service", "serving", "--to", "model-serving-v1", "--yes", "--quiet"];
    for (how, times) in [(Break::Hang, 1), (Break::Hang, 99), (Break::HangAfter, 1), (Break::HangAfter, 99)] {
        let double = Double::start();
        for (version, digest) in [("v1", "a1"), ("v2", "b2")] {
            let image = format!("registry.example.org/m@sha256:{digest}");
            double.apply(deployment(
                &format!("model-serving-{version}"),
                "model-serving",
                version,
                &image,
                3,
            ));
        }
        double.apply(service("model-serving", json!({"app": "model-serving", "version": "v2"})));
        let workspace = bad_model("");
        std::fs::remove_dir_all(workspace.path("config/services")).unwrap();
        workspace.write("config/services/serving.yaml", CLUSTER);
        double.kubeconfig(&workspace.path("kubeconfig"));
        workspace
            .irctl(&[
                "rollback",
                "--service",
                "serving",
                "--to",
                "model-serving-v1",
                "--plan-out",
                "plan.json",
            ])
            .expect(0);
        let before = Double::forgive(&double.fingerprint());
        double.fault(Fault { method: "PATCH", path: "/services/model-serving", times, how });
        let run = workspace.irctl(&go);
        double.state().faults.clear();
        let version = || double.object("Service", "model-serving")["spec"]["selector"]["version"].clone();
        match (run.status, unfinished(&workspace)) {
            (0, None) => assert_eq!(version(), "v1"),
            (10 | 12 | 69, None) => {
                assert_eq!(Double::forgive(&double.fingerprint()), before, "{run:?}");
                let text = format!("{}{}", run.stdout, run.stderr);
                assert!(text.contains("did not answer") || text.contains("time"), "{text}");
            }
            (11 | 13, Some(id)) => {
                workspace.irctl(&["rollback", "resume", &id, "--quiet"]);
                assert_eq!(unfinished(&workspace), None);
                assert!([json!("v1"), json!("v2")].contains(&version()));
            }
            other => panic!("{other:?}: {run:?}"),
        }
    }
}

#[test]
fn a_program_that_is_killed() {
    // The program of a target: the rest is undone.
    let folder = tempfile::tempdir().unwrap();
    let target = program(&hook(folder.path(), "kill -KILL $$"));
    let workspace = bad_model(&SERVICE.replace("  activate:", &format!("{target}  activate:")));
    let [bad, good] = bad_and_good(&workspace);
    let run = workspace.irctl(&GO).expect(10);
    assert!(run.stdout.contains("signal 9"), "{run:?}");
    assert_eq!(artifacts(&workspace, LIVE), bad);
    assert!(!folder.path().join("hooked").exists(), "what it had begun is taken back");
    assert_eq!(unfinished(&workspace), None);

    // The program that activates: it is switched, and not proved.
    let workspace = bad_model(&SERVICE.replace(
        "[sh, scripts/reload.sh]",
        "[sh, -c, \"[ -e healthy ] || kill -KILL $$; sh scripts/reload.sh\"]",
    ));
    let run = workspace.irctl(&GO).expect(14);
    assert!(run.stdout.contains("signal 9"), "{run:?}");
    assert_eq!(artifacts(&workspace, LIVE), good, "never back to what is known to be bad");
    assert!(workspace.read("config/rollout.yml").contains("mode: disabled"), "its consumers stay stopped");
    workspace.write("healthy", "");
    workspace.irctl(&["rollback", "resume", "OP-20261120-030700", "--quiet"]).expect(0);
    assert_eq!(artifacts(&workspace, LIVE), good);
    assert!(!workspace.read("config/rollout.yml").contains("mode: disabled"));
}
