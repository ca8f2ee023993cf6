//! Kubernetes: a strict double of its API, and a plain one for what the double does not keep.

use crate::api_server::HttpServer;
use crate::double::{Break, Double, Fault, NAMESPACE, deployment};
use crate::{Bench, dead_port, fact, reason, value};
use serde_json::{Value, json};

const PROBE: &str =
    "{kubernetes: {kubeconfig: kubeconfig, workload: {deployment: server}, image: 'server:1', timeout: 1s}}";

fn scene() -> (Bench, Double) {
    let (bench, double) = (Bench::new(), Double::start());
    double.kubeconfig(&bench.path("kubeconfig"));
    double.apply(deployment("server", "server", "v1", "server:1", 3));
    double.settle();
    (bench, double)
}

/// Says how often containers were started again, as the kubelet does.
fn restarted(double: &Double, counts: &[i64], reason: Option<&str>) {
    let mut state = double.state();
    let pods = state.objects.iter_mut().filter(|((kind, _), _)| *kind == "Pod");
    for ((_, pod), count) in pods.zip(counts) {
        let waiting = reason.map_or(json!({}), |reason| json!({"waiting": {"reason": reason}}));
        pod["status"]["containerStatuses"] = json!([{"name": "server", "restartCount": count, "ready": true,
            "image": "server:1", "imageID": "", "state": waiting}]);
    }
}

#[test]
fn pods_are_counted_and_looked_at() {
    let (bench, double) = scene();
    let outcome = bench.measure(PROBE);
    assert!(reason(&outcome, "p_restarts").contains("nothing of their containers"), "{outcome:?}");
    assert!(reason(&outcome, "p_crash_loop").contains("nothing of their containers"), "{outcome:?}");
    restarted(&double, &[0, 4, 1], Some("ImagePullBackOff"));
    assert_eq!(value(&bench.measure(PROBE), "p_crash_loop"), 0.0, "an image that is not there does not loop");
    restarted(&double, &[0, 4, 1], Some("CrashLoopBackOff"));
    let outcome = bench.measure(PROBE);
    let all = ["wanted", "ready", "ready_ratio", "restarts", "most_restarts", "crash_loop", "image"];
    let all = all.map(|part| value(&outcome, &format!("p_{part}")));
    assert_eq!(all, [3.0, 3.0, 1.0, 5.0, 4.0, 1.0, 1.0]);
    assert_eq!(
        (fact(&outcome, "workload").as_str(), fact(&outcome, "pods").as_str()),
        ("deployment/server", "3")
    );
    assert_eq!(
        (fact(&outcome, "images").as_str(), fact(&outcome, "namespace").as_str()),
        ("server:1", NAMESPACE)
    );
    assert!(fact(&outcome, "not ready").contains("CrashLoopBackOff"));
    let other = bench.measure(&PROBE.replace("server:1", "server:2"));
    assert_eq!(value(&other, "p_image"), 0.0);
    double.state().broken_images.insert("server:bad".to_owned());
    double.apply(deployment("server", "server", "v1", "server:bad", 3));
    std::thread::sleep(std::time::Duration::from_millis(300));
    let outcome = bench.measure(PROBE);
    assert_eq!(value(&outcome, "p_image"), 0.0, "half of the pods run another image");
    let requests = double.state().requests.clone();
    assert!(requests.iter().all(|request| request.starts_with("GET ")), "it only reads: {requests:?}");
}

