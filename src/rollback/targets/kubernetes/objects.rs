//! Kubernetes objects as the API sends them. They stay JSON, so that no field that irctl does not know is lost.

use serde_json::Value;
use std::collections::BTreeMap;

use crate::base::Digest;

/// The label that the Deployment controller adds to the pod template of each ReplicaSet.
pub const HASH_LABEL: &str = "pod-template-hash";

/// The annotation with the number of a revision.
pub const REVISION: &str = "deployment.kubernetes.io/revision";

/// Why a revision was made, in the words of who made it.
pub const CAUSE: &str = "kubernetes.io/change-cause";

/// What `kubectl rollout restart` writes: it starts the pods anew and changes nothing else.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// Labels, annotations or a selector.
pub type Pairs = BTreeMap<String, String>;

/// The text at a JSON pointer.
pub fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str()
}

/// The number at a JSON pointer.
pub fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer)?.as_i64()
}

/// The texts of the map at a JSON pointer.
pub fn pairs(object: &Value, pointer: &str) -> Pairs {
    let map = object.pointer(pointer).and_then(Value::as_object);
    let texts = map.into_iter().flatten();
    texts.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// Its name.
pub fn name(object: &Value) -> &str {
    text(object, "/metadata/name").unwrap_or_default()
}

/// Its identity: a new object of the same name has another one.
pub fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid").unwrap_or_default()
}

/// The state of the object that a write is compared with.
pub fn resource_version(object: &Value) -> &str {
    text(object, "/metadata/resourceVersion").unwrap_or_default()
}

/// The labels of a Deployment's or ReplicaSet's pods.
pub fn pod_labels(object: &Value) -> Pairs {
    pairs(object, "/spec/template/metadata/labels")
}

/// Whether a Service with this selector picks pods with these labels. An empty selector picks none.
pub fn picks(selector: &Pairs, labels: &Pairs) -> bool {
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// How many replicas are wanted. The API fills in 1 where nothing is said.
pub fn replicas(deployment: &Value) -> i64 {
    number(deployment, "/spec/replicas").unwrap_or(1)
}

/// How many replicas are ready.
pub fn ready(deployment: &Value) -> i64 {
    number(deployment, "/status/readyReplicas").unwrap_or(0)
}

/// Whether its rollouts are paused.
pub fn is_paused(deployment: &Value) -> bool {
    deployment.pointer("/spec/paused").and_then(Value::as_bool).unwrap_or(false)
}

/// The number of its revision.
pub fn revision(object: &Value) -> Option<i64> {
    pairs(object, "/metadata/annotations").get(REVISION)?.parse().ok()
}

/// The pod template without what the controller adds to it.
pub fn template(object: &Value) -> Value {
    let mut template = object.pointer("/spec/template").cloned().unwrap_or_default();
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("creationTimestamp");
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            labels.remove(HASH_LABEL);
        }
    }
    template
}

/// What runs in the pods, as one digest: images, commands, environment, volumes and the annotations that carry
/// checksums of configuration. Labels and restarts are left out: the same pods under another label are the same
/// version, and stay known for bad.
pub fn identity(object: &Value) -> Digest {
    let template = template(object);
    let mut annotations = pairs(&template, "/metadata/annotations");
    annotations.remove(RESTARTED);
    let spec = template.get("spec").cloned().unwrap_or_default();
    digest(&serde_json::json!({"annotations": annotations, "spec": spec}))
}

/// The digest of a value. Keys are in order, since serde_json keeps them so.
pub fn digest(value: &Value) -> Digest {
    Digest::of(value.to_string().as_bytes())
}

/// The `spec` without these of its fields: what must not have changed since the plan was made.
pub fn rest_of_spec(object: &Value, without: &[&str]) -> Digest {
    let mut spec = object.get("spec").cloned().unwrap_or_default();
    if let Some(map) = spec.as_object_mut() {
        for field in without {
            map.remove(*field);
        }
    }
    digest(&spec)
}

/// The images of a pod template, by container.
pub fn images(template: &Value) -> Pairs {
    let lists = ["/spec/initContainers", "/spec/containers"];
    let containers = lists.iter().filter_map(|list| template.pointer(list)?.as_array()).flatten();
    let named =
        containers.filter_map(|container| Some((text(container, "/name")?, text(container, "/image")?)));
    named.map(|(name, image)| (name.to_owned(), image.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(hash: &str, image: &str, restarted: &str) -> Value {
        json!({"spec": {"replicas": 2, "template": {
            "metadata": {"creationTimestamp": null, "labels": {"app": "a", HASH_LABEL: hash},
                         "annotations": {RESTARTED: restarted}},
            "spec": {"containers": [{"name": "c", "image": image}]}}}})
    }

    #[test]
    fn what_runs_decides_the_identity_and_not_the_noise_of_a_revision() {
        let one = deployment("1", "i@sha256:a", "2026-11-20T03:07:00Z");
        assert_eq!(identity(&one), identity(&deployment("2", "i@sha256:a", "2026-11-21T03:07:00Z")));
        assert_ne!(identity(&one), identity(&deployment("1", "i@sha256:b", "2026-11-20T03:07:00Z")));
        assert_eq!(template(&one), template(&deployment("2", "i@sha256:a", "2026-11-20T03:07:00Z")));
    }

    #[test]
    fn a_selector_picks_what_has_all_of_its_labels() {
        let pairs = |list: &[(&str, &str)]| -> Pairs {
            list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        assert!(picks(&pairs(&[("a", "1")]), &pairs(&[("a", "1"), ("b", "2")])));
        assert!(!picks(&pairs(&[("a", "1"), ("b", "3")]), &pairs(&[("a", "1"), ("b", "2")])));
        assert!(!picks(&pairs(&[]), &pairs(&[("a", "1")])), "an empty selector picks none");
    }

    #[test]
    fn the_rest_of_a_spec_leaves_out_what_is_switched() {
        let (one, mut two) = (deployment("1", "i", ""), deployment("1", "i", ""));
        two["spec"]["replicas"] = json!(5);
        assert_eq!(rest_of_spec(&one, &["replicas"]), rest_of_spec(&two, &["replicas"]));
        assert_ne!(rest_of_spec(&one, &[]), rest_of_spec(&two, &[]));
    }
}
