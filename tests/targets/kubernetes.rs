//! The row of `kubernetes`: traffic by selector, a revision, a number of replicas, against a strict double of the API.

#[path = "../support/kubernetes.rs"]
mod double;
#[path = "kubernetes_api.rs"]
mod kubernetes_api;
#[path = "kubernetes_faults.rs"]
mod kubernetes_faults;

use super::conformance::{self, Fixture};
use double::{Double, deployment, service};
use irctl::base::{Clock, Digest, ErrorCode, Result};
use irctl::operation::{Journal, Observation, StepContext};
use irctl::rollback::targets::kubernetes::{KubernetesConfig, KubernetesTarget};
use irctl::rollback::targets::{Fidelity, Goal, Ground, Prediction, Staging, SwitchSpec, Target};
use irctl::rollback::versions::Version;
use serde_json::json;
use std::path::PathBuf;

/// A cluster, and a target in it.
pub struct Scene {
    pub double: Double,
    pub folder: tempfile::TempDir,
    pub config: KubernetesConfig,
    pub ground: Ground,
    meddle: fn(&Double),
    to: &'static str,
}

const TRAFFIC: &str = "{kubeconfig: kubeconfig, service: model-serving, selector: {version: \"{version}\"}, \
                       deployments: \"model-serving-*\", scale_down: true, ready_within: 5s, timeout: 2s}";

const REVISION: &str =
    "{kubeconfig: kubeconfig, deployment: model-serving, undo: revision, ready_within: 5s, timeout: 2s}";

impl Scene {
    fn new(double: Double, config: &str, to: &'static str, meddle: fn(&Double)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        double.kubeconfig(&folder.path().join("kubeconfig"));
        let ground = Ground { root: folder.path().to_path_buf(), service: "model-serving".to_owned() };
        Self { double, folder, config: serde_yaml::from_str(config).unwrap(), ground, meddle, to }
    }

    /// Two Deployments, of which the Service picks the second, which is bad.
    pub fn traffic() -> Self {
        Self::traffic_with(TRAFFIC, 3)
    }

    pub fn traffic_with(config: &str, good: i64) -> Self {
        let double = Double::start();
        double.apply(deployment(
            "model-serving-v1",
            "model-serving",
            "v1",
            "registry.example.org/m@sha256:a1",
            good,
        ));
        double.apply(deployment(
            "model-serving-v2",
            "model-serving",
            "v2",
            "registry.example.org/m@sha256:b2",
            3,
        ));
        double.apply(deployment("other", "other", "v2", "registry.example.org/other:1", 1));
        double.apply(service("model-serving", json!({"app": "model-serving", "version": "v2"})));
        Self::new(double, config, "v1", |double| {
            double.meddle("Service", "model-serving", json!({"spec": {"selector": {"version": "v9"}}}));
        })
    }

    /// A Deployment that had three revisions.
    pub fn revision() -> Self {
        let double = Double::start();
        for (number, cause) in [(1, Some("first")), (2, Some("second")), (3, None)] {
            let image = format!("registry.example.org/m@sha256:{number}");
            let mut object = deployment("model-serving", "model-serving", "v", &image, 3);
            object["metadata"]["annotations"] = json!({"team": "pricing"});
            if let Some(cause) = cause {
                object["metadata"]["annotations"]["kubernetes.io/change-cause"] = json!(cause);
            }
            double.apply(object);
        }
        Self::new(double, REVISION, "revision-2", |double| {
            let image = json!([{"name": "server", "image": "registry.example.org/m@sha256:9"}]);
            let patch = json!({"spec": {"template": {"spec": {"containers": image}}}});
            double.meddle("Deployment", "model-serving", patch);
        })
    }

    fn scale() -> Self {
        let double = Double::start();
        double.apply(deployment("consumer", "consumer", "v1", "registry.example.org/c:1", 4));
        Self::new(
            double,
            "{kubeconfig: kubeconfig, scale: {deployment: consumer, replicas: 0}, ready_within: 5s}",
            "v1",
            |double| double.meddle("Deployment", "consumer", json!({"spec": {"replicas": 7}})),
        )
    }

