//! `traffic-fraction` and `argo-rollout`: the real kubectl, talking to a double of the API that keeps resource
//! versions, refuses stale ones (409), knows dry runs, merge patches and the status subresource.

use irctl::rollback::targets::command::{CommandTarget, CommandTargetConfig};
use irctl::rollback::targets::{Ground, Target};
use irctl::rollback::versions::Version;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::adapter::{Asked, sweep};
use super::http_flag::{Flags, merge};
use super::server::http::{self, HttpServer};
use super::{ground, recipe, versions};
use crate::conformance::{self, Fixture};

type Objects = Arc<Mutex<BTreeMap<String, Value>>>;

/// Group and version, resource, kind.
const RESOURCES: [(&str, &str, &str); 5] = [
    ("networking.istio.io/v1beta1", "virtualservices", "VirtualService"),
    ("gateway.networking.k8s.io/v1", "httproutes", "HTTPRoute"),
    ("networking.k8s.io/v1", "ingresses", "Ingress"),
    ("argoproj.io/v1alpha1", "rollouts", "Rollout"),
    ("apps/v1", "replicasets", "ReplicaSet"),
];

/// A cluster with a few objects, and a kubeconfig that leads to it.
struct Cluster {
    objects: Objects,
    _server: HttpServer,
    directory: tempfile::TempDir,
}

impl Cluster {
    fn new(objects: &[Value]) -> Self {
        let held: Objects = Arc::default();
        for object in objects {
            let mut object = object.clone();
            object["metadata"]["namespace"] = json!("shop");
            object["metadata"]["resourceVersion"] = json!("1");
            let (group, resource, _) =
                RESOURCES.iter().find(|(_, _, kind)| object["kind"] == json!(kind)).unwrap();
            object["apiVersion"] = json!(group);
            let name = object["metadata"]["name"].as_str().unwrap();
            held.lock().unwrap().insert(format!("/apis/{group}/namespaces/shop/{resource}/{name}"), object);
        }
        let objects = held.clone();
        let server = HttpServer::start(move |asked| answer(&held, asked));
        let directory = tempfile::tempdir().unwrap();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": format!("http://127.0.0.1:{}", server.port)}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "shop"}}],
            "users": [{"name": "test", "user": {}}],
        });
        std::fs::write(directory.path().join("kubeconfig"), config.to_string()).unwrap();
        Self { objects, _server: server, directory }
    }

    fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut objects = self.objects.lock().unwrap();
        let (_, object) = objects.iter_mut().find(|(path, _)| path.ends_with(&format!("/{name}"))).unwrap();
        change(object);
        newer(object);
    }

    /// All objects without what a write always changes.
    fn seen(&self) -> String {
        let objects = self.objects.lock().unwrap();
        let each = objects.iter().map(|(path, object)| {
            let mut object = object.clone();
            object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
            format!("{path} {object}")
        });
        each.collect::<Vec<_>>().join("\n")
    }
}

fn newer(object: &mut Value) {
    let version: u64 = object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    object["metadata"]["resourceVersion"] = json!((version + 1).to_string());
}

fn status(code: u16, reason: &str, message: &str) -> http::Reply {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code
    });
    reply(code, &body)
}

fn reply(code: u16, body: &Value) -> http::Reply {
    (code, vec![("Content-Type".to_owned(), "application/json".to_owned())], body.to_string())
}

fn discovery(path: &str) -> Option<Value> {
    if path == "/api" {
        return Some(json!({"kind": "APIVersions", "versions": ["v1"]}));
    }
    if path == "/api/v1" {
        return Some(json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": []}));
    }
    if path == "/apis" {
        let groups = RESOURCES.iter().map(|(group, ..)| {
            let (name, version) = group.split_once('/').unwrap();
            let version = json!({"groupVersion": group, "version": version});
            json!({"name": name, "versions": [version], "preferredVersion": version})
        });
        return Some(
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups.collect::<Vec<_>>()}),
        );
    }
    let (group, resource, kind) = RESOURCES.iter().find(|(group, ..)| path == format!("/apis/{group}"))?;
    let verbs = json!(["get", "list", "patch"]);
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group,
        "resources": [
            {"name": resource, "singularName": kind.to_lowercase(), "namespaced": true, "kind": kind, "verbs": verbs},
            {"name": format!("{resource}/status"), "singularName": "", "namespaced": true, "kind": kind, "verbs": verbs},
        ],
    }))
}

