//! What the API accepts: fields that its schema has (as k8s-openapi knows them), and values that make sense.

use k8s_openapi::api::{apps, autoscaling, core, discovery};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::state::{Kind, Refusal, refusal};

/// Whether every field is one of the schema's.
pub fn known(kind: &Kind, object: &Value) -> Result<(), String> {
    match kind.kind {
        "Service" => round::<core::v1::Service>(object),
        "Pod" => round::<core::v1::Pod>(object),
        "Deployment" => round::<apps::v1::Deployment>(object),
        "ReplicaSet" => round::<apps::v1::ReplicaSet>(object),
        "EndpointSlice" => round::<discovery::v1::EndpointSlice>(object),
        "HorizontalPodAutoscaler" => round::<autoscaling::v2::HorizontalPodAutoscaler>(object),
        "Scale" => round::<autoscaling::v1::Scale>(object),
        other => Err(format!("no schema for {other}")),
    }
}

fn round<T: DeserializeOwned + Serialize>(object: &Value) -> Result<(), String> {
    let typed: T = serde_json::from_value(object.clone()).map_err(|error| error.to_string())?;
    let again = serde_json::to_value(typed).map_err(|error| error.to_string())?;
    compare(object, &again, "")
}

/// What the schema does not know is lost on the way through it.
fn compare(sent: &Value, kept: &Value, place: &str) -> Result<(), String> {
    match (sent, kept) {
        (Value::Object(sent), kept) => sent.iter().try_for_each(|(key, value)| {
            let place = format!("{place}.{key}");
            let empty = |value: &Value| {
                value.is_null()
                    || value.as_array().is_some_and(Vec::is_empty)
                    || value.as_object().is_some_and(serde_json::Map::is_empty)
            };
            match kept.get(key) {
                Some(kept) => compare(value, kept, &place),
                None if empty(value) => Ok(()),
                None => Err(format!("unknown field \"{}\"", place.trim_start_matches('.'))),
            }
        }),
        (Value::Array(sent), Value::Array(kept)) => sent
            .iter()
            .zip(kept)
            .enumerate()
            .try_for_each(|(at, (sent, kept))| compare(sent, kept, &format!("{place}[{at}]"))),
        _ => Ok(()),
    }
}

/// Fills in what the API fills in.
pub fn fill_in(kind: &Kind, object: &mut Value) {
    let mut default = |pointer: &str, key: &str, value: Value| {
        if let Some(map) = object.pointer_mut(pointer).and_then(Value::as_object_mut) {
            map.entry(key).or_insert(value);
        }
    };
    match kind.kind {
        "Deployment" => {
            default("/spec", "replicas", json!(1));
            default("/spec", "revisionHistoryLimit", json!(10));
            default("/spec", "progressDeadlineSeconds", json!(600));
            default("/spec/template/spec", "restartPolicy", json!("Always"));
            default("/spec/template/spec", "terminationGracePeriodSeconds", json!(30));
            let containers =
                object.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
                container.entry("resources").or_insert(json!({}));
            }
            if let Some(metadata) =
                object.pointer_mut("/spec/template/metadata").and_then(Value::as_object_mut)
            {
                metadata.insert("creationTimestamp".to_owned(), Value::Null);
            }
        }
        "Service" => {
            default("/spec", "type", json!("ClusterIP"));
            default("/spec", "clusterIP", json!("10.96.0.10"));
            default("/spec", "sessionAffinity", json!("None"));
            if let Some(ports) = object.pointer_mut("/spec/ports").and_then(Value::as_array_mut) {
                for port in ports {
                    port.as_object_mut().unwrap().entry("protocol").or_insert(json!("TCP"));
                }
            }
        }
        _ => {}
    }
}

/// A 422 with a cause for each field.
pub fn invalid(kind: &str, group: &str, name: &str, causes: &[(&str, &str, String)]) -> Refusal {
    let list: Vec<_> = causes
        .iter()
        .map(|(field, reason, message)| json!({"reason": reason, "message": message, "field": field}))
        .collect();
    let texts: Vec<_> = causes.iter().map(|(field, _, message)| format!("{field}: {message}")).collect();
    let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
    let text = format!("{qualified} \"{name}\" is invalid: {}", texts.join(", "));
    let details = json!({"name": name, "group": group, "kind": kind, "causes": list});
    refusal(422, "Invalid", &text, details)
}

/// Whether the values make sense.
pub fn valid(kind: &Kind, name: &str, old: Option<&Value>, new: &Value) -> Result<(), Refusal> {
    let mut causes: Vec<(&str, &str, String)> = Vec::new();
    let mut bad = |field, message: String| causes.push((field, "FieldValueInvalid", message));
    if new["metadata"]["name"] != json!(name) {
        bad("metadata.name", format!("Invalid value: {}: field is immutable", new["metadata"]["name"]));
    }
    if kind.kind == "Deployment" {
        if let Some(count) = new["spec"]["replicas"].as_i64().filter(|count| *count < 0) {
            bad("spec.replicas", format!("Invalid value: {count}: must be greater than or equal to 0"));
        }
        let (selector, labels) =
            (&new["spec"]["selector"]["matchLabels"], &new["spec"]["template"]["metadata"]["labels"]);
        let fits = selector
            .as_object()
            .is_some_and(|map| map.iter().all(|(key, value)| labels.get(key) == Some(value)));
        if !fits {
            bad(
                "spec.template.metadata.labels",
                format!("Invalid value: {labels}: `selector` does not match template `labels`"),
            );
        }
        if old.is_some_and(|old| old["spec"]["selector"] != new["spec"]["selector"]) {
            bad("spec.selector", format!("Invalid value: {selector}: field is immutable"));
        }
        let containers =
            new["spec"]["template"]["spec"]["containers"].as_array().cloned().unwrap_or_default();
        if containers.is_empty() {
            causes.push(("spec.template.spec.containers", "FieldValueRequired", "Required value".to_owned()));
        }
        for container in containers {
            if container["image"].as_str().is_none_or(str::is_empty) {
                let field = "spec.template.spec.containers[0].image";
                causes.push((field, "FieldValueRequired", "Required value".to_owned()));
            }
        }
    }
    if kind.kind == "Service" {
        for (_, value) in new["spec"]["selector"].as_object().into_iter().flatten() {
            let text = value.as_str().unwrap_or("?");
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if text.len() > 63 || !text.chars().all(fits) {
                let message =
                    format!("Invalid value: {value}: a valid label must consist of alphanumeric characters");
                causes.push(("spec.selector", "FieldValueInvalid", message));
            }
        }
        if old.is_some_and(|old| old["spec"]["clusterIP"] != new["spec"]["clusterIP"]) {
            let message = "Invalid value: may not change once set".to_owned();
            causes.push(("spec.clusterIPs[0]", "FieldValueInvalid", message));
        }
    }
    if causes.is_empty() { Ok(()) } else { Err(invalid(kind.kind, kind.group, name, &causes)) }
}