    pub fn target(&self) -> KubernetesTarget<'_> {
        KubernetesTarget { config: &self.config, ground: &self.ground }
    }

    pub fn pair(&self) -> (Version, Version) {
        let target = self.target();
        if !target.leads() {
            return (Version::named(self.to), Version::named("served"));
        }
        let versions = target.versions().unwrap();
        let to = versions.into_iter().find(|version| version.shown() == self.to || version.name == self.to);
        (to.unwrap(), target.served().unwrap())
    }

    pub fn with_goal<T>(&self, work: impl FnOnce(&Goal<'_>) -> T) -> T {
        let (to, served) = self.pair();
        self.with_goal_to(&to, &served, work)
    }

    pub fn with_goal_to<T>(&self, to: &Version, served: &Version, work: impl FnOnce(&Goal<'_>) -> T) -> T {
        work(&Goal {
            version: to,
            served,
            operation: Some("OP-20261120-030700"),
            incident: None,
            reason: None,
            actor: "cli:engineer",
            now: irctl::base::clock::parse_instant("2026-11-20T03:07:00Z").unwrap(),
        })
    }

    pub fn images(&self) -> PathBuf {
        let folder = self.folder.path().join("images");
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    pub fn try_stage(&self) -> Result<Vec<SwitchSpec>> {
        let images = self.images();
        let staging = Staging { images: &images, operation: "OP-20261120-030700" };
        self.with_goal(|goal| self.target().stage(goal, &staging))
    }

    pub fn stage(&self) -> Vec<SwitchSpec> {
        self.try_stage().unwrap()
    }

    pub fn predict(&self) -> Prediction {
        self.with_goal(|goal| self.target().predict(goal)).unwrap()
    }
}

/// Runs what acts, with a journal of its own.
pub fn with<T>(work: impl FnOnce(&mut StepContext<'_>) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(&folder.path().join("journal.jsonl"), &Digest::of(b"plan")).unwrap();
    let clock = Clock::from_hidden_value("2026-11-20T03:07:00Z").unwrap();
    work(&mut StepContext::new("step", &mut journal, &clock))
}

pub fn act(spec: &SwitchSpec) -> Result<Option<String>> {
    with(|context| spec.switch().act(context))
}

pub fn undo(spec: &SwitchSpec) -> Result<Option<String>> {
    with(|context| spec.switch().undo(context))
}

struct Row(Scene);

impl Fixture for Row {
    fn target(&self) -> Box<dyn Target + '_> {
        Box::new(self.0.target())
    }

    fn versions(&self) -> (Version, Version) {
        self.0.pair()
    }

    fn fingerprint(&self) -> String {
        self.0.double.fingerprint()
    }

    fn meddle(&self) {
        (self.0.meddle)(&self.0.double);
    }

    /// The API counts writes, and a template that comes back gets the number of a new revision.
    fn forgive(&self, fingerprint: String) -> String {
        Double::forgive(&fingerprint)
    }
}

#[test]
fn kubernetes_traffic_conforms() {
    conformance::run(|| Row(Scene::traffic()));
}

#[test]
fn kubernetes_traffic_with_scaling_up_conforms() {
    conformance::run(|| {
        let config = TRAFFIC.replace("scale_down: true", "scale_down: true, scale_up: 3");
        let mut scene = Scene::traffic_with(&config, 0);
        scene.meddle =
            |double| double.meddle("Deployment", "model-serving-v1", json!({"spec": {"replicas": 7}}));
        Row(scene)
    });
}

#[test]
fn kubernetes_revisions_conform() {
    conformance::run(|| Row(Scene::revision()));
}

#[test]
fn kubernetes_scaling_conforms() {
    conformance::run(|| Row(Scene::scale()));
}

#[test]
fn kubernetes_traffic_leaves_before_anything_is_scaled_down() {
    let scene = Scene::traffic();
    let prediction = scene.predict();
    let places: Vec<_> = prediction.changes.iter().map(|change| change.place.raw().to_owned()).collect();
    assert_eq!(
        places,
        ["service/model-serving spec.selector.version", "deployment/model-serving-v2 spec.replicas"]
    );
    assert!(prediction.changes.iter().all(|change| change.fidelity == Fidelity::Proven), "{prediction:?}");
    let specs = scene.stage();
    for spec in &specs {
        assert!(matches!(spec.switch().observe().unwrap(), Observation::Before(Some(_))));
        act(spec).unwrap();
    }
    let (object, bad) = (
        scene.double.object("Service", "model-serving"),
        scene.double.object("Deployment", "model-serving-v2"),
    );
    assert_eq!(object["spec"]["selector"], json!({"app": "model-serving", "version": "v1"}));
    assert_eq!((&bad["spec"]["replicas"], &bad["status"]["replicas"]), (&json!(0), &serde_json::Value::Null));
    assert_eq!(scene.target().served().unwrap().shown(), "v1");
    let image = std::fs::read_to_string(scene.images().join("deployment-model-serving-v2.json")).unwrap();
    assert!(image.contains("sha256:b2") && image.contains("resourceVersion"), "the whole object is kept");
    let text = serde_json::to_string(&specs).unwrap();
    assert!(!text.contains(double::TOKEN), "no secret is pinned");
}

#[test]
fn kubernetes_versions_that_cannot_serve_are_refused() {
    let refused = |scene: &Scene, word: &str| {
        let refusals = scene.predict().refusals.join("; ");
        assert!(refusals.contains(word), "{refusals}");
        assert_eq!(scene.try_stage().unwrap_err().code, ErrorCode::Refused);
    };
    let scene = Scene::traffic();
    scene.double.meddle("Deployment", "model-serving-v1", json!({"spec": {"paused": true}}));
    refused(&scene, "paused");
    refused(&Scene::traffic_with(TRAFFIC, 0), "scaled down to 0");
    let scene = Scene::traffic();
    scene.double.state().broken_images.insert("registry.example.org/m:broken".into());
    scene.double.apply(deployment(
        "model-serving-v1",
        "model-serving",
        "v1",
        "registry.example.org/m:broken",
        0,
    ));
    scene.double.apply(deployment(
        "model-serving-v1",
        "model-serving",
        "v1",
        "registry.example.org/m:broken",
        2,
    ));
    refused(&scene, "no ready replica");
    let scene = Scene::traffic();
    let gone = Version { label: Some("v0".into()), ..Version::named("model-serving-v0") };
    let refusals =
        scene.with_goal_to(&gone, &scene.pair().1, |goal| scene.target().predict(goal)).unwrap().refusals;
    assert!(refusals.join(" ").contains("deployment model-serving-v0 not found"), "{refusals:?}");
    let scene = Scene::revision();
    scene.double.meddle("Deployment", "model-serving", json!({"spec": {"paused": true}}));
    refused(&scene, "paused");
}

#[test]
fn kubernetes_revisions_come_back_as_kubectl_brings_them_back() {
    let scene = Scene::revision();
    let names: Vec<_> = scene.target().versions().unwrap().into_iter().map(|version| version.name).collect();
    assert_eq!(names, ["revision-3", "revision-2", "revision-1"]);
    assert_eq!(scene.target().find("1").unwrap().unwrap().name, "revision-1");
    assert!(scene.target().find("9").unwrap().is_none());
    let specs = scene.stage();
    act(&specs[0]).unwrap();
    let now = scene.double.object("Deployment", "model-serving");
    assert_eq!(now["spec"]["template"]["spec"]["containers"][0]["image"], "registry.example.org/m@sha256:2");
    assert!(now["spec"]["template"]["metadata"]["labels"].get("pod-template-hash").is_none());
    assert_eq!(now["metadata"]["annotations"]["kubernetes.io/change-cause"], "second");
    assert_eq!(now["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "4");
    assert_eq!(now["metadata"]["annotations"]["team"], "pricing");
    undo(&specs[0]).unwrap();
    let back = scene.double.object("Deployment", "model-serving");
    assert!(back["metadata"]["annotations"].get("kubernetes.io/change-cause").is_none());
}

#[test]
fn kubernetes_undo_leaves_what_others_wrote_elsewhere() {
    let scene = Scene::traffic();
    let specs = scene.stage();
    specs.iter().for_each(|spec| drop(act(spec).unwrap()));
    scene.double.meddle("Service", "model-serving", json!({"metadata": {"annotations": {"theirs": "kept"}}}));
    scene.double.meddle(
        "Deployment",
        "model-serving-v2",
        json!({"metadata": {"labels": {"theirs": "kept"}}}),
    );
    specs.iter().rev().for_each(|spec| drop(undo(spec).unwrap()));
    let (object, bad) = (
        scene.double.object("Service", "model-serving"),
        scene.double.object("Deployment", "model-serving-v2"),
    );
    assert_eq!(object["spec"]["selector"]["version"], "v2");
    assert_eq!(object["metadata"]["annotations"]["theirs"], "kept");
    assert_eq!((&bad["spec"]["replicas"], &bad["metadata"]["labels"]["theirs"]), (&json!(3), &json!("kept")));
}

#[test]
fn kubernetes_names_who_could_undo_it() {
    let scene = Scene::traffic();
    let marks = json!({"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "shop:/Service:production/s"}}});
    scene.double.meddle("Service", "model-serving", marks);
    let marks = json!({"metadata": {"labels": {
        "kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}}});
    scene.double.meddle("Deployment", "model-serving-v2", marks);
    scene.double.apply(autoscaler());
    let said = scene.predict().could_undo_this.join("\n");
    for word in
        ["Argo CD application shop", "Kustomization flux-system/apps", "autoscaler by-load stands still"]
    {
        assert!(said.contains(word), "{word}: {said}");
    }
}

fn autoscaler() -> serde_json::Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "by-load", "namespace": double::NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "model-serving-v2"},
            "minReplicas": 2, "maxReplicas": 6
        }
    })
}

#[test]
fn kubernetes_autoscalers_may_scale_between_plan_and_switch_and_people_may_not() {
    let scene = Scene::traffic();
    scene.double.apply(autoscaler());
    let before = scene.target().observe().unwrap();
    let specs = scene.stage();
    scene.double.meddle("Deployment", "model-serving-v2", json!({"spec": {"replicas": 5}}));
    assert_eq!(before, scene.target().observe().unwrap(), "by load is no other state");
    act(&specs[1]).unwrap();
    undo(&specs[1]).unwrap();
    assert_eq!(scene.double.object("Deployment", "model-serving-v2")["spec"]["replicas"], 3);
    scene.double.meddle("Deployment", "model-serving-v2", json!({"spec": {"replicas": 9}}));
    assert_eq!(act(&specs[1]).unwrap_err().code, ErrorCode::Drifted, "beyond what the autoscaler may");
}

#[test]
fn kubernetes_rehearsal_asks_what_is_allowed_and_fails_without_a_cluster() {
    let scene = Scene::traffic();
    scene.double.state().denied.insert("patch deployments/scale".into());
    let scratch = scene.folder.path().join("scratch");
    let parts = scene.with_goal(|goal| scene.target().rehearse(goal, &scratch)).unwrap();
    let failed: Vec<_> =
        parts.iter().filter(|part| part.failure.is_some()).map(|part| part.what.clone()).collect();
    assert_eq!(failed.len(), 2, "the permission and the dry run: {parts:?}");
    assert!(failed[0].contains("permission to patch deployments/scale"));
    assert!(scene.predict().refusals.join(" ").contains("forbidden"));
    let pair = scene.pair();
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let path = scene.folder.path().join("kubeconfig");
    let text =
        std::fs::read_to_string(&path).unwrap().replace(&scene.double.url(), &format!("http://{dead}"));
    std::fs::write(&path, text).unwrap();
    let error =
        scene.with_goal_to(&pair.0, &pair.1, |goal| scene.target().rehearse(goal, &scratch)).unwrap_err();
    assert_eq!(error.code, ErrorCode::Io, "{error:?}");
}
