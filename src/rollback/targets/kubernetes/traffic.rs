//! The traffic of a Service: the version that comes back is scaled up if need be, then the selector changes, then the
//! version that served is scaled down.

use chrono::{DateTime, Utc};
use serde_json::Value;
use std::collections::BTreeMap;

use super::config::KubernetesConfig;
use super::moves::{Move, Pair, SelectorMove};
use super::objects::{self, Pairs, identity, name, pairs, picks, pod_labels, ready, replicas, text};
use super::plan::{Planned, Site};
use super::readiness::{self, Need};
use super::resource::Resource;
use super::undoers::Autoscalers;
use crate::base::untrusted::{Sink, escape};
use crate::base::{Error, ErrorCode, Result, clock};
use crate::rollback::targets::Goal;
use crate::rollback::versions::{DateSource, Dated, Version};

/// Plans to send the traffic to the goal's version.
pub fn plan(site: &Site<'_>, service: &str, goal: &Goal<'_>, scalers: &Autoscalers) -> Result<Planned> {
    let mut planned = Planned::default();
    let (object, before) = selector_of(site, service)?;
    let mut after = before.clone();
    for (key, template) in &site.config.selector {
        after.insert(key.clone(), goal.fill(template)?);
    }
    let deployments = site.cluster.list(Resource::Deployment, None)?;
    let to: Vec<_> = matching(site.config, &deployments)?
        .into_iter()
        .filter(|deployment| picks(&after, &pod_labels(deployment)))
        .collect();
    let to = match to.as_slice() {
        [to] => *to,
        [] => {
            planned.refusals.push(absent(site, goal, &after));
            return Ok(planned);
        }
        several => {
            let names: Vec<_> = several.iter().map(|deployment| name(deployment)).collect();
            planned.refusals.push(shown(&format!(
                "several Deployments have pods with {}: {}",
                words(&after),
                names.join(", ")
            )));
            return Ok(planned);
        }
    };
    fit(site.config, to, &mut planned, scalers);
    if before != after {
        let change = selector_move(site, service, &before, &after, site.config.selector.keys())?;
        planned.add(&object, Move::Selector(change));
    }
    let from = leaving(&deployments, &before, to, goal);
    for deployment in &from {
        let (now, then) = (ready(to), ready(deployment));
        if now < then && site.config.scale_up.is_none_or(|count| i64::from(count) < then) {
            planned.warnings.push(shown(&format!(
                "{} has {now} ready replicas where {} has {then}: less capacity for the same traffic",
                name(to),
                name(deployment)
            )));
        }
    }
    if site.config.scale_down {
        others(site, service, &from, &mut planned)?;
        for deployment in from {
            planned.scale(deployment, 0, Need::Empty, scalers);
        }
    }
    Ok(planned)
}

/// The Service, and its selector.
fn selector_of(site: &Site<'_>, service: &str) -> Result<(Value, Pairs)> {
    let object = site.cluster.need(Resource::Service, service)?;
    let selector = pairs(&object, "/spec/selector");
    if selector.is_empty() || text(&object, "/spec/type") == Some("ExternalName") {
        let text =
            format!("service/{service} selects no pods: its traffic cannot be switched by its selector");
        return Err(Error::new(ErrorCode::Refused, text).hint("name the Service that has a `spec.selector`"));
    }
    Ok((object, selector))
}

fn selector_move<'k>(
    site: &Site<'_>,
    service: &str,
    before: &Pairs,
    after: &Pairs,
    keys: impl Iterator<Item = &'k String>,
) -> Result<SelectorMove> {
    let pair = |key: &String| Pair { before: before.get(key).cloned(), after: after.get(key).cloned() };
    let keys: BTreeMap<_, _> =
        keys.map(|key| (key.clone(), pair(key))).filter(|(_, pair)| pair.before != pair.after).collect();
    let had = !readiness::targets(&site.cluster, service)?.is_empty();
    Ok(SelectorMove {
        keys,
        whole: Pair { before: before.clone(), after: after.clone() },
        ready: Pair { before: had, after: true },
    })
}

