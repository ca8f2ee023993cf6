//! What the API says of a workload and of its pods.

use serde_json::Value;
use std::collections::BTreeSet;

use super::Workload;
use crate::base::{Error, ErrorCode, Result};
use crate::probe::server::quoted;

/// How many pods a workload wants, and how many are ready.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Status {
    pub wanted: f64,
    pub ready: f64,
}

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str()
}

fn number(object: &Value, pointer: &str) -> Option<f64> {
    object.pointer(pointer)?.as_f64()
}

impl Status {
    /// Reads it. A controller that has not looked since the last change says nothing of what is wanted now.
    pub fn of(workload: &Workload, object: &Value) -> Result<Self, String> {
        let generation = number(object, "/metadata/generation");
        let observed = number(object, "/status/observedGeneration");
        match (generation, observed) {
            (Some(generation), Some(observed)) if observed >= generation => {}
            (Some(_), None) | (None, _) => return Err("the controller has not looked at it yet".to_owned()),
            _ => return Err("the controller has not looked at it since it was changed".to_owned()),
        }
        let (wanted, ready) = match workload {
            // The API fills in 1 where nothing is said of replicas, and leaves out what is 0 in the status.
            Workload::Deployment(_) | Workload::StatefulSet(_) => {
                (Some(number(object, "/spec/replicas").unwrap_or(1.0)), "/status/readyReplicas")
            }
            Workload::DaemonSet(_) => {
                (number(object, "/status/desiredNumberScheduled"), "/status/numberReady")
            }
        };
        let wanted = wanted.ok_or("the status does not say how many pods are wanted")?;
        Ok(Self { wanted, ready: number(object, ready).unwrap_or(0.0) })
    }

    /// The part that is ready.
    pub fn ratio(self) -> Result<f64, String> {
        if self.wanted == 0.0 {
            return Err("no pods are wanted".to_owned());
        }
        // While pods are replaced there may be more than are wanted.
        Ok((self.ready / self.wanted).min(1.0))
    }
}

/// The selector of a workload as the API takes it in a query.
pub(super) fn selector(object: &Value) -> Result<String> {
    let mut terms = Vec::new();
    let labels = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    for (key, value) in labels.into_iter().flatten() {
        terms.push(format!("{key}={}", value.as_str().unwrap_or_default()));
    }
    let expressions = object.pointer("/spec/selector/matchExpressions").and_then(Value::as_array);
    for expression in expressions.into_iter().flatten() {
        let key = text(expression, "/key").unwrap_or_default();
        let values = expression.pointer("/values").and_then(Value::as_array).into_iter().flatten();
        let values: Vec<_> = values.filter_map(Value::as_str).collect();
        let values = values.join(",");
        terms.push(match text(expression, "/operator") {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("Exists") => key.to_owned(),
            Some("DoesNotExist") => format!("!{key}"),
            _ => {
                let what = "the workload selects its pods in a way that is not known here";
                return Err(Error::new(ErrorCode::InvalidData, what));
            }
        });
    }
    if terms.is_empty() {
        return Err(Error::new(ErrorCode::InvalidData, "the workload selects no pods"));
    }
    Ok(terms.join(","))
}

/// The pods of a workload, and which of their containers are meant.
pub(super) struct Pods<'a> {
    pods: Vec<&'a Value>,
    container: Option<&'a str>,
}

impl<'a> Pods<'a> {
    /// Those that are not done.
    pub fn of(pods: &'a [Value], container: Option<&'a str>) -> Self {
        let done = |pod: &Value| matches!(text(pod, "/status/phase"), Some("Succeeded" | "Failed"));
        Self { pods: pods.iter().filter(|pod| !done(pod)).collect(), container }
    }