fn answer(objects: &Objects, asked: &http::Asked) -> http::Reply {
    if let Some(body) = discovery(&asked.path) {
        return reply(200, &body);
    }
    let mut objects = objects.lock().unwrap();
    let (path, only_status) = match asked.path.strip_suffix("/status") {
        Some(path) => (path.to_owned(), true),
        None => (asked.path.clone(), false),
    };
    if asked.method == "GET" && !objects.contains_key(&path) && path.ends_with("/replicasets") {
        return list(&objects, &path, &http::query(asked, "labelSelector").unwrap_or_default());
    }
    let Some(object) = objects.get_mut(&path) else { return status(404, "NotFound", "not found") };
    match asked.method.as_str() {
        "GET" => reply(200, object),
        "PATCH" if asked.header("content-type") == Some("application/merge-patch+json") => {
            let patch: Value = serde_json::from_slice(&asked.body).unwrap();
            let wanted = patch.pointer("/metadata/resourceVersion");
            if wanted.is_some_and(|version| *version != object["metadata"]["resourceVersion"]) {
                return status(409, "Conflict", "the object has been modified");
            }
            let mut changed = object.clone();
            merge(&mut changed, &patch);
            // A resource and its status are written apart.
            let kept = if only_status { "spec" } else { "status" };
            match object.get(kept) {
                Some(value) => changed[kept] = value.clone(),
                None => drop(changed.as_object_mut().unwrap().remove(kept)),
            }
            if let Some(why) = invalid(&changed) {
                return status(422, "Invalid", why);
            }
            if changed != *object {
                newer(&mut changed);
            }
            if http::query(asked, "dryRun").as_deref() != Some("All") {
                *object = changed.clone();
            }
            reply(200, &changed)
        }
        _ => status(415, "UnsupportedMediaType", "only merge patches"),
    }
}

/// What an admission webhook refuses here.
fn invalid(object: &Value) -> Option<&'static str> {
    let frozen = object.pointer("/metadata/annotations/frozen").is_some();
    frozen.then_some("spec: Forbidden: frozen by the release manager")
}

fn list(objects: &BTreeMap<String, Value>, path: &str, selector: &str) -> http::Reply {
    let matches = |object: &Value| {
        selector.split(',').all(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            object["metadata"]["labels"][name] == json!(value)
        })
    };
    let found = objects.iter().filter(|(held, object)| held.starts_with(path) && matches(object));
    let items: Vec<_> = found.map(|(_, object)| object.clone()).collect();
    reply(200, &json!({"kind": "ReplicaSetList", "apiVersion": "apps/v1", "metadata": {}, "items": items}))
}

fn virtual_service() -> Value {
    json!({"kind": "VirtualService", "metadata": {"name": "pricing"}, "spec": {"hosts": ["pricing"], "http": [
        {"name": "admin", "route": [{"destination": {"host": "admin"}}]},
        {"name": "main", "timeout": "2s", "route": [
            {"destination": {"host": "pricing", "subset": "stable"}, "weight": 80},
            {"destination": {"host": "pricing", "subset": "canary"}, "weight": 20},
        ]},
    ]}})
}

fn http_route() -> Value {
    json!({"kind": "HTTPRoute", "metadata": {"name": "pricing"}, "spec": {"rules": [{"backendRefs": [
        {"name": "pricing-stable", "port": 80}, {"name": "pricing-canary", "port": 80, "weight": 1},
    ]}]}})
}

fn ingress() -> Value {
    let annotations = json!({
        "nginx.ingress.kubernetes.io/canary": "true", "nginx.ingress.kubernetes.io/canary-weight": "30"
    });
    json!({"kind": "Ingress", "metadata": {"name": "canary", "annotations": annotations}, "spec": {"rules": []}})
}

