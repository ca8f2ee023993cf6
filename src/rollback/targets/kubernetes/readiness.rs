//! Waiting until a Deployment or a Service is ready: by watching, or by looking again where watching fails.

use futures_util::TryStreamExt as _;
use kube::core::WatchEvent;
use kube::core::params::WatchParams;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::cluster::Cluster;
use super::objects::{self, Pairs, name, number, ready, replicas, resource_version, text};
use super::resource::Resource;
use crate::base::connect::kubernetes::Failure;
use crate::base::untrusted::{Sink, escape};
use crate::base::{Error, ErrorCode, Result};

/// How long to wait before looking again where watching is not possible.
const PAUSE: Duration = Duration::from_millis(250);

/// What a Deployment must have come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// Nothing: it was not ready before either.
    Nothing,
    /// No pod is left.
    Empty,
    /// So many replicas are ready.
    Ready(i64),
    /// Its rollout is complete, as `kubectl rollout status` says it.
    Complete,
}

/// What is still missing of a Deployment; `None` when nothing is.
///
/// # Errors
/// It will never come to that: its progress deadline is exceeded.
pub fn missing(deployment: &Value, need: Need) -> Result<Option<String>> {
    let status = |field: &str| number(deployment, &format!("/status/{field}")).unwrap_or(0);
    if need == Need::Nothing {
        return Ok(None);
    }
    if status("observedGeneration") < number(deployment, "/metadata/generation").unwrap_or(0) {
        return Ok(Some("the cluster has not taken the change up yet".to_owned()));
    }
    let (wanted, updated) = (replicas(deployment), status("updatedReplicas"));
    Ok(match need {
        Need::Nothing => None,
        Need::Empty if status("replicas") == 0 => None,
        Need::Empty => Some(format!("{} pods are left", status("replicas"))),
        Need::Ready(count) if ready(deployment) >= count => None,
        Need::Ready(count) => Some(format!("{} of {count} replicas are ready", ready(deployment))),
        Need::Complete => {
            if let Some(why) = exceeded(deployment) {
                let text = format!("deployment/{} makes no progress: {why}", name(deployment));
                return Err(Error::new(ErrorCode::TimedOut, escape(&text, Sink::Terminal))
                    .hint(format!("`kubectl describe deployment {}` shows why", name(deployment))));
            }
            if updated < wanted {
                Some(format!("{updated} of {wanted} replicas are updated"))
            } else if status("replicas") > updated {
                Some(format!("{} old replicas are still there", status("replicas") - updated))
            } else if status("availableReplicas") < updated {
                Some(format!("{} of {updated} updated replicas are available", status("availableReplicas")))
            } else {
                None
            }
        }
    })
}

fn exceeded(deployment: &Value) -> Option<&str> {
    let conditions = deployment.pointer("/status/conditions")?.as_array()?;
    let progressing = conditions.iter().find(|condition| text(condition, "/type") == Some("Progressing"))?;
    (text(progressing, "/reason") == Some("ProgressDeadlineExceeded"))
        .then(|| text(progressing, "/message").unwrap_or("its deadline is exceeded"))
}

/// How a watch ended.
enum Watched {
    /// What was waited for is there.
    Ready,
    /// The stream ended, or what it began from is no longer known: look, and watch again.
    Over,
    /// Watching is not possible: look again and again.
    Impossible,
}

/// Waits until a Deployment has come to what is needed.
///
/// # Errors
/// `timed-out` when it does not within `within`; what [`missing`] says will never come.
pub fn deployment(cluster: &Cluster, called: &str, need: Need, within: Duration) -> Result<()> {
    let deadline = Instant::now() + within;
    loop {
        let object = cluster.need(Resource::Deployment, called)?;
        let Some(why) = missing(&object, need)? else { return Ok(()) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late(&format!("deployment/{called}"), &why, within));
        }
        match watch(cluster, called, resource_version(&object), need, left)? {
            Watched::Ready => return Ok(()),
            // Even a cluster that ends every watch at once is not asked more often than that.
            Watched::Over => std::thread::sleep(PAUSE.min(left) / 5),
            Watched::Impossible => std::thread::sleep(PAUSE.min(left)),
        }
    }
}

