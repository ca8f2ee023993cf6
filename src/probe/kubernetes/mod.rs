//! The `kubernetes` probe: the pods of a Deployment, StatefulSet or DaemonSet. It only reads.

mod workload;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;

use super::server::{about, add, explained, quoted};
use super::{Emits, Outcome, Request, VersionSource};
use crate::base::connect::kubernetes::{Access, Api, Place};
use crate::base::{Duration, Error, ErrorCode, Unit, process};
use workload::{Pods, Status};

/// How long the API may take to answer one request, where nothing else is said.
const TIMEOUT: Duration = Duration::seconds(10);

/// The pods of a Deployment, StatefulSet or DaemonSet: `NAME_wanted` and `NAME_ready` (counts), `NAME_ready_ratio`
/// (ratio), `NAME_restarts` and `NAME_most_restarts` (counts), `NAME_crash_loop` (flag: a container waits to be started
/// once more because it keeps ending), and with `image` `NAME_image` (flag).
///
/// A workload that is not there, a status that the controller has not brought up to date, and every error of the API are
/// undecided.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "KubernetesProbe")]
pub struct KubernetesConfig {
    /// The namespace; that of the context otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The context of the kubeconfig; its current one otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The kubeconfig, absolute or relative to the workspace; what kubectl reads otherwise: the files that KUBECONFIG
    /// lists, else ~/.kube/config, else the service account of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<PathBuf>,
    /// What keeps the pods running.
    pub workload: Workload,
    /// The image that has to run, in every pod: `registry.example.org/server:1.4`, or with its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The container that `image` and the restarts are about; all of them otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// How long the API may take to answer one request; 10s otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Metric names of its own for parts of it: `{crash_loop: crash_loop}`. The others are called `NAME_…` as above.
    #[serde(default, skip_serializing_if = "Emits::is_empty")]
    pub emits: Emits,
}

/// What keeps pods running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// A Deployment, by its name.
    Deployment(String),
    /// A StatefulSet, by its name.
    StatefulSet(String),
    /// A DaemonSet, by its name.
    DaemonSet(String),
}

impl Workload {
    /// The resource as paths have it, as it stands before a name, and the name.
    fn parts(&self) -> (&'static str, &'static str, &str) {
        match self {
            Workload::Deployment(name) => ("deployments", "deployment", name),
            Workload::StatefulSet(name) => ("statefulsets", "statefulset", name),
            Workload::DaemonSet(name) => ("daemonsets", "daemonset", name),
        }
    }
}

/// What was read of the cluster.
struct Read {
    object: Value,
    pods: Vec<Value>,
    namespace: String,
}

impl KubernetesConfig {
    fn read(&self, request: &Request<'_>) -> Result<Read, Error> {
        let (plural, shown, name) = self.workload.parts();
        for name in [Some(name), self.namespace.as_deref()].into_iter().flatten() {
            plain(name)?;
        }
        let limit = process::within(self.timeout.unwrap_or(TIMEOUT).to_std());
        let limit = Duration::Fixed(i64::try_from(limit.as_millis()).unwrap_or(i64::MAX));
        let place = Place {
            namespace: self.namespace.as_deref(),
            context: self.context.as_deref(),
            kubeconfig: self.kubeconfig.as_deref(),
            timeout: limit,
        };
        let (access, connection) = Access::find(&place, request.root)?;
        let api = Api::with(&access, connection)?.hasty();
        let namespace = api.namespace.clone();
        let path = format!("/apis/apps/v1/namespaces/{namespace}/{plural}");
        let object = api.get(&path, name, &format!("{shown}/{name}"))?.ok_or_else(|| {
            let what = format!("{shown}/{name} not found in namespace {namespace}");
            Error::new(ErrorCode::NotFound, what)
                .hint(format!("`kubectl get {plural} -n {namespace}` lists what there is"))
        })?;
        let labels = workload::selector(&object)?;
        let pods = api.list(&format!("/api/v1/namespaces/{namespace}/pods"), Some(&labels), "pods")?;
        Ok(Read { object, pods, namespace })
    }
}

/// A name goes into a path of the API.
fn plain(name: &str) -> Result<(), Error> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if !name.is_empty() && name.len() <= 253 && name.chars().all(fits) && !name.starts_with('.') {
        return Ok(());
    }
    let what = format!("{} cannot be the name of a Kubernetes object", quoted(name));
    Err(Error::new(ErrorCode::InvalidConfiguration, what).hint("lower-case letters, digits, `-` and `.`"))
}

/// The metrics that it emits.
pub(super) fn metrics(name: &str, config: &KubernetesConfig) -> Vec<(String, Unit)> {
    let mut all = vec![
        (format!("{name}_wanted"), Unit::Count),
        (format!("{name}_ready"), Unit::Count),
        (format!("{name}_ready_ratio"), Unit::Ratio),
        (format!("{name}_restarts"), Unit::Count),
        (format!("{name}_most_restarts"), Unit::Count),
        (format!("{name}_crash_loop"), Unit::Flag),
    ];
    if config.image.is_some() {
        all.push((format!("{name}_image"), Unit::Flag));
    }
    all
}

/// Measures.
pub(super) fn measure(name: &str, config: &KubernetesConfig, request: &Request<'_>) -> Outcome {
    let (_, shown, called) = config.workload.parts();
    let facts = [("workload", format!("{shown}/{called}"))];
    match config.read(request) {
        Ok(read) => about(judged(name, config, request, &read), &facts),
        Err(error) => {
            let all = metrics(name, config);
            about(Outcome::undecided(name, &all, request, explained(&error)), &facts)
        }
    }
}

fn judged(name: &str, config: &KubernetesConfig, request: &Request<'_>, read: &Read) -> Outcome {
    let mut outcome = Outcome::new(name);
    outcome.version_source = Some(VersionSource::Adopted);
    outcome.fact("namespace", read.namespace.clone());
    let status = Status::of(&config.workload, &read.object);
    let pods = Pods::of(&read.pods, config.container.as_deref());
    if let Ok(status) = &status {
        outcome.fact("replicas", format!("{} of {} ready", status.ready, status.wanted));
    }
    outcome.fact("pods", read.pods.len().to_string());
    outcome.fact("images", pods.images().join(", "));
    outcome.fact("not ready", pods.waiting().join(", "));
    outcome.examined.retain(|fact| !fact.value.raw().is_empty());
    for (metric, unit) in metrics(name, config) {
        let part = metric.strip_prefix(name).unwrap_or_default();
        let value = match part {
            "_wanted" => status.clone().map(|status| status.wanted),
            "_ready" => status.clone().map(|status| status.ready),
            "_ready_ratio" => status.clone().and_then(Status::ratio),
            "_restarts" => pods.restarts(&status).map(|restarts| restarts.iter().sum()),
            "_most_restarts" => {
                pods.restarts(&status).map(|restarts| restarts.iter().copied().fold(0.0, f64::max))
            }
            "_crash_loop" => pods.crash_loop(&status),
            _ => pods.run(
                config.image.as_deref().unwrap_or_default(),
                &read.object,
                config.container.as_deref(),
            ),
        };
        let mut sample = match value {
            Ok(value) => request.sample(name, &metric, value, unit),
            Err(why) => request.undecided(name, &metric, unit, why),
        };
        sample.rows = read.pods.len() as u64;
        add(&mut outcome, sample);
    }
    outcome
}
