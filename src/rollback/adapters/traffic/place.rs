//! Where weights stand: in objects of a cluster, or behind an address.

use serde_json::{Value, json};

use super::{NAME, Parameters, Weights, wrong};
use crate::base::{Error, ErrorCode, Result};
use crate::rollback::adapters::contract::Request;
use crate::rollback::adapters::http::{Credentials, Web};
use crate::rollback::adapters::http_flag::Place;
use crate::rollback::adapters::kubectl::{Cluster, How, managers};
use crate::rollback::adapters::parameters::Flag;
use crate::rollback::adapters::program::missing;
use crate::rollback::targets::Fidelity;

const CANARY: &str = "nginx.ingress.kubernetes.io/canary";
const CANARY_WEIGHT: &str = "nginx.ingress.kubernetes.io/canary-weight";

/// What was read.
pub struct Held {
    /// The weights.
    pub weights: Weights,
    /// Who may set them back.
    pub managers: Vec<String>,
    /// The object or document as it was read.
    whole: Value,
    etag: Option<String>,
}

/// Where weights stand.
pub enum Where<'a> {
    /// In an object of a cluster.
    Object { parameters: &'a Parameters, kind: Kind, name: &'a str },
    /// Behind an address.
    Web { web: Box<Web>, url: reqwest::Url, parameters: &'a Parameters },
}

/// The kinds of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    VirtualService,
    HttpRoute,
    Ingress,
}

impl Kind {
    fn resource(self) -> &'static str {
        match self {
            Kind::VirtualService => "virtualservices.networking.istio.io",
            Kind::HttpRoute => "httproutes.gateway.networking.k8s.io",
            Kind::Ingress => "ingresses.networking.k8s.io",
        }
    }

    /// The list of routes, and the list of where each leads.
    fn lists(self) -> (&'static str, &'static str) {
        match self {
            Kind::VirtualService => ("http", "route"),
            _ => ("rules", "backendRefs"),
        }
    }

    /// The name of where traffic goes.
    fn name(self, end: &Value) -> Option<String> {
        let at = |pointer: &str| end.pointer(pointer).and_then(Value::as_str);
        let name = match self {
            Kind::VirtualService => at("/destination/subset").or_else(|| at("/destination/host")),
            _ => at("/name"),
        };
        name.map(str::to_owned)
    }
}

impl<'a> Where<'a> {
    pub fn new(parameters: &'a Parameters) -> Result<Self> {
        let kind = match parameters.kind.0.as_str() {
            "virtual-service" => Kind::VirtualService,
            "http-route" => Kind::HttpRoute,
            "ingress" => Kind::Ingress,
            "http" => {
                let url = parameters.url.as_ref().ok_or_else(|| wrong("`kind: http` needs `url`"))?;
                let header = parameters
                    .authorization
                    .as_ref()
                    .map(|value| ("Authorization", value.0.expose().to_owned()));
                let credentials = Credentials { header, basic: None };
                let web = Web::new(NAME, &url.0, &credentials, parameters.timeout)?;
                let url = web.address(&url.0)?;
                return Ok(Where::Web { web: Box::new(web), url, parameters });
            }
            _ => return Err(wrong("`kind` is virtual-service, http-route, ingress or http")),
        };
        let name = parameters.name.as_ref().ok_or_else(|| wrong("`name` is missing"))?;
        Ok(Where::Object { parameters, kind, name: &name.0 })
    }

    /// Reads the weights.
    pub fn read(&self, request: &Request) -> Result<Held> {
        match self {
            Where::Object { parameters, kind, name } => {
                let object = cluster(parameters).get(request, kind.resource(), name)?;
                held(parameters, *kind, object)
            }
            Where::Web { parameters, .. } => {
                let document = self.document()?.read()?;
                let only = only(parameters)?;
                let weight = document.body.pointer(pointer(parameters));
                let weight = weight.and_then(Value::as_u64).ok_or_else(|| {
                    Error::new(ErrorCode::InvalidData, format!("{NAME}: no whole number stands at `pointer`"))
                        .hint("point at the fraction, such as /rollout/canary_percent")
                })?;
                let weights = Weights::from([(only, Some(weight))]);
                Ok(Held { weights, managers: Vec::new(), whole: document.body, etag: document.etag })
            }
        }
    }

    /// Has the other side try it, where it can.
    ///
    /// # Errors
    /// `refused` when it does not take it.
    pub fn rehearse(&self, request: &Request, held: &Held, to: &Weights) -> Result<Fidelity> {
        match self {
            Where::Object { parameters, kind, .. } => {
                let wanted = with(parameters, *kind, &held.whole, to)?;
                let how = How { dry_run: true, status: false };
                cluster(parameters).change(request, kind.resource(), &held.whole, &wanted, how)?;
                Ok(Fidelity::Proven)
            }
            Where::Web { .. } => {
                let document = crate::rollback::adapters::http_flag::Document {
                    body: held.whole.clone(),
                    etag: held.etag.clone(),
                };
                match self.document()?.refusal(&document) {
                    Some(why) => Err(Error::new(ErrorCode::Refused, format!("{NAME}: {why}"))),
                    None => Ok(Fidelity::Predicted),
                }
            }
        }
    }

    /// Writes weights into what was read, and returns what stands there now.
    pub fn write(&self, request: &Request, held: &Held, to: &Weights) -> Result<Held> {
        match self {
            Where::Object { parameters, kind, .. } => {
                let wanted = with(parameters, *kind, &held.whole, to)?;
                let how = How::default();
                let object =
                    cluster(parameters).change(request, kind.resource(), &held.whole, &wanted, how)?;
                self::held(parameters, *kind, object)
            }
            Where::Web { .. } => {
                let document = crate::rollback::adapters::http_flag::Document {
                    body: held.whole.clone(),
                    etag: held.etag.clone(),
                };
                let weight = to.values().next().copied().flatten().map(Value::from);
                self.document()?.write(&document, weight.as_ref())?;
                self.read(request)
            }
        }
    }

