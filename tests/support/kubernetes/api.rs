//! The paths of the API: what may be asked where, and what is answered.

use serde_json::{Value, json};

use super::http::{Answer, Request};
use super::state::{Break, KINDS, Kind, Refusal, State, refusal};
use super::watch::{Watch, list, watch};
use super::{NAMESPACE, Shared, TOKEN, patch, validate};

type Outcome = Result<Value, Refusal>;

/// Answers a request.
pub fn answer(shared: &Shared, request: &Request) -> Answer {
    let mut state = shared.lock();
    let query: Vec<_> = request.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    state.requests.push(format!("{} {}?{}", request.method, request.path, query.join("&")));
    let fault = fault(&mut state, request);
    match &fault {
        Some(Break::Hang) => return Answer::Hang,
        Some(Break::CloseBefore) => return Answer::Close,
        Some(Break::Status(code, after)) => {
            let details = after.map_or(Value::Null, |seconds| json!({"retryAfterSeconds": seconds}));
            let body = refusal(*code, "Injected", "injected by the test", details).body;
            let headers = after.map(|seconds| ("Retry-After", seconds.to_string())).into_iter().collect();
            return Answer::Whole(*code, headers, body);
        }
        Some(Break::Meddle(meddle)) => meddle(&mut state),
        _ => {}
    }
    let answered = route(&mut state, request);
    shared.changed.notify_all();
    match fault {
        Some(Break::CloseAfter) => return Answer::Close,
        Some(Break::HangAfter) => return Answer::Hang,
        _ => {}
    }
    match answered {
        Ok(Routed::Body(code, body)) => Answer::Whole(code, Vec::new(), body),
        Ok(Routed::Watch(watch)) => Answer::Watch(watch),
        Err(refusal) => Answer::Whole(refusal.code, Vec::new(), refusal.body),
    }
}

fn fault(state: &mut State, request: &Request) -> Option<Break> {
    // A dry run is not what is broken: the way to it is.
    let dry = request.query.contains_key("dryRun");
    let at = state.faults.iter().position(|fault| {
        fault.times > 0 && !dry && fault.method == request.method && request.path.contains(fault.path)
    })?;
    state.faults[at].times -= 1;
    Some(state.faults[at].how.clone())
}

enum Routed {
    Body(u16, Value),
    Watch(Watch),
}

fn route(state: &mut State, request: &Request) -> Result<Routed, Refusal> {
    // kubectl sends no token where there is no TLS.
    if !state.open
        && request.headers.get("authorization").map(String::as_str) != Some(&format!("Bearer {TOKEN}"))
    {
        return Err(refusal(401, "Unauthorized", "Unauthorized", Value::Null));
    }
    let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    let get = request.method == "GET";
    let body = |value| Ok(Routed::Body(200, value));
    match parts.as_slice() {
        ["version"] if get => body(json!({
            "major": "1", "minor": "33", "gitVersion": "v1.33.0", "gitCommit": "0", "gitTreeState": "clean",
            "buildDate": "2026-11-20T00:00:00Z", "goVersion": "go1.24", "compiler": "gc", "platform": "linux/amd64"
        })),
        ["api"] if get => body(json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}]
        })),
        ["apis"] if get => body(groups()),
        ["api", "v1"] if get => body(resources("", "v1")),
        ["apis", group, version] if get && KINDS.iter().any(|kind| kind.group == *group) => {
            body(resources(group, version))
        }
        ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"] if request.method == "POST" => {
            review(state, request).map(|value| Routed::Body(201, value))
        }
        ["api", version, "namespaces", namespace, plural, rest @ ..] => {
            objects(state, request, ("", version, plural), namespace, rest)
        }
        ["apis", group, version, "namespaces", namespace, plural, rest @ ..] => {
            objects(state, request, (group, version, plural), namespace, rest)
        }
        _ => Err(unknown(state, request)),
    }
}

fn unknown(state: &mut State, request: &Request) -> Refusal {
    state.strange.push(format!("{} {} is not known", request.method, request.path));
    refusal(404, "NotFound", "the server could not find the requested resource", json!({}))
}