/// The Deployment that is to serve must be able to.
fn fit(config: &KubernetesConfig, to: &Value, planned: &mut Planned, scalers: &Autoscalers) {
    if let Some(defect) = unfit(to) {
        planned.refusals.push(shown(&format!("deployment/{} {defect}", name(to))));
        return;
    }
    let (wanted, has) = (config.scale_up.map(i64::from), replicas(to));
    match wanted {
        Some(count) if has < count => planned.scale(to, count, Need::Ready(count), scalers),
        _ if ready(to) > 0 => {}
        _ if has == 0 => planned.refusals.push(shown(&format!(
            "deployment/{} is scaled down to 0: set `scale_up:`, or scale it up first",
            name(to)
        ))),
        _ => planned.refusals.push(shown(&format!(
            "deployment/{} has no ready replica of {has}: it could not serve",
            name(to)
        ))),
    }
}

fn unfit(deployment: &Value) -> Option<&'static str> {
    if objects::is_paused(deployment) {
        return Some("is paused: `kubectl rollout resume` it first");
    }
    deployment.pointer("/metadata/deletionTimestamp").map(|_| "is being deleted")
}

/// The Deployments that the traffic leaves, as far as they still have replicas.
fn leaving<'d>(deployments: &'d [Value], before: &Pairs, to: &Value, goal: &Goal<'_>) -> Vec<&'d Value> {
    let serves =
        |deployment: &&Value| picks(before, &pod_labels(deployment)) || name(deployment) == goal.served.name;
    let with_replicas = deployments.iter().filter(|deployment| replicas(deployment) > 0);
    with_replicas.filter(serves).filter(|deployment| name(deployment) != name(to)).collect()
}

/// Another Service may send its traffic to what is to be scaled down.
fn others(site: &Site<'_>, service: &str, from: &[&Value], planned: &mut Planned) -> Result<()> {
    for other in site.cluster.list(Resource::Service, None)? {
        let selector = pairs(&other, "/spec/selector");
        for deployment in from {
            if name(&other) != service && picks(&selector, &pod_labels(deployment)) {
                planned.warnings.push(shown(&format!(
                    "service/{} sends traffic to {} too, which is scaled down",
                    name(&other),
                    name(deployment)
                )));
            }
        }
    }
    Ok(())
}

fn absent(site: &Site<'_>, goal: &Goal<'_>, selector: &Pairs) -> String {
    let expected = site.config.deployments.as_deref().unwrap_or("*").replace('*', goal.version.shown());
    shown(&format!(
        "deployment {expected} not found: no Deployment in namespace {} has pods with {}",
        site.access.namespace,
        words(selector)
    ))
}

fn words(selector: &Pairs) -> String {
    selector.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
}

fn shown(text: &str) -> String {
    escape(text, Sink::Terminal)
}

fn matching<'d>(config: &KubernetesConfig, deployments: &'d [Value]) -> Result<Vec<&'d Value>> {
    let pattern = config.pattern()?;
    let named =
        |deployment: &&Value| pattern.as_ref().is_none_or(|pattern| pattern.matches(name(deployment)));
    Ok(deployments.iter().filter(named).collect())
}

/// Every Deployment that the pattern names, as a version, newest first.
pub fn versions(site: &Site<'_>) -> Result<Vec<Version>> {
    let deployments = site.cluster.list(Resource::Deployment, None)?;
    let mut versions: Vec<_> =
        matching(site.config, &deployments)?.into_iter().map(|found| version(site.config, found)).collect();
    let key = |version: &Version| (version.dated.map(|dated| dated.at), version.name.clone());
    versions.sort_by_key(|version| std::cmp::Reverse(key(version)));
    Ok(versions)
}

