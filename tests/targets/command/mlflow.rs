//! `mlflow-alias` on a real MLflow server, in a virtual environment that is made once.

use irctl::rollback::targets::command::{CommandTarget, CommandTargetConfig};
use irctl::rollback::targets::{Ground, Target};
use irctl::rollback::versions::Version;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::adapter::{Asked, sweep};
use super::{ground, recipe, versions};
use crate::conformance::{self, Fixture};

/// The server and what it needs to answer REST calls; the rest of MLflow is left out.
const PACKAGES: [&str; 8] = [
    "mlflow-skinny==3.17.2",
    "flask<4",
    "flask-cors",
    "sqlalchemy<3",
    "alembic<2",
    "aiohttp",
    "pandas",
    "huey",
];

/// The environment's programs. Made in the build folder by whoever comes first; the others wait.
fn environment() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mlflow-3.17.2");
    let ready = folder.join("ready");
    let lock = std::fs::File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !ready.exists() {
        let _ = std::fs::remove_dir_all(&folder);
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", "--no-input"]).args(PACKAGES));
        std::fs::write(ready, "").unwrap();
    }
    folder.join("bin")
}

fn run(command: &mut Command) {
    let output = command.output().expect("python3 with venv is needed (Debian, Ubuntu: python3-venv)");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A running MLflow.
struct Mlflow {
    child: Child,
    port: u16,
    _directory: tempfile::TempDir,
    models: AtomicU32,
}

impl Drop for Mlflow {
    fn drop(&mut self) {
        // Its workers are in a group of their own with it.
        let group = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Mlflow {
    fn start() -> Self {
        use std::os::unix::process::CommandExt as _;
        let programs = environment();
        let directory = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let child = Command::new(programs.join("mlflow"))
            .args(["server", "--host", "127.0.0.1", "--workers", "1", "--port", &port.to_string()])
            .args(["--backend-store-uri", &format!("sqlite:///{}/mlflow.db", directory.path().display())])
            .env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
            .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        let server = Self { child, port, _directory: directory, models: AtomicU32::new(0) };
        let begun = Instant::now();
        while server.try_call("GET", "/version", &Value::Null).is_none_or(|(status, _)| status != 200) {
            let log = std::fs::read_to_string(server._directory.path().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(180), "MLflow did not start: {log}");
            std::thread::sleep(Duration::from_millis(200));
        }
        server
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn try_call(&self, method: &str, path: &str, body: &Value) -> Option<(u16, String)> {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.port,
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let status = line.split_whitespace().nth(1)?.parse().ok()?;
        let mut rest = String::new();
        reader.read_to_string(&mut rest).ok()?;
        Some((status, rest.split_once("\r\n\r\n")?.1.to_owned()))
    }

    fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, text) = self.try_call(method, &format!("/api/2.0/mlflow/{path}"), &body).unwrap();
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// A model of its own with three versions.
    fn model(&self) -> String {
        let name = format!("pricing-{}", self.models.fetch_add(1, Ordering::SeqCst));
        self.call("POST", "registered-models/create", json!({"name": name}));
        for number in 1..=3 {
            let body = json!({"name": name, "source": format!("s3://models/{number}")});
            self.call("POST", "model-versions/create", body);
        }
        name
    }

    /// A model's aliases and stages as the API shows them.
    fn seen(&self, model: &str) -> String {
        let held = self.call("GET", &format!("registered-models/get?name={model}"), Value::Null);
        let search = format!("model-versions/search?filter=name%3D%27{model}%27");
        let held_versions = self.call("GET", &search, Value::Null);
        let mut stages: Vec<_> = held_versions["model_versions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|version| format!("{} {}", version["version"], version["current_stage"]))
            .collect();
        stages.sort();
        format!("{} {stages:?}", held["registered_model"]["aliases"])
    }

    fn alias(&self, model: &str, version: &str) {
        let body = json!({"name": model, "alias": "champion", "version": version});
        self.call("POST", "registered-models/alias", body);
    }

    fn stage(&self, model: &str, version: &str, stage: &str) {
        let body =
            json!({"name": model, "version": version, "stage": stage, "archive_existing_versions": false});
        self.call("POST", "model-versions/transition-stage", body);
    }
}

struct Model<'a> {
    server: &'a Mlflow,
    model: String,
    config: CommandTargetConfig,
    ground: Ground,
    _root: tempfile::TempDir,
    stages: bool,
}

impl<'a> Model<'a> {
    fn new(server: &'a Mlflow, mut with: Value) -> Self {
        let model = server.model();
        let stages = with.get("stage").is_some();
        if stages {
            server.stage(&model, "2", "Staging");
            server.stage(&model, "3", "Production");
        }
        with["url"] = json!(server.url());
        with["model"] = json!(model);
        let root = tempfile::tempdir().unwrap();
        Self {
            config: recipe("mlflow-alias", with),
            ground: ground(root.path()),
            server,
            model,
            _root: root,
            stages,
        }
    }
}

impl Fixture for Model<'_> {
    fn target(&self) -> Box<dyn Target + '_> {
        Box::new(CommandTarget { config: &self.config, ground: &self.ground })
    }

    fn versions(&self) -> (Version, Version) {
        versions()
    }

    fn fingerprint(&self) -> String {
        self.server.seen(&self.model)
    }

    fn meddle(&self) {
        if self.stages {
            self.server.stage(&self.model, "1", "Staging");
        } else {
            self.server.alias(&self.model, "1");
        }
    }
}

#[test]
fn mlflow_alias_on_a_real_server() {
    let server = Mlflow::start();
    conformance::run(|| {
        let model = Model::new(&server, json!({"alias": "champion", "version": "2"}));
        server.alias(&model.model, "3");
        model
    });
    // Where no alias was, undo takes it away.
    conformance::run(|| Model::new(&server, json!({"alias": "champion", "version": "2"})));
    conformance::run(|| Model::new(&server, json!({"stage": "Production", "version": "2"})));

    let model = server.model();
    server.alias(&model, "3");
    let with = json!({"url": server.url(), "model": model, "alias": "champion", "version": "2"});
    let kills = sweep(|| Asked::staged("mlflow-alias", with.clone()), || server.seen(&model));
    super::adapter::enough(kills, 4);

    let mut missing = with.clone();
    missing["version"] = json!("9");
    let asked = Asked::new("mlflow-alias", missing);
    let predicted = asked.ask("predict").good();
    assert!(predicted["refusals"][0].as_str().unwrap().contains("has no version 9"), "{predicted}");
    let mut nobody = with.clone();
    nobody["model"] = json!("nobody");
    nobody["token"] = json!("hunter2-token");
    let words = Asked::new("mlflow-alias", nobody).ask("observe").bad(65, "HTTP 404");
    assert!(!words.contains("hunter2"), "{words}");
    let asked = Asked::staged("mlflow-alias", with);
    server.alias(&model, "1");
    asked.ask("apply").bad(11, "somebody else changed it");
}
