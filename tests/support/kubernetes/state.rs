//! What the double keeps: objects, their history for watches, faults, and what was asked that it does not know.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

use super::NAMESPACE;
use super::validate;

/// A refusal: the HTTP status, and the Status object.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The HTTP status.
    pub code: u16,
    /// The body.
    pub body: Value,
}

/// A Status of a failure.
pub fn refusal(code: u16, reason: &str, message: &str, details: Value) -> Refusal {
    let mut body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    if !details.is_null() {
        body["details"] = details;
    }
    Refusal { code, body }
}

/// A kind of object.
pub struct Kind {
    /// The group; empty for the core.
    pub group: &'static str,
    /// The version.
    pub version: &'static str,
    /// As it stands in paths.
    pub plural: &'static str,
    /// As it stands in objects.
    pub kind: &'static str,
    /// As kubectl abbreviates it.
    pub short: &'static str,
}

impl Kind {
    /// `deployments.apps`.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// Every kind that there is.
pub const KINDS: [Kind; 6] = [
    Kind { group: "", version: "v1", plural: "services", kind: "Service", short: "svc" },
    Kind { group: "", version: "v1", plural: "pods", kind: "Pod", short: "po" },
    Kind { group: "apps", version: "v1", plural: "deployments", kind: "Deployment", short: "deploy" },
    Kind { group: "apps", version: "v1", plural: "replicasets", kind: "ReplicaSet", short: "rs" },
    Kind {
        group: "discovery.k8s.io",
        version: "v1",
        plural: "endpointslices",
        kind: "EndpointSlice",
        short: "endpointslice",
    },
    Kind {
        group: "autoscaling",
        version: "v2",
        plural: "horizontalpodautoscalers",
        kind: "HorizontalPodAutoscaler",
        short: "hpa",
    },
];

/// The kind of this name.
pub fn kind(name: &str) -> &'static Kind {
    KINDS.iter().find(|kind| kind.kind == name).unwrap_or_else(|| panic!("no kind {name}"))
}

/// How a request breaks.
#[derive(Clone)]
pub enum Break {
    /// It is never answered, and not done.
    Hang,
    /// It is answered with this status (and `Retry-After`), and not done.
    Status(u16, Option<u32>),
    /// It is done, and the connection closed without an answer.
    CloseAfter,
    /// It is done, and never answered.
    HangAfter,
    /// The connection is closed, and it is not done.
    CloseBefore,
    /// Somebody else is quicker; then it goes on.
    Meddle(fn(&mut State)),
}

/// Breaks requests.
#[derive(Clone)]
pub struct Fault {
    /// The method.
    pub method: &'static str,
    /// What the path has in it.
    pub path: &'static str,
    /// How many requests.
    pub times: u32,
    /// How.
    pub how: Break,
}

/// An event of a watch.
#[derive(Clone)]
pub struct Event {
    /// The resource version.
    pub version: u64,
    /// The kind of object.
    pub kind: &'static str,
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub change: &'static str,
    /// The object.
    pub object: Value,
}

/// Everything.
#[derive(Default)]
pub struct State {
    /// The objects, by kind and name.
    pub objects: BTreeMap<(&'static str, String), Value>,
    /// The newest resource version.
    pub version: u64,
    /// What watches may still ask about.
    pub events: Vec<Event>,
    /// Versions up to this one are forgotten.
    pub forgotten: u64,
    /// What was asked that is not known.
    pub strange: Vec<String>,
    /// Every request, as `PATCH /path?query`.
    pub requests: Vec<String>,
    /// What breaks.
    pub faults: Vec<Fault>,
    /// What is not allowed: `patch deployments/scale`.
    pub denied: BTreeSet<String>,
    /// Whether anybody may ask, without a token.
    pub open: bool,
    /// Images whose pods never get ready.
    pub broken_images: BTreeSet<String>,
    /// Ticks until a pod is ready.
    pub slow: u64,
    /// Ticks until a rollout without progress is given up.
    pub patience: u64,
    /// Whether a watch that begins too early ends with an event instead of a status.
    pub gone_in_stream: bool,
    /// When a pod was born, or a rollout began.
    pub born: BTreeMap<String, u64>,
    /// How often the controllers have looked.
    pub ticks: u64,
    /// Whether they found nothing to do the last time.
    pub idle: bool,
    names: u64,
}

impl State {
    /// An object.
    pub fn find(&self, kind_name: &str, name: &str) -> Option<&Value> {
        self.objects.get(&(kind(kind_name).kind, name.to_owned()))
    }