fn groups() -> Value {
    let mut groups: Vec<(&str, &str)> = KINDS.iter().map(|kind| (kind.group, kind.version)).collect();
    groups.retain(|(group, _)| !group.is_empty());
    groups.dedup();
    let groups: Vec<_> = groups
        .iter()
        .map(|(group, version)| {
            let version = json!({"groupVersion": format!("{group}/{version}"), "version": version});
            json!({"name": group, "versions": [version], "preferredVersion": version})
        })
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn resources(group: &str, version: &str) -> Value {
    let verbs = json!(["create", "get", "list", "patch", "update", "watch"]);
    let mut list = Vec::new();
    for kind in KINDS.iter().filter(|kind| kind.group == group) {
        list.push(json!({
            "name": kind.plural, "singularName": kind.kind.to_lowercase(), "namespaced": true, "kind": kind.kind,
            "verbs": verbs, "shortNames": [kind.short]
        }));
        if kind.kind == "Deployment" {
            list.push(json!({
                "name": "deployments/scale", "singularName": "", "namespaced": true, "group": "autoscaling",
                "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"]
            }));
        }
    }
    let name = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": list})
}

fn review(state: &mut State, request: &Request) -> Outcome {
    let mut review: Value = parse(request)?;
    let attributes = &review["spec"]["resourceAttributes"];
    let text = |key: &str| attributes[key].as_str().unwrap_or_default().to_owned();
    let known = KINDS.iter().any(|kind| kind.plural == text("resource") && kind.group == text("group"));
    if !known || text("namespace") != NAMESPACE {
        state.strange.push(format!("a review of {attributes}"));
    }
    let part =
        if text("subresource").is_empty() { String::new() } else { format!("/{}", text("subresource")) };
    let asked = format!("{} {}{part}", text("verb"), text("resource"));
    let denied = state.denied.contains(&asked);
    review["status"] = match denied {
        true => json!({"allowed": false, "reason": format!("no rule of the test allows to {asked}")}),
        false => json!({"allowed": true}),
    };
    Ok(review)
}

fn parse(request: &Request) -> Outcome {
    serde_json::from_slice(&request.body).map_err(|error| {
        refusal(400, "BadRequest", &format!("the body cannot be read: {error}"), Value::Null)
    })
}

const PARAMETERS: &[(&str, &[&str])] = &[
    (
        "GET",
        &[
            "labelSelector",
            "fieldSelector",
            "limit",
            "continue",
            "resourceVersion",
            "resourceVersionMatch",
            "watch",
            "timeoutSeconds",
            "allowWatchBookmarks",
            "timeout",
        ],
    ),
    ("PATCH", &["dryRun", "fieldManager", "fieldValidation", "timeout"]),
    ("PUT", &["dryRun", "fieldManager", "fieldValidation", "timeout"]),
    ("POST", &["dryRun", "fieldManager", "fieldValidation", "timeout"]),
];

fn objects(
    state: &mut State,
    request: &Request,
    (group, version, plural): (&str, &str, &str),
    namespace: &str,
    rest: &[&str],
) -> Result<Routed, Refusal> {
    let kind = KINDS.iter().find(|kind| (kind.group, kind.version, kind.plural) == (group, version, plural));
    let Some(kind) = kind else { return Err(unknown(state, request)) };
    let known = PARAMETERS.iter().find(|(method, _)| *method == request.method).map(|(_, known)| *known);
    for key in request.query.keys() {
        if !known.unwrap_or_default().contains(&key.as_str()) {
            state.strange.push(format!("{} {} with the parameter {key}", request.method, request.path));
        }
    }
    if namespace != NAMESPACE {
        let text = format!("namespaces \"{namespace}\" not found");
        return Err(refusal(404, "NotFound", &text, Value::Null));
    }
    let watching = request.query.get("watch").is_some_and(|value| value == "true" || value == "1");
    let verb = match (request.method.as_str(), rest) {
        ("GET", _) if watching => "watch",
        ("GET", []) => "list",
        ("GET", _) => "get",
        ("PATCH", _) => "patch",
        ("PUT", _) => "update",
        ("POST", []) => "create",
        _ => return Err(unknown(state, request)),
    };
    let part = rest.get(1).map_or_else(String::new, |part| format!("/{part}"));
    if state.denied.contains(&format!("{verb} {plural}{part}")) {
        let text = format!(
            "{} is forbidden: User \"on-call\" cannot {verb} resource \"{plural}{part}\" in API group \"{group}\" in the \
             namespace \"{namespace}\"",
            kind.qualified()
        );
        return Err(refusal(403, "Forbidden", &text, json!({"group": group, "kind": plural})));
    }
    match (verb, rest) {
        ("watch", []) => watch(state, request, kind).map(Routed::Watch),
        ("list", []) => list(state, request, kind).map(|value| Routed::Body(200, value)),
        ("get", [name]) => there(state, kind, name).map(|value| Routed::Body(200, value)),
        ("create", []) => {
            let object = parse(request)?;
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            if there(state, kind, &name).is_ok() {
                let text = format!("{} \"{name}\" already exists", kind.qualified());
                return Err(refusal(409, "AlreadyExists", &text, json!({"name": name})));
            }
            let new = state.prepared(kind, &name, None, object)?;
            keep(state, request, kind, new).map(|value| Routed::Body(201, value))
        }
        ("patch" | "update", [name]) => {
            let old = there(state, kind, name)?;
            let new = changed(request, &old, kind)?;
            let new = state.prepared(kind, name, Some(&old), new)?;
            keep(state, request, kind, new).map(|value| Routed::Body(200, value))
        }
        ("get" | "patch" | "update", [name, "scale"]) if kind.kind == "Deployment" => {
            scale(state, request, kind, name, verb).map(|value| Routed::Body(200, value))
        }
        _ => Err(unknown(state, request)),
    }
}