fn watch(cluster: &Cluster, called: &str, from: &str, need: Need, left: Duration) -> Result<Watched> {
    let seconds = u32::try_from(left.as_secs()).unwrap_or(u32::MAX).clamp(1, 290);
    let parameters = WatchParams {
        field_selector: Some(format!("metadata.name={called}")),
        timeout: Some(seconds),
        ..Default::default()
    };
    let Ok(request) = cluster.request(Resource::Deployment).watch(&parameters, from) else {
        return Ok(Watched::Impossible);
    };
    let watching = async {
        let stream = match cluster.api.client.request_events::<Value>(request).await {
            Ok(stream) => stream,
            Err(error) => return Ok(ended(&error)),
        };
        let mut stream = std::pin::pin!(stream);
        loop {
            match stream.try_next().await {
                Ok(Some(WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                    if missing(&object, need)?.is_none() {
                        return Ok(Watched::Ready);
                    }
                }
                Ok(Some(WatchEvent::Bookmark(_))) => {}
                // An error in the stream (410 among them) and a deleted object: looking again tells what it is.
                Ok(Some(WatchEvent::Deleted(_) | WatchEvent::Error(_)) | None) => return Ok(Watched::Over),
                Err(error) => return Ok(ended(&error)),
            }
        }
    };
    let limited = async { tokio::time::timeout(left, watching).await };
    cluster.api.runtime.block_on(limited).unwrap_or(Ok(Watched::Over))
}

fn ended(error: &kube::Error) -> Watched {
    match Failure::of(error) {
        Failure::Gone => Watched::Over,
        _ => Watched::Impossible,
    }
}

/// What is still missing of the traffic of a Service: it must go to ready pods with these labels, and to no others.
pub fn traffic_missing(cluster: &Cluster, service: &str, selector: &Pairs) -> Result<Option<String>> {
    let targets = targets(cluster, service)?;
    if targets.is_empty() {
        return Ok(Some("it has no ready endpoint".to_owned()));
    }
    let labels: Vec<_> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let pods = cluster.list(Resource::Pod, Some(&labels.join(",")))?;
    let pods: BTreeSet<&str> = pods.iter().map(name).collect();
    let strangers = targets.iter().filter(|target| !pods.contains(target.as_str())).count();
    Ok((strangers > 0)
        .then(|| format!("{strangers} of {} endpoints are still of another version", targets.len())))
}

/// How many pods with these labels are ready to get traffic.
pub fn ready_pods(cluster: &Cluster, selector: &Pairs) -> Result<usize> {
    let labels: Vec<_> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let pods = cluster.list(Resource::Pod, Some(&labels.join(",")))?;
    let is_ready = |pod: &&Value| {
        let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
        conditions.into_iter().flatten().any(|condition| {
            text(condition, "/type") == Some("Ready") && text(condition, "/status") == Some("True")
        })
    };
    Ok(pods.iter().filter(is_ready).count())
}

/// The pods that a Service sends traffic to.
pub fn targets(cluster: &Cluster, service: &str) -> Result<BTreeSet<String>> {
    let slices =
        cluster.list(Resource::EndpointSlice, Some(&format!("kubernetes.io/service-name={service}")))?;
    let lists = slices.iter().filter_map(|slice| slice.get("endpoints")?.as_array());
    // What says nothing of itself is to be taken for ready.
    let is_ready =
        |endpoint: &&Value| endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true);
    let pods = lists.flatten().filter(is_ready).map(|endpoint| text(endpoint, "/targetRef/name"));
    Ok(pods.map(|pod| pod.unwrap_or("?").to_owned()).collect())
}

/// Waits until the traffic of a Service goes to pods with these labels alone.
pub fn traffic(cluster: &Cluster, service: &str, selector: &Pairs, within: Duration) -> Result<()> {
    let deadline = Instant::now() + within;
    while let Some(why) = traffic_missing(cluster, service, selector)? {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late(&format!("service/{service}"), &why, within));
        }
        std::thread::sleep(PAUSE.min(left));
    }
    Ok(())
}

fn late(what: &str, why: &str, within: Duration) -> Error {
    let text = format!("{what} is not ready after {} s: {why}", within.as_secs_f64());
    Error::new(ErrorCode::TimedOut, text).hint("raise `ready_within:` if it needs longer")
}

/// How many pods of a Deployment are ready, at most as many as it is to have: what a way back can rely on.
pub fn was_ready(deployment: &Value) -> Need {
    match ready(deployment).min(objects::replicas(deployment)) {
        0 => Need::Nothing,
        count => Need::Ready(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(status: Value) -> Value {
        json!({"metadata": {"name": "d", "generation": 4}, "spec": {"replicas": 3}, "status": status})
    }

    #[test]
    fn a_rollout_is_complete_when_kubectl_says_so() {
        let full =
            json!({"observedGeneration": 4, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3});
        assert_eq!(missing(&deployment(full.clone()), Need::Complete).unwrap(), None);
        for (field, value, word) in [
            ("observedGeneration", 3, "taken the change up"),
            ("updatedReplicas", 2, "2 of 3 replicas are updated"),
            ("replicas", 4, "1 old replicas"),
            ("availableReplicas", 1, "1 of 3 updated"),
        ] {
            let mut status = full.clone();
            status[field] = json!(value);
            let why = missing(&deployment(status), Need::Complete).unwrap().unwrap();
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn an_exceeded_deadline_is_a_failure_once_it_is_about_this_change() {
        let mut status = json!({"observedGeneration": 4, "conditions": [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]});
        assert!(missing(&deployment(status.clone()), Need::Complete).is_err());
        status["observedGeneration"] = json!(3);
        assert!(
            missing(&deployment(status), Need::Complete).unwrap().is_some(),
            "it is about the one before"
        );
    }

    #[test]
    fn replicas_are_counted() {
        let status = json!({"observedGeneration": 4, "replicas": 2, "readyReplicas": 2});
        assert_eq!(missing(&deployment(status.clone()), Need::Ready(2)).unwrap(), None);
        assert!(missing(&deployment(status.clone()), Need::Ready(3)).unwrap().is_some());
        assert!(missing(&deployment(status), Need::Empty).unwrap().is_some());
        assert_eq!(missing(&deployment(json!({"observedGeneration": 4})), Need::Empty).unwrap(), None);
        assert_eq!(missing(&deployment(json!({})), Need::Nothing).unwrap(), None);
    }
}