#[test]
fn what_the_api_does_not_say_is_undecided() {
    let (bench, double) = scene();
    restarted(&double, &[0, 0, 0], None);
    let why = |yaml: &str| {
        let outcome = bench.measure(yaml);
        let all: Vec<_> = outcome.samples.iter().map(|sample| sample.measurement.value()).collect();
        assert!(all.iter().all(Option::is_none), "{outcome:?}");
        reason(&outcome, "p_ready")
    };
    assert!(why(&PROBE.replace("deployment: server", "deployment: none")).contains("not found"));
    assert!(why(&PROBE.replace("deployment: server", "deployment: ../pods")).contains("cannot be the name"));
    assert!(why(&PROBE.replace("kubeconfig: kubeconfig", "kubeconfig: none")).contains("no such file"));
    double.state().denied.insert("get deployments".to_owned());
    assert!(why(PROBE).contains("does not allow it"));
    double.state().denied.clear();
    double.state().denied.insert("list pods".to_owned());
    assert!(why(PROBE).contains("does not allow it"));
    double.state().denied.clear();
    let fault = |how: Break| Fault { method: "GET", path: "/deployments/server", times: 1, how };
    double.fault(fault(Break::Status(503, None)));
    assert!(why(PROBE).contains("HTTP 503"), "what the API says is not asked again");
    double.fault(fault(Break::Hang));
    assert!(why(PROBE).contains("no answer within"));
    assert_eq!(value(&bench.measure(PROBE), "p_ready"), 3.0);
    let text = std::fs::read_to_string(bench.path("kubeconfig")).unwrap();
    let dead = text.replace(&double.url(), &format!("http://127.0.0.1:{}", dead_port()));
    std::fs::write(bench.path("kubeconfig"), &dead).unwrap();
    assert!(why(PROBE).contains("cannot be reached"));
    std::fs::write(bench.path("kubeconfig"), text.replace("double-token", "hunter2")).unwrap();
    assert!(why(PROBE).contains("does not know who asks"));
    let outcome = bench.measured(PROBE, true);
    assert!(reason(&outcome, "p_ready").contains("untrusted"));
}

/// An API that answers these objects, and these pods.
fn api(objects: &'static [(&'static str, &'static str)], pods: Value) -> HttpServer {
    HttpServer::start(move |asked| {
        let json = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        if asked.path.ends_with("/pods") {
            return (
                200,
                json,
                json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods}).to_string(),
            );
        }
        match objects.iter().find(|(path, _)| asked.path.ends_with(path)) {
            Some((_, object)) => (200, json, (*object).to_owned()),
            None => (
                404,
                json,
                json!({"kind": "Status", "status": "Failure", "message": "not found", "code": 404})
                    .to_string(),
            ),
        }
    })
}

#[test]
fn stateful_and_daemon_sets() {
    const OBJECTS: &[(&str, &str)] = &[
        (
            "/statefulsets/store",
            r#"{"metadata": {"generation": 2}, "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "s"}},
               "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}},
               "status": {"observedGeneration": 2, "readyReplicas": 2}}"#,
        ),
        (
            "/daemonsets/agent",
            r#"{"metadata": {"generation": 1}, "spec": {"selector": {"matchLabels": {"app": "a"}}},
               "status": {"observedGeneration": 1, "desiredNumberScheduled": 5, "numberReady": 5}}"#,
        ),
        (
            "/deployments/changed",
            r#"{"metadata": {"generation": 3}, "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "a"}}},
               "status": {"observedGeneration": 2}}"#,
        ),
        (
            "/deployments/stopped",
            r#"{"metadata": {"generation": 3}, "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "a"}}},
               "status": {"observedGeneration": 3}}"#,
        ),
    ];
    let bench = Bench::new();
    let pods = json!([{"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "c", "restartCount": 2}]}},
        {"metadata": {"name": "done"}, "spec": {"containers": [{"name": "c", "image": "old"}]},
        "status": {"phase": "Failed", "containerStatuses": [{"name": "c", "restartCount": 90}]}}]);
    let server = api(OBJECTS, pods);
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n- {{name: c, cluster: {{server: \
         'http://127.0.0.1:{}'}}}}\nusers:\n- {{name: u, user: {{token: hunter2}}}}\ncontexts:\n- {{name: c, context: \
         {{cluster: c, user: u, namespace: production}}}}\n",
        server.port
    );
    std::fs::write(bench.path("kubeconfig"), kubeconfig).unwrap();
    let look = |workload: &str| {
        bench.measure(&format!(
            "{{kubernetes: {{kubeconfig: kubeconfig, workload: {{{workload}}}, timeout: 2s}}}}"
        ))
    };
    let store = look("stateful_set: store");
    assert_eq!(
        (value(&store, "p_wanted"), value(&store, "p_ready"), value(&store, "p_restarts")),
        (3.0, 2.0, 2.0)
    );
    let agent = look("daemon_set: agent");
    assert_eq!((value(&agent, "p_wanted"), value(&agent, "p_ready_ratio")), (5.0, 1.0));
    let changed = look("deployment: changed");
    assert!(reason(&changed, "p_ready").contains("since it was changed"));
    let stopped = look("deployment: stopped");
    assert_eq!((value(&stopped, "p_wanted"), value(&stopped, "p_ready")), (0.0, 0.0));
    assert!(reason(&stopped, "p_ready_ratio").contains("no pods are wanted"));
}
