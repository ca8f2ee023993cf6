//! The probes through the whole program: a service of one machine, good, bad and unknown; and units of a real systemd.

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../../support/systemd.rs"]
mod systemd;

use std::process::Command;

use crate::support::Workspace;
use crate::support::http::Server;
use systemd::Manager;

/// What Protocol 25 asks of a service after a rollback, and what else its machine can tell.
const SUITE: &str = "\
suite: machine
probes:
  api:
    http: {url: 'URL/health', tries: 20, timeout: 2s, body: {pointer: /queue, metric: queue_depth, unit: count}}
  port: {tcp: {host: 127.0.0.1, port: PORT}}
  checkout: {git: {head: stable, paths: [config, model.json]}}
  api_log: {log: {file: logs/api.log, window: 30m, count: {errors: '(?i)error'}}}
  trades: {log: {file: logs/trades.log, sparse: true, silent_since: {file: halt.json, pointer: /at}}}
  scorer: {process: {executable: bin/scorer, arguments: ['1000']}}
  machine: {host: {over: 100ms, disks: [{path: .}]}}
expect:
  - {id: errors, that: api_error_rate < 5%}
  - {id: latency, that: api_p95 < 2s}
  - {id: availability, that: api_availability > 99%}
  - {id: queue, that: queue_depth < 1000}
  - {id: port, that: port_connects}
  - {id: head, that: checkout_head and checkout_dirty == 0}
  - {id: log, that: api_log_errors < 2}
  - {id: silent, that: trades_since == 0}
  - {id: scorer, that: scorer_count == 1}
  - {id: machine, that: machine_cpu <= 100% and machine_disk_free > 0 bytes}
";

struct Scene {
    workspace: Workspace,
    scorer: Option<std::process::Child>,
    _server: Server,
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(mut scorer) = self.scorer.take() {
            let _ = scorer.kill();
            let _ = scorer.wait();
        }
    }
}

impl Scene {
    fn new(status: u16) -> Self {
        let server = Server::start(move |_, _| (status, "{\"queue\": 12}".to_owned()));
        let workspace = Workspace::empty();
        let port = server.address().rsplit_once(':').unwrap().1.to_owned();
        workspace.write("config/irctl.yaml", "workspace: machine\n");
        workspace
            .write("config/verify/machine.yaml", SUITE.replace("URL", &server.url()).replace("PORT", &port));
        workspace.write("model.json", "{}");
        workspace.write("logs/api.log", "2026-11-20T02:30:00Z start\n2026-11-20T02:50:00Z error\n");
        workspace.write("logs/trades.log", "2026-11-20T02:00:00Z sold\n");
        workspace.write("halt.json", "{\"at\": \"2026-11-20T02:30:00Z\"}");
        std::fs::create_dir(workspace.path("bin")).unwrap();
        std::fs::copy("/bin/sleep", workspace.path("bin/scorer")).unwrap();
        let git = "git init -q && git add config model.json && \
                   git -c user.name=x -c user.email=x@example.org commit -qm x && git tag stable";
        assert!(workspace.shell(git).success());
        let scorer = Command::new(workspace.path("bin/scorer")).arg("1000").spawn().unwrap();
        Self { workspace, scorer: Some(scorer), _server: server }
    }

    /// The verdict of each expectation that is not OK, and the exit status.
    fn verify(&self) -> (Vec<String>, i32) {
        let run = self.workspace.irctl(&["verify", "--output", "json"]);
        let json = run.json();
        let checks = json["suites"][0]["checks"].as_array().unwrap();
        let bad = checks.iter().filter(|check| check["verdict"] != "OK");
        let bad = bad
            .map(|check| format!("{} {}", check["id"].as_str().unwrap(), check["verdict"].as_str().unwrap()));
        (bad.collect(), run.status)
    }
}

#[test]
fn a_good_machine_passes() {
    let scene = Scene::new(200);
    scene.workspace.irctl(&["config", "check"]).expect(0);
    assert_eq!(scene.verify(), (Vec::new(), 0));
}

#[test]
fn each_fault_is_seen_by_its_probe() {
    let mut scene = Scene::new(503);
    let bad = |scene: &Scene| scene.verify().0;
    assert_eq!(bad(&scene), ["errors CRIT", "latency UNKNOWN", "availability CRIT", "queue UNKNOWN"]);
    scene.workspace.write("model.json", "changed");
    scene.workspace.write(
        "logs/api.log",
        "2026-11-20T02:30:00Z error\n2026-11-20T02:50:00Z ERROR\n2026-11-20T02:51:00Z error\n",
    );
    scene.workspace.write("logs/trades.log", "2026-11-20T02:00:00Z sold\n2026-11-20T02:40:00Z sold\n");
    let mut scorer = scene.scorer.take().unwrap();
    scorer.kill().unwrap();
    scorer.wait().unwrap();
    assert_eq!(bad(&scene)[4..], ["head CRIT", "log CRIT", "silent CRIT", "scorer CRIT"]);
    assert_eq!(scene.verify().1, 2);
}

#[test]
fn what_is_gone_is_unknown() {
    let scene = Scene::new(200);
    std::fs::remove_dir_all(scene.workspace.path("logs")).unwrap();
    std::fs::remove_dir_all(scene.workspace.path(".git")).unwrap();
    assert_eq!(
        scene.verify(),
        (vec!["head UNKNOWN".into(), "log UNKNOWN".into(), "silent UNKNOWN".into()], 3)
    );
}