    fn document(&self) -> Result<Place<'_>> {
        match self {
            Where::Web { web, url, parameters } => Ok(Place {
                web,
                url,
                pointer: pointer(parameters),
                patch: false,
                without_etag: parameters.without_etag == Some(Flag(true)),
            }),
            Where::Object { .. } => Err(Error::new(ErrorCode::Bug, "an object has no address")),
        }
    }
}

fn pointer(parameters: &Parameters) -> &str {
    parameters.pointer.as_ref().map_or("", |pointer| pointer.0.as_str())
}

fn only(parameters: &Parameters) -> Result<String> {
    let wanted = parameters.wanted()?;
    match wanted.len() {
        1 => wanted.into_keys().next().ok_or_else(|| wrong("no weight is given")),
        _ => Err(wrong("exactly one weight is to be given here: `canary=0`")),
    }
}

fn cluster(parameters: &Parameters) -> Cluster<'_> {
    Cluster {
        adapter: NAME,
        context: &parameters.context,
        kubeconfig: &parameters.kubeconfig,
        namespace: &parameters.namespace,
        timeout: parameters.timeout,
        program: &parameters.program,
    }
}

fn held(parameters: &Parameters, kind: Kind, object: Value) -> Result<Held> {
    let weights = match kind {
        Kind::Ingress => {
            let annotation = |name: &str| {
                let annotations = object.pointer("/metadata/annotations").and_then(Value::as_object);
                annotations.and_then(|all| all.get(name)).and_then(Value::as_str).map(str::to_owned)
            };
            if annotation(CANARY).as_deref() != Some("true") {
                let why = format!("{NAME}: this Ingress is no canary ({CANARY} is not \"true\")");
                return Err(
                    Error::new(ErrorCode::Refused, why).hint("name the canary Ingress, not the main one")
                );
            }
            let weight = annotation(CANARY_WEIGHT).map(|text| text.parse::<u64>()).transpose();
            let weight = weight.map_err(|_| missing(CANARY_WEIGHT, "kubectl get ingress"))?;
            Weights::from([(only(parameters)?, weight)])
        }
        _ => {
            let mut weights = Weights::new();
            for end in ends(parameters, kind, &object)? {
                let name = kind.name(end).ok_or_else(|| missing("name", "kubectl get"))?;
                if weights.insert(name.clone(), end.get("weight").and_then(Value::as_u64)).is_some() {
                    let why = format!("{NAME}: the route leads to `{}` twice", name.escape_debug());
                    return Err(
                        Error::new(ErrorCode::Refused, why).hint("give each subset or backend one entry")
                    );
                }
            }
            weights
        }
    };
    Ok(Held { weights, managers: managers(&object), whole: object, etag: None })
}

/// Where the chosen route leads.
fn ends<'v>(parameters: &Parameters, kind: Kind, object: &'v Value) -> Result<&'v Vec<Value>> {
    let (number, inner) = chosen(parameters, kind, object)?;
    let (outer, _) = kind.lists();
    object
        .pointer(&format!("/spec/{outer}/{number}/{inner}"))
        .and_then(Value::as_array)
        .ok_or_else(|| missing(&format!("/spec/{outer}/{number}/{inner}"), "kubectl get"))
}

/// The number of the chosen route.
fn chosen(parameters: &Parameters, kind: Kind, object: &Value) -> Result<(usize, &'static str)> {
    let (outer, inner) = kind.lists();
    let pointer = format!("/spec/{outer}");
    let routes = object.pointer(&pointer).and_then(Value::as_array);
    let routes = routes.ok_or_else(|| missing(&pointer, "kubectl get"))?;
    let found = match &parameters.route {
        None if routes.len() == 1 => Some(0),
        None => None,
        Some(wanted) => {
            let named = |route: &Value| route.get("name").and_then(Value::as_str) == Some(&wanted.0);
            let number = wanted.0.parse().ok().filter(|number| *number < routes.len());
            routes.iter().position(named).or(number)
        }
    };
    found.map(|number| (number, inner)).ok_or_else(|| {
        let why = format!("{NAME}: there are {} routes, and `route` names none of them", routes.len());
        Error::new(ErrorCode::Refused, why).hint("set `route` to its name, or to its number from 0")
    })
}

/// The object with other weights, and nothing else changed.
fn with(parameters: &Parameters, kind: Kind, object: &Value, to: &Weights) -> Result<Value> {
    let mut object = object.clone();
    if kind == Kind::Ingress {
        let annotations = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
        let annotations = annotations.ok_or_else(|| missing("/metadata/annotations", "kubectl get"))?;
        match to.values().next().copied().flatten() {
            Some(weight) => annotations.insert(CANARY_WEIGHT.to_owned(), json!(weight.to_string())),
            None => annotations.remove(CANARY_WEIGHT),
        };
        return Ok(object);
    }
    let (number, inner) = chosen(parameters, kind, &object)?;
    let pointer = format!("/spec/{}/{number}/{inner}", kind.lists().0);
    let ends = object.pointer_mut(&pointer).and_then(Value::as_array_mut);
    for end in ends.ok_or_else(|| missing(&pointer, "kubectl get"))? {
        let name = kind.name(end).ok_or_else(|| missing("name", "kubectl get"))?;
        let (Some(wanted), Some(end)) = (to.get(&name), end.as_object_mut()) else { continue };
        match wanted {
            Some(weight) => end.insert("weight".to_owned(), json!(weight)),
            None => end.remove("weight"),
        };
    }
    Ok(object)
}
