//! A double of the Kubernetes API, as strict as the reference says: what it does not know fails the test.
//!
//! It keeps services, deployments, replica sets, pods, endpoint slices and autoscalers, plays the controllers that
//! stand behind them, and breaks on demand.

#[path = "kubernetes/api.rs"]
mod api;
#[path = "kubernetes/controller.rs"]
mod controller;
#[path = "kubernetes/http.rs"]
mod http;
#[path = "kubernetes/patch.rs"]
mod patch;
#[path = "kubernetes/state.rs"]
mod state;
#[path = "kubernetes/validate.rs"]
mod validate;
#[path = "kubernetes/watch.rs"]
mod watch;

use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

pub use state::{Break, Fault, State};

/// The namespace of everything in here.
pub const NAMESPACE: &str = "production";

/// Who asks must show this.
pub const TOKEN: &str = "double-token";

/// What the threads of a double share.
pub struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stop: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A running double. Dropping it stops it, and fails the test if something strange was asked of it.
pub struct Double {
    shared: Arc<Shared>,
    address: std::net::SocketAddr,
    strict: AtomicBool,
}

impl Double {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
        });
        let address = http::serve(Arc::clone(&shared));
        let ticking = Arc::clone(&shared);
        std::thread::spawn(move || {
            while !ticking.stop.load(Ordering::SeqCst) {
                controller::tick(&mut ticking.lock());
                ticking.changed.notify_all();
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self { shared, address, strict: AtomicBool::new(true) }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it keeps.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    /// A kubeconfig that leads to it.
    pub fn kubeconfig(&self, path: &Path) {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: double\nclusters:\n- name: double\n  cluster: {{server: \
             '{}'}}\nusers:\n- name: on-call\n  user: {{token: {TOKEN}}}\ncontexts:\n- name: double\n  context: \
             {{cluster: double, user: on-call, namespace: {NAMESPACE}}}\n",
            self.url()
        );
        std::fs::write(path, text).unwrap();
    }

    /// Makes or replaces an object as its owner would, through the same checks as the API's.
    pub fn apply(&self, object: Value) {
        self.state().apply(object).unwrap_or_else(|status| panic!("{status:?}"));
        self.settle();
    }

    /// Somebody else changes an object (a merge patch).
    pub fn meddle(&self, kind: &str, name: &str, patch: Value) {
        let mut object = self.object(kind, name);
        patch::merge(&mut object, &patch);
        self.apply(object);
    }

    /// An object as it is.
    pub fn object(&self, kind: &str, name: &str) -> Value {
        self.state().find(kind, name).unwrap_or_else(|| panic!("{kind} {name} is not there")).clone()
    }

    /// Breaks the next requests that a fault fits.
    pub fn fault(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Waits until the controllers have nothing more to do.
    pub fn settle(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.state().is_settled() {
            assert!(Instant::now() < deadline, "the controllers do not come to an end");
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// Everything that others can see of services, deployments, replica sets and autoscalers.
    pub fn fingerprint(&self) -> String {
        self.settle();
        let state = self.state();
        let mut all = state.listed(&["Service", "Deployment", "ReplicaSet", "HorizontalPodAutoscaler"]);
        for object in &mut all {
            if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("managedFields");
            }
        }
        serde_json::to_string_pretty(&all).unwrap()
    }

    /// What a write and its way back must leave changed: counters of the API itself, and numbers of revisions.
    pub fn forgive(fingerprint: &str) -> String {
        let mut all: Value = serde_json::from_str(fingerprint).unwrap();
        for object in all.as_array_mut().unwrap() {
            let metadata = object.get_mut("metadata").unwrap().as_object_mut().unwrap();
            metadata.remove("resourceVersion");
            metadata.remove("generation");
            if let Some(notes) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                notes.retain(|key, _| !key.starts_with("deployment.kubernetes.io/revision"));
            }
            if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
                status.remove("observedGeneration");
                status.remove("conditions");
            }
        }
        serde_json::to_string_pretty(&all).unwrap()
    }

    /// For a client that asks for more than irctl does: what it asked is not held against the test, and it needs no
    /// token.
    pub fn lenient(&self) {
        self.state().open = true;
        self.strict.store(false, Ordering::SeqCst);
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.changed.notify_all();
        // The thread that accepts waits for one more.
        let _ = std::net::TcpStream::connect(self.address);
        let strange = self.shared.lock().strange.clone();
        if self.strict.load(Ordering::SeqCst) && !std::thread::panicking() {
            assert!(strange.is_empty(), "the API was asked what it does not know:\n{}", strange.join("\n"));
        }
    }
}

/// A Deployment as its owner writes it.
pub fn deployment(name: &str, app: &str, version: &str, image: &str, replicas: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": app, "version": version}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": app, "version": version}},
            "template": {
                "metadata": {"labels": {"app": app, "version": version}},
                "spec": {"containers": [{
                    "name": "server", "image": image,
                    "ports": [{"containerPort": 8080}],
                    "env": [{"name": "MODEL", "value": version}]
                }]}
            }
        }
    })
}

/// A Service that picks pods with these labels.
pub fn service(name: &str, selector: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": selector, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    })
}
