//! Who could undo a switch behind our back: what deploys or scales the object on its own.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cluster::Cluster;
use super::objects::{self, Pairs, name, number, pairs, text};
use super::resource::Resource;
use crate::base::untrusted::{Sink, escape};
use crate::base::{ErrorCode, Result};

/// What changes the number of replicas of a Deployment by load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Autoscaler {
    /// Its name.
    pub name: String,
    /// The fewest replicas that it leaves.
    pub least: i64,
    /// The most replicas that it makes.
    pub most: i64,
}

impl Autoscaler {
    /// Whether it may have set this number.
    pub fn covers(&self, replicas: i64) -> bool {
        (self.least..=self.most).contains(&replicas)
    }
}

/// The autoscalers of a namespace. One who may not see them does not know, and is told so.
pub struct Autoscalers {
    found: Vec<Value>,
    /// Why they are not known.
    pub unknown: Option<String>,
}

impl Autoscalers {
    /// Lists them.
    pub fn of(cluster: &Cluster) -> Result<Self> {
        match cluster.list(Resource::Autoscaler, None) {
            Ok(found) => Ok(Self { found, unknown: None }),
            // Neither a missing API group nor a missing permission keeps anybody from rolling back.
            Err(error) if matches!(error.code, ErrorCode::NotPermitted | ErrorCode::NotFound) => {
                Ok(Self { found: Vec::new(), unknown: Some(error.message) })
            }
            Err(error) => Err(error),
        }
    }

    /// The one that scales this Deployment.
    pub fn for_deployment(&self, deployment: &str) -> Option<Autoscaler> {
        let scaler = self.found.iter().find(|scaler| {
            text(scaler, "/spec/scaleTargetRef/kind") == Some("Deployment")
                && text(scaler, "/spec/scaleTargetRef/name") == Some(deployment)
        })?;
        Some(Autoscaler {
            name: name(scaler).to_owned(),
            least: number(scaler, "/spec/minReplicas").unwrap_or(1),
            most: number(scaler, "/spec/maxReplicas").unwrap_or(i64::MAX),
        })
    }
}

/// Who deploys this object, as its labels, annotations, owners and writers tell.
pub fn of(resource: Resource, object: &Value) -> Vec<String> {
    let what = format!("{}/{}", resource.shown(), name(object));
    let (labels, notes) = (pairs(object, "/metadata/labels"), pairs(object, "/metadata/annotations"));
    let mut found: Vec<String> = Vec::new();
    let helm = helm(&labels, &notes);
    found.extend(argo(object, &labels, &notes, helm.is_some()));
    found.extend(flux(object, &labels));
    found.extend(helm);
    found.extend(owners(object));
    found.iter().map(|who| escape(&format!("{what}: {who}"), Sink::Terminal)).collect()
}

fn argo(object: &Value, labels: &Pairs, notes: &Pairs, by_helm: bool) -> Option<String> {
    let says = "with self-heal on, Argo CD puts its own state back";
    let tracked = notes.get("argocd.argoproj.io/tracking-id");
    if let Some(id) = tracked {
        let application = id.split(':').next().unwrap_or(id);
        return Some(format!("belongs to the Argo CD application {application}; {says}"));
    }
    let marked = labels.keys().chain(notes.keys()).any(|key| key.starts_with("argocd.argoproj.io/"));
    let instance = labels.get("argocd.argoproj.io/instance").or(labels.get("app.kubernetes.io/instance"));
    match instance {
        Some(instance) if marked || writes(object, "argocd") => {
            Some(format!("belongs to the Argo CD application {instance}; {says}"))
        }
        _ if marked || writes(object, "argocd") => Some(format!("is deployed by Argo CD; {says}")),
        // The label is what Argo CD goes by if it is told nothing else, but others set it too.
        Some(instance) if !by_helm => {
            Some(format!("may belong to an Argo CD application (instance {instance}); {says}"))
        }
        _ => None,
    }
}

