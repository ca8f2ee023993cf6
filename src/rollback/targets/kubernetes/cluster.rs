//! The API of a cluster: reads that are tried again, and writes that are not.

use http::HeaderValue;
use kube::config::Config;
use kube::core::Request;
use kube::core::params::{GetParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

use super::failure::Failure;
use super::kubeconfig::Access;
use super::objects::text;
use super::resource::Resource;
use crate::base::untrusted::{Sink, escape};
use crate::base::{Error, ErrorCode, Result};

/// How often a read is tried, the first time included.
const TRIES: u32 = 4;

/// How many objects are asked for at once.
const PAGE: u32 = 250;

/// The most pages that are read: an endless list is no list.
const PAGES: usize = 400;

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

type Built = std::result::Result<http::Request<Vec<u8>>, kube::core::request::Error>;

/// A connection to the API of a cluster.
pub struct Cluster {
    pub(super) runtime: Runtime,
    pub(super) client: kube::Client,
    pub(super) namespace: String,
    timeout: Duration,
}

impl Cluster {
    /// Makes a client for what an operation has pinned.
    pub fn connect(access: &Access) -> Result<Self> {
        Self::with(access, access.again()?)
    }

    /// Makes a client. Nothing is sent yet, but a credential plugin may run.
    pub fn with(access: &Access, mut config: Config) -> Result<Self> {
        // An error says that somebody installed one already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let timeout = access.timeout.to_std();
        // Writes are never sent twice behind our back, and how long reads are tried is said here.
        config.default_retry = false;
        config.connect_timeout = Some(timeout);
        if config.cluster_url.scheme_str() == Some("http") {
            // Without TLS no certificate is looked at, so a machine without certificates can still ask.
            config.root_cert = Some(Vec::new());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let making = runtime.spawn_blocking(move || kube::Client::try_from(config));
        let made = runtime.block_on(async { tokio::time::timeout(timeout * 3, making).await });
        let client = match made {
            Ok(Ok(made)) => made.map_err(|error| no_client(&error)),
            Ok(Err(error)) => Err(Error::new(ErrorCode::Bug, format!("the client: {error}"))),
            Err(_) => Err(Error::new(ErrorCode::TimedOut, "the credentials of the kubeconfig do not come")
                .hint("a program of the kubeconfig's `exec:` hangs; run `kubectl get --raw /version`")),
        };
        match client {
            Ok(client) => Ok(Self { runtime, client, namespace: access.namespace.clone(), timeout }),
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// An object, if it is there.
    pub fn get(&self, resource: Resource, name: &str) -> Result<Option<Value>> {
        let request = || self.request(resource).get(name, &GetParams::default());
        match self.read(request) {
            Ok(object) => Ok(Some(object)),
            Err(Failure::Missing(_)) => Ok(None),
            Err(failure) => Err(failure.into_error(&format!("{}/{name}", resource.shown()))),
        }
    }

    /// An object that must be there.
    pub fn need(&self, resource: Resource, name: &str) -> Result<Value> {
        self.get(resource, name)?.ok_or_else(|| {
            let text = format!("{}/{name} not found in namespace {}", resource.shown(), self.namespace);
            Error::new(ErrorCode::NotFound, text).hint(format!(
                "`kubectl get {} -n {}` lists what there is",
                resource.shown(),
                self.namespace
            ))
        })
    }

    /// All objects of a kind with these labels (a label selector).
    pub fn list(&self, resource: Resource, labels: Option<&str>) -> Result<Vec<Value>> {
        let mut objects = Vec::new();
        let mut parameters = ListParams { label_selector: labels.map(str::to_owned), ..Default::default() };
        parameters = parameters.limit(PAGE);
        for _ in 0..PAGES {
            let request = || self.request(resource).list(&parameters);
            let mut page = match self.read(request) {
                Ok(page) => page,
                // The rest of a list that takes too long to read is no longer to be had: from the start again.
                Err(Failure::Gone) if parameters.continue_token.is_some() => {
                    objects.clear();
                    parameters.continue_token = None;
                    continue;
                }
                Err(failure) => return Err(failure.into_error(&format!("listing {}s", resource.shown()))),
            };
            if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
                objects.extend(items);
            }
            match text(&page, "/metadata/continue").filter(|token| !token.is_empty()) {
                Some(token) => parameters.continue_token = Some(token.to_owned()),
                None => return Ok(objects),
            }
        }
        let text = format!("listing {}s does not come to an end", resource.shown());
        Err(Error::new(ErrorCode::InvalidData, text))
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
        self.tried(request, |failure| matches!(failure, Failure::Later(..)))
    }

    /// Asks whether we may; `None` when we may, else the API's reason.
    pub fn may_not(&self, verb: &str, resource: Resource, part: Option<&str>) -> Result<Option<String>> {
        let (group, name) = resource.group_and_name();
        let mut attributes = serde_json::json!({
            "namespace": self.namespace, "verb": verb, "group": group, "resource": name,
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
        let answer = self.read(request).map_err(|failure| failure.into_error("asking what is allowed"))?;
        if answer.pointer("/status/allowed").and_then(Value::as_bool) == Some(true) {
            return Ok(None);
        }
        let why = text(&answer, "/status/reason").filter(|why| !why.is_empty());
        Ok(Some(escape(why.unwrap_or("no rule allows it"), Sink::Terminal)))
    }

    pub(super) fn request(&self, resource: Resource) -> Request {
        Request::new(resource.path(&self.namespace))
    }

    /// A read is tried again whatever the reason, if that can help.
    fn read(&self, request: impl Fn() -> Built) -> Result<Value, Failure> {
        self.tried(request, Failure::is_passing)
    }

    fn tried(&self, request: impl Fn() -> Built, again: impl Fn(&Failure) -> bool) -> Result<Value, Failure> {
        let deadline = Instant::now() + self.timeout * 2;
        let mut pause = Duration::from_millis(100);
        for left in (0..TRIES).rev() {
            let request = request().map_err(|error| {
                Failure::Refused(Error::new(ErrorCode::Bug, format!("a request to the cluster: {error}")))
            })?;
            let failure = match self.send(request) {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let wait = match failure {
                Failure::Later(seconds, _) if seconds > 0 => Duration::from_secs(seconds.into()),
                _ => pause,
            };
            if left == 0 || !again(&failure) || Instant::now() + wait > deadline {
                return Err(failure);
            }
            std::thread::sleep(wait);
            pause *= 3;
        }
        Err(Failure::Unreachable("it was not asked".to_owned()))
    }

    fn send(&self, request: http::Request<Vec<u8>>) -> Result<Value, Failure> {
        self.runtime.block_on(async {
            match tokio::time::timeout(self.timeout, self.client.request::<Value>(request)).await {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(error)) => Err(Failure::of(&error)),
                Err(_) => {
                    Err(Failure::Unanswered(format!("no answer within {} ms", self.timeout.as_millis())))
                }
            }
        })
    }
}

fn no_client(error: &kube::Error) -> Error {
    let (Failure::Unreachable(text) | Failure::Unanswered(text)) = Failure::of(error) else {
        return Error::new(ErrorCode::Bug, "the client was refused before it asked anything");
    };
    let text = format!("no client for the cluster can be made: {text}");
    match error {
        kube::Error::ProxyProtocolDisabled { .. } | kube::Error::ProxyProtocolUnsupported { .. } => {
            Error::new(ErrorCode::InvalidConfiguration, text)
                .hint("irctl does not speak to a cluster through a proxy; name one that is reached directly")
        }
        _ => Error::new(ErrorCode::InvalidConfiguration, text)
            .hint("`kubectl get --raw /version` shows whether kubectl can use the same kubeconfig"),
    }
}
