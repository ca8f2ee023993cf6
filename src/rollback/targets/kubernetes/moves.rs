//! The three things that irctl writes: keys of a selector, a number of replicas, a pod template.
//!
//! A move knows its fields before and after, tells which of them stand in an object, and makes the write that sets
//! them. What else stands in the object belongs to others and is left.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::cluster::{Body, Write};
use super::images::Image;
use super::objects::{self, Pairs, pairs, replicas, resource_version, rest_of_spec};
use super::readiness::Need;
use super::resource::Resource;
use super::undoers::Autoscaler;
use crate::base::{Digest, Result};

/// Before or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// As the plan found it.
    Before,
    /// As the plan wants it.
    After,
}

/// Something that is one before and another after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair<T> {
    /// As the plan found it.
    pub before: T,
    /// As the plan wants it.
    pub after: T,
}

impl<T> Pair<T> {
    /// One of them.
    pub fn at(&self, side: Side) -> &T {
        match side {
            Side::Before => &self.before,
            Side::After => &self.after,
        }
    }

    /// The same, turned round.
    pub fn turned(self) -> Self {
        Self { before: self.after, after: self.before }
    }
}

/// Keys of a Service's selector.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SelectorMove {
    /// The keys; `None` where a key is absent.
    pub keys: BTreeMap<String, Pair<Option<String>>>,
    /// The whole selectors, for finding the pods.
    pub whole: Pair<Pairs>,
    /// Whether the Service had ready endpoints, so that the way back waits for them.
    pub ready: Pair<bool>,
}

/// The replicas of a Deployment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReplicasMove {
    /// How many are wanted.
    pub count: Pair<i64>,
    /// What it must come to.
    pub need: Pair<Need>,
    /// What changes the number by load, within its limits.
    pub autoscaler: Option<Autoscaler>,
}

/// The pod template of a Deployment, and the annotations that go with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TemplateMove {
    /// The templates. They may hold passwords in their environment, so that they are kept with the before-images.
    pub template: Pair<Image>,
    /// The revisions that they are of.
    pub revision: Pair<Option<i64>>,
    /// The annotations; `None` where one is absent.
    pub annotations: BTreeMap<String, Pair<Option<String>>>,
    /// What it must come to.
    pub need: Pair<Need>,
}

/// What is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Move {
    /// The traffic of a Service.
    Selector(SelectorMove),
    /// The number of replicas.
    Replicas(ReplicasMove),
    /// The pod template.
    Template(TemplateMove),
}

impl Move {
    /// The kind of object that it is about.
    pub fn resource(&self) -> Resource {
        match self {
            Move::Selector(_) => Resource::Service,
            Move::Replicas(_) | Move::Template(_) => Resource::Deployment,
        }
    }

    /// The rest of the object's specification: it must be as it was planned with.
    pub fn rest(&self, object: &Value) -> Digest {
        match self {
            Move::Selector(selector) => {
                let mut object = object.clone();
                if let Some(map) = object.pointer_mut("/spec/selector").and_then(Value::as_object_mut) {
                    map.retain(|key, _| !selector.keys.contains_key(key));
                }
                rest_of_spec(&object, &[])
            }
            Move::Replicas(_) => rest_of_spec(object, &["replicas"]),
            Move::Template(_) => rest_of_spec(object, &["replicas", "template"]),
        }
    }

    /// Which side stands in the object, if it is one of them.
    pub fn side(&self, object: &Value) -> Option<Side> {
        // After first: where both are the same nothing is to be done.
        [Side::After, Side::Before].into_iter().find(|side| self.stands(object, *side))
    }

    /// Whether this side stands in the object.
    pub fn stands(&self, object: &Value, side: Side) -> bool {
        match self {
            Move::Selector(selector) => all_stand(&selector.keys, &pairs(object, "/spec/selector"), side),
            Move::Replicas(wanted) => {
                let (found, count) = (replicas(object), *wanted.count.at(side));
                let range = wanted.autoscaler.as_ref();
                // What scales by load does so within its limits, and that is nobody's change of mind.
                found == count || (count > 0 && range.is_some_and(|range| range.covers(found)))
            }
            Move::Template(wanted) => {
                objects::digest(&objects::template(object)) == wanted.template.at(side).digest
                    && all_stand(&wanted.annotations, &pairs(object, "/metadata/annotations"), side)
            }
        }
    }