fn flux(object: &Value, labels: &Pairs) -> Vec<String> {
    let mut found = Vec::new();
    for (prefix, kind) in
        [("kustomize.toolkit.fluxcd.io", "Kustomization"), ("helm.toolkit.fluxcd.io", "HelmRelease")]
    {
        if let Some(named) = labels.get(&format!("{prefix}/name")) {
            let namespace = labels.get(&format!("{prefix}/namespace")).map(String::as_str).unwrap_or("?");
            found.push(format!(
                "belongs to the Flux {kind} {namespace}/{named}, which puts its own state back at the next \
                 reconciliation (`flux suspend {} {named} -n {namespace}` stops it)",
                kind.to_lowercase()
            ));
        }
    }
    if found.is_empty() && (writes(object, "kustomize-controller") || writes(object, "helm-controller")) {
        found
            .push("is deployed by Flux, which puts its own state back at the next reconciliation".to_owned());
    }
    found
}

fn helm(labels: &Pairs, notes: &Pairs) -> Option<String> {
    if labels.get("app.kubernetes.io/managed-by").map(String::as_str) != Some("Helm") {
        return None;
    }
    let release = notes.get("meta.helm.sh/release-name").map(String::as_str).unwrap_or("?");
    Some(format!("belongs to the Helm release {release}; its next upgrade or rollback overwrites this"))
}

fn owners(object: &Value) -> Vec<String> {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let owners = owners.into_iter().flatten();
    let named = owners.map(|owner| {
        let (kind, named) = (text(owner, "/kind").unwrap_or("?"), text(owner, "/name").unwrap_or("?"));
        format!("is owned by the {kind} {named}, whose controller may write it anew")
    });
    named.collect()
}

/// Whether somebody of this name is among those who wrote the object.
fn writes(object: &Value, who: &str) -> bool {
    let managers = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    managers.into_iter().flatten().any(|entry| text(entry, "/manager").is_some_and(|name| name.contains(who)))
}

/// What an autoscaler does to a change of the replicas, if anything.
pub fn scaling(deployment: &Value, count: i64, scaler: &Autoscaler) -> String {
    let called = objects::name(deployment);
    let text = match count {
        0 => format!(
            "deployment/{called}: the autoscaler {} stands still while there are no replicas, and starts again as soon \
             as somebody scales it up",
            scaler.name
        ),
        _ => format!(
            "deployment/{called}: the autoscaler {} sets the replicas by load, between {} and {}",
            scaler.name, scaler.least, scaler.most
        ),
    };
    escape(&text, Sink::Terminal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(metadata: Value) -> Vec<String> {
        of(Resource::Deployment, &json!({"metadata": metadata}))
    }

    #[test]
    fn each_deployer_is_known_by_its_marks() {
        for (metadata, word) in [
            (
                json!({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:p/d"}}),
                "application shop;",
            ),
            (json!({"labels": {"argocd.argoproj.io/instance": "shop"}}), "application shop;"),
            (json!({"labels": {"app.kubernetes.io/instance": "shop"}}), "may belong"),
            (json!({"managedFields": [{"manager": "argocd-controller"}]}), "Argo CD"),
            (
                json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}}),
                "Kustomization flux-system/apps",
            ),
            (json!({"labels": {"helm.toolkit.fluxcd.io/name": "apps"}}), "HelmRelease ?/apps"),
            (
                json!({"labels": {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "r"}, "annotations": {"meta.helm.sh/release-name": "r"}}),
                "Helm release r",
            ),
            (json!({"ownerReferences": [{"kind": "Rollout", "name": "x"}]}), "Rollout x"),
        ] {
            let list = found(metadata.clone());
            assert_eq!(list.len(), 1, "{metadata}: {list:?}");
            assert!(list.iter().all(|line| line.contains(word)), "{list:?}");
        }
        assert!(found(json!({"labels": {"app": "d"}})).is_empty());
    }
}