/// The version that the Service's selector picks.
pub fn served(site: &Site<'_>, service: &str) -> Result<Version> {
    let (_, selector) = selector_of(site, service)?;
    let deployments = site.cluster.list(Resource::Deployment, None)?;
    let picked: Vec<_> =
        deployments.iter().filter(|deployment| picks(&selector, &pod_labels(deployment))).collect();
    let running: Vec<_> = picked.iter().filter(|deployment| replicas(deployment) > 0).collect();
    let one = match (running.as_slice(), picked.as_slice()) {
        ([one], _) => **one,
        ([], [one]) => *one,
        ([], _) => {
            let text = format!("service/{service} picks no Deployment ({})", words(&selector));
            return Err(Error::new(ErrorCode::NotFound, shown(&text))
                .hint("`kubectl get deployments --show-labels` shows the labels that there are"));
        }
        (several, _) => {
            let names: Vec<_> = several.iter().map(|deployment| name(deployment)).collect();
            let text =
                format!("service/{service} sends traffic to several Deployments: {}", names.join(", "));
            return Err(Error::new(ErrorCode::Refused, shown(&text))
                .hint("a selector that picks one version at a time can be rolled back; this one cannot"));
        }
    };
    let mut version = version(site.config, one);
    if readiness::targets(&site.cluster, service)?.is_empty() {
        version.defect = Some(format!("service/{service} has no ready endpoint"));
    }
    Ok(version)
}

fn version(config: &KubernetesConfig, deployment: &Value) -> Version {
    let labels = pod_labels(deployment);
    let key =
        config.selector.iter().find(|(_, template)| template.as_str() == "{version}").map(|(key, _)| key);
    let label = key.and_then(|key| labels.get(key)).cloned();
    let defect = unfit(deployment).map(str::to_owned).or_else(|| {
        let down = config.scale_up.is_none() && ready(deployment) == 0;
        down.then(|| "it has no ready replica".to_owned())
    });
    Version {
        digest: Some(identity(deployment)),
        label: label.or_else(|| by_pattern(config, name(deployment))),
        dated: created(deployment),
        defect,
        ..Version::named(name(deployment))
    }
}

/// What stands where the pattern has its star.
fn by_pattern(config: &KubernetesConfig, name: &str) -> Option<String> {
    let (start, end) = config.deployments.as_deref()?.split_once('*')?;
    let middle = name.strip_prefix(start)?.strip_suffix(end)?;
    (!middle.is_empty()).then(|| middle.to_owned())
}

/// When an object was made.
pub fn created(object: &Value) -> Option<Dated> {
    let at: DateTime<Utc> = clock::parse_instant(text(object, "/metadata/creationTimestamp")?).ok()?;
    Some(Dated { at, source: DateSource::DeployedAt })
}

/// What is in place: the selector, and the Deployments that it may pick.
pub fn state(site: &Site<'_>, service: &str, scalers: &Autoscalers) -> Result<(Value, String)> {
    let (object, selector) = selector_of(site, service)?;
    let deployments = site.cluster.list(Resource::Deployment, None)?;
    let mut kept = selector.clone();
    kept.retain(|key, _| !site.config.selector.contains_key(key));
    // Without a pattern: what the rest of the selector picks.
    let base = if kept.is_empty() { &selector } else { &kept };
    let own = |deployment: &&Value| site.config.deployments.is_some() || picks(base, &pod_labels(deployment));
    let (mut states, mut words_of) = (serde_json::Map::new(), Vec::new());
    for deployment in matching(site.config, &deployments)?.into_iter().filter(own) {
        let (called, count) = (name(deployment), replicas(deployment));
        states.insert(called.to_owned(), deployment_state(deployment, scalers));
        match count {
            0 => {}
            _ if scalers.for_deployment(called).is_some() => words_of.push(format!("{called} by load")),
            count => words_of.push(format!("{called} with {count} replicas")),
        }
    }
    let said = format!("{}; {}", words(&selector), words_of.join(", "));
    Ok((
        serde_json::json!({"service": objects::uid(&object), "selector": selector, "deployments": states}),
        said,
    ))
}

/// What a Deployment is, without what changes by itself.
pub fn deployment_state(deployment: &Value, scalers: &Autoscalers) -> Value {
    let by_load = replicas(deployment) > 0 && scalers.for_deployment(name(deployment)).is_some();
    serde_json::json!({
        "uid": objects::uid(deployment),
        "replicas": if by_load { Value::from("by load") } else { Value::from(replicas(deployment)) },
        "template": objects::digest(&objects::template(deployment)),
        "paused": objects::is_paused(deployment),
    })
}