    /// This side in a few words.
    pub fn shown(&self, side: Side) -> String {
        match self {
            Move::Selector(selector) => shown_keys(&selector.keys, side),
            Move::Replicas(wanted) => format!("replicas {}", wanted.count.at(side)),
            Move::Template(wanted) => {
                let digest = wanted.template.at(side).digest.short();
                match wanted.revision.at(side) {
                    Some(revision) => format!("revision {revision} (template {digest})"),
                    None => format!("template {digest}"),
                }
            }
        }
    }

    /// What the object has in these places, in a few words.
    pub fn found(&self, object: &Value) -> String {
        match self {
            Move::Selector(selector) => {
                let found = pairs(object, "/spec/selector");
                let keys = selector.keys.keys().map(|key| match found.get(key) {
                    Some(value) => format!("{key}={value}"),
                    None => format!("no {key}"),
                });
                keys.collect::<Vec<_>>().join(", ")
            }
            Move::Replicas(_) => format!("replicas {}", replicas(object)),
            Move::Template(_) => {
                let digest = objects::digest(&objects::template(object));
                match objects::revision(object) {
                    Some(revision) => format!("revision {revision} (template {})", digest.short()),
                    None => format!("template {}", digest.short()),
                }
            }
        }
    }

    /// The write that makes this side of the object as it was read.
    ///
    /// # Errors
    /// A kept template cannot be read.
    pub fn write(&self, object: &Value, side: Side) -> Result<Write> {
        let (name, version) = (objects::name(object).to_owned(), resource_version(object));
        let (subresource, body) = match self {
            Move::Selector(selector) => {
                let keys: BTreeMap<_, _> =
                    selector.keys.iter().map(|(key, pair)| (key, pair.at(side))).collect();
                let patch = json!({"metadata": {"resourceVersion": version}, "spec": {"selector": keys}});
                (None, Body::Merge(patch))
            }
            Move::Replicas(wanted) => {
                let count = wanted.count.at(side);
                let patch = json!({"metadata": {"resourceVersion": version}, "spec": {"replicas": count}});
                (Some("scale"), Body::Merge(patch))
            }
            Move::Template(wanted) => (None, Body::Json(wanted.patch(object, side)?)),
        };
        Ok(Write { resource: self.resource(), name, subresource, body })
    }

    /// The same, turned round.
    pub fn turned(self) -> Self {
        match self {
            Move::Selector(selector) => Move::Selector(SelectorMove {
                keys: turned(selector.keys),
                whole: selector.whole.turned(),
                ready: selector.ready.turned(),
            }),
            Move::Replicas(wanted) => Move::Replicas(ReplicasMove {
                count: wanted.count.turned(),
                need: wanted.need.turned(),
                autoscaler: wanted.autoscaler,
            }),
            Move::Template(wanted) => Move::Template(TemplateMove {
                template: wanted.template.turned(),
                revision: wanted.revision.turned(),
                annotations: turned(wanted.annotations),
                need: wanted.need.turned(),
            }),
        }
    }
}

impl TemplateMove {
    /// The JSON patch that kubectl sends, with the resource version that the object must have, and with the
    /// annotations one by one, so that those of others stay.
    fn patch(&self, object: &Value, side: Side) -> Result<Value> {
        let template = self.template.at(side).read()?;
        let mut operations = vec![
            json!({"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version(object)}),
            json!({"op": "replace", "path": "/spec/template", "value": template}),
        ];
        let found = pairs(object, "/metadata/annotations");
        if object.pointer("/metadata/annotations").is_none() {
            operations.push(json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
        }
        for (key, pair) in &self.annotations {
            let path = format!("/metadata/annotations/{}", key.replace('~', "~0").replace('/', "~1"));
            match pair.at(side) {
                Some(value) => operations.push(json!({"op": "add", "path": path, "value": value})),
                None if found.contains_key(key) => operations.push(json!({"op": "remove", "path": path})),
                None => {}
            }
        }
        Ok(Value::Array(operations))
    }
}

fn all_stand(keys: &BTreeMap<String, Pair<Option<String>>>, found: &Pairs, side: Side) -> bool {
    keys.iter().all(|(key, pair)| found.get(key) == pair.at(side).as_ref())
}

fn shown_keys(keys: &BTreeMap<String, Pair<Option<String>>>, side: Side) -> String {
    let keys = keys.iter().map(|(key, pair)| match pair.at(side) {
        Some(value) => format!("{key}={value}"),
        None => format!("no {key}"),
    });
    keys.collect::<Vec<_>>().join(", ")
}

fn turned<T>(keys: BTreeMap<String, Pair<T>>) -> BTreeMap<String, Pair<T>> {
    keys.into_iter().map(|(key, pair)| (key, pair.turned())).collect()
}
