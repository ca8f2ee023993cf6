//! The double itself: asked directly, asked by kubectl, and compared with a real cluster where there is one.

use super::double::{NAMESPACE, TOKEN};
use super::*;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::process::Command;

fn ask(double: &Double, method: &str, path: &str, media: &str, body: &Value) -> (u16, Value) {
    let mut stream = std::net::TcpStream::connect(double.url().trim_start_matches("http://")).unwrap();
    let body = body.to_string();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: double\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: {media}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let code = text.split(' ').nth(1).unwrap().parse().unwrap();
    let body = text.split_once("\r\n\r\n").unwrap().1;
    (code, serde_json::from_str(body).unwrap())
}

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/production/deployments";

fn patch(scene: &Scene, name: &str, media: &str, body: &Value) -> (u16, Value) {
    let path = format!("{DEPLOYMENTS}/{name}?fieldManager=test");
    ask(&scene.double, "PATCH", &path, &format!("application/{media}+json"), body)
}

#[test]
fn kubernetes_double_refuses_what_the_api_refuses() {
    let scene = Scene::traffic();
    let name = "model-serving-v1";
    for (media, body, code, word) in [
        (
            "merge-patch",
            json!({"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 1}}),
            409,
            "has been modified",
        ),
        ("merge-patch", json!({"metadata": {"uid": "x"}}), 409, "UID in precondition"),
        ("merge-patch", json!({"spec": {"replicas": -1}}), 422, "greater than or equal to 0"),
        ("merge-patch", json!({"spec": {"selector": {"matchLabels": {"app": "x"}}}}), 422, "immutable"),
        ("merge-patch", json!({"spec": {"template": {"spec": {"containers": []}}}}), 422, "Required value"),
        ("nonsense-patch", json!({}), 415, "unknown format"),
        ("json-patch", json!([{"op": "test", "path": "/spec/replicas", "value": 9}]), 422, "test failed"),
        ("json-patch", json!([{"op": "remove", "path": "/spec/nothing"}]), 422, "missing path"),
    ] {
        let (found, body) = patch(&scene, name, media, &body);
        assert_eq!(found, code, "{body}");
        assert_eq!((&body["kind"], &body["code"]), (&json!("Status"), &json!(code)));
        assert!(body["message"].as_str().unwrap().contains(word), "{body}");
    }
    let (code, body) = patch(&scene, "nothing", "merge-patch", &json!({}));
    assert_eq!((code, &body["reason"]), (404, &json!("NotFound")));
    let (_, body) = patch(&scene, name, "merge-patch", &json!({"spec": {"replicas": -1}}));
    assert_eq!(body["details"]["causes"][0]["field"], "spec.replicas");
}

#[test]
fn kubernetes_double_tries_without_doing_and_counts_what_it_does() {
    let scene = Scene::traffic();
    let before = scene.double.fingerprint();
    let path = format!("{DEPLOYMENTS}/model-serving-v1?dryRun=All");
    let body = json!({"spec": {"replicas": 9}});
    let (code, answer) = ask(&scene.double, "PATCH", &path, "application/merge-patch+json", &body);
    assert_eq!((code, &answer["spec"]["replicas"]), (200, &json!(9)));
    assert_eq!(before, scene.double.fingerprint());
    let generation = |object: &Value| object["metadata"]["generation"].as_i64().unwrap();
    let old = scene.double.object("Deployment", "model-serving-v1");
    let labels = json!({"metadata": {"labels": {"a": "b"}}});
    let (_, labelled) = patch(&scene, "model-serving-v1", "merge-patch", &labels);
    assert_eq!(generation(&labelled), generation(&old), "a label is no change of the specification");
    let (_, scaled) = patch(&scene, "model-serving-v1", "merge-patch", &json!({"spec": {"replicas": 4}}));
    assert_eq!(generation(&scaled), generation(&old) + 1);
    let by_name = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "server", "env": [{"name": "MODEL", "value": "other"}, {"name": "MORE", "value": "x"}]}]}}}});
    let (_, merged) = patch(&scene, "model-serving-v1", "strategic-merge-patch", &by_name);
    let container = &merged["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry.example.org/m@sha256:a1", "a container is found by its name");
    assert_eq!(
        (&container["env"][0]["value"], &container["env"][1]["name"]),
        (&json!("other"), &json!("MORE"))
    );
}

#[test]
#[should_panic(expected = "what it does not know")]
fn kubernetes_double_fails_the_test_that_asks_nonsense() {
    let scene = Scene::traffic();
    let (code, _) =
        ask(&scene.double, "GET", "/apis/example.org/v1/nonsense", "application/json", &json!({}));
    assert_eq!(code, 404);
}

#[test]
#[should_panic(expected = "unknown field")]
fn kubernetes_double_fails_the_test_that_writes_unknown_fields() {
    let scene = Scene::traffic();
    let (code, _) = patch(&scene, "model-serving-v1", "merge-patch", &json!({"spec": {"replica": 1}}));
    assert_eq!(code, 400);
}

