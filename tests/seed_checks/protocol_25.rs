//! Protocol 25: `config/services/templates/protocol-25.yaml` over a real Prometheus, a real PostgreSQL, a server of the
//! test's own, and a strict double of the API of Kubernetes.

use serde_json::{Value, json};
use std::collections::BTreeSet;

use crate::double::{Double, deployment};
use crate::postgres_server::Server as Postgres;
use crate::support::http::Server;
use crate::support::prometheus::{Exporter, Prometheus};
use crate::support::{Workspace, repository};
use crate::{Round, lay_over, only, rule, rules, set, template, told_by_an_alert};

/// Rules that only an alert fires.
const ALERTS: [&str; 3] = ["security-breach", "cascade-failure", "monitoring-alert"];

/// A served model, all of it.
struct Scene {
    workspace: Workspace,
    exporter: Exporter,
    prometheus: Prometheus,
    endpoint: Server,
    cluster: Double,
    schema: String,
}

/// What the model says of itself: so many errors of so many requests, and an accuracy of 72 %. Nineteen of twenty
/// requests take up to 195 ms.
fn exposition(errors: u64, requests: u64) -> String {
    format!(
        "model_errors_total {errors}\nmodel_requests_total {requests}\nmodel_accuracy 0.72\n\
         model_latency_seconds_bucket{{le=\"0.1\"}} 0\nmodel_latency_seconds_bucket{{le=\"0.2\"}} {requests}\n\
         model_latency_seconds_bucket{{le=\"+Inf\"}} {requests}\nmodel_latency_seconds_count {requests}\n\
         model_latency_seconds_sum {requests}\n"
    )
}

impl Scene {
    /// A good one: one error of a hundred requests.
    fn new() -> Self {
        let workspace = Workspace::empty();
        workspace.write("config/irctl.yaml", "workspace: rila\ncadence: 1m\n");
        let suite =
            std::fs::read(repository().join("config/services/templates/verify/recovered.yaml")).unwrap();
        workspace.write("config/verify/recovered.yaml", suite);
        lay_over(&workspace, "checks/protocol-25/passing");
        let exporter = Exporter::start(&exposition(0, 0));
        let prometheus = Prometheus::start(&exporter);
        prometheus.wait_until("model_requests_total == 0");
        let endpoint = Server::start(|_, _| (200, "{}".to_owned()));
        let cluster = Double::start();
        cluster.kubeconfig(&workspace.path("../kubeconfig"));
        cluster.apply(deployment("model-serving", "model-serving", "v42", "model-serving:42", 2));
        cluster.settle();
        let schema = Postgres::shared().schema();
        let scene = Self { workspace, exporter, prometheus, endpoint, cluster, schema };
        scene.counted(1, 100);
        scene.pods(None);
        scene.written("INSERT INTO predictions SELECT number, 0.5 FROM generate_series(1, 50) AS number");
        scene
    }

    /// From the first look on there were so many errors of so many requests, and Prometheus has seen it.
    fn counted(&self, errors: u64, requests: u64) {
        self.exporter.set(&exposition(errors, requests));
        self.prometheus.wait_until(&format!("model_requests_total == {requests}"));
    }

    /// What the kubelet says of every container: why it waits, if it does.
    fn pods(&self, waits: Option<&str>) {
        let mut state = self.cluster.state();
        for (_, pod) in state.objects.iter_mut().filter(|((kind, _), _)| *kind == "Pod") {
            let waiting = waits.map_or(json!({}), |reason| json!({"waiting": {"reason": reason}}));
            pod["status"]["containerStatuses"] = json!([{"name": "server", "restartCount": 0, "ready": waits.is_none(),
                "image": "model-serving:42", "imageID": "", "state": waiting}]);
        }
    }

    /// The predictions in the database, made by this statement.
    fn written(&self, rows: &str) {
        let schema = &self.schema;
        Postgres::shared().sql(&format!(
            "SET search_path = {schema}; DROP TABLE IF EXISTS predictions;
             CREATE TABLE predictions (id bigint PRIMARY KEY, value double precision); {rows}"
        ));
    }

    fn baselines(&self, accuracy: f64, latency: f64) {
        let text = json!({"accuracy": accuracy, "latency_p95_ms": latency}).to_string();
        self.workspace.write("config/baselines.json", text);
    }

