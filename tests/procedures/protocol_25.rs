//! Protocol 25: the traffic goes to the stable Deployment, the bad one is scaled down, criteria decide, audit and chat
//! are told.

use super::kubernetes::{Double, deployment, service};
use super::support::http::{Request, Server};
use super::support::{Run, Workspace};
use super::{example, says};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Answers of Prometheus: error rate, p95 latency in milliseconds, availability.
type Measured = Arc<Mutex<[&'static str; 3]>>;

struct Serving {
    cluster: Double,
    workspace: Workspace,
    measured: Measured,
    prometheus: Server,
    audit: Server,
    slack: Server,
    kubeconfig: String,
}

fn answer(request: &Request, measured: &Measured) -> (u16, String) {
    let query = request.field("query").unwrap_or_default();
    let values = measured.lock().unwrap();
    let value = match () {
        () if query.contains("model_errors_total") => values[0],
        () if query.contains("histogram_quantile") => values[1],
        () if query.contains("avg_over_time(up") => values[2],
        () => return (422, String::new()),
    };
    let at = request.field("time").unwrap_or_default();
    let result = json!([{"metric": {}, "value": [at.parse::<f64>().unwrap(), value]}]);
    (200, json!({"status": "success", "data": {"resultType": "vector", "result": result}}).to_string())
}

impl Serving {
    fn new() -> Self {
        let cluster = Double::start();
        for (version, replicas) in [("v40", 0), ("v41", 3), ("v42", 3)] {
            let image = format!("registry.example.org/model@sha256:{version}");
            cluster.apply(deployment(
                &format!("model-serving-{version}"),
                "model-serving",
                version,
                &image,
                replicas,
            ));
        }
        cluster.apply(service("model-serving", json!({"app": "model-serving", "version": "v42"})));
        let measured: Measured = Arc::new(Mutex::new(["0.012", "120", "0.999"]));
        let asked = Arc::clone(&measured);
        let prometheus = Server::start(move |request, _| answer(request, &asked));
        let workspace = example("protocol-25");
        let suite = workspace.read("config/verify/recovered.yaml");
        let suite = suite.replace("http://prometheus.example.org:9090", &prometheus.url());
        workspace.write("config/verify/recovered.yaml", suite);
        cluster.kubeconfig(&workspace.path("kubeconfig"));
        let kubeconfig = workspace.path("kubeconfig").display().to_string();
        let [audit, slack] = [(); 2].map(|()| Server::start(|_, _| (200, "ok".to_owned())));
        Self { cluster, workspace, measured, prometheus, audit, slack, kubeconfig }
    }

    fn irctl(&self, line: &str) -> Run {
        let audit = format!("{}/api/events", self.audit.url());
        let slack = self.slack.url();
        let variables = [
            ("KUBECONFIG", self.kubeconfig.as_str()),
            ("AUDIT_URL", audit.as_str()),
            ("SLACK_WEBHOOK_URL", slack.as_str()),
        ];
        says(&self.workspace, &variables, line)
    }

    fn replicas(&self, version: &str) -> i64 {
        let object = self.cluster.object("Deployment", &format!("model-serving-{version}"));
        object["spec"]["replicas"].as_i64().unwrap()
    }

    fn routed(&self) -> String {
        let selector = &self.cluster.object("Service", "model-serving")["spec"]["selector"];
        selector["version"].as_str().unwrap().to_owned()
    }
}

#[test]
fn traffic_goes_to_the_stable_version_and_everybody_hears_of_it() {
    let serving = Serving::new();
    serving.irctl("irctl config check").expect(0);
    let before = Double::forgive(&serving.cluster.fingerprint());
    let declared = serving.irctl(
        "irctl incident declare --service model-serving --symptom availability --level P0 --title errors --output json",
    );
    let id = declared.expect(0).json()["incident"]["id"].as_str().unwrap().to_owned();
    let plan = serving.irctl("irctl rollback --service model-serving --to v41 --dry-run").expect(0).stdout;
    assert!(plan.contains("model-serving-v41"), "{plan}");
    assert_eq!(Double::forgive(&serving.cluster.fingerprint()), before, "a dry run changes nothing");

    let go = format!("irctl rollback --service model-serving --to v41 --incident {id} --yes");
    serving.irctl(&go).expect(0);
    assert_eq!((serving.routed().as_str(), serving.replicas("v41"), serving.replicas("v42")), ("v41", 3, 0));

    // Thirty seconds of settling, then three samples of each criterion.
    let asked = serving.prometheus.requests();
    assert_eq!(asked.len(), 9);
    let times: Vec<f64> =
        asked.iter().map(|request| request.field("time").unwrap().parse().unwrap()).collect();
    let begun = 1_795_144_020.0;
    assert!(times.iter().all(|time| *time >= begun + 30.0), "{times:?}");

    let event: Value = serde_json::from_str(&serving.audit.requests()[0].body).unwrap();
    assert_eq!(event["event_type"], "model_rollback");
    assert_eq!(event["incident_id"], id.as_str());
    assert_eq!(event["rollback_version"], "v41");
    assert_eq!(event["environment"], "production");
    let said: Vec<_> = serving.slack.requests().into_iter().map(|request| request.body).collect();
    assert!(said.iter().any(|body| body.contains("v41") && body.contains(&id)), "{said:#?}");
    let history: Value = serde_json::from_str(&serving.workspace.read("rollback-history.json")).unwrap();
    assert!(history.to_string().contains("v41"), "{history}");

    serving.irctl("irctl rollback undo --service model-serving --yes").expect(0);
    assert_eq!(Double::forgive(&serving.cluster.fingerprint()), before);
}

#[test]
fn versions_that_cannot_serve_are_refused() {
    let serving = Serving::new();
    let before = Double::forgive(&serving.cluster.fingerprint());
    serving.irctl("irctl rollback --service model-serving --to v39 --yes").expect(65);
    // It is there, and nothing of it runs.
    serving.irctl("irctl rollback --service model-serving --to v40 --yes").expect(12);
    assert_eq!(Double::forgive(&serving.cluster.fingerprint()), before);
}

#[test]
fn criteria_that_fail_or_say_nothing_prove_nothing() {
    for values in
        [["0.06", "120", "0.999"], ["0.01", "250", "0.999"], ["0.01", "120", "0.98"], ["NaN", "120", "0.999"]]
    {
        let serving = Serving::new();
        *serving.measured.lock().unwrap() = values;
        serving.irctl("irctl rollback --service model-serving --to v41 --yes").expect(14);
        assert_eq!(serving.routed(), "v41", "never back to the known bad");
    }
}

#[test]
fn an_environment_is_another_namespace() {
    let serving = Serving::new();
    let run = serving.irctl("irctl rollback --service model-serving --to v41 --env staging --yes");
    assert_ne!(run.status, 0, "{}", run.stdout);
    assert!(format!("{}{}", run.stdout, run.stderr).contains("staging"), "{}{}", run.stdout, run.stderr);
    assert_eq!(serving.routed(), "v42", "production is not touched");
}