/// kubectl on the double: if they disagree, one of them is wrong, and it is not kubectl.
#[test]
fn kubernetes_double_and_kubectl_agree() {
    if Command::new("kubectl").args(["version", "--client"]).output().is_err() {
        eprintln!("not run: kubectl on the double: kubectl is not installed");
        return;
    }
    let scene = Scene::revision();
    scene.double.apply(service("model-serving", json!({"app": "model-serving"})));
    scene.double.lenient();
    let kubectl = |arguments: &[&str]| {
        let output = Command::new("kubectl")
            .args(arguments)
            .env("KUBECONFIG", scene.folder.path().join("kubeconfig"))
            .env("HOME", scene.folder.path())
            .output()
            .unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    };
    let done = |arguments: &[&str]| {
        let (good, text) = kubectl(arguments);
        assert!(good, "kubectl {arguments:?}: {text}");
        scene.double.settle();
        text
    };
    let get = done(&["get", "deployment", "model-serving", "-o", "jsonpath={.status.readyReplicas}"]);
    assert_eq!(get, "3");
    done(&["rollout", "undo", "deployment/model-serving", "--to-revision=2"]);
    let by_kubectl = scene.double.object("Deployment", "model-serving");
    assert!(
        done(&["rollout", "status", "deployment/model-serving", "--timeout=10s"])
            .contains("successfully rolled out")
    );
    done(&["scale", "deployment", "model-serving", "--replicas=5"]);
    assert_eq!(scene.double.object("Deployment", "model-serving")["spec"]["replicas"], 5);
    done(&["patch", "service", "model-serving", "-p", r#"{"spec":{"selector":{"version":"v"}}}"#]);
    assert_eq!(scene.double.object("Service", "model-serving")["spec"]["selector"]["version"], "v");
    let (good, text) =
        kubectl(&["scale", "deployment", "model-serving", "--replicas=1", "--resource-version=1"]);
    assert!(!good && text.contains("Expected resource version to be 1"), "{text}");
    let (good, text) = kubectl(&["get", "deployment", "nothing"]);
    assert!(!good && text.contains("(NotFound)"), "{text}");

    // What irctl makes of the same revision is what kubectl makes of it.
    let other = Scene::revision();
    other.stage().iter().for_each(|spec| drop(act(spec).unwrap()));
    other.double.settle();
    let by_irctl = other.double.object("Deployment", "model-serving");
    assert_eq!(by_kubectl["spec"], by_irctl["spec"]);
    assert_eq!(by_kubectl["metadata"]["annotations"], by_irctl["metadata"]["annotations"]);
}

/// Against a real cluster, in a namespace of its own (`irctl-test`), which must exist and be empty.
#[test]
fn kubernetes_on_a_real_cluster() {
    let Ok(kubeconfig) = std::env::var("IRCTL_TEST_KUBECONFIG") else {
        eprintln!("not run: real cluster: IRCTL_TEST_KUBECONFIG is not set");
        return;
    };
    let kubectl = |arguments: &[&str], input: &str| {
        let mut child = Command::new("kubectl")
            .args(["--kubeconfig", &kubeconfig, "--namespace", "irctl-test"])
            .args(arguments)
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "kubectl {arguments:?}");
    };
    let mut objects = vec![service("model-serving", json!({"app": "model-serving", "version": "v2"}))];
    for version in ["v1", "v2"] {
        let name = format!("model-serving-{version}");
        objects.push(deployment(&name, "model-serving", version, "registry.k8s.io/pause:3.10", 1));
    }
    for mut object in objects {
        object["metadata"]["namespace"] = json!("irctl-test");
        kubectl(&["apply", "-f", "-"], &object.to_string());
    }
    for version in ["v1", "v2"] {
        kubectl(&["rollout", "status", &format!("deployment/model-serving-{version}"), "--timeout=120s"], "");
    }
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "{{kubeconfig: '{kubeconfig}', namespace: irctl-test, service: model-serving, selector: {{version: \
         '{{version}}'}}, deployments: 'model-serving-*', scale_down: true, ready_within: 2m}}"
    );
    let config: KubernetesConfig = serde_yaml::from_str(&config).unwrap();
    let ground = Ground { root: folder.path().to_path_buf(), service: "model-serving".to_owned() };
    let target = KubernetesTarget { config: &config, ground: &ground };
    let versions = target.versions().unwrap();
    let to = versions.iter().find(|version| version.shown() == "v1").unwrap();
    let served = target.served().unwrap();
    assert_eq!(served.shown(), "v2", "{NAMESPACE} is the double's, irctl-test the cluster's");
    let goal = Goal {
        version: to,
        served: &served,
        operation: Some("OP-20261120-030700"),
        incident: None,
        reason: None,
        actor: "cli:engineer",
        now: irctl::base::clock::parse_instant("2026-11-20T03:07:00Z").unwrap(),
    };
    let prediction = target.predict(&goal).unwrap();
    assert!(prediction.changes.iter().all(|change| change.fidelity == Fidelity::Proven), "{prediction:?}");
    let staging = Staging { images: folder.path(), operation: "OP-20261120-030700" };
    let specs = target.stage(&goal, &staging).unwrap();
    specs.iter().for_each(|spec| drop(act(spec).unwrap()));
    assert_eq!(target.served().unwrap().shown(), "v1");
    specs.iter().rev().for_each(|spec| drop(undo(spec).unwrap()));
    assert_eq!(target.served().unwrap().shown(), "v2");
}