fn rollout() -> Vec<Value> {
    let template = |image: &str, more: Value| json!({"metadata": {"labels": more}, "spec": {"containers": [{"name": "main", "image": image}]}});
    let set = |number: u32, image: &str| {
        json!({"kind": "ReplicaSet", "metadata": {
            "name": format!("pricing-{number}"), "labels": {"app": "pricing"},
            "annotations": {"rollout.argoproj.io/revision": number.to_string()},
            "ownerReferences": [{"uid": "u-1", "kind": "Rollout", "name": "pricing"}],
        }, "spec": {"template": template(image, json!({"app": "pricing", "rollouts-pod-template-hash": "abc"}))}})
    };
    let mut bad = template("pricing:2", json!({"app": "pricing"}));
    bad["spec"]["terminationGracePeriodSeconds"] = json!(5);
    vec![
        json!({"kind": "Rollout", "metadata": {
            "name": "pricing", "uid": "u-1", "annotations": {"rollout.argoproj.io/revision": "2"},
            "labels": {"argocd.argoproj.io/instance": "shop"},
        }, "spec": {"selector": {"matchLabels": {"app": "pricing"}}, "template": bad, "paused": true},
        "status": {"phase": "Progressing"}}),
        set(1, "pricing:1"),
        set(2, "pricing:2"),
    ]
}

struct Switched {
    cluster: Cluster,
    config: CommandTargetConfig,
    ground: Ground,
    object: &'static str,
    meddle: fn(&mut Value),
}

impl Switched {
    fn new(
        objects: &[Value],
        name: &str,
        mut with: Value,
        object: &'static str,
        meddle: fn(&mut Value),
    ) -> Self {
        let cluster = Cluster::new(objects);
        with["kubeconfig"] = json!(cluster.kubeconfig());
        let (config, ground) = (recipe(name, with), ground(cluster.directory.path()));
        Self { cluster, config, ground, object, meddle }
    }
}

impl Fixture for Switched {
    fn target(&self) -> Box<dyn Target + '_> {
        Box::new(CommandTarget { config: &self.config, ground: &self.ground })
    }

    fn versions(&self) -> (Version, Version) {
        versions()
    }

    fn fingerprint(&self) -> String {
        self.cluster.seen()
    }

    fn meddle(&self) {
        self.cluster.change(self.object, self.meddle);
    }
}

#[test]
fn traffic_fraction_conforms() {
    conformance::run(|| {
        let with = json!({
            "kind": "virtual-service", "name": "pricing", "route": "main", "weights": ["stable=100", "canary=0"],
            "steps": 2, "pause": "10ms"
        });
        Switched::new(&[virtual_service()], "traffic-fraction", with, "pricing", |object| {
            object["spec"]["http"][1]["route"][1]["weight"] = json!(77);
        })
    });
}

#[test]
fn other_places_of_weights_go_there_and_back() {
    for (object, with) in [
        (
            http_route(),
            json!({"kind": "http-route", "name": "pricing", "weights": ["pricing-stable=1", "pricing-canary=0"]}),
        ),
        (ingress(), json!({"kind": "ingress", "name": "canary", "weights": ["canary=0"]})),
    ] {
        let cluster = Cluster::new(&[object]);
        let mut with = with;
        with["kubeconfig"] = json!(cluster.kubeconfig());
        let kills = sweep(|| Asked::staged("traffic-fraction", with.clone()), || cluster.seen());
        super::adapter::enough(kills, 4);
    }
}

#[test]
fn argo_rollout_conforms() {
    conformance::run(|| {
        let with = json!({"rollout": "pricing", "revision": "previous", "pause": false});
        Switched::new(&rollout(), "argo-rollout", with, "rollouts/pricing", |object| {
            object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("pricing:3");
        })
    });
}

#[test]
fn an_update_is_aborted_and_tried_again() {
    let cluster = Cluster::new(&rollout());
    let with = json!({"rollout": "pricing", "abort": true, "kubeconfig": cluster.kubeconfig()});
    let asked = Asked::staged("argo-rollout", with);
    let before = cluster.seen();
    asked.ask("apply").good();
    asked.ask("apply").good();
    assert!(cluster.seen().contains("\"abort\":true"));
    asked.ask("undo").good();
    assert_eq!(before, cluster.seen());
}