fn there(state: &State, kind: &Kind, name: &str) -> Outcome {
    state.find(kind.kind, name).cloned().ok_or_else(|| {
        let text = format!("{} \"{name}\" not found", kind.qualified());
        refusal(404, "NotFound", &text, json!({"name": name, "group": kind.group, "kind": kind.plural}))
    })
}

fn keep(state: &mut State, request: &Request, kind: &'static Kind, new: Value) -> Outcome {
    match request.query.get("dryRun").map(String::as_str) {
        None => Ok(state.put(kind, new)),
        Some("All") => Ok(new),
        Some(other) => Err(validate::invalid(
            "PatchOptions",
            "meta.k8s.io",
            "",
            &[(
                "dryRun",
                "FieldValueNotSupported",
                format!("Unsupported value: \"{other}\": supported values: \"All\""),
            )],
        )),
    }
}

/// The object as a PUT or a PATCH makes it.
fn changed(request: &Request, old: &Value, kind: &Kind) -> Outcome {
    let sent = parse(request)?;
    if request.method == "PUT" {
        return Ok(sent);
    }
    let media = request.headers.get("content-type").map(|media| media.split(';').next().unwrap_or_default());
    let mut new = old.clone();
    let patched = match media.unwrap_or_default() {
        "application/merge-patch+json" => {
            patch::merge(&mut new, &sent);
            Ok(())
        }
        "application/strategic-merge-patch+json" => patch::strategic(&mut new, &sent),
        "application/json-patch+json" => patch::json(&mut new, &sent),
        other => {
            let text = format!(
                "the body of the request was in an unknown format ({other}) - accepted media types include: \
                 application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json"
            );
            return Err(refusal(415, "UnsupportedMediaType", &text, Value::Null));
        }
    };
    patched.map(|()| new).map_err(|why| {
        let text = format!("the server rejected our request due to an error in our request: {why}");
        refusal(422, "Invalid", &text, json!({"kind": kind.plural, "group": kind.group}))
    })
}

fn scale(state: &mut State, request: &Request, kind: &'static Kind, name: &str, verb: &str) -> Outcome {
    let deployment = there(state, kind, name)?;
    let metadata = &deployment["metadata"];
    let selector = deployment["spec"]["selector"]["matchLabels"].as_object().cloned().unwrap_or_default();
    let selector: Vec<_> =
        selector.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap())).collect();
    let current = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": name, "namespace": NAMESPACE, "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"]
        },
        "spec": {"replicas": deployment["spec"]["replicas"]},
        "status": {
            "replicas": deployment["status"]["replicas"].as_i64().unwrap_or(0), "selector": selector.join(",")
        }
    });
    if verb == "get" {
        return Ok(current);
    }
    let shape = Kind { group: "autoscaling", version: "v1", plural: "scales", kind: "Scale", short: "" };
    let mut wanted = changed(request, &current, kind)?;
    if let Err(why) = validate::known(&shape, &wanted) {
        state.strange.push(format!("scale of {name}: {why}"));
        return Err(refusal(400, "BadRequest", &format!("strict decoding error: {why}"), Value::Null));
    }
    let count = wanted["spec"]["replicas"].as_i64().unwrap_or(0);
    if count < 0 {
        let message = format!("Invalid value: {count}: must be greater than or equal to 0");
        return Err(validate::invalid(
            "Scale",
            "autoscaling",
            name,
            &[("spec.replicas", "FieldValueInvalid", message)],
        ));
    }
    let mut new = deployment.clone();
    new["spec"]["replicas"] = json!(count);
    new["metadata"]["resourceVersion"] = wanted["metadata"]["resourceVersion"].clone();
    let new = state.prepared(kind, name, Some(&deployment), new)?;
    let kept = keep(state, request, kind, new)?;
    wanted["metadata"]["resourceVersion"] = kept["metadata"]["resourceVersion"].clone();
    Ok(wanted)
}