    fn service(&self, endpoint: &str) -> Value {
        let endpoint = format!("{endpoint}/health");
        template(
            "protocol-25",
            &[
                ("https://model-serving.example.org/health", endpoint.as_str()),
                ("http://prometheus.example.org:9090", &self.prometheus.url()),
            ],
        )
    }

    fn round(&self, service: &Value) -> Round {
        self.workspace.write("config/services/model-serving.yaml", service.to_string());
        // Prometheus knows the present only.
        self.workspace.set_clock(&chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true));
        let database = Postgres::shared().url(&self.schema);
        let kubeconfig = self.workspace.path("../kubeconfig").display().to_string();
        let variables = [("MODEL_DATABASE_URL", database.as_str()), ("KUBECONFIG", kubeconfig.as_str())];
        Round::of(self.workspace.irctl_with(&variables, &["check", "--output", "json"]))
    }

    /// A round of only those probes that the rule reads, over an endpoint that answers with this status.
    #[track_caller]
    fn fires(&self, id: &str, endpoint: &str) {
        let (level, metrics) = rule("protocol-25", id);
        let metrics: Vec<&str> = metrics.iter().map(String::as_str).collect();
        self.round(&only(&self.service(endpoint), &metrics)).fired(id, &level).unwrap();
    }
}

#[test]
fn a_good_service_leaves_every_rule_quiet() {
    let scene = Scene::new();
    let service = scene.service(&scene.endpoint.url());
    let round = scene.round(&service);
    round.buckets_are_as_their_kind_says(&service);
    assert_eq!(round.rules("matched"), BTreeSet::new(), "{}", round.shown());
    assert_eq!(round.rules("unreported"), set(ALERTS), "{}", round.shown());
    assert_eq!(round.rules("undecided"), BTreeSet::new(), "{}", round.shown());
    assert_eq!((round.service["verdict"].as_str(), round.run.status), (Some("OK"), 0), "{}", round.shown());
}

#[test]
fn every_fault_fires_its_rule_at_its_level() {
    let scene = Scene::new();
    let good = scene.endpoint.url();
    let mut seen = set(ALERTS);
    let mut fires = |id: &str, endpoint: &str| {
        scene.fires(id, endpoint);
        seen.insert(id.to_owned());
    };
    let down = Server::start(|_, number| (if number % 20 < 11 { 503 } else { 200 }, "{}".to_owned()));
    fires("availability-outage", &down.url());
    for (id, errors, requests) in [
        ("error-rate-minor", 3, 101),
        ("error-rate-moderate", 8, 102),
        ("error-rate-severe", 16, 103),
        ("error-rate-outage", 300, 500),
    ] {
        scene.counted(errors, requests);
        fires(id, &good);
    }
    // Of an accuracy of 72 % and a p95 of 195 ms.
    for (accuracy, latency, loss, gain) in [
        (0.77, 150.0, "accuracy-drop-minor", "latency-increase-minor"),
        (0.85, 100.0, "accuracy-drop-moderate", "latency-increase-moderate"),
        (0.92, 50.0, "accuracy-drop-severe", "latency-increase-severe"),
    ] {
        scene.baselines(accuracy, latency);
        fires(loss, &good);
        fires(gain, &good);
    }
    scene.pods(Some("CrashLoopBackOff"));
    fires("crash-loop", &good);
    scene.written("INSERT INTO predictions VALUES (1, 0.5), (2, NULL)");
    fires("data-corruption", &good);
    scene.written("INSERT INTO predictions VALUES (1, 0.5), (2, 0.5), (9, 0.5)");
    fires("data-loss", &good);
    assert_eq!(seen, rules("protocol-25"), "every rule has a case");
}

#[test]
fn servers_that_do_not_answer_are_never_good() {
    let scene = Scene::new();
    let dead = format!("http://127.0.0.1:{}", crate::postgres_server::free_port());
    let text = scene.service(&dead).to_string().replace(&scene.prometheus.url(), &dead);
    let service: Value = serde_json::from_str(&text).unwrap();
    std::fs::remove_file(scene.workspace.path("../kubeconfig")).unwrap();
    scene.written("DROP TABLE predictions");
    let round = scene.round(&service);
    assert_eq!(round.rules("matched"), set(["availability-outage"]), "{}", round.shown());
    assert_eq!(round.rules("missed"), BTreeSet::new(), "{}", round.shown());
    assert_eq!(round.run.status, 2);
}

#[test]
fn what_only_an_alert_tells() {
    for id in ALERTS {
        told_by_an_alert("protocol-25", id);
    }
}
