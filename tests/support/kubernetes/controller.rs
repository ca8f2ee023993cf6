//! The controllers behind the API: Deployments make ReplicaSets, those make pods, and Services find them.

use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::NAMESPACE;
use super::state::{State, kind};

const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const OWN: [&str; 4] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    "deployment.kubernetes.io/desired-replicas",
];

/// One look at everything.
pub fn tick(state: &mut State) {
    state.ticks += 1;
    if state.idle {
        return;
    }
    let version = state.version;
    for deployment in state.listed(&["Deployment"]) {
        reconcile(state, &deployment);
    }
    for set in state.listed(&["ReplicaSet"]) {
        pods_of(state, &set);
    }
    for service in state.listed(&["Service"]) {
        endpoints_of(state, &service);
    }
    state.idle = state.version == version && !waiting(state);
}

/// Whether time alone will change something.
fn waiting(state: &State) -> bool {
    state.listed(&["Pod"]).iter().any(|pod| !is_ready(pod) && !is_broken(state, pod))
        || state.listed(&["Deployment"]).iter().any(|deployment| {
            let name = deployment["metadata"]["name"].as_str().unwrap();
            state.patience > 0 && state.born.contains_key(&format!("rollout {name}")) && !exceeded(deployment)
        })
}

fn exceeded(deployment: &Value) -> bool {
    let conditions = deployment["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|condition| condition["reason"] == "ProgressDeadlineExceeded")
}

fn template(object: &Value) -> Value {
    let mut template = object["spec"]["template"].clone();
    template["metadata"].as_object_mut().unwrap().remove("creationTimestamp");
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove("pod-template-hash");
    }
    template
}

