//! The API of a cluster: reads that are tried again, and writes that are not.

use http::HeaderValue;
use kube::config::Config;
use kube::core::Request;
use kube::core::params::{Patch, PatchParams, PostParams};
use serde_json::Value;

use super::objects::text;
use super::resource::Resource;
use crate::base::connect::kubernetes::{Access, Api, Failure};
use crate::base::untrusted::{Sink, escape};
use crate::base::{Error, ErrorCode, Result};

/// Who the API writes down as the author of a change.
const MANAGER: &str = "irctl";

/// A write, in the form that the API understands.
#[derive(Debug, Clone)]
pub struct Write {
    /// The kind of object.
    pub resource: Resource,
    /// Its name.
    pub name: String,
    /// A part of the object with permissions of its own: `scale`.
    pub subresource: Option<&'static str>,
    /// What is written.
    pub body: Body,
}

/// What is written. Each carries the resource version that the object must have.
#[derive(Debug, Clone)]
pub enum Body {
    /// An RFC 7396 merge patch.
    Merge(Value),
    /// An RFC 6902 JSON patch.
    Json(Value),
}

/// A cluster, and the kinds of objects that are switched in it.
pub struct Cluster {
    pub(super) api: Api,
}

impl Cluster {
    /// Makes a client for what an operation has pinned.
    pub fn connect(access: &Access) -> Result<Self> {
        Self::with(access, access.again()?)
    }

    /// Makes a client. Nothing is sent yet, but a credential plugin may run.
    pub fn with(access: &Access, config: Config) -> Result<Self> {
        Api::with(access, config).map(|api| Self { api })
    }

    /// An object, if it is there.
    pub fn get(&self, resource: Resource, name: &str) -> Result<Option<Value>> {
        self.api.get(&self.path(resource), name, &format!("{}/{name}", resource.shown()))
    }

    /// An object that must be there.
    pub fn need(&self, resource: Resource, name: &str) -> Result<Value> {
        self.get(resource, name)?.ok_or_else(|| {
            let namespace = &self.api.namespace;
            let text = format!("{}/{name} not found in namespace {namespace}", resource.shown());
            Error::new(ErrorCode::NotFound, text)
                .hint(format!("`kubectl get {} -n {namespace}` lists what there is", resource.shown()))
        })
    }

    /// All objects of a kind with these labels (a label selector).
    pub fn list(&self, resource: Resource, labels: Option<&str>) -> Result<Vec<Value>> {
        self.api.list(&self.path(resource), labels, &format!("{}s", resource.shown()))
    }

    /// Writes, or with `dry` lets the API say what it would do. Tried again only when the API said that it did nothing
    /// and that one may.
    pub fn write(&self, write: &Write, dry: bool) -> Result<Value, Failure> {
        let parameters =
            PatchParams { dry_run: dry, field_manager: Some(MANAGER.to_owned()), ..Default::default() };
        let value = match &write.body {
            Body::Merge(value) | Body::Json(value) => value,
        };
        let patch = Patch::Merge(value);
        let request = || {
            let to = self.request(write.resource);
            let mut request = match write.subresource {
                Some(part) => to.patch_subresource(part, &write.name, &parameters, &patch)?,
                None => to.patch(&write.name, &parameters, &patch)?,
            };
            if matches!(write.body, Body::Json(_)) {
                let kind = HeaderValue::from_static("application/json-patch+json");
                request.headers_mut().insert("content-type", kind);
            }
            Ok(request)
        };
        self.api.tried(request, |failure| matches!(failure, Failure::Later(..)))
    }

    /// Asks whether we may; `None` when we may, else the API's reason.
    pub fn may_not(&self, verb: &str, resource: Resource, part: Option<&str>) -> Result<Option<String>> {
        let (group, name) = resource.group_and_name();
        let mut attributes = serde_json::json!({
            "namespace": self.api.namespace, "verb": verb, "group": group, "resource": name,
        });
        if let (Some(part), Some(map)) = (part, attributes.as_object_mut()) {
            map.insert("subresource".to_owned(), part.into());
        }
        let review = serde_json::json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        });
        let place = Request::new("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
        let request = || place.create(&PostParams::default(), review.to_string().into_bytes());
        let answer =
            self.api.read(request).map_err(|failure| failure.into_error("asking what is allowed"))?;
        if answer.pointer("/status/allowed").and_then(Value::as_bool) == Some(true) {
            return Ok(None);
        }
        let why = text(&answer, "/status/reason").filter(|why| !why.is_empty());
        Ok(Some(escape(why.unwrap_or("no rule allows it"), Sink::Terminal)))
    }

    pub(super) fn request(&self, resource: Resource) -> Request {
        Request::new(self.path(resource))
    }

    fn path(&self, resource: Resource) -> String {
        resource.path(&self.api.namespace)
    }
}