#[test]
fn nothing_but_files_is_looked_at_from_an_untrusted_configuration() {
    let scene = Scene::new(200);
    let run = scene.workspace.irctl(&["verify", "--untrusted", "--output", "json"]);
    let json = run.json();
    let checks = json["suites"][0]["checks"].as_array().unwrap();
    let good: Vec<_> =
        checks.iter().filter(|check| check["verdict"] == "OK").map(|check| &check["id"]).collect();
    assert_eq!(good, ["log", "silent"]);
    assert_ne!(run.status, 0);
}

#[test]
fn what_is_written_wrongly_is_said_with_its_place() {
    let workspace = Workspace::empty();
    workspace.write("config/irctl.yaml", "workspace: machine\n");
    workspace.write(
        "config/verify/wrong.yaml",
        "suite: wrong\nprobes:\n  a: {log: {file: x, count: {e: '('}, time_format: '%H:%M'}}\n  \
         b: {http: {url: 'http://u:p@example.org', accept: [99]}}\n  c: {tcp: {host: x, port: 0}}\n  \
         d: {host: {disk: [x]}}\nexpect: [{that: a_lines > 0}]\n",
    );
    let run = workspace.irctl(&["config", "check"]).expect(78);
    let shown = run.stdout + &run.stderr;
    for part in [
        "`(` is not a regular expression",
        "does not tell an instant to the second",
        "with a user name or password in it is a secret",
        "99",
        "port",
        "disks",
    ] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
}

/// A workspace that asks about these units, and what irctl is to be told of the manager.
fn units(manager: &Manager) -> (Workspace, [(String, String); 2]) {
    let workspace = Workspace::empty();
    workspace.write("config/irctl.yaml", "workspace: units\n");
    let unit = |name: &str, unit: &str, more: &str| {
        workspace.write(
            format!("config/verify/{name}.yaml"),
            format!(
                "suite: {name}\nprobes:\n  u: {{systemd: {{unit: {unit}, user: true, sub_state: running}}}}\nexpect:\n  \
                 - {{id: active, that: u_active}}\n  - {{id: fine, that: not u_failed}}\n  \
                 - {{id: running, that: u_sub_state}}\n  - {{id: settled, that: u_restarts == 0 and u_age < 10m}}\n{more}"
            ),
        );
    };
    unit("up", "advanced-monitoring", "");
    unit("down", "basic-monitoring.service", "");
    unit("failed", "broken", "");
    unit("gone", "nosuch", "");
    let folder = |name: &str| manager.directory.path().join(name).display().to_string();
    (workspace, [("HOME".into(), folder("home")), ("XDG_RUNTIME_DIR".into(), folder("run"))])
}

fn verdicts(workspace: &Workspace, variables: &[(String, String)], suite: &str) -> (String, String) {
    let mut command = workspace.command(&["verify", suite, "--output", "json"]);
    // What systemd dates is of now.
    let output = command.env_remove("IRCTL_TEST_CLOCK").envs(variables.iter().cloned()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let checks = json["suites"][0]["checks"].as_array().unwrap();
    let verdicts: Vec<_> = checks.iter().map(|check| check["verdict"].as_str().unwrap()).collect();
    (verdicts.join(" "), text)
}

#[test]
fn units_of_a_real_systemd() {
    let manager = match Manager::start() {
        Ok(manager) => manager,
        Err(why) => {
            println!("not run: units_of_a_real_systemd: {why}");
            return;
        }
    };
    manager.reset();
    manager.control(&["start", "broken"]);
    let (workspace, variables) = units(&manager);
    let of = |suite: &str| verdicts(&workspace, &variables, suite);
    let up = of("up");
    assert_eq!(up.0, "OK OK OK OK", "{}", up.1);
    assert_eq!(of("down").0, "CRIT OK CRIT UNKNOWN", "it has never changed its state: {}", of("down").1);
    assert!(of("failed").0.starts_with("CRIT CRIT CRIT"), "{}", of("failed").1);
    let gone = of("gone");
    assert_eq!(gone.0, "UNKNOWN UNKNOWN UNKNOWN UNKNOWN");
    assert!(gone.1.contains("there is no unit nosuch.service"), "{}", gone.1);
}

#[test]
fn without_systemctl_or_its_manager_nothing_is_known() {
    let workspace = Workspace::empty();
    workspace.write("config/irctl.yaml", "workspace: units\n");
    workspace.write(
        "config/verify/up.yaml",
        "suite: up\nprobes: {u: {systemd: {unit: x, user: true}}}\nexpect: [{that: u_active}, {that: not u_failed}]\n",
    );
    let empty = [("PATH".to_owned(), workspace.root().display().to_string())];
    let missing = verdicts(&workspace, &empty, "up");
    assert_eq!(missing.0, "UNKNOWN UNKNOWN");
    assert!(missing.1.contains("cannot start `systemctl`"), "{}", missing.1);
    let nobody = [("XDG_RUNTIME_DIR".to_owned(), workspace.root().display().to_string())];
    let nobody = verdicts(&workspace, &nobody, "up");
    assert_eq!(nobody.0, "UNKNOWN UNKNOWN");
    assert!(nobody.1.contains("systemctl ended with"), "{}", nobody.1);
}
