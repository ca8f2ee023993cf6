//! The traffic of a Service in a cluster, killed at every step boundary; the API is a double as strict as the reference.

#[path = "../support/kubernetes.rs"]
#[allow(dead_code, unused_imports)] // A part of it is used here.
mod double;

use crate::composite::unfinished;
use crate::killing::{Tally, at_each, at_point, fault_points};
use crate::support::Workspace;
use crate::support::rollback::bad_model;
use double::{Double, deployment, service};
use serde_json::json;

const SERVICE: &str = r#"service: serving
kind: service
scheme: protocol-25
rollback:
  targets:
    - kubernetes: {kubeconfig: kubeconfig, service: model-serving, selector: {version: "{version}"}, deployments: "model-serving-*", scale_down: true, ready_within: 10s, timeout: 5s}
"#;

const GO: [&str; 7] = ["rollback", "--service", "serving", "--to", "model-serving-v1", "--yes", "--quiet"];

struct Cluster {
    workspace: Workspace,
    double: Double,
}

impl Cluster {
    fn new() -> Self {
        let double = Double::start();
        for (version, digest) in [("v1", "a1"), ("v2", "b2")] {
            let image = format!("registry.example.org/m@sha256:{digest}");
            let name = format!("model-serving-{version}");
            double.apply(deployment(&name, "model-serving", version, &image, 3));
        }
        double.apply(service("model-serving", json!({"app": "model-serving", "version": "v2"})));
        let workspace = bad_model("");
        std::fs::remove_dir_all(workspace.path("config/services")).unwrap();
        workspace.write("config/services/serving.yaml", SERVICE);
        double.kubeconfig(&workspace.path("kubeconfig"));
        Self { workspace, double }
    }

    fn seen(&self) -> String {
        Double::forgive(&self.double.fingerprint())
    }
}

#[test]
fn traffic_killed_at_every_point() {
    let clean = Cluster::new();
    let old = clean.seen();
    let points = fault_points(&clean.workspace, &GO, 0);
    let new = clean.seen();
    assert_ne!(old, new);
    let tally = Tally::default();
    at_each(points.len() * 2, 6, |at| {
        let abort = at > points.len();
        let point = if abort { at - points.len() } else { at };
        let place = format!("killed after {}, abort: {abort}", points[point - 1]);
        let cluster = Cluster::new();
        at_point(&cluster.workspace, &GO, point);
        match unfinished(&cluster.workspace, "rollback") {
            Some(id) if abort => {
                cluster.workspace.irctl(&["rollback", "abort", &id, "--quiet"]).expect(10);
                assert_eq!(cluster.seen(), old, "{place}");
                tally.add("aborted and undone");
            }
            Some(id) => {
                cluster.workspace.irctl(&["rollback", "resume", &id, "--quiet"]).expect(0);
                assert_eq!(cluster.seen(), new, "{place}");
                tally.add("resumed and restored");
            }
            None if cluster.seen() == new => tally.add("over already"),
            None => {
                assert_eq!(cluster.seen(), old, "{place}");
                cluster.workspace.irctl(&GO).expect(0);
                assert_eq!(cluster.seen(), new, "{place}");
                tally.add("not begun, done again and restored");
            }
        }
    });
    tally.report("kubernetes traffic at every fault point");
}
