//! A real Prometheus that scrapes what a test serves; it ends with the test, also when that panics.

use super::http::Server;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Metrics in the exposition format that a test may change at any time.
pub struct Exporter {
    server: Server,
    text: Arc<Mutex<String>>,
}

impl Exporter {
    /// Serves this text under every path.
    pub fn start(text: &str) -> Self {
        let text = Arc::new(Mutex::new(text.to_owned()));
        let served = Arc::clone(&text);
        Self { server: Server::start(move |_, _| (200, served.lock().unwrap().clone())), text }
    }

    /// From now on it serves this.
    pub fn set(&self, text: &str) {
        text.clone_into(&mut self.text.lock().unwrap());
    }
}

/// A Prometheus on a free port.
pub struct Prometheus {
    child: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Prometheus {
    /// Starts one that scrapes the exporter every 200 ms, and waits until it has done so.
    pub fn start(exporter: &Exporter) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("prometheus.yml");
        let target = exporter.server.address();
        let text = format!(
            "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\n\
             scrape_configs: [{{job_name: model, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        std::fs::write(&config, text).unwrap();
        let prometheus = Self::run(directory);
        prometheus.wait_until("up == 1");
        prometheus
    }

    /// Starts one that has recorded this and scrapes nothing: samples with their instants, in the OpenMetrics format.
    pub fn of_the_past(openmetrics: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("prometheus.yml"), "scrape_configs: []\n").unwrap();
        std::fs::write(path("past"), openmetrics).unwrap();
        let mut promtool = Command::new("promtool");
        promtool.args(["tsdb", "create-blocks-from", "openmetrics"]).args([path("past"), path("data")]);
        let output = promtool.output().expect("this test needs promtool: apt-get install prometheus");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let prometheus = Self::run(directory);
        prometheus.wait_until("vector(1)");
        prometheus
    }

    fn run(directory: tempfile::TempDir) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", directory.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--storage.tsdb.retention.time=100y")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs Prometheus: apt-get install prometheus");
        Self { child, port, _directory: directory }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits until a query finds something.
    pub fn wait_until(&self, query: &str) {
        let began = Instant::now();
        while !self.ask(query).is_some_and(|answer| answer.contains("\"metric\"")) {
            assert!(began.elapsed() < Duration::from_secs(60), "Prometheus does not find {query}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn ask(&self, query: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let query: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let request =
            format!("GET /api/v1/query?query={query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