fn revision(object: &Value) -> i64 {
    object["metadata"]["annotations"][REVISION].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn owned(state: &State, kind: &str, owner: &Value) -> Vec<Value> {
    let all = state.listed(&[kind]);
    let uid = &owner["metadata"]["uid"];
    all.into_iter().filter(|object| object["metadata"]["ownerReferences"][0]["uid"] == *uid).collect()
}

fn reconcile(state: &mut State, deployment: &Value) {
    let sets = owned(state, "ReplicaSet", deployment);
    let current = sets.iter().find(|set| template(set) == template(deployment)).cloned();
    let paused = deployment["spec"]["paused"] == true;
    let new = match current {
        Some(set) if paused => set,
        None if paused => return status(state, deployment, None, &sets),
        Some(set) => renumbered(state, deployment, set, &sets),
        None => made(state, deployment, &sets),
    };
    let mut deployment = deployment.clone();
    if deployment["metadata"]["annotations"].is_null() {
        deployment["metadata"]["annotations"] = json!({});
    }
    deployment["metadata"]["annotations"][REVISION] = json!(revision(&new).to_string());
    let deployment = state.put(kind("Deployment"), deployment);
    let wanted = deployment["spec"]["replicas"].as_i64().unwrap();
    scale(state, &new, wanted);
    let ready = new["status"]["readyReplicas"].as_i64().unwrap_or(0);
    for set in sets.iter().filter(|set| set["metadata"]["uid"] != new["metadata"]["uid"]) {
        if ready >= wanted {
            scale(state, set, 0);
        }
    }
    let sets = owned(state, "ReplicaSet", &deployment);
    status(state, &deployment, Some(&new), &sets);
}

fn scale(state: &mut State, set: &Value, replicas: i64) {
    let name = set["metadata"]["name"].as_str().unwrap();
    let mut set = state.find("ReplicaSet", name).unwrap().clone();
    if set["spec"]["replicas"] != replicas {
        set["spec"]["replicas"] = json!(replicas);
        set["metadata"]["generation"] = json!(set["metadata"]["generation"].as_i64().unwrap() + 1);
        state.put(kind("ReplicaSet"), set);
    }
}

/// A template that comes back gets the newest number, and the Deployment's annotations.
fn renumbered(state: &mut State, deployment: &Value, mut set: Value, sets: &[Value]) -> Value {
    let highest = sets
        .iter()
        .filter(|other| other["metadata"]["uid"] != set["metadata"]["uid"])
        .map(revision)
        .max()
        .unwrap_or(0);
    let old = revision(&set);
    copy_annotations(deployment, &mut set);
    if old <= highest {
        let history = set["metadata"]["annotations"][HISTORY].as_str().unwrap_or_default().to_owned();
        let history = if history.is_empty() { old.to_string() } else { format!("{history},{old}") };
        set["metadata"]["annotations"][HISTORY] = json!(history);
        set["metadata"]["annotations"][REVISION] = json!((highest + 1).to_string());
        let name = deployment["metadata"]["name"].as_str().unwrap();
        let ticks = state.ticks;
        state.born.insert(format!("rollout {name}"), ticks);
    }
    state.put(kind("ReplicaSet"), set)
}

fn copy_annotations(deployment: &Value, set: &mut Value) {
    let notes = deployment["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    for (key, value) in notes.into_iter().filter(|(key, _)| !OWN.contains(&key.as_str())) {
        set["metadata"]["annotations"][key] = value;
    }
}

fn made(state: &mut State, deployment: &Value, sets: &[Value]) -> Value {
    let name = deployment["metadata"]["name"].as_str().unwrap();
    let hash = format!("{:x}", 0x5f00 + state.fresh());
    let mut pods = deployment["spec"]["template"].clone();
    pods["metadata"]["labels"]["pod-template-hash"] = json!(hash);
    let mut matched = deployment["spec"]["selector"]["matchLabels"].clone();
    matched["pod-template-hash"] = json!(hash);
    let number = sets.iter().map(revision).max().unwrap_or(0) + 1;
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{name}-{hash}"), "namespace": NAMESPACE,
            "labels": pods["metadata"]["labels"],
            "annotations": {REVISION: number.to_string()},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "Deployment", "name": name,
                "uid": deployment["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true
            }]
        },
        "spec": {"replicas": 0, "selector": {"matchLabels": matched}, "template": pods}
    });
    copy_annotations(deployment, &mut set);
    let set_name = set["metadata"]["name"].as_str().unwrap().to_owned();
    let set = state.prepared(kind("ReplicaSet"), &set_name, None, set).unwrap();
    let ticks = state.ticks;
    state.born.insert(format!("rollout {name}"), ticks);
    state.put(kind("ReplicaSet"), set)
}

fn status(state: &mut State, deployment: &Value, new: Option<&Value>, sets: &[Value]) {
    let name = deployment["metadata"]["name"].as_str().unwrap().to_owned();
    let count = |set: &Value, field: &str| set["status"][field].as_i64().unwrap_or(0);
    let total = |field: &str| sets.iter().map(|set| count(set, field)).sum::<i64>();
    let updated = sets
        .iter()
        .filter(|set| new.is_some_and(|new| set["metadata"]["uid"] == new["metadata"]["uid"]))
        .map(|set| count(set, "replicas"))
        .sum::<i64>();
    let wanted = deployment["spec"]["replicas"].as_i64().unwrap();
    let complete = updated == wanted && total("replicas") == wanted && total("readyReplicas") == wanted;
    let rollout = format!("rollout {name}");
    if complete {
        state.born.remove(&rollout);
    }
    let late = state.patience > 0
        && state.born.get(&rollout).is_some_and(|born| state.ticks > born + state.patience);
    let (truth, reason, message) = match (complete, late) {
        (true, _) => ("True", "NewReplicaSetAvailable", "has successfully progressed."),
        (false, true) => ("False", "ProgressDeadlineExceeded", "has timed out progressing."),
        (false, false) => ("True", "ReplicaSetUpdated", "is progressing."),
    };
    let mut found = serde_json::Map::new();
    found.insert("observedGeneration".into(), deployment["metadata"]["generation"].clone());
    for (field, value) in [
        ("replicas", total("replicas")),
        ("updatedReplicas", updated),
        ("readyReplicas", total("readyReplicas")),
        ("availableReplicas", total("readyReplicas")),
    ] {
        if value > 0 {
            found.insert(field.into(), json!(value));
        }
    }
    let message = format!("ReplicaSet of \"{name}\" {message}");
    found.insert(
        "conditions".into(),
        json!([{"type": "Progressing", "status": truth, "reason": reason, "message": message}]),
    );
    let mut deployment = state.find("Deployment", &name).unwrap().clone();
    deployment["status"] = Value::Object(found);
    state.put(kind("Deployment"), deployment);
}

