//! What other systems send, classified by the binary: one fixture for each kind of message, and a real Alertmanager.

use assert_cmd::Command;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/alerts").join(name)
}

struct Ended {
    status: i32,
    out: String,
    err: String,
}

impl Ended {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{}{}", self.out, self.err))
    }
}

fn classify(arguments: &[&str], stdin: &[u8]) -> Ended {
    let mut command = Command::cargo_bin("irctl").unwrap();
    command.env_clear().env("IRCTL_TEST_CLOCK", "2026-11-20T03:00:00Z").env("IRCTL_ACTOR", "tester");
    command.env("HOME", std::env::temp_dir());
    command.current_dir(std::env::temp_dir()).arg("classify").args(arguments);
    let output = command.write_stdin(stdin).output().unwrap();
    Ended {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A fixture's result as JSON, and the exit status that it would give to a script.
fn judged(name: &str, arguments: &[&str]) -> (Value, i32) {
    let path = fixture(name);
    let mut all = vec!["--output", "json", "--exit-code", path.to_str().unwrap()];
    all.extend(arguments);
    let found = classify(&all, b"");
    assert_eq!(found.err, "", "{name}");
    (found.json(), found.status)
}

#[test]
fn every_kind_of_message_is_recognised_and_judged() {
    for (name, format, states, levels, status) in [
        ("grafana-firing.json", "grafana", vec!["firing", "resolved"], vec!["P1", "P4"], 2),
        ("grafana-no-data.json", "grafana", vec!["undecided", "undecided"], vec!["P4", "P4"], 3),
        ("cloudwatch-alarm.json", "cloudwatch", vec!["firing"], vec!["P1"], 2),
        ("cloudwatch-insufficient-data.json", "cloudwatch", vec!["undecided"], vec!["P4"], 3),
        ("cloudwatch-ok.json", "cloudwatch", vec!["resolved"], vec!["P4"], 3),
        ("pagerduty-triggered.json", "pagerduty", vec!["firing"], vec!["P3"], 1),
        ("pagerduty-details.json", "pagerduty", vec!["firing"], vec!["P1"], 2),
        ("pagerduty-acknowledged.json", "pagerduty", vec!["acknowledged"], vec!["P3"], 1),
        ("pagerduty-resolved.json", "pagerduty", vec!["resolved"], vec!["P4"], 3),
        ("healthchecks-down.json", "healthchecks", vec!["firing"], vec!["P3"], 1),
        ("healthchecks-grace.json", "healthchecks", vec!["undecided"], vec!["P4"], 3),
        ("healthchecks-up.json", "healthchecks", vec!["resolved"], vec!["P4"], 3),
    ] {
        let (found, exit) = judged(name, &[]);
        assert_eq!((found["format"].as_str().unwrap(), exit), (format, status), "{name}");
        let of = |pointer: &str| -> Vec<String> {
            let alerts = found["alerts"].as_array().unwrap();
            alerts.iter().map(|alert| alert.pointer(pointer).unwrap().as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(of("/state"), states, "{name}");
        assert_eq!(of("/classification/level"), levels, "{name}");
        // Named, it is the same; and nothing that is not firing is ever OK.
        assert_eq!(judged(name, &["--format", format]).0, found, "{name}");
        assert!(of("/classification/verdict").iter().all(|verdict| verdict != "OK"), "{name}");
    }
    let (cut, _) = judged("grafana-no-data.json", &[]);
    assert_eq!(cut["left_out"], 2);
}

#[test]
fn text_explains_what_fires_and_says_what_is_over() {
    let path = fixture("grafana-firing.json");
    insta::assert_snapshot!(classify(&[path.to_str().unwrap()], b"").out);
    let path = fixture("cloudwatch-insufficient-data.json");
    insta::assert_snapshot!(classify(&[path.to_str().unwrap()], b"").out);
}

#[test]
fn what_is_no_alert_is_refused_with_words() {
    for (name, says) in [
        ("sns-subscription-confirmation.json", "asks to confirm a subscription to arn:aws:sns"),
        ("pagerduty-ping.json", "PagerDuty's test event"),
    ] {
        let found = classify(&[fixture(name).to_str().unwrap()], b"");
        assert_eq!((found.status, found.out.as_str()), (65, ""), "{name}");
        assert!(found.err.contains(says), "{}", found.err);
        assert!(!found.err.contains("EXAMPLE-TOKEN"), "{}", found.err);
    }
    let wrong = classify(&["--format", "grafana"], b"{\"metrics\": {}}");
    assert_eq!(wrong.status, 65);
    assert!(wrong.err.contains("`alerts` is missing"), "{}", wrong.err);
    let half = classify(&["--format", "pagerduty"], b"{\"event\": ");
    assert_eq!(half.status, 65);
    assert!(half.err.contains("not JSON"), "{}", half.err);
}

#[test]
fn several_messages_are_lines_and_a_bad_one_does_not_stop_the_others() {
    let compact = |name: &str| {
        let value: Value = serde_json::from_slice(&std::fs::read(fixture(name)).unwrap()).unwrap();
        value.to_string()
    };
    let input = format!(
        "{}\n{}\n{}\n",
        compact("pagerduty-triggered.json"),
        compact("pagerduty-ping.json"),
        compact("healthchecks-down.json")
    );
    let found = classify(&["--output", "json"], input.as_bytes());
    assert_eq!(found.status, 65);
    let formats: Vec<Value> = found
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["format"].clone())
        .collect();
    assert_eq!(formats, ["pagerduty", "healthchecks"]);
    assert!(found.err.contains("message 2: this is PagerDuty's test event"), "{}", found.err);
    // One list holds several, too.
    let lines: Vec<&str> = input.lines().collect();
    let list = classify(&["--output", "json"], format!("[{}]", lines.join(",")).as_bytes());
    assert_eq!((list.status, &list.out, &list.err), (65, &found.out, &found.err));
}

#[test]
fn a_mapping_reads_any_other_system() {
    let mapping = fixture("mappings/sensu.yaml");
    let (found, exit) = judged("sensu.json", &["--mapping", mapping.to_str().unwrap()]);
    assert_eq!((found["format"].as_str(), exit), (Some("mapping"), 2));
    let alert = &found["alerts"][0];
    assert_eq!(alert["classification"]["level"], "P1");
    assert_eq!(alert["affected_services"], json!(["checkout"]));
    assert_eq!(alert["started_at"], "2026-11-20T02:58:00Z");
    let directory = tempfile::tempdir().unwrap();
    let broken = directory.path().join("broken.yaml");
    std::fs::write(
        &broken,
        "mapping: broken\nalert_name: {pointer: check/name}\nservice: {template: \"{{ entity\"}\nmetrics:\n  - {metric: {text: error_rate}, valeu: {pointer: /v}}\n",
    )
    .unwrap();
    let refused = classify(&["--mapping", broken.to_str().unwrap()], b"{}");
    assert_eq!(refused.status, 78);
    for says in ["broken.yaml:2:23", "is not a JSON pointer", "broken.yaml:3", "valeu"] {
        assert!(refused.err.contains(says), "{says}\n{}", refused.err);
    }
}

#[test]
fn a_mapping_in_the_workspace_is_checked_and_found_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config");
    std::fs::create_dir_all(config.join("mappings")).unwrap();
    std::fs::write(config.join("irctl.yaml"), "workspace: shop\n").unwrap();
    std::fs::copy(fixture("mappings/sensu.yaml"), config.join("mappings/sensu.yaml")).unwrap();
    let root = directory.path().to_str().unwrap();
    let sensu = fixture("sensu.json");
    let found =
        classify(&["-C", root, "--output", "json", "--mapping", "sensu", sensu.to_str().unwrap()], b"");
    assert_eq!((found.status, found.json()["verdict"].as_str()), (0, Some("CRIT")), "{}", found.err);
    std::fs::write(config.join("mappings/odd.yaml"), "mapping: odd\nalerts: events\n").unwrap();
    let mut check = Command::cargo_bin("irctl").unwrap();
    check.env_clear().env("HOME", root).args(["-C", root, "config", "check"]);
    let output = check.output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{text}");
    assert!(text.contains("config/mappings/odd.yaml:2:9"), "{text}");
    let unknown = classify(&["-C", root, "--mapping", "sensoo"], b"{}");
    assert_ne!(unknown.status, 0);
    assert!(unknown.err.contains("sensoo"), "{}", unknown.err);
}

/// A real Alertmanager, stopped when the test ends.
struct Alertmanager {
    child: Child,
    address: String,
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Alertmanager {
    fn start(directory: &Path, webhook: u16) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let configuration = format!(
            "route: {{receiver: irctl, group_by: [alertname], group_wait: 100ms, group_interval: 1s, repeat_interval: 1h}}\n\
             receivers:\n  - name: irctl\n    webhook_configs:\n      - {{url: 'http://127.0.0.1:{webhook}/', send_resolved: true, max_alerts: 2}}\n"
        );
        let file = directory.join("alertmanager.yml");
        std::fs::write(&file, configuration).unwrap();
        let child = std::process::Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", directory.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus-alertmanager must be installed (tests/tools.sh)");
        let started = Self { child, address };
        let deadline = Instant::now() + Duration::from_secs(20);
        while started.request("GET", "/-/ready", "").is_none_or(|answer| !answer.starts_with("HTTP/1.1 200"))
        {
            assert!(Instant::now() < deadline, "Alertmanager did not become ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        started
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    fn post(&self, alerts: &Value) {
        let answer = self.request("POST", "/api/v2/alerts", &alerts.to_string()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

/// The body of the next request, which is answered with 200.
fn next_body(listener: &TcpListener) -> Vec<u8> {
    listener.set_nonblocking(true).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "no webhook came: {error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some(at) = text.find("\r\n\r\n") {
            let length = text.lines().find_map(|line| {
                line.to_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok()
            });
            if seen.len() >= at + 4 + length.expect("a length") {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    .unwrap();
                return seen.split_off(at + 4);
            }
        }
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the request ended early");
        seen.extend_from_slice(&buffer[..read]);
    }
}

#[test]
fn what_a_real_alertmanager_sends_is_classified() {
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let alertmanager = Alertmanager::start(directory.path(), listener.local_addr().unwrap().port());
    let alert = |service: &str, value: &str| {
        json!({"labels": {"alertname": "Errors", "service": service},
               "annotations": {"summary": "requests fail", "metric": "error_rate", "value": value}})
    };
    alertmanager.post(&json!([alert("checkout", "0.6")]));
    let body = next_body(&listener);
    // The alert began when the real clock said so; the frozen one of the tests would take that for the future.
    let now = |body: &[u8]| -> String {
        let sent: Value = serde_json::from_slice(body).unwrap();
        assert_eq!((sent["version"].as_str(), sent["receiver"].as_str()), (Some("4"), Some("irctl")));
        chrono::Utc::now().to_rfc3339()
    };
    let run = |body: &[u8]| {
        let mut command = Command::cargo_bin("irctl").unwrap();
        command.env_clear().env("IRCTL_TEST_CLOCK", now(body)).current_dir(directory.path());
        command.args(["classify", "--output", "json", "--exit-code"]);
        let output = command.write_stdin(body).output().unwrap();
        let found: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error} {}", String::from_utf8_lossy(&output.stderr)));
        (found, output.status.code().unwrap())
    };
    let (found, exit) = run(&body);
    assert_eq!((found["format"].as_str(), exit), (Some("alertmanager"), 2), "{found:#}");
    let first = &found["alerts"][0];
    assert_eq!((first["state"].as_str(), first["ended_at"].as_str()), (Some("firing"), None));
    assert_eq!(first["classification"]["level"], "P0");
    assert_eq!(first["affected_services"], json!(["checkout"]));

    // Two more of the group than a message may hold: the sender says that it left some out.
    alertmanager.post(&json!([
        alert("checkout", "0.6"),
        alert("search", "0.01"),
        alert("basket", "0.01"),
        alert("login", "0.01")
    ]));
    let (found, _) = run(&next_body(&listener));
    assert_eq!(found["alerts"].as_array().unwrap().len(), 2);
    assert_eq!(found["left_out"], 2, "{found:#}");

    // All of them end: what they said decides nothing any more.
    let ended = (chrono::Utc::now() - chrono::TimeDelta::seconds(1)).to_rfc3339();
    let mut all = json!([
        alert("checkout", "0.6"),
        alert("search", "0.01"),
        alert("basket", "0.01"),
        alert("login", "0.01")
    ]);
    for alert in all.as_array_mut().unwrap() {
        alert["endsAt"] = json!(ended);
    }
    alertmanager.post(&all);
    let (found, exit) = run(&next_body(&listener));
    for alert in found["alerts"].as_array().unwrap() {
        assert_eq!(alert["state"], "resolved", "{found:#}");
        assert!(alert["ended_at"].is_string());
    }
    assert_eq!((found["verdict"].as_str(), exit), (Some("UNKNOWN"), 3));
}

/// More bad news never makes a message better, and what is not known is never OK.
#[test]
fn adding_alerts_never_lowers_the_verdict_and_the_unknown_is_never_ok() {
    use irctl::severity::input::{Format, classify_message, read};
    use irctl::severity::{Scheme, resolve_scheme};
    let scheme = Scheme::compile(&resolve_scheme("protocol-25", None).unwrap()).unwrap();
    let now = "2026-11-20T03:00:00Z".parse().unwrap();
    let alert = |status: &str, annotations: Value| json!({"status": status, "labels": {"alertname": "A"}, "annotations": annotations});
    let good =
        json!({"error_rate": "0", "availability": "1", "accuracy_drop": "0", "latency_increase_pct": "0"});
    let kinds = [
        alert("firing", good.clone()),
        alert("resolved", good.clone()),
        alert("firing", json!({})),
        alert("firing", json!({"error_rate": "NaN"})),
        alert("firing", json!({"error_rate": "7"})),
        alert("firing", json!({"error_rate": "0.6"})),
        alert("pending", good),
    ];
    let verdict = |alerts: &[&Value]| {
        let message = read(Format::Alertmanager, &json!({"version": "4", "alerts": alerts})).unwrap();
        classify_message(&scheme, message, now).verdict
    };
    for first in &kinds {
        let alone = verdict(&[first]);
        assert_ne!(alone, irctl::base::Verdict::Ok, "{first}");
        for second in &kinds {
            let both = verdict(&[first, second]);
            let lasts = |alert: &Value| alert["status"] != "resolved";
            if lasts(first) {
                assert_eq!(both.worst(alone), both, "{first} {second}");
            }
            assert_eq!(verdict(&[second, first]), both, "the order does not matter");
        }
    }
}