    fn parts(&self, pod: &'a Value, list: &str) -> Vec<&'a Value> {
        let all = pod.pointer(list).and_then(Value::as_array).into_iter().flatten();
        all.filter(|part| self.container.is_none_or(|name| text(part, "/name") == Some(name))).collect()
    }

    /// The images that run.
    pub fn images(&self) -> Vec<String> {
        let all = self.pods.iter().flat_map(|pod| self.parts(pod, "/spec/containers"));
        let images: BTreeSet<_> = all.filter_map(|container| text(container, "/image")).collect();
        images.into_iter().map(str::to_owned).collect()
    }

    /// Why containers are not ready, with their pods; ten at most.
    pub fn waiting(&self) -> Vec<String> {
        let reason = |pod: &Value| {
            let name = text(pod, "/metadata/name").unwrap_or("?").to_owned();
            let status = self.parts(pod, "/status/containerStatuses");
            let why = status.iter().find_map(|status| text(status, "/state/waiting/reason"));
            why.map(|why| format!("{name}: {why}"))
        };
        self.pods.iter().filter_map(|pod| reason(pod)).take(10).collect()
    }

    /// How often each container was started again.
    pub fn restarts(&self, status: &Result<Status, String>) -> Result<Vec<f64>, String> {
        let wanted = status.as_ref().map_or(1.0, |status| status.wanted);
        if self.pods.is_empty() && wanted > 0.0 {
            return Err("there are no pods".to_owned());
        }
        let statuses: Vec<_> =
            self.pods.iter().flat_map(|pod| self.parts(pod, "/status/containerStatuses")).collect();
        if let (true, Some(name), false) = (statuses.is_empty(), self.container, self.pods.is_empty()) {
            return Err(format!("no pod says anything of a container {}", quoted(name)));
        }
        if statuses.is_empty() && !self.pods.is_empty() {
            return Err("the pods say nothing of their containers yet".to_owned());
        }
        Ok(statuses.iter().map(|status| number(status, "/restartCount").unwrap_or(0.0)).collect())
    }

    /// Whether a container, one that prepares the pod included, waits to be started once more because it keeps ending.
    pub fn crash_loop(&self, status: &Result<Status, String>) -> Result<f64, String> {
        let preparing = self.pods.iter().flat_map(|pod| self.parts(pod, "/status/initContainerStatuses"));
        let others = self.pods.iter().flat_map(|pod| self.parts(pod, "/status/containerStatuses"));
        let loops = |status: &Value| text(status, "/state/waiting/reason") == Some("CrashLoopBackOff");
        if preparing.chain(others).any(loops) {
            return Ok(1.0);
        }
        // What says nothing of its restarts says nothing of this either.
        self.restarts(status).map(|_| 0.0)
    }

    /// Whether an image runs in every pod, and is what new pods get.
    pub fn run(&self, image: &str, object: &Value, container: Option<&str>) -> Result<f64, String> {
        let template = object.pointer("/spec/template").cloned().unwrap_or_default();
        let wanted = Pods { pods: vec![&template], container }.images();
        if wanted.is_empty() {
            return Err(match container {
                Some(name) => format!("there is no container {}", quoted(name)),
                None => "the workload has no containers".to_owned(),
            });
        }
        if self.pods.is_empty() {
            return Err("there are no pods".to_owned());
        }
        let every = |images: &[String]| images.iter().any(|one| one == image);
        let all = self.pods.iter().all(|pod| every(&Pods { pods: vec![pod], container }.images()));
        Ok(f64::from(u8::from(all && every(&wanted))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(generation: i64, observed: i64, replicas: i64, ready: Option<i64>) -> Value {
        json!({"metadata": {"generation": generation}, "spec": {"replicas": replicas},
               "status": {"observedGeneration": observed, "readyReplicas": ready}})
    }

    fn status(object: &Value) -> Result<(f64, f64), String> {
        Status::of(&Workload::Deployment("d".into()), object).map(|status| (status.wanted, status.ready))
    }

    #[test]
    fn a_status_counts_once_the_controller_has_looked() {
        assert_eq!(status(&deployment(2, 2, 3, Some(3))), Ok((3.0, 3.0)));
        assert_eq!(status(&deployment(2, 2, 3, None)), Ok((3.0, 0.0)), "the API leaves out zero");
        assert!(status(&deployment(3, 2, 3, Some(3))).is_err());
        assert!(status(&json!({})).is_err());
        let daemons = json!({"metadata": {"generation": 1},
            "status": {"observedGeneration": 1, "desiredNumberScheduled": 5, "numberReady": 4}});
        let status = Status::of(&Workload::DaemonSet("d".into()), &daemons).unwrap();
        assert_eq!((status.wanted, status.ready, status.ratio()), (5.0, 4.0, Ok(0.8)));
        assert!(Status { wanted: 0.0, ready: 0.0 }.ratio().is_err());
    }

    #[test]
    fn selectors_are_written_as_queries() {
        let object = json!({"spec": {"selector": {"matchLabels": {"app": "a"}, "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["x", "y"]}, {"key": "old", "operator": "DoesNotExist"}]}}});
        assert_eq!(selector(&object).unwrap(), "app=a,tier in (x,y),!old");
        assert!(selector(&json!({})).is_err(), "no selector would be every pod");
    }

    #[test]
    fn images_and_restarts_are_those_of_all_pods() {
        let pod = |image: &str, restarts: i64| {
            json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": image},
                {"name": "side", "image": "s"}]}, "status": {"containerStatuses": [
                {"name": "c", "restartCount": restarts}, {"name": "side", "restartCount": 9}]}})
        };
        let object = json!({"spec": {"template": pod("new", 0)}});
        let (mixed, same) = ([pod("new", 1), pod("old", 4)], [pod("new", 0), pod("new", 0)]);
        assert_eq!(Pods::of(&mixed, Some("c")).run("new", &object, Some("c")), Ok(0.0));
        assert_eq!(Pods::of(&same, Some("c")).run("new", &object, Some("c")), Ok(1.0));
        assert_eq!(Pods::of(&same, Some("c")).run("old", &object, Some("c")), Ok(0.0));
        assert!(Pods::of(&same, Some("x")).run("new", &object, Some("x")).is_err());
        assert!(Pods::of(&[], None).run("new", &object, None).is_err());
        let status = Ok(Status { wanted: 2.0, ready: 2.0 });
        assert_eq!(Pods::of(&mixed, Some("c")).restarts(&status), Ok(vec![1.0, 4.0]));
        assert!(Pods::of(&[], None).restarts(&status).is_err());
        assert!(Pods::of(&[json!({})], None).restarts(&status).is_err());
    }
}