fn is_ready(pod: &Value) -> bool {
    pod["status"]["conditions"][0]["status"] == "True"
}

fn is_broken(state: &State, pod: &Value) -> bool {
    let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
    state.broken_images.contains(image)
}

fn pods_of(state: &mut State, set: &Value) {
    let wanted = set["spec"]["replicas"].as_i64().unwrap() as usize;
    let pods = owned(state, "Pod", set);
    for pod in pods.iter().skip(wanted) {
        state.remove("Pod", pod["metadata"]["name"].as_str().unwrap());
    }
    for _ in pods.len()..wanted {
        let name = format!("{}-{:05x}", set["metadata"]["name"].as_str().unwrap(), state.fresh());
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": name, "namespace": NAMESPACE,
                "labels": set["spec"]["template"]["metadata"]["labels"],
                "ownerReferences": [{
                    "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set["metadata"]["name"],
                    "uid": set["metadata"]["uid"], "controller": true
                }]
            },
            "spec": set["spec"]["template"]["spec"],
        });
        let mut pod = state.prepared(kind("Pod"), &name, None, pod).unwrap();
        pod["status"] = json!({"phase": "Pending", "conditions": [{"type": "Ready", "status": "False"}]});
        let ticks = state.ticks;
        state.born.insert(name, ticks);
        state.put(kind("Pod"), pod);
    }
    for mut pod in owned(state, "Pod", set) {
        let name = pod["metadata"]["name"].as_str().unwrap();
        let old_enough = state.born.get(name).is_none_or(|born| state.ticks > born + state.slow);
        if !is_ready(&pod) && old_enough && !is_broken(state, &pod) {
            pod["status"] = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
            state.put(kind("Pod"), pod);
        }
    }
    let pods = owned(state, "Pod", set);
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let mut set = state.find("ReplicaSet", set["metadata"]["name"].as_str().unwrap()).unwrap().clone();
    set["status"] = json!({
        "replicas": pods.len(), "readyReplicas": ready, "availableReplicas": ready,
        "observedGeneration": set["metadata"]["generation"],
    });
    state.put(kind("ReplicaSet"), set);
}

fn endpoints_of(state: &mut State, service: &Value) {
    let name = service["metadata"]["name"].as_str().unwrap();
    let selector: BTreeMap<String, Value> =
        service["spec"]["selector"].as_object().cloned().unwrap_or_default().into_iter().collect();
    if selector.is_empty() {
        return;
    }
    let picked = state
        .listed(&["Pod"])
        .into_iter()
        .filter(|pod| selector.iter().all(|(key, value)| pod["metadata"]["labels"].get(key) == Some(value)));
    let endpoints: Vec<_> = picked
        .map(|pod| {
            json!({
                "addresses": ["10.0.0.1"],
                "conditions": {"ready": is_ready(&pod)},
                "targetRef": {
                    "kind": "Pod", "name": pod["metadata"]["name"], "namespace": NAMESPACE,
                    "uid": pod["metadata"]["uid"]
                }
            })
        })
        .collect();
    let slice_name = format!("{name}-slice");
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": slice_name, "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": name}
        },
        "endpoints": endpoints, "ports": [{"port": 8080}],
    });
    let old = state.find("EndpointSlice", &slice_name).cloned();
    let mut slice = state.prepared(kind("EndpointSlice"), &slice_name, old.as_ref(), slice).unwrap();
    if let Some(old) = &old {
        slice["metadata"] = old["metadata"].clone();
    }
    state.put(kind("EndpointSlice"), slice);
}