    /// All objects of these kinds.
    pub fn listed(&self, kinds: &[&str]) -> Vec<Value> {
        self.objects
            .iter()
            .filter(|((kind, _), _)| kinds.contains(kind))
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// Whether the controllers have nothing to do.
    pub fn is_settled(&self) -> bool {
        self.idle
    }

    /// A number that was not given before.
    pub fn fresh(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    /// Makes or replaces an object as its owner does.
    pub fn apply(&mut self, mut object: Value) -> Result<Value, Refusal> {
        let kind = kind(object["kind"].as_str().unwrap());
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let old = self.find(kind.kind, &name).cloned();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("resourceVersion");
        }
        let new = self.prepared(kind, &name, old.as_ref(), object)?;
        Ok(self.put(kind, new))
    }

    /// An object as it would be kept: checked, filled in, with what a client may not write as it was.
    pub fn prepared(
        &mut self,
        kind: &'static Kind,
        name: &str,
        old: Option<&Value>,
        mut new: Value,
    ) -> Result<Value, Refusal> {
        if let Err(why) = validate::known(kind, &new) {
            self.strange.push(format!("{} {name}: {why}", kind.kind));
            return Err(refusal(400, "BadRequest", &format!("strict decoding error: {why}"), Value::Null));
        }
        if let Some(old) = old {
            preconditions(kind, name, old, &new)?;
            for field in ["uid", "creationTimestamp", "generation", "resourceVersion"] {
                new["metadata"][field] = old["metadata"][field].clone();
            }
            match old.get("status") {
                Some(status) => new["status"] = status.clone(),
                None => drop(new.as_object_mut().map(|map| map.remove("status"))),
            }
        } else {
            let number = self.fresh();
            new["metadata"]["uid"] = json!(format!("00000000-0000-4000-8000-{number:012}"));
            new["metadata"]["creationTimestamp"] =
                json!(format!("2026-11-{:02}T{:02}:00:00Z", 1 + number / 24 % 28, number % 24));
            new["metadata"]["generation"] = json!(1);
        }
        new["metadata"]["namespace"] = json!(NAMESPACE);
        validate::fill_in(kind, &mut new);
        validate::valid(kind, name, old, &new)?;
        if old.is_some_and(|old| old.get("spec") != new.get("spec")) && kind.kind != "Service" {
            new["metadata"]["generation"] = json!(new["metadata"]["generation"].as_i64().unwrap_or(1) + 1);
        }
        if kind.kind == "Service" {
            new["metadata"].as_object_mut().unwrap().remove("generation");
        }
        Ok(new)
    }

    /// Keeps an object; what is so already stays as it is, its version included.
    pub fn put(&mut self, kind: &'static Kind, mut object: Value) -> Value {
        let key = (kind.kind, object["metadata"]["name"].as_str().unwrap().to_owned());
        let old = self.objects.get(&key);
        if let Some(old) = old {
            object["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
            if *old == object {
                return object;
            }
        }
        self.idle = false;
        self.version += 1;
        let change = if old.is_some() { "MODIFIED" } else { "ADDED" };
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.events.push(Event { version: self.version, kind: kind.kind, change, object: object.clone() });
        self.objects.insert(key, object.clone());
        object
    }

    /// Takes an object away.
    pub fn remove(&mut self, kind_name: &str, name: &str) {
        let kind = kind(kind_name).kind;
        let Some(object) = self.objects.remove(&(kind, name.to_owned())) else { return };
        self.idle = false;
        self.version += 1;
        self.events.push(Event { version: self.version, kind, change: "DELETED", object });
    }

    /// Forgets the history, so that watches have to begin anew.
    pub fn forget(&mut self) {
        self.events.clear();
        self.forgotten = self.version;
    }
}

fn preconditions(kind: &Kind, name: &str, old: &Value, new: &Value) -> Result<(), Refusal> {
    let details = json!({"name": name, "group": kind.group, "kind": kind.plural});
    let conflict = |why: &str| {
        let text = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.qualified());
        Err(refusal(409, "Conflict", &text, details.clone()))
    };
    let said = |object: &Value, field: &str| {
        object["metadata"][field].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    };
    if let Some(uid) = said(new, "uid").filter(|uid| Some(uid) != said(old, "uid").as_ref()) {
        return conflict(&format!("Precondition failed: UID in precondition: {uid}"));
    }
    if said(new, "resourceVersion").is_some_and(|version| Some(version) != said(old, "resourceVersion")) {
        return conflict(
            "the object has been modified; please apply your changes to the latest version and try again",
        );
    }
    Ok(())
}