#[test]
fn steps_that_are_killed_go_on_where_they_were() {
    let cluster = Cluster::new(&[virtual_service()]);
    let with = json!({
        "kind": "virtual-service", "name": "pricing", "route": "main", "weights": ["stable=100", "canary=0"],
        "steps": 4, "kubeconfig": cluster.kubeconfig()
    });
    let kills = sweep(|| Asked::staged("traffic-fraction", with.clone()), || cluster.seen());
    super::adapter::enough(kills, 9);
    assert!(cluster.seen().contains("\"timeout\":\"2s\""), "the rest of the object stays");
}

#[test]
fn clusters_say_no_and_are_heard() {
    let mut frozen = virtual_service();
    frozen["metadata"]["annotations"] = json!({"frozen": "yes"});
    let cluster = Cluster::new(&[frozen, http_route()]);
    let with = |more: Value| {
        let mut with = json!({"kind": "virtual-service", "name": "pricing", "weights": ["stable=100", "canary=0"],
            "route": "main", "kubeconfig": cluster.kubeconfig()});
        merge(&mut with, &more);
        Asked::new("traffic-fraction", with)
    };
    let refused = |asked: Asked, words: &str| {
        let predicted = asked.ask("predict").good();
        assert!(predicted["refusals"][0].as_str().unwrap().contains(words), "{predicted}");
    };
    refused(with(json!({})), "frozen by the release manager");
    refused(with(json!({"weights": ["stable=90", "shadow=10"]})), "no traffic goes to `shadow`");
    with(json!({"route": null})).ask("predict").bad(12, "there are 2 routes");
    with(json!({"name": "nobody"})).ask("observe").bad(65, "NotFound");
    with(json!({"weights": ["stable=50", "canary=0"]})).ask("observe").bad(78, "add up to 100");
    with(json!({"weights": ["stable=0", "canary=0"]})).ask("observe").bad(78, "nowhere");
    with(json!({"name": "--all"})).ask("observe").bad(78, "no plain name");
    let cluster = Cluster::new(&rollout());
    let asked = |revision: &str| {
        let with = json!({"rollout": "pricing", "revision": revision, "kubeconfig": cluster.kubeconfig()});
        Asked::new("argo-rollout", with)
    };
    refused(asked("7"), "no revision 7; there are 2, 1");
    let predicted = asked("1").ask("predict").good().to_string();
    assert!(predicted.contains("Argo CD `shop` manages it"), "{predicted}");
    assert!(predicted.contains("is paused") && predicted.contains("pricing:1"), "{predicted}");
}

#[test]
fn a_fraction_behind_an_address() {
    let flags = Flags::new(json!({"rollout": {"canary_percent": 40, "by": "ops"}}));
    let with = json!({
        "kind": "http", "url": flags.url(), "pointer": "/rollout/canary_percent", "weights": ["canary=0"], "steps": 2
    });
    let kills = sweep(|| Asked::staged("traffic-fraction", with.clone()), || flags.body().to_string());
    super::adapter::enough(kills, 5);
    assert_eq!(flags.body(), json!({"rollout": {"canary_percent": 40, "by": "ops"}}));
}

#[test]
fn a_real_cluster() {
    if std::env::var_os("IRCTL_TEST_KUBECONFIG").is_none() {
        println!("not run: real Istio, Gateway API and Argo Rollouts: they need a cluster that has them");
        return;
    }
    let kubeconfig = std::env::var("IRCTL_TEST_KUBECONFIG").unwrap();
    let Ok(rollout) = std::env::var("IRCTL_TEST_ARGO_ROLLOUT") else {
        println!("not run: real Argo Rollouts: IRCTL_TEST_ARGO_ROLLOUT names no rollout with two revisions");
        return;
    };
    let with = json!({"rollout": rollout, "revision": "previous", "kubeconfig": kubeconfig});
    let asked = Asked::staged("argo-rollout", with);
    asked.ask("apply").good();
    assert_eq!(asked.ask("observe").good()["state"], asked.after);
    asked.ask("undo").good();
    assert_eq!(asked.ask("observe").good()["state"], asked.before);
}
