//! Earlier revisions of a Deployment: the pod templates of its ReplicaSets, as `kubectl rollout undo` uses them.

use serde_json::Value;
use std::collections::BTreeMap;

use super::images::Image;
use super::moves::{Move, Pair, TemplateMove};
use super::objects::{self, CAUSE, identity, is_paused, pairs, revision, text, uid};
use super::plan::{Planned, Site};
use super::readiness::{Need, was_ready};
use super::resource::Resource;
use super::traffic::created;
use crate::base::Result;
use crate::base::untrusted::{Sink, escape};
use crate::rollback::targets::Goal;
use crate::rollback::versions::Version;

/// Annotations that are the Deployment's own and do not go back with a revision, as kubectl has them.
const STAY: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
];

/// Plans to put the template of the goal's revision back.
pub fn plan(site: &Site<'_>, called: &str, goal: &Goal<'_>) -> Result<Planned> {
    let mut planned = Planned::default();
    let deployment = site.cluster.need(Resource::Deployment, called)?;
    if is_paused(&deployment) {
        planned.refusals.push(format!(
            "deployment/{called} is paused: `kubectl rollout resume deployment/{called}` first, then try again"
        ));
        return Ok(planned);
    }
    let sets = replica_sets(site, &deployment)?;
    let Some(set) = wanted(&sets, goal.version) else {
        planned.refusals.push(escape(
            &format!(
                "deployment/{called} has no ReplicaSet of {}: `revisionHistoryLimit` keeps {} of them",
                goal.version.name,
                objects::number(&deployment, "/spec/revisionHistoryLimit").unwrap_or(10)
            ),
            Sink::Terminal,
        ));
        return Ok(planned);
    };
    let (before, after) = (objects::template(&deployment), objects::template(set));
    if before == after {
        return Ok(planned);
    }
    for (container, image) in objects::images(&after) {
        if !image.contains('@') {
            planned.warnings.push(escape(
                &format!(
                    "the image of {container} is named by a tag ({image}), which may mean other bytes by now"
                ),
                Sink::Terminal,
            ));
        }
    }
    let change = TemplateMove {
        template: Pair { before: Image::held(before), after: Image::held(after) },
        revision: Pair { before: revision(&deployment), after: revision(set) },
        annotations: annotations(&deployment, set),
        need: Pair { before: was_ready(&deployment), after: Need::Complete },
    };
    planned.add(&deployment, Move::Template(change));
    Ok(planned)
}

/// The annotations that go back with a revision: those that its ReplicaSet has, and its cause, or the lack of one.
/// Annotations that it does not know stay.
fn annotations(deployment: &Value, set: &Value) -> BTreeMap<String, Pair<Option<String>>> {
    let (found, kept) = (pairs(deployment, "/metadata/annotations"), pairs(set, "/metadata/annotations"));
    let mut pairs: BTreeMap<_, _> = kept
        .iter()
        .filter(|(key, _)| !STAY.contains(&key.as_str()))
        .map(|(key, value)| {
            (key.clone(), Pair { before: found.get(key).cloned(), after: Some(value.clone()) })
        })
        .collect();
    pairs.entry(CAUSE.to_owned()).or_insert_with(|| Pair { before: found.get(CAUSE).cloned(), after: None });
    pairs.retain(|_, pair| pair.before != pair.after);
    pairs
}

/// The ReplicaSets of a Deployment, newest revision first.
fn replica_sets(site: &Site<'_>, deployment: &Value) -> Result<Vec<Value>> {
    let labels = pairs(deployment, "/spec/selector/matchLabels");
    let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut sets = site.cluster.list(Resource::ReplicaSet, Some(&labels.join(",")))?;
    sets.retain(|set| revision(set).is_some() && is_owned_by(set, uid(deployment)));
    sets.sort_by_key(|set| std::cmp::Reverse(revision(set)));
    Ok(sets)
}

fn is_owned_by(set: &Value, owner: &str) -> bool {
    let owners = set.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.into_iter().flatten().any(|reference| {
        text(reference, "/uid") == Some(owner)
            && reference.pointer("/controller").and_then(Value::as_bool) == Some(true)
    })
}

/// What runs decides; the number of a revision changes when it comes back.
fn wanted<'s>(sets: &'s [Value], version: &Version) -> Option<&'s Value> {
    match &version.digest {
        Some(digest) => sets.iter().find(|set| identity(set) == *digest),
        None => sets.iter().find(|set| revision(set).is_some_and(|number| called(number) == version.name)),
    }
}

fn called(revision: i64) -> String {
    format!("revision-{revision}")
}

fn version(object: &Value) -> Version {
    let name = revision(object).map_or_else(|| "revision-?".to_owned(), called);
    Version { digest: Some(identity(object)), dated: created(object), ..Version::named(&name) }
}

/// Every revision that is kept, newest first.
pub fn versions(site: &Site<'_>, called: &str) -> Result<Vec<Version>> {
    let deployment = site.cluster.need(Resource::Deployment, called)?;
    Ok(replica_sets(site, &deployment)?.iter().map(version).collect())
}

/// The revision in place.
pub fn served(site: &Site<'_>, called: &str) -> Result<Version> {
    let deployment = site.cluster.need(Resource::Deployment, called)?;
    let mut served = version(&deployment);
    // A Deployment is as old as its first revision; its ReplicaSet says since when this one is.
    let sets = replica_sets(site, &deployment)?;
    served.dated = sets.iter().find(|set| revision(set) == revision(&deployment)).and_then(created);
    Ok(served)
}

/// A revision by its number: `3` or `revision-3`.
pub fn find(site: &Site<'_>, deployment: &str, name: &str) -> Result<Option<Version>> {
    let number = name.strip_prefix("revision-").unwrap_or(name);
    let Ok(number) = number.parse::<i64>() else { return Ok(None) };
    let versions = versions(site, deployment)?;
    Ok(versions.into_iter().find(|version| version.name == called(number)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn annotations_go_back_as_kubectl_has_them_and_those_of_others_stay() {
        let with = |annotations: Value| json!({"metadata": {"annotations": annotations}});
        let deployment = with(json!({
            CAUSE: "image 2", "deployment.kubernetes.io/revision": "2", "team": "two", "theirs": "kept"
        }));
        let set = with(json!({"deployment.kubernetes.io/revision": "1", "team": "one"}));
        let pairs = annotations(&deployment, &set);
        assert_eq!(pairs.keys().map(String::as_str).collect::<Vec<_>>(), [CAUSE, "team"]);
        assert_eq!(pairs[CAUSE].after, None, "revision 1 had no cause, and must not keep that of revision 2");
        assert_eq!(pairs["team"].after.as_deref(), Some("one"));
    }
}
